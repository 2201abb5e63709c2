#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Weakness 11: somebody sends SIGKILL to the thread that recovers (a "killall -9" of an administrator, the end of a container). That costs
# no open. The C client takes the interrupted wait for an answer of the server, and the file for lost.
#
# guest: early

. "$(dirname "$0")/lib.sh"

FILES=200
# How long is as good as never, in seconds: the grace period is over after 15.
NEVER=${FULL:+60} NEVER=${NEVER:-30}

cat >/tmp/many.py <<'END_OF_PROGRAM'
"""many.py DIR COUNT: opens so many files, prints "open", and once /tmp/back is there writes to each and tells how many gave which error."""
import collections, errno, os, sys, time

fds = [os.open(f"{sys.argv[1]}/{n}", os.O_RDWR) for n in range(int(sys.argv[2]))]
print("open", flush=True)
while not os.path.exists("/tmp/back"):
    time.sleep(0.05)
got = collections.Counter()
for fd in fds:
    try:
        os.write(fd, b"more\n")
        os.fsync(fd)
        got["ok"] += 1
    except OSError as error:
        got[errno.errorcode[error.errno]] += 1
print("written", *(f"{what} {n}" for what, n in got.items()), flush=True)
END_OF_PROGRAM

# The kernel threads that are called after the server.
managers() {
	ps --ppid 2 -o pid=,comm= | awk -v server="$SERVER" 'index($2, server) || index($2, "rnfs4") == 1 && !/kworker/ { print $1 }'
}

# SIGKILL to all of them, again and again.
kill_managers() {
	local pid n=0
	while [ ! -e /tmp/back ]; do
		for pid in $(managers); do
			kill -9 "$pid" 2>/dev/null && n=$((n + 1))
			echo "$n" >/tmp/kills
		done
		sleep 0.02
	done
}

# back CLIENT: notes how long it takes until a new open is granted, which is when all others have been reclaimed.
back() {
	local began=$EPOCHREALTIME
	timeout "$NEVER" touch "/mnt/$1/new"
	awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }' >"/tmp/$1.back"
}

written() {
	sed -n 's/^written //p' "/tmp/$1.out"
}

plan 7
echo 0 >/proc/sys/fs/leases-enable
check "both clients mount" eval 'mount_rnfs4 /mnt/rnfs4 && mount_nfs4 /mnt/nfs4'
for client in rnfs4 nfs4; do
	server_sh "mkdir $EXPORT/$client && cd $EXPORT/$client && seq 0 $((FILES - 1)) | xargs touch"
	python3 /tmp/many.py "/mnt/$client/$client" "$FILES" >"/tmp/$client.out" 2>&1 &
done
check "each opens $FILES files" within 60 eval 'grep -q open /tmp/rnfs4.out && grep -q open /tmp/nfs4.out'
net_delay 20
server_stop
kill_managers &
server_start
for client in rnfs4 nfs4; do
	back "$client" &
	backs+=($!)
done
wait "${backs[@]}"
touch /tmp/back
net_delay 0
below "rnfs4 has recovered in the meantime" "$(cat /tmp/rnfs4.back)" $((NEVER - 5))
check "the threads were hit" test "$(cat /tmp/kills)" -gt 0
check "rnfs4's writes come to their end" within 60 grep -q written /tmp/rnfs4.out
is "and all files are good" "$(written rnfs4)" "ok $FILES"
within 60 grep -q written /tmp/nfs4.out
note "$(cat /tmp/kills) signals; rnfs4 has recovered in $(cat /tmp/rnfs4.back) s, of $FILES files: $(written rnfs4);" \
	"the C client in $(cat /tmp/nfs4.back) s ($NEVER is never): $(written nfs4)"
wait
umount /mnt/nfs4
check "unmount" umount /mnt/rnfs4
