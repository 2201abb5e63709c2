#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The server restarts under open files with a lock each, thousands of them with FULL: all are reclaimed, in a tenth of the C client's time
# and calls at most, linear in their number.
#
# guest: mem=2048 timeout=1800

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/hold.sh
. /guest/hold.sh

FILES=${FILES:-${FULL:+2000}} FILES=${FILES:-800}
MANY=${MANY:-${FULL:+20000}} MANY=${MANY:-1800}
# With FULL at a delay that docs/recovery.md has figures for. Of a few hundred files what a recovery costs in any case, a second on a busy
# machine, would be a good part then; on a longer way what counts is how many round trips there are, one after the other.
DELAY_MS=${DELAY_MS:-${FULL:+2}} DELAY_MS=${DELAY_MS:-10}
SHARE=tenth PART=10
# And on the debug kernel, what that kernel checks.
[ ! -e /sys/kernel/debug/kmemleak ] || SHARE=half PART=2
HOLD_PATIENCE=300

# How many of these the server has: "open", "lock".
states_of() {
	server_sh 'cat /proc/fs/nfsd/clients/*/states' | grep -c "type: $1"
}

complete() {
	[ "$(rpc_count RECLAIM_COMPLETE)" -ge 1 ]
}

# reclaim CLIENT COUNT: opens and locks so many files, restarts the server, and sets took, rpcs, opens and locks.
reclaim() {
	local client=$1 count=$2 m=/mnt/$1 up
	"mount_$client" "$m" || return
	hold_begin
	[ "$(hold openmany files "$m/d" "$count") $(hold lockmany files)" = "ok ok" ] || return
	net_delay "$DELAY_MS"
	server_stop
	rpc_mark
	LEASE=90 GRACE=90 server_start
	up=$EPOCHREALTIME
	# A client with nothing to do need not notice; this one has.
	stat -f "$m/d" >/dev/null
	within 120 complete || return
	took=$(awk -v a="$up" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
	rpcs=$(rpc_count rpcs) opens=$(rpc_count OPEN) locks=$(rpc_count LOCK)
	net_delay 0
	held="$(states_of open) $(states_of lock)"
	[ "$(hold writemany files 50)" = ok ] || return
	hold_end
	umount "$m"
}

# told CLIENT COUNT
told() {
	note "$1: $2 opens and locks at $DELAY_MS ms: $took s, $rpcs calls ($opens OPEN, $locks LOCK)"
}

plan 14

echo 0 >/proc/sys/fs/leases-enable
mkdir "$EXPORT/d"
seq -f "$EXPORT/d/%.0f" 0 $((MANY - 1)) | xargs touch
is "$MANY files" "$(find "$EXPORT/d" -type f | wc -l)" "$MANY"
LEASE=90 GRACE=90 server_restart

reclaim nfs4 "$FILES"
is "the C client reclaims" $? 0
told nfs4 "$FILES"
nfs4_took=$took nfs4_rpcs=$rpcs

reclaim rnfs4 "$FILES"
is "rnfs4 reclaims, and its files can be written" $? 0
told rnfs4 "$FILES"
few_rpcs=$rpcs
is "the server has all opens and locks again" "$held" "$FILES $FILES"
is "each was reclaimed once" "$opens $locks" "$FILES $FILES"
below "in less than a $SHARE of the C client's time" "$took" "$(awk -v t="$nfs4_took" -v p="$PART" 'BEGIN { print t / p }')"
below "in a tenth of its calls" "$rpcs" $((nfs4_rpcs / 10))

reclaim rnfs4 "$MANY"
is "rnfs4 reclaims more of them" $? 0
told rnfs4 "$MANY"
is "the server has all opens and locks again" "$held" "$MANY $MANY"
is "each was reclaimed once" "$opens $locks" "$MANY $MANY"
# Were it not linear, it would come near the C client, which is.
below "in less than a $SHARE of what the C client would take for them" "$took" \
	"$(awk -v t="$nfs4_took" -v n="$MANY" -v f="$FILES" -v p="$PART" 'BEGIN { print t * n / f / p }')"
below "calls are linear" "$rpcs" $((few_rpcs * MANY / FILES + 20))

# Many locks of one owner in one file: the first brings the stateid that all others are sent with.
mount_rnfs4 /mnt/rnfs4
hold_begin
hold open one /mnt/rnfs4/d/0 >/dev/null
is "200 locks in one file" "$(hold ranges one 200)" ok
rpc_mark
LEASE=90 GRACE=90 server_restart
touch /mnt/rnfs4/d/1
note "200 locks of one owner: $(rpc_count LOCK) LOCK in $(rpc_count rpcs) calls"
is "each was reclaimed once" "$(rpc_count LOCK)" 200
hold_end
umount /mnt/rnfs4
