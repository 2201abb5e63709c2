#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# W1: data that is dirty when its open is lost for good, in folios larger than a WRITE may be. Writing it back ends, the loss is told
# once, and nothing of it keeps the module or the machine busy. The C client tries to split the request, is refused for the bad context,
# and begins anew for ever: its turn comes last, because nothing ends it.

. "$(dirname "$0")/lib.sh"

cat >/tmp/lose.py <<'END_OF_PROGRAM'
"""lose.py PATH BYTES: writes so much by one write(), says so, and when PATH.go is there says what fsync() and close() give."""
import errno, os, sys, time

path, size = sys.argv[1], int(sys.argv[2])
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, b"x" * size)
print("written", flush=True)
while not os.path.exists("/tmp/go"):
    time.sleep(0.05)
for call in os.fsync, os.fsync, os.close:
    try:
        call(fd)
        print("ok", end=" ", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], end=" ", flush=True)
END_OF_PROGRAM

# name, mount options, bytes
LOSSES="small,wsize=4096,65536 middle,wsize=32768,1048576 large,rw,4194304"

# lose CLIENT: each of them in a process of its own, pids[NAME]; then the files are removed while the server is down.
lose() {
	local client=$1 loss name opts bytes
	for loss in $LOSSES; do
		IFS=, read -r name opts bytes <<<"$loss"
		"mount_$client" -o "$opts,nosharecache" "/mnt/$name" || return
		python3 /tmp/lose.py "/mnt/$name/$name" "$bytes" >"/tmp/$name.out" 2>&1 &
		pids[$name]=$!
		within 30 grep -q written "/tmp/$name.out" || return
	done
	server_stop
	for name in "${!pids[@]}"; do
		rm "$EXPORT/$name"
	done
	server_start
	# Recovery is begun by another call than the fsync(), and is over when a new file can be opened.
	within 60 timeout 30 touch /mnt/small/new
}

# answers NAME: what fsync(), fsync() and close() gave
answers() {
	sed -n 's/ *$//; 2p' "/tmp/$1.out"
}

ended() {
	! kill -0 "${pids[$1]}" 2>/dev/null
}

declare -A pids
plan 13
echo 0 >/proc/sys/fs/leases-enable
# Only fsync() writes back.
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
lose rnfs4
is "rnfs4: dirty data of three sizes, whose files the server loses" $? 0
touch /tmp/go
for name in small middle large; do
	check "$name: fsync() comes to its end" within 10 ended "$name"
	is "it tells once that the data is lost" "$(answers "$name")" "EIO ok ok"
done
check "sync() comes to its end" timeout 10 sync
for name in small middle large; do
	check "$name unmounts" umount "/mnt/$name"
done
check "and the module can be removed" rmmod rnfs4
is "no data is dirty any more" "$(awk '$1 == "Dirty:" || $1 == "Writeback:" { n += $2 } END { print n < 1024 }' /proc/meminfo)" 1

rm /tmp/go
pids=()
lose nfs4 || note "the C client: recovery has not come to its end"
rpc_mark
touch /tmp/go
sleep 6
for name in small middle large; do
	if ended "$name"; then
		note "the C client, $name: fsync(), fsync(), close() gave $(answers "$name")"
	else
		used=$(ps -o cputimes= -p "${pids[$name]}")
		kill -9 "${pids[$name]}"
		sleep 1
		note "the C client, $name: fsync() has not ended after 6 s, has used ${used// /} s of a processor" \
			"and $(ended "$name" && echo "is ended by SIGKILL" || echo "goes on after SIGKILL, in state $(ps -o stat= -p "${pids[$name]}")")"
	fi
done
note "the C client: $(rpc_count rpcs) calls in this time"
