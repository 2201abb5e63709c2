#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Where another file system of the server begins, a mount comes by itself, and goes when nobody uses it: each has its own device, its own
# numbers and its own statfs, whatever way one has come to it.

. "$(dirname "$0")/lib.sh"

CLIENT=${CLIENT:-rnfs4}
M=/mnt/top
N=/mnt/sub
E=$EXPORT
EXPIRY=2

# mounts: what is mounted at $M and below, in the order of /proc/mounts.
mounts() {
	awk -v m="$M" '$2 == m || index($2, m "/") == 1 { print $1, $2 }' /proc/mounts
}

count() {
	mounts | wc -l
}

is_count() {
	[ "$(count)" = "$1" ]
}

options() {
	awk -v m="$1" '$2 == m { o = $4 } END { print o }' /proc/mounts
}

python() {
	M=$M N=$N E=$E python3 -c "import os, errno; M = os.environ['M']; N = os.environ['N']
$1"
}

error() {
	python "
try:
    $1
    print('none')
except OSError as error:
    print(errno.errorcode[error.errno])"
}

# number PATH: of the inode, as stat() has it, which mounts nothing.
number() {
	python "print(os.stat('$1').st_ino)"
}

device() {
	python "print(os.stat('$1').st_dev)"
}

as_user() {
	setpriv --reuid=1000 --regid=1000 --clear-groups "$@"
}

# megabytes PATH: of the whole file system.
megabytes() {
	df -BM --output=size "$1" | tail -n 1 | tr -dc 0-9
}

reload() {
	if [ "$CLIENT" = rnfs4 ]; then
		rmmod rnfs4 && insmod /module/rnfs4.ko mountpoint_expiry_timeout="$1"
	else
		echo "$1" >/sys/module/nfs/parameters/nfs_mountpoint_expiry_timeout
	fi
}

plan 60

# Three file systems, one in the other.
mkdir -p "$E/sub" "$E/plain"
covered=$(server_sh stat -c %i "$E/sub")
echo under >"$E/sub/underneath"
server_sh "mount -t tmpfs -o size=64M,mode=755 second '$E/sub' && mkdir '$E/sub/deep' && echo under >'$E/sub/deep/underneath' &&
	mount -t tmpfs -o size=32M,mode=755 third '$E/sub/deep' && echo two >'$E/sub/two' && echo three >'$E/sub/deep/three'" || exit
for n in 1 2; do
	dir=$([ $n = 1 ] && echo sub || echo sub/deep)
	echo "$E/$dir *(rw,no_root_squash,no_subtree_check,insecure,fsid=$n)" >>/etc/exports
done
server_sh exportfs -ra || exit
echo 0 >/proc/sys/fs/leases-enable
[ "$CLIENT" = rnfs4 ] || modprobe nfsv4

check "mount" "mount_$CLIENT" "$M"

note "before anybody goes there"
is "the directory has a number of the file system that it lies in" "$(number "$M/sub")" "$covered"
is "and so says the listing" "$(python "print([e.inode() for e in os.scandir(M) if e.name == 'sub'][0])")" "$covered"
is "it is on the same device" "$(device "$M/sub")" "$(device "$M")"
is "statx tells what it is" "$(python "
import ctypes, struct
buf = ctypes.create_string_buffer(256)
ctypes.CDLL(None).statx(-100, (M + '/sub').encode(), 0x800, 0xfff, buf)
print(hex(struct.unpack_from('Q', buf.raw, 8)[0] & 0x1000))")" 0x1000
check "ls -l" ls -l "$M"
is "nothing was mounted for that" "$(mounts)" "$SERVER:/ $M"

note "a walk goes on there"
rpc_mark
is "a file is read" "$(cat "$M/sub/two")" two
note "it took $(rpc_count rpcs) calls"
is "there is a mount now" "$(mounts)" "$SERVER:/ $M
$SERVER:/sub $M/sub"
is "with the options of its parent" "$(options "$M/sub")" "$(options "$M")"
is "the directory has the number of the root" "$(number "$M/sub")" "$(server_sh stat -c %i "$E/sub")"
refuse "on another device" [ "$(device "$M/sub")" = "$(device "$M")" ]
is "which is that of its files" "$(device "$M/sub/two")" "$(device "$M/sub")"
is "the listing above still has the number there" "$(python "print([e.inode() for e in os.scandir(M) if e.name == 'sub'][0])")" "$covered"
is "statfs of the one" "$(megabytes "$M/sub")" 64
is "and the other" "$(megabytes "$M")" "$(server_sh df -BM --output=size "$E" | tail -n 1 | tr -dc 0-9)"
is "a file system in the file system" "$(cat "$M/sub/deep/three") $(megabytes "$M/sub/deep")" "three 32"
is "is mounted, too" "$(mounts | tail -n 1)" "$SERVER:/sub/deep $M/sub/deep"
echo written >"$M/sub/deep/new"
is "what is written there is there" "$(server_sh cat "$E/sub/deep/new")" written
is "find -xdev stays where it is" "$(find "$M" -xdev -type f | wc -l)" 0
is "find goes everywhere" "$(find "$M" -type f -printf '%f ' | xargs -n 1 | sort | xargs)" "new three two"
is "rename from one to the other" "$(error "os.rename(M + '/sub/two', M + '/two')")" EXDEV
is "link" "$(error "os.link(M + '/sub/two', M + '/two')")" EXDEV
is "rmdir of such a directory" "$(error "os.rmdir(M + '/sub/deep')")" EBUSY
check "getcwd" bash -c "cd $M/sub/deep && [ \"\$(/bin/pwd -P)\" = $M/sub/deep ] && ls .. >/dev/null"

note "umount"
exec 7<"$M/sub/deep/three"
refuse "while a file below is open it is busy" umount -c "$M"
exec 7<&-
check "then it takes all with it" umount "$M"
is "so that nothing is left" "$(mounts)" ""
"mount_$CLIENT" "$M"
check "a user who may comes by the same way" as_user cat "$M/sub/deep/three"
check "many at once" python "
for n in range(8):
    if os.fork() == 0: os._exit(open(M + '/sub/deep/three').read() != 'three\n')
assert not any(os.wait()[1] for n in range(8))"
is "come to one mount each" "$(count)" 3
exec 7<"$M/sub/deep/three"
check "umount -l" umount -l "$M"
is "leaves the file that is open" "$(cat <&7)" three
exec 7<&-
"mount_$CLIENT" -o ro "$M"
is "what is read-only is so below" "$(error "open(M + '/sub/deep/x', 'w')")" EROFS
umount "$M"
"mount_$CLIENT" -o acregmin=7,soft,noac "$M"
cat "$M/sub/deep/three" >/dev/null
is "other options go all the way down" "$(options "$M/sub/deep")" "$(options "$M")"
umount "$M"

note "one file system, several ways to it"
"mount_$CLIENT" "$M"
check "the second one by itself" "mount_$CLIENT" "$SERVER:/sub" "$N"
cat "$M/sub/two" >/dev/null
is "is the same as from above" "$(device "$M/sub")" "$(device "$N")"
echo changed >"$N/two"
is "and has the same cache" "$(cat "$M/sub/two")" changed
cat "$N/deep/three" >/dev/null
is "its mounts are called after it" "$(awk -v m="$N/deep" '$2 == m { print $1 }' /proc/mounts)" "$SERVER:/sub/deep"
umount "$M"
is "one goes, the other stays" "$(cat "$N/two" "$N/deep/three" | xargs)" "changed three"
"mount_$CLIENT" -o nosharecache "$M"
cat "$M/sub/two" >/dev/null
refuse "nosharecache is for what is below, too" [ "$(device "$M/sub")" = "$(device "$N")" ]
umount "$M" "$N"
mkdir -p "$E/plain/way"
server_sh mount --bind "$E/sub" "$E/plain/way"
echo "$E/plain/way *(rw,no_root_squash,no_subtree_check,insecure,fsid=1)" >>/etc/exports
server_sh exportfs -ra
check "a directory of a file system that is mounted" "mount_$CLIENT" "$SERVER:/plain" "$M"
cat "$M/way/two" >/dev/null
is "has mounts that are called after it" "$(mounts | tail -n 1)" "$SERVER:/plain/way $M/way"
umount "$M"

note "the server restarts"
"mount_$CLIENT" "$M"
exec 7>>"$M/sub/deep/held" 8>>"$M/held"
check "it does" server_restart
check "who has files open goes on" python "os.write(7, b'on\n'); os.fsync(7); os.write(8, b'on\n'); os.fsync(8)"
exec 7>&- 8>&-
is "in each of them" "$(server_sh cat "$E/sub/deep/held" "$E/held" | xargs)" "on on"

note "the server takes one away"
cat "$M/sub/deep/three" >/dev/null
sed -i '\,/sub/deep ,d' /etc/exports
server_sh "exportfs -ra; for n in {1..20}; do umount '$E/sub/deep' && break; sleep 0.5; done"
if [ "$CLIENT" = rnfs4 ]; then
	is "then one sees what was below" "$(cat "$M/sub/deep/underneath")" under
	is "and it is no mount any more" "$(mounts | tail -n 1)" "$SERVER:/sub $M/sub"
else
	note "here: $(cat "$M/sub/deep/underneath" 2>&1)"
	skip "then one sees what was below" "the C client does not look the name up again"
	skip "and it is no mount any more" "the C client does not look the name up again"
fi
umount -l "$M"

note "expiry"
if [ "$CLIENT" = rnfs4 ]; then
	check "nothing is left of it all" within 20 rmmod rnfs4
	insmod /module/rnfs4.ko
else
	skip "nothing is left of it all" "nfsv4.ko stays"
fi
check "mounts that are to go after $EXPIRY s" reload "$EXPIRY"
"mount_$CLIENT" "$M"
cat "$M/sub/two" >/dev/null
is "one is there" "$(count)" 2
check "when nobody uses it, it goes" within 30 is_count 1
exec 7<"$M/sub/two"
is "one that is used" "$(count)" 2
sleep $((4 * EXPIRY))
is "stays" "$(count) $(cat <&7)" "2 changed"
exec 7<&-
check "and goes after that" within 30 is_count 1
is "it comes back" "$(cat "$M/sub/two")" changed
check "umount with one that is about to go" umount "$M"
sleep $((2 * EXPIRY))

note "the server is silent"
"mount_$CLIENT" "$M"
cat "$M/sub/two" >/dev/null
net_cut
check "umount -f does not wait for it" timeout 60 umount -f "$M"
is "nothing is left" "$(mounts)" ""
net_heal
if [ "$CLIENT" = rnfs4 ]; then
	check "the module can be removed" within 20 rmmod rnfs4
else
	skip "the module can be removed" "nfsv4.ko stays"
fi
