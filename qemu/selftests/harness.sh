#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's own commands, shown with the C client: does the server really restart and forget, does the network really delay and
# part, are client namespaces really clients of their own?
#
# guest: no-module

. "$(dirname "$0")/lib.sh"

# The shortest of several, because a busy host makes some of them long.
round_trip() {
	ping -q -c 5 -i 0.2 "$SERVER" | sed -n 's|^rtt.* = \([0-9.]*\)/.*|\1|p'
}

clients_known() {
	server_sh 'cat /proc/fs/nfsd/clients/*/info 2>/dev/null' | grep -c '^clientid:'
}

courtesy() {
	server_sh 'cat /proc/fs/nfsd/clients/*/info' | grep -q 'status: courtesy'
}

append() {
	timeout 20 bash -c 'echo "$2" >> "$1" && sync "$1"' append "$1" "$2"
}

plan 33

is "a server is running" "$(server_sh cat /proc/fs/nfsd/threads)" 8
check "mount_nfs4 mounts it" mount_nfs4 /mnt/c
check "a file written through the mount" append /mnt/c/file one
is "is on the server's side" "$(server_sh cat "$EXPORT/file")" one
is "commands work in children of other programs" "$(bash -c 'echo x | xargs -I{} server_sh echo {}')" x
is "server_sh has a host name of its own" "$(server_sh hostname)" server

# Counting
echo one-way >"$EXPORT/fresh"
rpc_mark
cat /mnt/c/fresh >/dev/null
is "rpc_count sees an OPEN" "$(rpc_count OPEN)" 1
is "and a READ" "$(($(rpc_count READ) + $(rpc_count READ_PLUS)))" 1
below "and no more than the calls needed" "$(rpc_count rpcs)" 6

# Restart
exec 5>>/mnt/c/file
check "server_stop" server_stop
refuse "nobody answers then" timeout 2 bash -c ": < /dev/tcp/$SERVER/2049"
LEASE=15 check "server_start with another lease" server_start
is "the lease is as asked for" "$(server_sh cat /proc/fs/nfsd/nfsv4leasetime)" 15
echo two >&5
exec 5>&-
is "an open file survives" "$(server_sh cat "$EXPORT/file")" $'one\ntwo'

exec 5>>/mnt/c/file
rpc_mark
check "server_restart" server_restart
check "and the client finds it" append /mnt/c/file three
is "with a new client id" "$(($(rpc_count EXCHANGE_ID) > 0))" 1
is "and reclaims" "$(($(rpc_count RECLAIM_COMPLETE) > 0))" 1
exec 5>&-

refuse "server_forget refuses while it is running" server_forget
server_stop
check "server_forget" server_forget
server_start
is "then there is no grace period" "$(dmesg | grep -c 'no clients to reclaim')" 2

# Network
exec 5>>/mnt/c/file
check "the client holds an open file" append /mnt/c/file again
below "the round trip is short" "$(round_trip)" 20
net_delay 40
below "net_delay adds to it" 40 "$(round_trip)"
net_delay 0
below "and can be taken away" "$(round_trip)" 20
net_cut
refuse "net_cut parts the network" ping -q -c 2 -i 0.2 -W 1 "$SERVER"
check "the server waits for the lease and keeps a courtesy client" within 40 courtesy
net_heal
check "net_heal mends it" ping -q -c 2 -i 0.2 -W 1 "$SERVER"
check "and the client goes on" append /mnt/c/file four
exec 5>&-

# Clients
known=$(clients_known)
client_ns other
check "client_ns is a client" client_sh other mount_nfs4 -o nosharecache /mnt/other
is "that the server tells from the first" "$(clients_known)" $((known + 1))
net_cut main
check "one client's cable can be cut" client_sh other ping -q -c 2 -i 0.2 -W 1 "$SERVER"
net_heal main
check "and both go on" eval 'append /mnt/c/file five && append /mnt/other/file six'
umount /mnt/other /mnt/c
