#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Weakness 6: a server that gives the same odd answer again and again. Asked whether the stateid of a lock is good it says
# NFS4ERR_OLD_STATEID; asked for an open, NFS4ERR_BAD_STATEID. The C client asks again at once, without end, and in the first case all else
# on the mount waits meanwhile. A scripted server for each client.

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/selftests/scripted.bash
. "$(dirname "$0")/scripted.bash"

# How long each client is watched, in seconds, and how many calls it may need for that.
WATCHED=4
CALLS=$((WATCHED * 25))

cat >/tmp/writer.py <<'END_OF_PROGRAM'
"""writer.py PATH: opens and locks the file, prints "locked"; once /tmp/write is there, writes to it, and tells how that ended."""
import errno, fcntl, os, sys, time

fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, b"first\n")
os.fsync(fd)
fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("locked", flush=True)
while not os.path.exists("/tmp/write"):
    time.sleep(0.05)
try:
    os.write(fd, b"more\n")
    os.fsync(fd)
    print("ended ok", flush=True)
except OSError as error:
    print("ended", errno.errorcode[error.errno], flush=True)
END_OF_PROGRAM

# How often the operation came since the mark.
count() {
	local n
	n=$(ctl "$1" count "$2")
	n=${n#*=}
	echo "${n:-0}"
}

# Whether who has nothing to do with it gets an answer: a stat of a file that is not in the cache.
others() {
	if timeout -s KILL 3 stat "/mnt/$1/other" >/dev/null 2>&1; then echo goes on; else echo waits; fi
}

plan 8
serve rnfs4
serve nfs4
check "both clients mount" eval 'mounted rnfs4 && mounted nfs4'
for client in rnfs4 nfs4; do
	ctl "$client" put other text >/dev/null
	python3 /tmp/writer.py "/mnt/$client/file" >"/tmp/$client.out" 2>&1 &
done
check "each holds a lock" within 60 eval 'grep -q locked /tmp/rnfs4.out && grep -q locked /tmp/nfs4.out'

declare -A tested opened other
for client in rnfs4 nfs4; do
	ctl "$client" rule WRITE status=NFS4ERR_BAD_STATEID >/dev/null
	# The second word of the result is the status of the first stateid.
	ctl "$client" rule TEST_STATEID set=1:10024 times=ever >/dev/null
	ctl "$client" mark >/dev/null
done
touch /tmp/write
sleep "$WATCHED"
for client in rnfs4 nfs4; do
	tested[$client]=$(count "$client" TEST_STATEID)
	other[$client]=$(others "$client")
	ctl "$client" clear >/dev/null
done
below "rnfs4 has asked" 0 "${tested[rnfs4]}"
below "but not on and on" "${tested[rnfs4]}" "$CALLS"
is "and others go on meanwhile" "${other[rnfs4]}" "goes on"
check "its write succeeds" within 60 grep -q "ended ok" /tmp/rnfs4.out
within 60 grep -q ended /tmp/nfs4.out
note "TEST_STATEIDs in $WATCHED s: rnfs4 ${tested[rnfs4]}, others ${other[rnfs4]}; the C client ${tested[nfs4]}, others ${other[nfs4]}"
note "the writes then: rnfs4 $(tail -n1 /tmp/rnfs4.out), the C client $(tail -n1 /tmp/nfs4.out)"

for client in rnfs4 nfs4; do
	ctl "$client" rule OPEN status=NFS4ERR_BAD_STATEID times=ever >/dev/null
	ctl "$client" mark >/dev/null
	timeout -s KILL "$WATCHED" sh -c "exec >>/mnt/$client/opened" >/dev/null 2>&1
	opened[$client]=$(count "$client" OPEN)
	ctl "$client" clear >/dev/null
done
below "an open that is refused like that is not repeated on and on" "${opened[rnfs4]}" "$CALLS"
note "OPENs in $WATCHED s: rnfs4 ${opened[rnfs4]}, the C client ${opened[nfs4]}"
umount /mnt/nfs4
check "unmount" umount /mnt/rnfs4
