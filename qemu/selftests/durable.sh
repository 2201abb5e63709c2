#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What has been written stays written, or its writer is told: across a restart that loses what was not committed, with the server
# away, with a full disk; and what other clients have written is seen by the next open.
#
# guest: mem=512

. "$(dirname "$0")/lib.sh"

CLIENT=${CLIENT:-rnfs4}
M=/mnt/durable

server_sum() {
	server_sh sha256sum "$EXPORT/$1" | cut -d' ' -f1
}

# sum: of what comes in
sum() {
	sha256sum | cut -d' ' -f1
}

# Writes 24 MiB, has the server restarted by a process that has the file not open, and only then syncs.
lose_and_sync() {
	python3 - "$1" <<-'END'
		import os, sys, time
		r, w = os.pipe()
		restarter = os.fork()
		if restarter == 0:
		    os.close(w)
		    os.read(r, 1)
		    os._exit(os.system("bash -c server_restart") and 1)
		data = open("/tmp/data", "rb").read()
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
		for _ in range(3):
		    os.write(fd, data)
		    time.sleep(0.7)
		os.write(w, b"x")
		if os.waitpid(restarter, 0)[1]:
		    sys.exit("the server did not restart")
		os.fsync(fd)
	END
}

# Has the file system synced by a process that goes on to have the file open, again and again. Prints how often something was left that
# the server had not on its disk: until the COMMIT it counts as under writeback.
sync_and_count() {
	python3 - "$1" <<-'END'
		import ctypes, os, sys, time
		libc = ctypes.CDLL(None)
		def left():
		    with open("/proc/sys/vm/stat_refresh", "w") as refresh:
		        refresh.write("1")
		    with open("/proc/vmstat") as stats:
		        return any(line.split() > ["nr_writeback", "0"] for line in stats if line.startswith("nr_writeback "))
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
		found = 0
		for _ in range(150):
		    # More than one WRITE, so that they are not stable at once.
		    os.pwrite(fd, os.urandom(300000), 0)
		    if libc.syncfs(fd):
		        sys.exit("syncfs fails")
		    # The server's own disk writes now and then, for a moment.
		    found += left() and (time.sleep(0.05) or left())
		print(found)
	END
}

three_times() {
	cat /tmp/data /tmp/data /tmp/data
}

killed_in_a_second() {
	kill -9 "$1" && within 1 not_there "$1" >/dev/null
}

# not_there PID: it has ended, whether anybody has asked for its status or not
not_there() {
	! readlink "/proc/$1/exe"
}

# A process that waits in fsync() for a server that is away.
start_waiting() {
	python3 - "$1" <<-'END' &
		import os, sys, time
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
		os.write(fd, b"x")
		os.fsync(fd)
		open("/tmp/ready", "w").close()
		while os.path.exists("/tmp/ready"):
		    time.sleep(0.05)
		os.write(fd, b"y" * 4000000)
		os.fsync(fd)
	END
	waiting=$!
	disown
	within 30 test -e /tmp/ready
}

fill_server() {
	local free
	free=$(server_sh stat -f -c '%a*%S' "$EXPORT")
	server_sh fallocate -l $((free - (4 << 20))) "$EXPORT/filler"
}

size_is() {
	[ "$(server_sh stat -c %s "$EXPORT/$1" 2>/dev/null)" = "$2" ]
}

# see FILE TEXT: a fresh open sees the text
see() {
	[ "$(cat "$1")" = "$2" ]
}

plan 20

echo 50 >/proc/sys/vm/dirty_writeback_centisecs
echo 50 >/proc/sys/vm/dirty_expire_centisecs
head -c 8M /dev/urandom >/tmp/data
check "mount" "mount_$CLIENT" "$M"

check "a file is written, the server restarts, then it is synced" lose_and_sync "$M/lost"
is "the server has all of it" "$(server_sum lost)" "$(three_times | sum)"

is "syncfs() leaves nothing that is not committed, 150 times" "$(sync_and_count "$M/synced")" 0

start_waiting "$M/waiting"
server_stop
rm /tmp/ready
sleep 2
check "a process that waits for a server that is away can be killed" killed_in_a_second "$waiting"
server_start
check "what it wrote gets there" within 60 size_is waiting 4000001

check "a file beyond 4 GiB is written" dd if=/tmp/data of="$M/far" bs=1M count=1 seek=5000 conv=fsync status=none
is "where it belongs" "$(server_sh tail -c 1M "$EXPORT/far" | sum)" "$(head -c 1M /tmp/data | sum)"
is "with a hole before it" "$(server_sh stat -c %s "$EXPORT/far")" $((5001 << 20))
is "and read back" "$(tail -c 1M "$M/far" | sum)" "$(head -c 1M /tmp/data | sum)"
rm "$M/far"

fill_server
refuse "a file that does not fit is not written" dd if=/tmp/data of="$M/full" bs=1M conv=fsync status=none
dd if=/tmp/data of="$M/full2" bs=64k conv=fsync 2>/tmp/told
check "the writer is told why" grep -q 'No space left' /tmp/told
rm -f "$M/full" "$M/full2"
server_sh rm "$EXPORT/filler"
check "there is room again" dd if=/tmp/data of="$M/fits" bs=1M conv=fsync status=none
is "and the file is right" "$(server_sum fits)" "$(sum </tmp/data)"

check "another client mounts" mount_nfs4 /mnt/other
echo first >"$M/shared"
check "it sees what we write" see /mnt/other/shared first
check "we see it, too" see "$M/shared" first
echo other >/mnt/other/shared
check "we see what it writes" see "$M/shared" other
echo again >>"$M/shared"
check "and it sees what we append" see /mnt/other/shared $'other\nagain'
umount /mnt/other
check "unmount" umount "$M"
