#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Weakness 12: in the middle of a reclaim the server says that the session is dead. The C client does not expect that error there: it
# gives the file up that it was about to reclaim. A scripted server for each client, which restarts, and then answers the first calls of
# the reclaim with NFS4ERR_DEADSESSION.

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/selftests/scripted.bash
. "$(dirname "$0")/scripted.bash"

FILES=20
TIMES=3
LEASE_SCRIPTED=15

cat >/tmp/many.py <<'END_OF_PROGRAM'
"""many.py CLIENT COUNT: opens so many files there, prints "open", and once /tmp/back is there writes to each and tells how many gave which
error."""
import collections, errno, os, sys, time

client, count = sys.argv[1], int(sys.argv[2])
fds = [os.open(f"/mnt/{client}/{n}", os.O_RDWR | os.O_CREAT, 0o644) for n in range(count)]
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
print("written", *(f"{what} {n}" for what, n in sorted(got.items())), flush=True)
END_OF_PROGRAM

# came CLIENT OPERATION: it came since the mark.
came() {
	[ -n "$(ctl "$1" count "$2")" ]
}

# How often the rules of the client's server have fired.
hits() {
	ctl "$1" rules | sed -n 's/^[0-9]* hits=\([0-9]*\) SEQUENCE.*/\1/p'
}

all_hit() {
	[ "$(hits "$1")" = "$TIMES" ]
}

# The client's server restarts, and its session dies under the reclaim.
die() {
	ctl "$1" mark >/dev/null
	# So long that the next rule is there before the reclaim begins.
	ctl "$1" rule EXCHANGE_ID delay=2000 >/dev/null
	ctl "$1" restart >/dev/null
	# rnfs4 notices by itself, at its next renewal; the C client, too, but sooner when somebody wants something.
	[ "$1" = rnfs4 ] || timeout 60 touch "/mnt/$1/new" &
	within 60 came "$1" EXCHANGE_ID || return
	ctl "$1" rule SEQUENCE status=NFS4ERR_DEADSESSION times=$TIMES >/dev/null
	within 60 all_hit "$1"
}

written() {
	sed -n 's/^written //p' "/tmp/$1.out"
}

plan 6
serve rnfs4
serve nfs4
check "both clients mount" eval 'mounted rnfs4 && mounted nfs4'
for client in rnfs4 nfs4; do
	python3 /tmp/many.py "$client" "$FILES" >"/tmp/$client.out" 2>&1 &
done
check "each opens $FILES files" within 60 eval 'grep -q open /tmp/rnfs4.out && grep -q open /tmp/nfs4.out'
check "the session dies under rnfs4's reclaim" die rnfs4
die nfs4
touch /tmp/back
check "rnfs4's writes come to their end" within 60 grep -q written /tmp/rnfs4.out
is "and all files are good" "$(written rnfs4)" "ok $FILES"
within 60 grep -q written /tmp/nfs4.out
note "$TIMES calls of the reclaim answered with NFS4ERR_DEADSESSION: rnfs4's $FILES files: $(written rnfs4)"
note "the C client's ($(hits nfs4) calls): $(written nfs4)"
umount /mnt/nfs4
check "unmount" umount /mnt/rnfs4
