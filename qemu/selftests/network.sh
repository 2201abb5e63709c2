#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A network in trouble: partitions shorter and longer than the lease, packets lost, connections reset in the middle of everything. Data
# and names are as the program was told, nothing is done twice, and nothing is recovered that was not lost.
#
# guest: timeout=900 alone unproven

. "$(dirname "$0")/lib.sh"

M=/mnt/network
export LEASE=10 GRACE=10

# reset_on N: one packet in N to the server or from it is answered with a reset.
reset_on() {
	ip netns exec server nft -f - <<-END2
		table inet rst {
			chain out { type filter hook output priority 0; tcp sport 2049 numgen random mod $1 == 0 reject with tcp reset; }
			chain in { type filter hook input priority 0; tcp dport 2049 numgen random mod $1 == 0 reject with tcp reset; }
		}
	END2
}

reset_off() {
	ip netns exec server nft delete table inet rst
}

loss_on() {
	tc qdisc replace dev nfs0 root netem loss "$1%" && tc -n server qdisc replace dev far2 root netem loss "$1%"
}

loss_off() {
	tc qdisc del dev nfs0 root && tc -n server qdisc del dev far2 root
}

# Whether the process has ended.
gone() {
	! kill -0 "$1" 2>/dev/null
}

# seen OPERATION: it came since the mark.
seen() {
	[ "$(rpc_count "$1")" != 0 ]
}

# What happened to the client, from its counters in debugfs.
counter() {
	cat /sys/kernel/debug/rnfs4/*/counters 2>/dev/null | awk -v name="$1" '$1 == name { n += $2 } END { print n + 0 }'
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

names_there() {
	server_sh "cat $EXPORT/n*.r | wc -c; ls $EXPORT | grep -c '^n'"
}

plan 28

server_restart
mount_rnfs4 "$M" && echo before >"$M/file"
exec 5>>"$M/file"
echo one >&5 && python3 -c 'import os; os.fsync(5)'

# Shorter than the lease: nobody may notice anything.
rpc_mark
net_cut
python3 -c 'import os; os.write(5, b"two\n"); os.fsync(5)' &
fsync=$!
sleep 6
check "a write waits while the network is gone" kill -0 "$fsync"
net_heal
check "and ends when it is there again" within 5 gone "$fsync"
is "what was written is there" "$(server_sh cat "$EXPORT/file")" $'before\none\ntwo'
is "no session was lost, nothing was reclaimed" \
	"$(rpc_count EXCHANGE_ID) $(rpc_count CREATE_SESSION) $(rpc_count OPEN)" "0 0 0"

# Longer than the lease: the server keeps the client as a courtesy.
rpc_mark
net_cut
sleep 15
net_heal
echo three >&5
check "after a partition longer than the lease writes go on" python3 -c 'import os; os.fsync(5)'
is "the courtesy client has lost nothing" "$(rpc_count OPEN)" 0
is "what was written is there" "$(server_sh tail -n1 "$EXPORT/file")" three

# The same, and the server drops it.
rpc_mark
net_cut
sleep 2
check "the server drops the client" server_expire
sleep 1
net_heal
echo four >&5
check "an expired client opens its file anew" within 20 python3 -c 'import os; os.fsync(5)'
below "with a new client id" 0 "$(rpc_count EXCHANGE_ID)"
is "what was written is there" "$(server_sh tail -n1 "$EXPORT/file")" four

# The server's power fails while the client is idle: nobody says goodbye.
rpc_mark
net_cut
server_restart
sleep 12
net_heal
check "a restart behind a partition is noticed by itself" within 5 seen EXCHANGE_ID
echo five >&5
check "and writes go on" python3 -c 'import os; os.fsync(5)'
is "what was written is there" "$(server_sh tail -n1 "$EXPORT/file")" five

loss_on 10
rpc_mark
check "with a tenth of all packets lost names are made once" names 60
dd if=/dev/urandom of=/tmp/data bs=1M count=4 status=none
check "and data are written" timeout 200 dd if=/tmp/data of="$M/data" bs=64k conv=fsync status=none
loss_off
is "as they are" "$(server_sh sha256sum <"$EXPORT/data")" "$(sha256sum </tmp/data)"
is "each name is there once" "$(names_there)" $'110\n60'
is "nothing was recovered" "$(rpc_count EXCHANGE_ID) $(rpc_count CREATE_SESSION)" "0 0"
rm -f "$M"/n*

breaks=$(counter connection_breaks)
reset_on 60
rpc_mark
check "with connections reset all the time names are made once" names 60
check "and data are written" timeout 200 dd if=/tmp/data of="$M/data2" bs=64k conv=fsync status=none
check "and read" timeout 200 cmp /tmp/data "$M/data2"
reset_off
is "as they are" "$(server_sh sha256sum <"$EXPORT/data2")" "$(sha256sum </tmp/data)"
is "each name is there once" "$(names_there)" $'110\n60'
is "the session outlived its connections" "$(rpc_count EXCHANGE_ID) $(rpc_count CREATE_SESSION)" "0 0"
note "connections broken: $(($(counter connection_breaks) - breaks))"
below "which broke indeed" 3 "$(($(counter connection_breaks) - breaks))"

exec 5>&-
check "unmount" umount "$M"
check "and the module can be removed" within 20 rmmod rnfs4
