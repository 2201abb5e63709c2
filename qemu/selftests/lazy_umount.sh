#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A lazy umount while the server is down and data is dirty, of a mount that somebody uses: it takes away the name only. The end of the
# file system comes with its last user, and that writes what is dirty, so it waits for the server. (Of a mount that nobody uses see soft.)
#
# guest:

. "$(dirname "$0")/lib.sh"

M=/mnt/lazy
export LEASE=10 GRACE=10

mounted_there() {
	grep -q " $M " /proc/mounts
}

unused() {
	[ "$(cat /sys/module/rnfs4/refcnt)" = 0 ]
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

plan 8
check "mount" mount_rnfs4 "$M"
M=$M python3 -c '
import os, time
fd = os.open(os.environ["M"] + "/dirty", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
os.pwrite(fd, b"d" * 4194304, 0)
open("/tmp/is-dirty", "w").close()
time.sleep(1000)' &
writer=$!
M=$M python3 -c '
import os, time
os.chdir(os.environ["M"])
open("/tmp/inside", "w").close()
while not os.path.exists("/tmp/go"):
    time.sleep(0.05)' &
user=$!
check "one has dirty data, one is there" within 30 eval '[ -e /tmp/is-dirty ] && [ -e /tmp/inside ]'
server_stop
# Not closed: a close would have written it.
kill -KILL "$writer"
sleep 0.2
began=$EPOCHREALTIME
umount -c -l "$M"
# At once, but for a guest that has to share its processors.
below "lazy umount is at once" "$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" 10
refuse "the name is gone" mounted_there
refuse "the module is in use" unused
touch /tmp/go
sleep 0.5
server_start
if ! check "the last user goes when the server is there" within 60 gone "$user"; then
	note "it is here:"
	sed 's/^/# /' "/proc/$user/stack"
fi
check "what was dirty has been written" server_sh "yes d | tr -d '\\n' | head -c 4194304 | cmp - $EXPORT/dirty"
check "and the module can be removed" within 20 rmmod rnfs4
