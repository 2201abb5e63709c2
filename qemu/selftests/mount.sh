#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Mounting and unmounting: what can be asked for and what not, what the server knows of it, and that the module goes when nobody needs
# it any more.

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/selftests/mounts.bash
. "$(dirname "$0")/mounts.bash"

A=/mnt/a B=/mnt/b C=/mnt/c

clients() {
	server_sh 'cat /proc/fs/nfsd/clients/*/info 2>/dev/null' | grep -c '^clientid:'
}

no_clients() {
	[ "$(clients)" = 0 ]
}

# Zombies do not count.
ended() {
	! grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null
}

bad=(
	"vers=3" "only NFSv4.1 and 4.2"
	"vers=4.0" "only NFSv4.1 and 4.2"
	"vers=5" "vers"
	"minorversion=0" "NFSv4.0"
	"proto=udp" "tcp"
	"proto=tcp6" "proto"
	"sec=krb5" "sec=sys"
	"rsize=much" "rsize"
	"wsize=12k" "wsize"
	"port=70000" "port"
	"timeo=0" "timeo"
	"retrans=-1" "retrans"
	"soft=1" "soft"
	"actimeo" "actimeo"
	"acregmin=30,acregmax=10" "acregmin"
	"lookupcache=maybe" "lookupcache"
	"local_lock=some" "local_lock"
	"nconnect=17" "nconnect"
	"clientaddr=me" "clientaddr"
	"addr=localhost" "addr"
	"nonsense" "nonsense"
	"nonsense=1" "nonsense"
)

plan $((46 + ${#bad[@]} / 2))

# The plain case
mkdir -p "$EXPORT/dir/below"
echo text >"$EXPORT/dir/file"
is "the server knows no client" "$(clients)" 0
check "mount" mount_rnfs4 "$A"
check "/proc/mounts shows what is in force" shows "$A" rw vers=4.2 hard proto=tcp sec=sys addr="$SERVER" timeo=600 retrans=2
is "and the source" "$(awk -v dir="$A" '$2 == dir { print $1, $3 }' /proc/mounts)" "$SERVER:/ rnfs4"
is "a file can be read" "$(cat "$A/dir/file")" text
is "the server knows one client" "$(clients)" 1
check "that is confirmed" eval "server_sh 'cat /proc/fs/nfsd/clients/*/info' | grep -q '^status: confirmed'"
refuse "the module cannot be removed" rmmod rnfs4

# More than one mount
check "a second mount" mount_rnfs4 "$B"
check "a mount of a directory" mount_rnfs4 "$SERVER:/dir/below" "$C"
is "the server still knows one client" "$(clients)" 1
echo there >"$C/new"
is "the directory is the right one" "$(cat "$A/dir/below/new")" there
check "unmount one" umount "$A"
is "the others go on" "$(cat "$B/dir/below/new")" there
check "unmount another" umount "$B"
rm "$C/new"
is "and the last as well" "$(server_sh ls "$EXPORT/dir/below")" ""
rpc_mark
check "unmount the last" umount "$C"
check "then the server knows no client" within 10 no_clients
is "as it was told" "$(rpc_count DESTROY_SESSION) $(rpc_count DESTROY_CLIENTID)" "1 1"

# Another export, another path, another protocol
mkdir "$EXPORT/other"
server_sh exportfs -o rw,no_root_squash,insecure,no_subtree_check,fsid=1 "*:$EXPORT/other"
check "mount another export by its path from the pseudo root" mount_rnfs4 "$SERVER:/other" "$A"
echo other >"$A/file"
is "and write to it" "$(server_sh cat "$EXPORT/other/file")" other
umount "$A"
check "mount with IPv6" mount_rnfs4 "[$SERVER6]:/dir" "$A"
check "/proc/mounts shows it" shows "$A" proto=tcp6 addr="$SERVER6"
is "and it works" "$(cat "$A/file")" text
umount "$A"
check "a name with addr=" mount_rnfs4 -o addr="$SERVER" "the.server:/dir" "$A"
is "is shown as it was given" "$(awk -v dir="$A" '$2 == dir { print $1 }' /proc/mounts)" "the.server:/dir"
umount "$A"

# Options
check "many options" mount_rnfs4 -o vers=4.1,rsize=65536,wsize=32768,soft,timeo=100,retrans=3,acregmin=1,acregmax=2,acdirmin=3,acdirmax=4 \
	-o nocto,lookupcache=pos,noresvport,nosharecache,noatime "$A"
check "are shown" shows "$A" vers=4.1 rsize=65536 wsize=32768 soft timeo=100 retrans=3 acregmin=1 acregmax=2 acdirmin=3 acdirmax=4 \
	nocto lookupcache=pos noresvport nosharecache noatime
is "and are what the server sees" "$(server_sh 'cat /proc/fs/nfsd/clients/*/info' | grep 'minor version')" "minor version: 1"
shown=$(options "$A")
umount "$A"
check "what is shown can be given again" mount_rnfs4 -o "$shown" "$A"
is "and comes to the same" "$(options "$A")" "$shown"
umount "$A"
head -c 100000 /dev/zero >"$EXPORT/zeros"
mount_rnfs4 -o rsize=8192 "$A"
rpc_mark
cat "$A/zeros" >/dev/null
below "rsize is kept to" 11 "$(rpc_count READ)"
umount "$A"
check "mount read-only" mount_rnfs4 -o ro "$A"
check "then nothing is written" says "Read-only file system" touch "$A/file"
check "remount read-write" mount -i -o remount,rw "$A"
check "then it is" touch "$A/file"
refuse "other options cannot be changed by a remount" mount -i -o remount,rsize=4096 "$A"
umount "$A"

# What cannot be
for ((i = 0; i < ${#bad[@]}; i += 2)); do
	check "${bad[i]} is refused, and it is said why" says "${bad[i + 1]}" mount_rnfs4 -o "${bad[i]}" "$A"
done
check "so is a source without a path" says "HOST:/PATH" mount_rnfs4 "$SERVER" "$A"
check "a host's name without an address" says "numeric address" mount_rnfs4 "the.server:/" "$A"
check "a path that is not there" says "no such path" mount_rnfs4 "$SERVER:/dir/nowhere" "$A"
check "and one that is a file" says "not a directory" mount_rnfs4 "$SERVER:/dir/file" "$A"
check "a port where nobody listens" says "refuses the connection" timeout 60 mount_rnfs4 -o port=4,soft,timeo=20,retrans=1 "$SERVER:/" "$A"

# Nothing holds on to the module
net_cut
waiting=$(mount -i -t rnfs4 "$SERVER:/" "$A" >/dev/null 2>&1 & echo $!)
sleep 2
refuse "a mount waits for a dead network" ended "$waiting"
kill -KILL "$waiting"
check "and can be killed" within 5 ended "$waiting"
net_heal
check "the module can be removed" within 10 rmmod rnfs4
check "and loaded again" insmod /module/rnfs4.ko
