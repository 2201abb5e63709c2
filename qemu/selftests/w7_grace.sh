#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Weakness 7: who wants to open a file in the server's grace period has to wait for its end, but not much longer. The C client waits
# twice as long after each refusal, and so may sleep for as long again as the grace period has lasted.

. "$(dirname "$0")/lib.sh"

TRACE=/sys/kernel/tracing/instances/grace
WAITERS=4

cat >/tmp/opener.py <<'END_OF_PROGRAM'
"""opener.py PATH...: opens the files one beside the other, and prints for each when (monotonic seconds) it was open."""
import os, sys, threading, time


def open_one(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))
    os.write(1, f"{time.monotonic():.3f}\n".encode())


threads = [threading.Thread(target=open_one, args=(path,)) for path in sys.argv[1:]]
for thread in threads:
    thread.start()
END_OF_PROGRAM

opened() {
	[ "$(wc -l <"/tmp/$1.open")" = "$WAITERS" ]
}

# late CLIENT: how long after the grace period the last of the files was open
late() {
	awk -v end="$grace_end" '{ if ($1 > most) most = $1 } END { printf "%.2f", most - end }' "/tmp/$1.open"
}

plan 7
echo 0 >/proc/sys/fs/leases-enable
check "a client with an open file, so that the server waits for it" eval 'client_ns other && client_sh other mount_nfs4 /mnt/other'
exec 5>/mnt/other/open
echo x >&5
check "both clients mount" eval 'mount_rnfs4 /mnt/rnfs4 && mount_nfs4 /mnt/nfs4'
mkdir -p "$TRACE"
echo mono >"$TRACE/trace_clock"
echo 1 | tee "$TRACE"/events/nfsd/{nfsd_grace_start,nfsd_grace_complete}/enable >/dev/null

# It does not come back, so the grace period lasts to its end.
net_cut other
server_restart
rpc_mark
for client in rnfs4 nfs4; do
	: >"/tmp/$client.open"
	eval "python3 /tmp/opener.py /mnt/$client/$client.{1..$WAITERS}" >"/tmp/$client.open" &
done
check "rnfs4's opens come to their end" within 40 opened rnfs4
within 40 opened nfs4
tries=$(rpc_count OPEN)
grace_end=$(awk '/nfsd_grace_complete/ { print substr($0, match($0, /[0-9]+[.][0-9]+: /)) + 0 }' "$TRACE/trace")
check "not before the grace period's" test -n "$grace_end"
below "but at once then" "$(late rnfs4)" 2.5
below "without a storm of calls" "$tries" 400
note "the last of $WAITERS opens was granted $(late rnfs4) s after the end of the grace period; the C client's $(late nfs4) s;" \
	"both together sent $tries OPENs"
net_heal
exec 5>&-
umount /mnt/other /mnt/nfs4
check "unmount" umount /mnt/rnfs4
