#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# For 45 s nobody does anything, with a lease of 10 s: the client keeps its lease, with little traffic, and what is open stays open.
#
# guest: early

. "$(dirname "$0")/lib.sh"

CLIENT=${CLIENT:-rnfs4}
M=/mnt/idle
LEASE_TIME=10

# What the server says of its one client.
info() {
	server_sh 'cat /proc/fs/nfsd/clients/*/info' | sed -n "s/^$1: //p"
}

# Through the descriptor that is open, and no other.
synced() {
	python3 -c 'import os; os.fsync(5)'
}

plan 12

check "mount" "mount_$CLIENT" "$M"
exec 5>>"$M/file"
echo before >&5
check "a file is written, and stays open" synced
clientid=$(info clientid)
is "the server knows the client" "$(info status)" confirmed

rpc_mark
oldest=0 lost=
end=$((SECONDS + 45))
while [ "$SECONDS" -lt "$end" ]; do
	sleep 1
	[ "$(info status)" = confirmed ] || lost=1
	age=$(info "seconds from last renew")
	[ "$age" -le "$oldest" ] || oldest=$age
done
note "RPCs in 45 s: $(rpc_count | tr '\n' ' ')"
is "its lease was never in doubt" "$lost" ""
below "it was renewed in time" "$oldest" $LEASE_TIME
is "it is the same client" "$(info clientid)" "$clientid"
is "which has nothing to recover" "$(rpc_count EXCHANGE_ID) $(rpc_count CREATE_SESSION) $(rpc_count OPEN)" "0 0 0"
below "nor anything to say but for the lease" "$(rpc_count rpcs)" 15
below "which it renews" 3 "$(rpc_count SEQUENCE)"

rpc_mark
echo after >&5
check "the open file can be written" synced
exec 5>&-
is "without being opened again" "$(rpc_count OPEN)" 0
is "and the server has it" "$(server_sh cat "$EXPORT/file")" $'before\nafter'
umount "$M"
