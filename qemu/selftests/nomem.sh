#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# No memory: whatever the module asks for is refused once. The call goes on all the same, or fails with ENOMEM and succeeds when it is done
# again; what the server has then is what was asked for, nothing is left behind, and the client can be unmounted. After that at random, in
# all threads at once: those of programs, of writeback, of sunrpc and of the state manager, while the server restarts.
#
# OPS are the operations (guest/nomem.py lists them), STEP how many allocations lie between two that fail (5; 1 with FULL), both by --env.
#
# guest: debug timeout=600

. "$(dirname "$0")/lib.sh"

STEP=${STEP:-${FULL:+1}} STEP=${STEP:-5}
SECONDS_EACH=${FULL:+120} SECONDS_EACH=${SECONDS_EACH:-20}
M=/mnt/nomem
read -ra OPS <<<"${OPS:-$(/guest/nomem.py list)}"

plan $((${#OPS[@]} + 9))
echo 0 >/proc/sys/fs/leases-enable
check "mount" mount_rnfs4 "$M"
for op in "${OPS[@]}"; do
	said=$(/guest/nomem.py each "$M" "$EXPORT" "$op" "$STEP" 2>&1)
	is "$op: ${said##*$'\n'}" $? 0 || note "$said"
done

# In all threads.
exec {held}<>"$M/held"
echo before >&"$held"
/guest/nomem.py random 3
pids=()
for n in 0 1 2 3; do
	/guest/nomem.py pour "$M" "$EXPORT" "poured$n" "$SECONDS_EACH" >"/tmp/poured$n" 2>&1 &
	pids+=($!)
done
sleep $((SECONDS_EACH / 3))
server_restart
for n in 0 1 2 3; do
	wait "${pids[n]}"
	status=$?
	is "$(cat "/tmp/poured$n")" "$status" 0
done
/guest/nomem.py random 0
check "what was open before the restart is open still" eval "echo after >&$held && sync"
exec {held}>&-
is "and was written" "$(server_sh cat "$EXPORT/held")" $'before\nafter'
check "unmount" umount "$M"
check "the module can be removed" rmmod rnfs4
