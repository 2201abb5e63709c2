#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How long programs wait for a server that is not there: soft and softerr for timeo and retrans as nfs(5) says, hard for ever, but
# for SIGKILL, and umount -f gets rid of a mount in any state.
#
# guest: timeout=600 alone unproven

. "$(dirname "$0")/lib.sh"

M=/mnt/soft
export LEASE=10 GRACE=10

# seconds CMD...: runs it, and prints its status and how long it took.
seconds() {
	local began=$EPOCHREALTIME status=0
	"$@" >/dev/null 2>&1 || status=$?
	awk -v s="$status" -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%d %.2f\n", s, b - a }'
}

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

# soft_ends OPTIONS ERRNO MIN MAX: what such a mount does without a server.
soft_ends() {
	local began=$EPOCHREALTIME took
	mount_rnfs4 -o "$1" "$M" && touch "$M/file"
	server_stop
	is "$1: ends with $2" "$(errno_of 'os.stat(M + "/nothing")')" "$2"
	took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
	began=$EPOCHREALTIME
	errno_of 'os.mkdir(M + "/dir")' >/dev/null
	took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
	below "not before its time is over" "$3" "$took"
	below "but then" "$took" "$4"
	server_start
	check "and goes on when the server is there" within 30 touch "$M/after"
	check "unmount" umount "$M"
}

# killed WHAT CMD...: waits without a server, and ends within a second of SIGKILL.
killed() {
	local what=$1
	shift
	"$@" >/dev/null 2>&1 &
	dies "$what" $!
}

# dies WHAT PID: the same of a child of ours.
dies() {
	local what=$1 pid=$2 began
	sleep 1
	if ! kill -0 "$pid" 2>/dev/null; then
		wait "$pid"
		note "$what did not wait: $?"
		not_ok "$what waits, and SIGKILL ends it within a second"
		return
	fi
	began=$EPOCHREALTIME
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	below "$what waits, and SIGKILL ends it within a second" \
		"$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" 1
}

py() {
	M=$M exec python3 -c "import os, sys, fcntl
M = os.environ['M']
$1"
}

# forced WHAT: umount -f (again, as long as it is busy) ends soon, and so does whoever used the mount.
forced() {
	local what=$1 began=$EPOCHREALTIME
	within 20 umount -f "$M"
	below "$what: umount -f ends" "$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" 10
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
	mount_rnfs4 "$M" && echo x >"$M/dirty"
	dd if=/dev/zero of="$M/dirty" bs=1M count=4 status=none
	M=$M python3 -c '
import os, time
fd = os.open(os.environ["M"] + "/dirty", os.O_WRONLY)
for i in range(64):
    os.pwrite(fd, b"d" * 65536, i * 65536)
time.sleep(1000)' &
	writer=$!
	sleep 0.5
}

plan 34

server_restart
soft_ends soft,timeo=10,retrans=2 EIO 2 5
soft_ends softerr,timeo=10,retrans=1 ETIMEDOUT 1 4

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
exec 7>&-
server_start
check "the mount lives" within 30 touch "$M/alive"
check "unmount" umount "$M"

net_cut
# The program itself, not the script around it.
killed "mount" mount -t rnfs4 "$SERVER:/" "$M"
net_heal

dirty
server_stop
kill -KILL "$writer"
sleep 0.2
# Without looking at the mount point first, which would wait, too.
killed "umount with dirty data" umount -c "$M"
check "is unmounted then" within 10 refuse_mounted "$M"
server_start

for state in "server down" "server gone silent" "in grace" "in the middle of recovery"; do
	dirty
	case $state in
	"server down") server_stop ;;
	"server gone silent") net_cut ;;
	"in grace")
		server_stop
		server_forget
		GRACE=60 server_start
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
	check "and the module knows of no mount" within 15 unused
	net_heal
	net_delay 0
	[ "$(server_sh cat /proc/fs/nfsd/threads)" != 0 ] || server_start
done

dirty
server_stop
kill -KILL "$writer"
sleep 0.2
check "lazy umount" umount -c -l "$M"
server_start
check "writes what was dirty when the server is there" \
	within 40 server_sh "yes d | tr -d '\n' | head -c 4194304 | cmp - $EXPORT/dirty"
check "and the module can be removed" within 20 rmmod rnfs4
