#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A network in trouble: partitions shorter and longer than the lease, packets lost, connections reset in the middle of replies. Data
# and names are as the program was told, nothing is done twice, and nothing is recovered that was not lost.
#
# The program that writes during a partition is a process of its own: whatever has a file open with dirty data waits for the server when
# it ends, so this shell has none open.
#
# guest: timeout=600 early

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/locker.sh
. /guest/locker.sh

M=/mnt/network
CUTTER=/tmp/cutter
export LEASE=10 GRACE=10

loss_on() {
	tc qdisc replace dev nfs0 root netem loss "$1%" && tc -n server qdisc replace dev far2 root netem loss "$1%"
}

loss_off() {
	tc qdisc del dev nfs0 root && tc -n server qdisc del dev far2 root
}

# seen OPERATION: it came since the mark.
seen() {
	[ "$(rpc_count "$1")" != 0 ]
}

# What the server was asked since the mark of that which only a recovery needs.
recovered() {
	echo "$(rpc_count EXCHANGE_ID) $(rpc_count CREATE_SESSION) $(rpc_count OPEN)"
}

# Makes, renames and removes N names, each exactly once: EEXIST or ENOENT would be a call run twice. O_EXCL, mkdir, link, rename, unlink.
names() {
	M=$M N=$1 python3 -c '
import os
M, N = os.environ["M"], int(os.environ["N"])
for i in range(N):
    p = "%s/n%d" % (M, i)
    fd = os.open(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.write(fd, b"%d" % i)
    os.close(fd)
    os.mkdir(p + ".d")
    os.link(p, p + ".l")
    os.rename(p, p + ".r")
    os.unlink(p + ".l")
    os.rmdir(p + ".d")'
}

# The digits in the files that "names" leaves, and how many there are.
names_there() {
	server_sh "cat $EXPORT/n*.r | wc -c; ls $EXPORT | grep -c '^n'"
}

# cut_reply WHAT NUMBER OPERATION DO [RUN]: the reply to the operation is cut by a reset. What the program does, in Python with M and
# "file", a file that it has open for appending, must not fail; the same request comes again, on the same slot, and the server, which has
# run it, does not run it again: it counts RUN (1) of the operation.
cut_reply() {
	local what=$1 number=$2 operation=$3 run=${5:-1} got asked
	: >"$CUTTER/log"
	rpc_mark
	got=$(M=$M NUMBER=$number timeout 60 python3 -c '
import fcntl, os, struct
M, N = os.environ["M"], os.environ["NUMBER"]
file = os.open(M + "/cut", os.O_RDWR | os.O_APPEND)
def arm():
    with open("'"$CUTTER"'/arm.new", "w") as f:
        f.write(N)
    os.rename("'"$CUTTER"'/arm.new", "'"$CUTTER"'/arm")
def lock(kind):
    fcntl.fcntl(file, fcntl.F_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 10, 0))
'"$4"'
print("ok")' 2>&1 | tail -n 1)
	# How often it was asked for the same thing on the same slot, and how often the reply was cut. A connection made anew may not last on
	# a busy machine, and then the same thing is asked for once more.
	asked=$(awk -v n="$number" '
		$1 == "cut" { cut += $2 == n; again = what == "" ? "" : what; next }
		$2 == n { seen[$0]++; if (seen[$0] > most) most = seen[$0]; what = $0 }
		END { print (most > 1 ? "again" : "once"), cut + 0 }' "$CUTTER/log")
	is "$what: done, asked for again, cut once, run $run" "$got $asked $(rpc_count "$operation")" "ok again 1 $run"
}

plan 53

server_restart
mount_rnfs4 "$M"
locker p
is "a file is open" "$(at p open f "$M/file") $(at p write f 0 one.) $(at p fsync f)" "ok ok ok"

# Shorter than the lease: nobody may notice anything.
rpc_mark
net_cut
at p write f 4 two. >/dev/null
tell p fsync f
is "a write waits while the network is gone" "$(answer p 5)" "no answer"
net_heal
is "and ends when it is there again" "$(answer p 15)" ok
is "what was written is there" "$(server_sh cat "$EXPORT/file")" one.two.
is "no session was lost, nothing was reclaimed" "$(recovered)" "0 0 0"

# Longer than the lease: the server keeps the client as a courtesy.
rpc_mark
net_cut
sleep $((LEASE + 4))
net_heal
is "after a partition longer than the lease writes go on" "$(at p write f 8 three.) $(at p fsync f)" "ok ok"
is "the courtesy client has lost nothing" "$(rpc_count OPEN)" 0
is "what was written is there" "$(server_sh cat "$EXPORT/file")" one.two.three.

# The same, and the server drops it.
rpc_mark
net_cut
sleep 1
check "the server drops the client" server_expire
net_heal
is "an expired client opens its file anew" "$(at p write f 14 four.) $(at p fsync f)" "ok ok"
below "with a new client id" 0 "$(rpc_count EXCHANGE_ID)"
is "what was written is there" "$(server_sh cat "$EXPORT/file")" one.two.three.four.

# An expired client that holds locks: somebody else may have had them.
lost() {
	dmesg | grep -c "lock of process .* was lost"
}
before=$(lost)
is "two ranges are locked" "$(at p lock f w 0 4) $(at p lock f r 8 4)" "ok ok"
net_cut
sleep 1
server_expire
net_heal
at p write f 19 - >/dev/null
is "whose lease has run out has lost his locks" "$(at p read f 0 4)" EIO
is "is told so once" "$(($(lost) - before))" 1
is "and goes on when he has unlocked" "$(at p lock f u 0 0) $(at p lock f w 0 4) $(at p read f 0 4) $(at p lock f u 0 0)" "ok ok one. ok"

# There is not even a network to send to.
rpc_mark
ip link set nfs0 down
server_restart
tell p write f 19 x
sleep 3
ip link set nfs0 up
is "a write goes on after the interface was down" "$(answer p 20) $(at p fsync f)" "ok ok"
is "the file was reclaimed" "$(rpc_count OPEN)" 1

# The server's power fails while the client is idle: nobody says goodbye. No program says anything either, so what comes is its own doing:
# the renewal, which is due within two thirds of a lease, or what it learned in the meantime.
rpc_mark
net_cut
server_restart
sleep "$LEASE"
net_heal
check "a restart behind a partition is noticed by itself" within "$LEASE" seen EXCHANGE_ID
is "and writes go on" "$(at p write f 19 five.) $(at p fsync f)" "ok ok"
is "what was written is there" "$(server_sh cat "$EXPORT/file")" one.two.three.four.five.

dd if=/dev/urandom of=/tmp/data bs=1M count=2 status=none
loss_on 5
rpc_mark
check "with each twentieth packet lost names are made once" timeout 120 bash -c "$(declare -f names); M=$M names 20"
check "and data are written" timeout 120 dd if=/tmp/data of="$M/data" bs=64k conv=fsync status=none
loss_off
is "as they are" "$(server_sh sha256sum <"$EXPORT/data")" "$(sha256sum </tmp/data)"
is "each name is there once" "$(names_there)" $'30\n20'
is "nothing was recovered" "$(rpc_count EXCHANGE_ID) $(rpc_count CREATE_SESSION)" "0 0"
rm -f "$M"/n*
locker_end p

# mmap() holds the memory of its process: who looks at that (ps, pidof, whoever starts a server) is not to wait for the server.
cat >/tmp/maps.py <<'END'
import ctypes, mmap, os, sys, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
fd = os.open(sys.argv[1], os.O_RDONLY)
os.read(fd, 10)
# Until what is known of it is too old.
time.sleep(5)
print("ready", flush=True)
input()
# (The module of that name would look at the file first.)
at = libc.mmap(None, ctypes.c_size_t(4096), mmap.PROT_READ, mmap.MAP_SHARED, fd, ctypes.c_long(0))
print("mapped", flush=True)
print(ctypes.string_at(at, 4).decode(), flush=True)
END
echo old. >"$M/mapped"
sync -f "$M"
coproc maps { exec python3 /tmp/maps.py "$M/mapped"; }
read -rt 60 said <&"${maps[0]}"
server_sh "echo new. >$EXPORT/mapped"
net_cut
echo >&"${maps[1]}"
read -rt 8 said <&"${maps[0]}"
is "mmap() does not wait for a server that is gone" "$said" mapped
check "nor does who looks at the process" timeout 5 grep -q maps.py "/proc/$maps_PID/cmdline"
said=
read -rt 2 said <&"${maps[0]}"
is "who reads what is mapped does" "$said" ""
net_heal
read -rt 20 said <&"${maps[0]}"
is "and sees what the file has become meanwhile" "$said" new.
wait "$maps_PID"

check "unmount" umount "$M"

# From here on somebody sits between client and server.
mkdir "$CUTTER"
python3 "$(dirname "$0")/cutter.py" "$CUTTER" 127.0.0.1 "$SERVER" &
cutter=$!
within 20 test -e "$CUTTER/ready"
check "mount through the middleman" mount_rnfs4 127.0.0.1:/ "$M"
touch "$M/cut" "$M/old" "$M/gone"
mkdir "$M/empty"

cut_reply "mkdir" 6 CREATE 'arm(); os.mkdir(M + "/made")'
# The other OPEN is that of "file".
cut_reply "open with O_EXCL" 18 OPEN 'arm(); os.open(M + "/exclusive", os.O_CREAT | os.O_EXCL | os.O_RDWR)' 2
cut_reply "link" 11 LINK 'arm(); os.link(M + "/cut", M + "/link")'
cut_reply "rename" 29 RENAME 'arm(); os.rename(M + "/old", M + "/moved")'
cut_reply "unlink" 28 REMOVE 'arm(); os.unlink(M + "/gone")'
cut_reply "rmdir" 28 REMOVE 'arm(); os.rmdir(M + "/empty")'
# The offset is in the call, so it may be run twice, and the server does not keep the reply: it says so, and the call begins anew.
cut_reply "append" 38 WRITE 'arm(); os.write(file, b"appended\n"); os.fsync(file)' 2
cut_reply "lock" 12 LOCK 'arm(); lock(fcntl.F_WRLCK)'
cut_reply "unlock" 14 LOCKU 'lock(fcntl.F_WRLCK); arm(); lock(fcntl.F_UNLCK)'
cut_reply "close" 4 CLOSE 'arm(); os.close(file)'
is "names and data are what was asked for" \
	"$(server_sh "cd $EXPORT && ls -d made exclusive link moved gone old empty 2>/dev/null | tr '\n' ' '; cat cut")" "exclusive link made moved appended"

# All the time, with whatever is under way.
: >"$CUTTER/log"
rpc_mark
echo "every 20" >"$CUTTER/arm"
check "with connections reset all the time names are made once" timeout 120 bash -c "$(declare -f names); M=$M names 20"
check "and data are written" timeout 120 dd if=/tmp/data of="$M/data2" bs=64k conv=fsync status=none
check "and read" timeout 120 cmp /tmp/data "$M/data2"
rm "$CUTTER/arm"
is "as they are" "$(server_sh sha256sum <"$EXPORT/data2") $(names_there)" "$(sha256sum </tmp/data) "$'30\n20'
is "the session outlived its connections" "$(rpc_count EXCHANGE_ID) $(rpc_count CREATE_SESSION)" "0 0"
cuts=$(grep -c ^cut "$CUTTER/log")
note "connections cut: $cuts"
below "which broke indeed" 3 "$cuts"

# One connection after the other breaks before anything was answered on it, with every slot in use: recovery's own call wants one, too.
: >"$CUTTER/log"
check "with all slots in use and no connection that lasts data are written" timeout 180 python3 -c '
import os, random, threading, time
data = random.Random(3).randbytes(12 << 20)
fd = os.open("'"$M"'/data3", os.O_RDWR | os.O_CREAT)
os.write(fd, data)
with open("'"$CUTTER"'/arm.new", "w") as f:
    f.write("calls 20")
os.rename("'"$CUTTER"'/arm.new", "'"$CUTTER"'/arm")
flush = threading.Thread(target=os.fsync, args=(fd,))
flush.start()
end = time.monotonic() + 60
while open("'"$CUTTER"'/log").read().count("cut ") < 4 and time.monotonic() < end:
    time.sleep(0.2)
os.unlink("'"$CUTTER"'/arm")
flush.join()
assert open("'"$EXPORT"'/data3", "rb").read() == data'
cuts=$(grep -c ^cut "$CUTTER/log")
note "connections cut: $cuts"
below "once there is one that does" 3 "$cuts"

check "unmount" umount "$M"
kill "$cutter"
check "and the module can be removed" within 20 rmmod rnfs4
