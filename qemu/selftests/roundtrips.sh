#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How many calls everyday operations cost, without delegations, beside the C client's.
#
# guest: timeout=600

. "$(dirname "$0")/lib.sh"

# What is done to files that the client knows (warm) or knows nothing of (cold), and the most calls that one may cost. Directories cost
# something besides.
ROWS=(
	"warm create 2 create, write 4 KiB, close"
	"warm listed 2 create, close, look at the directory"
	"warm exclusive 2 create exclusively, write 4 KiB, set the times, close"
	"warm chmod 3 create exclusively, write 4 KiB, set the mode, close"
	"warm read 1 open, read 4 KiB, close"
	"warm write 2 open, write 4 KiB, close"
	"warm rename 1 rename, look at the directory"
	"warm across 1 rename to another directory, look at both"
	"warm back 1 rename back, look at both"
	"warm link 1 link, look at the directory"
	"warm unlink 1 unlink, look at the directory"
	"warm mkdir 1 mkdir, look at the directory"
	"warm rmdir 1 rmdir, look at the directory"
	"warm tar 2 tar x"
	"warm tar_no_same_owner 2 tar x --no-same-owner"
	"cold read 1 open, read 4 KiB, close"
	"cold stat_and_read 2 stat, open, read 4 KiB, close"
	"cold stat 1 stat"
	"cold look 1 open, close"
)

measure() {
	local dir=/mnt/$1
	"mount_$1" "$dir" && /guest/roundtrips.py "$dir" warm >"/tmp/$1.warm" && umount "$dir" &&
		"mount_$1" "$dir" && /guest/roundtrips.py "$dir" cold >"/tmp/$1.cold" && rm -rf "${dir:?}"/* && umount "$dir"
}

# counted CLIENT TEMPERATURE OPERATION
counted() {
	awk -v what="$3" '$1 == what { print $2 }' "/tmp/$1.$2"
}

plan $((${#ROWS[@]} + 2))

echo 0 >/proc/sys/fs/leases-enable
mkdir -p /tmp/tree/{0..3}
for ((n = 0; n < 100; n++)); do
	printf '%*d' $((n * 40 + 1)) "$n" >"/tmp/tree/$((n % 4))/file$n"
done
tar -C /tmp/tree -cf /tmp/archive.tar .
check "the C client is measured" eval 'measure nfs4 2>/tmp/nfs4.ops'
check "rnfs4 is measured" eval 'measure rnfs4 2>/tmp/rnfs4.ops'
[ -z "${VERBOSE:-}" ] || cat /tmp/nfs4.ops /tmp/rnfs4.ops
for row in "${ROWS[@]}"; do
	read -r temperature operation limit words <<<"$row"
	ours=$(counted rnfs4 "$temperature" "$operation")
	below "$words ($temperature): $ours calls, nfs4 $(counted nfs4 "$temperature" "$operation")" "$ours" "$limit.3"
done
