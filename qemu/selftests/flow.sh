#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How data flows: several READs and WRITEs under way at once, for one file and for many; large folios; splice and sendfile; RWF_*. The
# C client is measured beside it.
#
# guest: early timeout=600

. "$(dirname "$0")/lib.sh"

# A round trip, in ms: long enough for the time of all else not to count.
MS=200

# flow CLIENT CASE [ARG]
flow() {
	local said status
	said=$(/guest/flow.py "/mnt/$1" "$EXPORT" "$2" "${@:3}" 2>&1)
	status=$?
	is "$1: $2" "$status" 0
	note "${said//$'\n'/; }"
	rm -rf "${EXPORT:?}"/flow*
}

plan 18
echo 0 >/proc/sys/fs/leases-enable
# What TCP has learnt of the way it does not forget meanwhile.
echo 0 >/proc/sys/net/ipv4/tcp_slow_start_after_idle
server_sh 'echo 0 >/proc/sys/net/ipv4/tcp_slow_start_after_idle'
for client in rnfs4 nfs4; do
	[ "$client" = rnfs4 ] || export MEASURED=1
	check "$client mounts" "mount_$client" "/mnt/$client"
	net_delay "$MS"
	for case in read mapped write files direct; do
		flow "$client" "$case" "$MS"
	done
	net_delay 0
	for case in large sendfile flags; do
		flow "$client" "$case"
	done
	umount "/mnt/$client"
done
