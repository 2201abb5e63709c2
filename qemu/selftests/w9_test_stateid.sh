#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Weakness 9 of the C client: of many states that may be lost it asks the server one by one, and those that are left alone it opens anew.
# Files are open on two file systems, and what is open on one of them is taken back: all stateids are asked about in one call, and only
# what is gone is opened again.
#
# guest: timeout=300

. "$(dirname "$0")/lib.sh"

EACH=${FULL:+500} EACH=${EACH:-100}

cat >/tmp/many.py <<'END_OF_PROGRAM'
"""many.py KEPT TAKEN COUNT: opens COUNT files in each directory and says so; told to go on, writes to all, and tells how many went well."""
import os, resource, sys

kept, taken, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (2 * count + 100,) * 2)
fds = [os.open(f"{directory}/{n}", os.O_RDWR | os.O_CREAT) for directory in (kept, taken) for n in range(count)]
print("open", flush=True)
sys.stdin.readline()
good = 0
for fd in reversed(fds):
    try:
        os.write(fd, b"x")
        os.fsync(fd)
        good += 1
    except OSError:
        pass
print(good, flush=True)
END_OF_PROGRAM

# revoke CLIENT: how many writes went well
revoke() {
	local client=$1 dir=/mnt/$1 in out
	"mount_$client" "$dir" && "mount_$client" "$SERVER:/other" "$dir-other" && mkdir "$dir/$client" "$dir-other/$client" || return
	coproc many { exec python3 /tmp/many.py "$dir/$client" "$dir-other/$client" "$EACH"; }
	in=${many[1]} out=${many[0]}
	echo "$many_PID" >/tmp/many.pid
	read -r -t 120 -u "$out" _ || return
	rpc_mark
	server_sh "echo $EXPORT/other >/proc/fs/nfsd/unlock_filesystem"
	echo >&"$in"
	read -r -t 100 -u "$out" good
	echo "${good:-none}"
}

counts() {
	echo "$(rpc_count TEST_STATEID) TEST_STATEID, $(rpc_count FREE_STATEID) FREE_STATEID, $(rpc_count OPEN) OPEN, $(rpc_count rpcs) calls"
}

plan 8
echo 0 >/proc/sys/fs/leases-enable
server_sh "mkdir -p $EXPORT/other && mount -t tmpfs tmpfs $EXPORT/other && exportfs -o rw,no_root_squash,fsid=1 '*:$EXPORT/other'"
revoke rnfs4 >/tmp/good
is "rnfs4: $EACH files on each of two file systems, one of them taken back: all writes go well" "$(cat /tmp/good)" $((2 * EACH))
below "the server was asked" 0 "$(rpc_count TEST_STATEID)"
below "about all at once" "$(rpc_count TEST_STATEID)" 5
is "what was gone is freed" "$(rpc_count FREE_STATEID)" "$EACH"
is "and opened again, and nothing else" "$(rpc_count OPEN)" "$EACH"
below "in few calls, but for each WRITE and CLOSE" $(($(rpc_count rpcs) - 2 * EACH - $(rpc_count CLOSE))) $((EACH / 2))
note "rnfs4: $(counts)"
wait
check "unmount" eval 'within 5 umount /mnt/rnfs4-other && umount /mnt/rnfs4'
check "and the module can be removed" rmmod rnfs4

revoke nfs4 >/tmp/good || note "the C client has not come to an end"
note "the C client: $(cat /tmp/good) of $((2 * EACH)) writes went well; $(counts)"
kill -9 "$(cat /tmp/many.pid)" 2>/dev/null || true
