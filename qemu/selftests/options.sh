#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What each mount option does, that /proc/mounts shows all of them in a form that can be given to mount(8) again, and what a remount
# may change.
#
# guest: timeout=300

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/selftests/mounts.bash
. "$(dirname "$0")/mounts.bash"
# shellcheck source=qemu/guest/locker.sh
. /guest/locker.sh

A=/mnt/a B=/mnt/b

# again OPTIONS: a mount with what a mount with them shows shows the same.
again() {
	local first second
	mount_rnfs4 -o "$1" "$A" || return
	first=$(options "$A")
	umount "$A"
	mount_rnfs4 -o "$first" "$A" || return
	second=$(options "$A")
	umount "$A"
	[ "$first" = "$second" ] || {
		printf '%s\n' "$first" "$second"
		return 1
	}
}

# counted OPERATION CMD...: how often it takes that.
counted() {
	local operation=$1
	shift
	rpc_mark
	"$@" >/dev/null 2>&1
	rpc_count "$operation"
}

# with OPTIONS: mounts anew with them, with the export for a working directory.
with() {
	cd / && { ! mountpoint -q "$A" || umount "$A"; } && mount_rnfs4 -o "$1" "$A" && cd "$A"
}

# How long the server's new size takes to be seen, in tenths of a second; the file's attributes were fresh a moment ago.
seen_after() {
	local began now size
	server_sh "echo more >>$EXPORT/$1"
	size=$(server_sh stat -c %s "$EXPORT/$1")
	began=${EPOCHREALTIME/./}
	until [ "$(stat -c %s "$1")" = "$size" ]; do
		now=${EPOCHREALTIME/./}
		[ $((now - began)) -lt 9000000 ] || break
		sleep 0.1
	done
	echo $(((${EPOCHREALTIME/./} - began) / 100000))
}

client_port() {
	server_sh 'cat /proc/fs/nfsd/clients/*/info' | sed -n 's/^address: "10.*:\([0-9]*\)"/\1/p'
}

clients() {
	server_sh 'cat /proc/fs/nfsd/clients/*/info 2>/dev/null' | grep -c '^clientid:'
}

no_clients() {
	[ "$(clients)" = 0 ]
}

round=(
	"rw"
	"ro,noatime,nosuid,nodev,noexec"
	"sync,dirsync"
	"vers=4.1,soft,timeo=50,retrans=4"
	"minorversion=1,softerr"
	"noac"
	"actimeo=7"
	"actimeo=0,nocto,lookupcache=none"
	"acregmin=1,acdirmax=300,lookupcache=positive"
	"acregmax=1,acdirmin=100"
	"rsize=5000,wsize=100,noresvport,nosharecache"
	"rsize=4294967295,wsize=0,hard"
	"local_lock=flock"
	"local_lock=posix,clientaddr=10.1.2.3"
	"nolock,port=0,proto=tcp,nconnect=3,sloppy,what=ever,intr"
)
fixed=(
	"vers=4.1" "vers"
	"addr=10.11.12.9" "addr"
	"clientaddr=10.11.12.9" "clientaddr"
	"port=2050" "port"
	"proto=tcp6" "proto"
	"rsize=8192" "rsize"
	"wsize=8192" "wsize"
	"timeo=7" "timeo"
	"retrans=7" "retrans"
	"soft" "soft"
	"actimeo=7" "acregmin"
	"acregmax=61" "acregmax"
	"acdirmin=31" "acdirmin"
	"acdirmax=61" "acdirmax"
	"noac" "noac"
	"nocto" "nocto"
	"lookupcache=none" "lookupcache"
	"local_lock=flock" "local_lock"
	"noresvport" "noresvport"
	"nconnect=2" "nconnect"
	"nosharecache" "nosharecache"
)

plan $((45 + ${#round[@]} + ${#fixed[@]} / 2))
echo 0 >/proc/sys/fs/leases-enable
chmod 777 "$EXPORT"
mkdir -p "$EXPORT/dir" "$B"
echo text >"$EXPORT/file"
head -c 100000 /dev/zero >"$EXPORT/zeros"

for list in "${round[@]}"; do
	check "$list: what is shown can be given again" again "$list"
done
check "IPv6 as well" again "proto=tcp6,addr=$SERVER6"

# rsize, wsize
with rsize=5000,wsize=100
check "sizes are rounded" shows "$A" rsize=4096 wsize=4096
is "and kept to when reading" "$(counted READ cat zeros)" 25
is "and when writing" "$(counted WRITE dd if=/dev/zero of=new bs=40960 count=1 conv=fsync)" 10
with rw
most=$(options "$A" | grep -o '[rw]size=[0-9]*')
with rsize=2000000000,wsize=2000000000
# shellcheck disable=SC2086 # two words
check "too much is the most there is" shows "$A" $most

# Attributes
with actimeo=1
stat file >/dev/null
below "actimeo=1: what others change is seen soon" "$(seen_after file)" 30
with actimeo=6
stat file >/dev/null
after=$(seen_after file)
is "actimeo=6: not before its time" "$((after >= 40 && after < 75))" 1 || note "after $after tenths of a second"
with acregmin=1,acregmax=1,acdirmin=60
ls dir >/dev/null
stat dir/new >/dev/null 2>&1
server_sh "echo new >$EXPORT/dir/new"
sleep 2
refuse "acdirmin=60: a new name is not seen for long" stat dir/new
with acregmin=60,acdirmin=1,acdirmax=1
stat dir/newer >/dev/null 2>&1
server_sh "echo new >$EXPORT/dir/newer"
sleep 2
check "acdirmax=1: but here it is" stat dir/newer
with ac
stat file >/dev/null
is "ac: attributes are believed" "$(counted rpcs stat file)" 0
with noac
check "noac is shown, and that it is synchronous" shows "$A" noac sync
stat file >/dev/null
is "noac: attributes are asked for each time" "$(($(counted GETATTR stat file) > 0))" 1
exec 5>>file
echo line >&5
is "noac: what is written is at the server at once" "$(server_sh tail -n 1 "$EXPORT/file")" line
exec 5>&-
check "remount with async" mount -i -o remount,async "$A"
check "noac: stays synchronous" shows "$A" sync
with sync
exec 5>>file
echo next >&5
is "sync: what is written is at the server at once" "$(server_sh tail -n 1 "$EXPORT/file")" next
exec 5>&-

# Names
with lookupcache=all
stat nothing >/dev/null 2>&1
is "lookupcache=all: names that are not there are remembered" "$(counted LOOKUP stat nothing)" 0
with lookupcache=pos
stat nothing file >/dev/null 2>&1
is "lookupcache=pos: they are not" "$(counted LOOKUP stat nothing)" 1
is "but those that are" "$(counted LOOKUP stat file)" 0
with lookupcache=none
stat file >/dev/null
is "lookupcache=none: nothing is" "$(($(counted rpcs stat file) > 0))" 1
with cto
ls dir >/dev/null
cto=$(counted rpcs ls dir)
with nocto
ls dir >/dev/null
below "nocto: a directory is opened without asking" "$(counted rpcs ls dir)" "$cto"

# Locks
client_ns other
check "another client" client_sh other mount_rnfs4 "$B"
cd / || exit
# here KIND: what of flock() and fcntl() keeps the other client out, and how many LOCKs that took.
here() {
	local got=
	umount "$A" && mount_rnfs4 -o "local_lock=$1" "$A" || return
	locker p q c
	at p open f "$A/file" >/dev/null && at q open f "$A/file" >/dev/null && at c open f "$B/file" >/dev/null
	rpc_mark
	got+=$(at p flock f ex),$(at q flock f sh),
	got+=$(rpc_count LOCK),$(at c flock f sh)" "
	at p flock f un >/dev/null && at c flock f un >/dev/null
	rpc_mark
	got+=$(at p lock f w 0 10),$(at q lock f w 5 1),$(at q get f w 0 0 | cut -d' ' -f1),
	got+=$(rpc_count LOCK),$(at c lock f w 0 10)
	locker_end p q c
	echo "$got"
}
is "local_lock=none: the server knows all locks" "$(here none)" "ok,EAGAIN,1,EAGAIN ok,EAGAIN,w,1,EAGAIN"
is "local_lock=flock: not those of flock()" "$(here flock)" "ok,EAGAIN,0,ok ok,EAGAIN,w,1,EAGAIN"
is "local_lock=posix: not those of fcntl()" "$(here posix)" "ok,EAGAIN,1,EAGAIN ok,EAGAIN,w,0,ok"
is "local_lock=all: none" "$(here all)" "ok,EAGAIN,0,ok ok,EAGAIN,w,0,ok"
locker p q
at p open f "$A/file" >/dev/null && at q open f "$A/file" >/dev/null && at p flock f ex >/dev/null
tell q flock f ex wait
is "a local lock is waited for" "$(answer q 1)" "no answer"
at p close f >/dev/null
is "until it is given up" "$(answer q)" ok
locker_end p q
umount "$B"

# Superblocks
with rw
same() {
	mount_rnfs4 -o "$1" "$B" || return
	[ "$(stat -c %d "$A")" = "$(stat -c %d "$B")" ] && echo same || echo another
	umount "$B"
}
is "sharecache: a second mount shares the superblock" "$(same sharecache)" same
is "also with the sizes that it has anyway" "$(same rsize=1048576)" same
is "nosharecache: it does not" "$(same nosharecache)" another
is "nor with other options" "$(same actimeo=9)" another
is "nor a read-only one" "$(same ro)" another
is "nor a synchronous one" "$(same sync)" another
check "and it is as it was" shows "$A" rw
mount_rnfs4 -o nosharecache "$B"
echo there >"$B/there"
is "what the one writes the other reads" "$(cat "$A/there")" there
umount "$B"

# Remount
for ((i = 0; i < ${#fixed[@]}; i += 2)); do
	check "a remount cannot have ${fixed[i]}" says "${fixed[i + 1]}" mount -i -o "remount,${fixed[i]}" "$A"
done
check "but what is shown" mount -i -o "remount,$(options "$A")" "$A"
check "and ro" mount -i -o remount,ro "$A"
check "which is shown" shows "$A" ro
cd / && umount "$A"
within 10 no_clients

# The connection
with noresvport
is "noresvport: the port may be any" "$(($(client_port) >= 1024))" 1
mount_rnfs4 -o resvport,nosharecache "$B"
check "a second mount shows what there is" shows "$B" noresvport
umount "$B"
cd / && umount "$A"
within 10 no_clients

# Addresses
mount_rnfs4 "$A"
rpc_mark
mount_rnfs4 "[$SERVER6]:/" "$B"
for n in 1 2 3; do
	echo "$n" >"$A/by4.$n"
	echo "$n" >"$B/by6.$n"
done
is "a server by two addresses has two clients" "$(clients)" 2
is "who do not take each other for the same" "$(rpc_count EXCHANGE_ID) $(rpc_count RECLAIM_COMPLETE)" "1 1"
umount "$A" "$B"

# Versions
server_stop
server_sh rpc.nfsd -N 3 -V 4.1 -N 4.2 --lease-time 10 --grace-time 10 8
check "a server without 4.2 is spoken to by 4.1" again rw
check "unless 4.2 is asked for" says "version" mount_rnfs4 -o vers=4.2 "$A"
server_restart
