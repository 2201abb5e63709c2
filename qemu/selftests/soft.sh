#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How long programs wait for a server that is not there: soft and softerr for timeo and retrans as nfs(5) says, hard for ever, but
# for SIGKILL, and umount -f gets rid of a mount in any state.
#
# Where there is a limit, it is far above what a quiet machine needs: a guest that has to share its processors may stand still for
# seconds. That a program ends at all is the point, since otherwise it would wait for ever.
#
# guest: timeout=600 early

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/locker.sh
. /guest/locker.sh

M=/mnt/soft
export LEASE=10 GRACE=10
# How much later than on a quiet machine something may be, in seconds.
LATE=8
# How long it took the killed ones to die.
DEATHS=()

# Prints the errno's name that the operation on the mount ends with.
errno_of() {
	M=$M python3 -c '
import os, errno
M = os.environ["M"]
try:
    '"$1"'
    print("OK")
except OSError as e:
    print(errno.errorcode[e.errno])'
}

# since TIME: the seconds since then.
since() {
	awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }'
}

# soft_ends OPTIONS ERRNO MIN: what such a mount does without a server; it waits for MIN seconds.
soft_ends() {
	local began took
	mount_rnfs4 -o "$1" "$M" && touch "$M/file"
	server_stop
	is "$1: ends with $2" "$(errno_of 'os.stat(M + "/nothing")')" "$2"
	began=$EPOCHREALTIME
	errno_of 'os.mkdir(M + "/dir")' >/dev/null
	took=$(since "$began")
	below "not before its time is over" "$3" "$took"
	below "but then" "$took" "$(($3 + LATE))"
	server_start
	check "and goes on when the server is there" within 60 touch "$M/after"
	check "unmount" umount "$M"
}

# killed WHAT CMD...: waits without a server, and ends when it gets SIGKILL.
killed() {
	local what=$1
	shift
	"$@" >/dev/null 2>&1 &
	dies "$what" $!
}

# dies WHAT PID: the same of a child of ours.
dies() {
	local what=$1 pid=$2 began took
	sleep 1
	if ! kill -0 "$pid" 2>/dev/null; then
		wait "$pid"
		note "$what did not wait: $?"
		not_ok "$what waits, and SIGKILL ends it"
		return
	fi
	began=$EPOCHREALTIME
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	took=$(since "$began")
	DEATHS+=("$took")
	below "$what waits, and SIGKILL ends it" "$took" "$LATE"
}

py() {
	M=$M exec python3 -c "import os, sys, fcntl
M = os.environ['M']
$1"
}

# forced WHAT: umount -f (again, as long as it is busy) ends soon, and so does whoever used the mount.
forced() {
	local what=$1 began=$EPOCHREALTIME
	within 60 umount -f "$M"
	below "$what: umount -f ends" "$(since "$began")" $((2 + LATE))
}

# Whether nothing is mounted there. Without asking the file system, whose server may be away.
refuse_mounted() {
	! grep -q " $1 " /proc/mounts
}

# Whether the module could be removed.
unused() {
	[ "$(cat /sys/module/rnfs4/refcnt)" = 0 ]
}

# A writer with dirty data that waits for the server.
dirty() {
	mount_rnfs4 "$M"
	rm -f /tmp/is-dirty
	M=$M python3 -c '
import os, time
fd = os.open(os.environ["M"] + "/dirty", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
os.pwrite(fd, b"d" * 4194304, 0)
open("/tmp/is-dirty", "w").close()
time.sleep(1000)' &
	writer=$!
	disown
	within 30 test -e /tmp/is-dirty
}

# The server in a grace period in which our client may not reclaim: it knows another one, who does not come back.
in_grace() {
	net_cut main
	server_stop
	server_forget
	server_start
	client_ns other
	client_sh other mount_rnfs4 /mnt/other
	net_cut other
	umount -c -f /mnt/other
	server_stop
	net_heal main
	GRACE=60 server_start
	is "the server is in its grace period" "$(server_sh cat /proc/fs/nfsd/v4_end_grace)" N
}

plan 41

server_restart
# timeo is in tenths of a second; the first of the tries, and each repetition, lasts that long.
soft_ends soft,timeo=10,retrans=1 EIO 2
soft_ends softerr,timeo=10,retrans=0 ETIMEDOUT 1

# A server that grants a lock and does not say so. Who has been told that he has not got it keeps nobody out.
scripted serve --listen 127.0.0.2:2049 --control /run/scripted --lease 60 &
silent=$!
within 20 scripted ctl /run/scripted mark 2>/dev/null
mount_rnfs4 127.0.0.2:/ "$M"
locker p q
is "a file has a lock" "$(at p open f "$M/file") $(at p lock f w 0 10) $(at q open f "$M/file")" "ok ok ok"
scripted ctl /run/scripted rule LOCK/known drop >/dev/null
tell p lock f w 100 10
within 20 eval 'scripted ctl /run/scripted state | grep -q "lock.* 100-110w"'
refuse "the mount is busy" umount -c -f "$M"
is "umount -f has ended the wait for a lock" "$(answer p)" EIO
check "and it is given back" within 20 eval 'scripted ctl /run/scripted state | grep -q "lock 0-10w$"'
is "another can have it" "$(at q lock f w 105 10)" ok
locker_end p q
check "unmount" umount "$M"
kill "$silent"

mount_rnfs4 "$M" && echo data >"$M/file" && mkdir "$M/dir" && touch "$M/dir/a"
# What is open, and locked, before the server goes.
exec 7<>"$M/file"
# What is dirty must not be open here: each command of this script would write it when it ends, as every close does.
rm -f /tmp/go
py '
import time
fd = os.open(M + "/written", os.O_RDWR | os.O_CREAT)
while not os.path.exists("/tmp/go"):
    time.sleep(0.05)
os.pwrite(fd, b"x" * 100, 0)
os.fsync(fd)' >/dev/null 2>&1 &
writer=$!
within 30 test -e "$M/written"
server_stop
killed "stat" py 'os.stat(M + "/nothing")'
killed "open" py 'os.open(M + "/file2", os.O_RDWR | os.O_CREAT)'
killed "read" py 'os.pread(7, 4096, 1 << 20); os.posix_fadvise(7, 0, 0, os.POSIX_FADV_DONTNEED); os.pread(7, 1, 0); os.stat(M + "/x")'
touch /tmp/go
dies "write and fsync" "$writer"
killed "readdir" py 'os.listdir(M + "/dir")'
killed "rename" py 'os.rename(M + "/file", M + "/file3")'
killed "truncate" py 'os.ftruncate(7, 1)'
killed "statfs" py 'os.statvfs(M)'
server_start
exec 7>&-
check "the mount lives" within 30 touch "$M/alive"
check "unmount" umount "$M"

net_cut
# The program itself, not the script around it.
killed "mount" mount -i -t rnfs4 "$SERVER:/" "$M"
net_heal

dirty
server_stop
kill -KILL "$writer"
sleep 0.2
# Without looking at the mount point first, which would wait, too.
killed "umount with dirty data" umount -c "$M"
check "is unmounted then" within 30 refuse_mounted "$M"
server_start

for state in "server down" "server gone silent" "in grace" "in the middle of recovery"; do
	dirty
	case $state in
	"server down") server_stop ;;
	"server gone silent") net_cut ;;
	"in grace")
		in_grace
		;;
	*)
		net_delay 400
		server_restart
		sleep 1
		;;
	esac
	sleep 1
	kill -KILL "$writer"
	forced "$state"
	check "and the module knows of no mount" within 30 unused
	net_heal
	net_delay 0
	server_stop
	server_forget
	server_start
done

below "as a rule, SIGKILL is effective within a second" \
	"$(printf '%s\n' "${DEATHS[@]}" | sort -n | sed -n "$((${#DEATHS[@]} / 2 + 1))p")" 1

# A lazy umount of what nobody uses is the end of the file system: the last reference is umount's own, and on its way out
# umount kills the superblock, which first writes what is dirty (mntput(), generic_shutdown_super()). So it waits for the server, as it
# does with the C client.
dirty
server_stop
kill -KILL "$writer"
sleep 0.2
killed "lazy umount of what nobody uses" umount -c -l "$M"
check "and the module can be removed" within 30 rmmod rnfs4
