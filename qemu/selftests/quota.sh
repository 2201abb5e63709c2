#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A server that is full, or has a limit for a user: each open file is told once, by whatever call comes first; who has lost data writes
# synchronously until a write succeeds; files that have nothing to do with it are left alone. CLIENT=nfs4 shows the C client.

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/hold.sh
. /guest/hold.sh

CLIENT=${CLIENT:-rnfs4}
M=/mnt/small
MAIN=/mnt/main
SMALL=$EXPORT/small

# A file system of its own, exported beside the other one.
small_create() {
	server_sh "
		truncate -s 40M /run/small.img
		mke2fs -q -t ext4 -m 0 -J size=4 -O quota -E quotatype=usrquota /run/small.img
		mkdir -p '$SMALL'
		mount -o loop,usrquota /run/small.img '$SMALL'
		rmdir '$SMALL/lost+found'
		chmod 1777 '$SMALL'
		exportfs -o rw,no_root_squash,insecure,no_subtree_check,fsid=1 '*:$SMALL'"
}

# limit KIB: what user 1000 may have there. (There is no setquota.)
limit() {
	# shellcheck disable=SC2016
	server_sh python3 -c '
import ctypes, os, struct, sys
Q_SETQUOTA, USRQUOTA, QIF_BLIMITS = 0x800008, 0, 1
where, kib = sys.argv[1], int(sys.argv[2])
device = next(line.split()[0] for line in open("/proc/mounts") if line.split()[1] == where)
block = struct.pack("8QI4x", kib, kib, 0, 0, 0, 0, 0, 0, QIF_BLIMITS)
libc = ctypes.CDLL(None, use_errno=True)
if libc.quotactl((Q_SETQUOTA << 8) | USRQUOTA, device.encode(), 1000, block):
    sys.exit(os.strerror(ctypes.get_errno()))' "$SMALL" "$1"
}

# All space there is, and back.
fill_up() {
	server_sh "
		cat /dev/zero >'$SMALL/filler' 2>/dev/null
		sync
		n=0
		while echo x >'$SMALL/more'\$n; do n=\$((n + 1)); [ \$n -lt 1000 ] || exit 1; done 2>/dev/null
		sync"
}

free_up() {
	server_sh "rm -f '$SMALL/filler' '$SMALL/more'*; sync"
}

# told WHAT WANTED COMMAND...: what the holder answers.
told() {
	local what=$1 wanted=$2
	shift 2
	is "$what" "$(hold "$@")" "$wanted"
}

# quiet: no WRITE has come since the mark.
quiet() {
	is "$1" "$(rpc_count WRITE)" 0
}

plan 56

check "a small file system is exported" small_create
check "mount" "mount_$CLIENT" "$SERVER:/small" "$M"
check "and another one" "mount_$CLIENT" "$MAIN"
echo 0 >/proc/sys/fs/leases-enable
head -c 300000 /dev/urandom >/tmp/noise
check "a file from before" dd if=/tmp/noise of="$M/before" conv=fsync status=none

hold_begin
hold open A "$M/a" RDWR CREAT >/dev/null
hold open A2 "$M/a" >/dev/null
hold open BEFORE "$M/before" >/dev/null
hold open MAIN "$MAIN/c" RDWR CREAT >/dev/null
check "the server is full" fill_up
told "write() goes to the cache" ok fill A 1000000
told "fsync() tells of it" ENOSPC fsync A
told "once" ok fsync A
told "and whoever else has the file open" ENOSPC fsync A2
told "once" ok fsync A2
told "from here on write() itself tells" ENOSPC fill A 100000
told "each time" ENOSPC fill A 100000
told "the other descriptor has not been told of that" ENOSPC close A2
rpc_mark
told "a file that has its space is written" ok write BEFORE "some text"
quiet "to the cache"
told "and synced" ok fsync BEFORE
told "so is one on another file system" ok fill MAIN 100000
told "and synced, too" ok fsync MAIN
check "there is space again" free_up
told "a write() succeeds" ok fill A 100000
rpc_mark
told "and the next one" ok fill A 1000
quiet "goes to the cache"
told "fsync() has nothing to tell" ok fsync A
told "nor has close()" ok close A
told "the others are closed" ok close BEFORE
is "what is on the server is what was written" "$(server_sh "head -c 10 '$SMALL/before'; tail -c +11 '$SMALL/before'" | sha256sum)" \
	"$({ echo "some text"; tail -c +11 /tmp/noise; } | sha256sum)"

# Other calls that tell.
check "the server is full" fill_up
hold open D "$M/d" WRONLY CREAT >/dev/null
told "write() goes to the cache" ok fill D 300000
told "close() tells of it" ENOSPC close D
hold open S "$M/s" WRONLY CREAT SYNC >/dev/null
told "O_SYNC: write() tells" ENOSPC fill S 300000
told "close() does not once more" ok close S
is "msync() tells of what a mapping has changed" "$(M=$M python3 -c "
import errno, mmap, os
fd = os.open(os.environ['M'] + '/m', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 1 << 20)
area = mmap.mmap(fd, 1 << 20)
area[:] = b'x' * (1 << 20)
try:
    area.flush()
    print('ok')
except OSError as error:
    print(errno.errorcode[error.errno])
os.fsync(fd)
print('then ok')" | xargs)" "ENOSPC then ok"
check "a big file" eval '! dd if=/dev/zero of="$M/big" bs=1M count=60 status=none 2>/tmp/dd.log'
check "dd is told why" grep -q "No space left" /tmp/dd.log
check "there is space again" free_up
rm -f "$M/big"
refuse "close() has told, but not for good: so does the first fsync()" sync "$M/d"
check "a file is copied" cp /tmp/noise "$M/d"
is "the server has it" "$(server_sh sha256sum "$SMALL/d" | cut -d' ' -f1)" "$(sha256sum </tmp/noise | cut -d' ' -f1)"
hold_end

# A user's limit.
check "user 1000 may have 2 MiB" limit 2048
hold_begin
hold user 1000 >/dev/null
hold open P "$M/p" RDWR CREAT >/dev/null
hold open Q "$M/q" RDWR CREAT >/dev/null
told "he writes 100 kB" ok fill P 100000
told "and syncs them" ok fsync P
told "write() goes to the cache" ok fill Q 3000000
told "fsync() tells of the limit" EDQUOT fsync Q
told "once" ok fsync Q
told "from here on write() itself tells" EDQUOT fill Q 100000
hold open P2 "$M/p" >/dev/null
told "a file that has its space is written" ok write P2 text
told "and synced" ok fsync P2
check "root is not concerned" dd if=/tmp/noise of="$M/r" conv=fsync status=none
check "he may have 20 MiB" limit 20480
told "a write() succeeds" ok fill Q 100000
rpc_mark
told "and the next one" ok fill Q 1000
quiet "goes to the cache"
told "fsync() has nothing to tell" ok fsync Q
told "nor has close()" ok close Q
hold_end
check "unmount" umount "$M"
check "and the other" umount "$MAIN"
