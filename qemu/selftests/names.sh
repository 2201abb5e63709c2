#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Names and attributes beyond the everyday ones: every flag of open(), every kind of node, hidden names of open files, what those may who
# do not own a file, what stat tells, names that stand for something else by now, and how long names and attributes are believed.
#
# guest: timeout=400

. "$(dirname "$0")/lib.sh"

CLIENT=${CLIENT:-rnfs4}
M=/mnt/names
E=$EXPORT

# python CODE: with the mount as M.
python() {
	M=$M python3 -c "
import os, errno, stat, ctypes, fcntl, struct, time, socket
M = os.environ['M']
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(old, new, flags):
    if libc.renameat2(-100, (M + old).encode(), -100, (M + new).encode(), flags):
        raise OSError(ctypes.get_errno(), 'renameat2')
def statx(name, mask=0xfffff):
    buf = ctypes.create_string_buffer(256)
    if libc.statx(-100, (M + name).encode(), 0x800, mask, buf):
        raise OSError(ctypes.get_errno(), 'statx')
    return buf.raw
$1"
}

# error CODE: the name of the error that it ends with.
error() {
	python "
try:
    $1
    print('none')
except OSError as error:
    print(errno.errorcode[error.errno])"
}

user() {
	setpriv --reuid="${U:-1000}" --regid="${U:-1000}" --clear-groups bash -c "M=$M; cd $M/all; $1"
}

# user_error CODE: the same as error, done by an ordinary user
user_error() {
	error "os.setgroups([]); os.setgid(1000); os.setuid(1000); $1"
}

on_server() {
	server_sh stat -c "$1" "$E/$2"
}

# other CMD: what somebody else does, in the exported directory.
other() {
	server_sh "cd '$E' && $1"
}

remount() {
	umount "$M" && "mount_$CLIENT" -o "$1" "$M"
}

hidden() {
	server_sh "ls -A '$E' '$E/all' | grep -c '^\.nfs'"
}

no_hidden() {
	[ "$(hidden)" = 0 ]
}

plan 116
echo 0 >/proc/sys/fs/leases-enable
check "mount" "mount_$CLIENT" "$M"
mkdir -m 1777 "$M/all"
echo there >"$M/file"
mkdir "$M/dir"
ln -s made-by-link "$M/dangling"
ln -s file "$M/link"

note "flags of open()"
is "O_TMPFILE is not there" "$(error "os.open(M, os.O_TMPFILE | os.O_RDWR)")" ENOTSUP
is "O_CREAT | O_EXCL of what is there" "$(error "os.open(M + '/file', os.O_CREAT | os.O_EXCL | os.O_RDWR)")" EEXIST
is "of a link that leads nowhere" "$(error "os.open(M + '/dangling', os.O_CREAT | os.O_EXCL | os.O_RDWR)")" EEXIST
is "of a directory" "$(error "os.open(M + '/dir', os.O_CREAT | os.O_EXCL | os.O_RDWR)")" EEXIST
is "O_CREAT of a directory" "$(error "os.open(M + '/dir', os.O_CREAT | os.O_RDWR)")" EISDIR
is "through a link that leads nowhere" "$(error "os.open(M + '/dangling', os.O_CREAT | os.O_RDWR)")" none
is "makes what it leads to" "$(on_server %F made-by-link)" "regular empty file"
is "O_CREAT | O_NOFOLLOW of a link" "$(error "os.open(M + '/link', os.O_CREAT | os.O_NOFOLLOW | os.O_RDWR)")" ELOOP
is "O_CREAT | O_DIRECTORY" "$(error "os.open(M + '/new', os.O_CREAT | os.O_DIRECTORY)")" EINVAL
is "O_CREAT below a file" "$(error "os.open(M + '/file/new', os.O_CREAT)")" ENOTDIR
is "of a name with a slash behind it" "$(error "os.open(M + '/new/', os.O_CREAT | os.O_RDWR)")" EISDIR
is "O_PATH of a file, and to read through it" "$(error "os.read(os.open(M + '/file', os.O_PATH), 1)")" EBADF
is "to open for ioctl() alone, and to read then" "$(error "os.read(os.open(M + '/file', os.O_WRONLY | os.O_RDWR), 1)")" EBADF
is "or to write" "$(error "os.write(os.open(M + '/file', os.O_WRONLY | os.O_RDWR), b'x')")" EBADF
is "takes the right to both" "$(user_error "os.open(M + '/file', os.O_WRONLY | os.O_RDWR)")" EACCES
is "and makes a file" "$(error "os.open(M + '/all/ioctl', os.O_WRONLY | os.O_RDWR | os.O_CREAT)") $(on_server %s all/ioctl)" "none 0"
is "one of many makes a file with O_EXCL" "$(python "
for n in range(8):
    if os.fork() == 0:
        try: os.open(M + '/one', os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError: os._exit(1)
        os._exit(0)
print(sum(os.wait()[1] == 0 for n in range(8)))")" 1
python "
os.umask(0o027)
os.close(os.open(M + '/masked', os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o6777))
os.close(os.open(M + '/file', os.O_CREAT | os.O_RDWR, 0o600))"
is "the mode and the umask make the mode of a new file" "$(on_server %a masked)" 6750
is "and nothing of an old one's" "$(on_server %a file)" 644
mkdir "$M/acl"
other "python3 -c \"
import os, struct
# user::rwx user:1000:rwx group::rwx mask::rwx other::r-x
acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in ((1, 7, 2**32 - 1), (2, 7, 1000), (4, 7, 2**32 - 1), (16, 7, 2**32 - 1), (32, 5, 2**32 - 1)))
os.setxattr('acl', 'system.posix_acl_default', acl)
os.umask(0o077)
os.close(os.open('acl/theirs', os.O_CREAT | os.O_WRONLY, 0o666)); os.mkdir('acl/their-dir', 0o777)\""
python "
os.umask(0o077)
os.close(os.open(M + '/acl/ours', os.O_CREAT | os.O_WRONLY, 0o666)); os.mkdir(M + '/acl/our-dir', 0o777)
os.close(os.open(M + '/acl/excl', os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)); os.mknod(M + '/acl/fifo', stat.S_IFIFO | 0o666)"
is "where there is a default ACL the umask has no say" "$(on_server %a acl/ours) $(on_server %a acl/our-dir)" "$(on_server %a acl/theirs) $(on_server %a acl/their-dir)"
is "with O_EXCL, and for other nodes" "$(on_server %a acl/excl) $(on_server %a acl/fifo)" "664 664"
is "a file that nobody may write to is written by who makes it" "$(python "
fd = os.open(M + '/sealed', os.O_CREAT | os.O_EXCL | os.O_RDWR, 0)
os.write(fd, b'sealed'); os.fsync(fd); print(os.pread(fd, 9, 0).decode())") $(on_server %a sealed)" "sealed 0"
echo long >"$M/cut"
check "O_TRUNC without a right to write" python "os.close(os.open(M + '/cut', os.O_RDONLY | os.O_TRUNC))"
is "cuts, too" "$(on_server %s cut)" 0
echo long >"$M/all/cut"
chmod 644 "$M/all/cut"
is "O_TRUNC by who may only read" "$(user_error "os.open(M + '/all/cut', os.O_RDONLY | os.O_TRUNC)")" EACCES
is "leaves the file" "$(server_sh cat "$E/all/cut")" long
is "O_CREAT | O_TRUNC by him" "$(user_error "os.open(M + '/all/cut', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)")" EACCES
is "leaves it as well" "$(server_sh cat "$E/all/cut") $(stat -c %s "$M/all/cut")" "long 5"
python "
a = os.open(M + '/appended', os.O_CREAT | os.O_WRONLY | os.O_APPEND)
b = os.open(M + '/appended', os.O_WRONLY | os.O_APPEND)
for n in range(50): os.write(a, b'a'); os.write(b, b'b')
os.lseek(a, 0, 0); os.write(a, b'!')"
is "O_APPEND through two descriptors" "$(server_sh cat "$E/appended")" "$(printf 'ab%.0s' {1..50})!"
is "O_RDWR of what may not be written" "$(chmod 444 "$M/all/cut"; user_error "os.open(M + '/all/cut', os.O_RDWR)")" EACCES

note "kinds of nodes"
python "
os.mknod(M + '/reg', stat.S_IFREG | 0o640)
os.mknod(M + '/fifo', stat.S_IFIFO | 0o640)
os.mknod(M + '/chr', stat.S_IFCHR | 0o666, os.makedev(1, 3))
os.mknod(M + '/blk', stat.S_IFBLK | 0o640, os.makedev(259, 70000))
socket.socket(socket.AF_UNIX).bind(M + '/sock')"
for name in reg fifo chr blk sock; do
	is "$name is on the server what it is here" "$(on_server '%F %a %t:%T' $name)" "$(stat -c '%F %a %t:%T' "$M/$name")"
done
is "of these kinds" "$(cd "$M" && stat -c %F reg fifo chr blk sock | xargs -d '\n')" \
	"regular empty file fifo character special file block special file socket"
is "with these numbers" "$(stat -c '%t:%T' "$M/chr") $(stat -c '%t:%T' "$M/blk")" "1:3 103:11170"
is "a device works" "$(python "os.write(os.open(M + '/chr', os.O_WRONLY), b'x'); print(os.read(os.open(M + '/chr', os.O_RDONLY), 1))")" "b''"
is "a socket as well" "$(python "
s = socket.socket(socket.AF_UNIX); s.bind(M + '/talk'); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect(M + '/talk')
c.send(b'hello'); print(s.accept()[0].recv(9).decode())")" hello
is "an ordinary user makes no devices" "$(user_error "os.mknod(M + '/all/dev', stat.S_IFCHR | 0o666, os.makedev(1, 3))")" EPERM
is "but fifos" "$(user_error "os.mknod(M + '/all/fifo', stat.S_IFIFO | 0o600)")" none

note "hidden names"
python "
open('/tmp/doomed', 'w').write(str(os.getpid()))
open(M + '/doomed', 'w').write('x' * 10000)
fd = os.open(M + '/doomed', os.O_RDWR); os.unlink(M + '/doomed'); os.write(fd, b'dirty')
time.sleep(100)" &
doomed=$!
check "a file is unlinked while it is open" within 20 eval '[ "$(hidden)" = 1 ]'
kill -KILL "$(cat /tmp/doomed)"
wait "$doomed" 2>/dev/null
check "its hidden name goes when the process is killed" within 10 no_hidden
is "a directory with a hidden name is not empty" "$(error "
    os.mkdir(M + '/full'); fd = os.open(M + '/full/x', os.O_CREAT); os.unlink(M + '/full/x'); os.rmdir(M + '/full')")" ENOTEMPTY
check "until the file is closed" rmdir "$M/full"
is "a name is free again while its file is open" "$(python "
a = os.open(M + '/twice', os.O_CREAT | os.O_RDWR); os.write(a, b'a'); os.unlink(M + '/twice')
b = os.open(M + '/twice', os.O_CREAT | os.O_EXCL | os.O_RDWR); os.write(b, b'b'); os.unlink(M + '/twice')
c = os.open(M + '/twice', os.O_CREAT | os.O_EXCL | os.O_RDWR); os.write(c, b'c')
print(*(os.pread(f, 9, 0).decode() for f in (a, b, c)), len([n for n in os.listdir(M) if n.startswith('.nfs')]))")" "a b c 2"
is "with two links the other one stays" "$(python "
a = os.open(M + '/l1', os.O_CREAT | os.O_RDWR); os.write(a, b'x'); os.link(M + '/l1', M + '/l2'); os.unlink(M + '/l1')
print(open(M + '/l2').read(), os.path.exists(M + '/l1'))") $(on_server %h l2)" "x False 1"
is "a file that is open is renamed, and written" "$(python "
a = os.open(M + '/r1', os.O_CREAT | os.O_RDWR); os.write(a, b'1'); os.rename(M + '/r1', M + '/r2'); os.write(a, b'2'); os.close(a)
print(open(M + '/r2').read())") $(server_sh cat "$E/r2")" "12 12"
is "one over another, both open" "$(python "
a = os.open(M + '/o1', os.O_CREAT | os.O_RDWR); b = os.open(M + '/o2', os.O_CREAT | os.O_RDWR)
os.write(a, b'a'); os.write(b, b'b'); os.rename(M + '/o1', M + '/o2'); os.write(a, b'A'); os.write(b, b'B')
print(os.pread(a, 9, 0).decode(), os.pread(b, 9, 0).decode())") $(server_sh cat "$E/o2")" "aA bB aA"
is "a directory with an open file in it" "$(python "
os.mkdir(M + '/d1'); a = os.open(M + '/d1/f', os.O_CREAT | os.O_RDWR); os.rename(M + '/d1', M + '/d2'); os.write(a, b'in'); os.unlink(M + '/d2/f')
print(os.pread(a, 9, 0).decode()); os.close(a); os.rmdir(M + '/d2')")" in
check "nothing hidden is left of all that" within 10 no_hidden
is "RENAME_NOREPLACE" "$(error "renameat2('/file', '/nowhere', 1)")" EINVAL
is "RENAME_EXCHANGE" "$(error "renameat2('/file', '/one', 2)")" EINVAL

note "who does not own a file"
echo text >"$M/all/root"
chmod 666 "$M/all/root"
is "he may not change its mode" "$(user_error "os.chmod(M + '/all/root', 0o600)")" EPERM
is "nor its owner" "$(user_error "os.chown(M + '/all/root', 1000, -1)")" EPERM
is "nor set its times" "$(user_error "os.utime(M + '/all/root', (1, 1))")" EPERM
is "but touch it, if he may write" "$(user_error "os.utime(M + '/all/root')")" none
is "and cut it" "$(user_error "os.truncate(M + '/all/root', 2)") $(on_server %s all/root)" "none 2"
is "and not remove it from such a directory" "$(user_error "os.unlink(M + '/all/root')")" EPERM
chmod 644 "$M/all/root"
is "if he may not write, neither touch it" "$(user_error "os.utime(M + '/all/root')")" EACCES
is "nor cut it" "$(user_error "os.truncate(M + '/all/root', 0)") $(on_server %s all/root)" "EACCES 2"
user "echo his > his; chmod 2755 his"
is "his own he may change" "$(on_server '%u %a' all/his)" "1000 2755"
is "but not give away" "$(user_error "os.chown(M + '/all/his', 0, -1)")" EPERM
chown 1000:4 "$M/all/his"
user "chmod 2755 his"
is "nor set the bit of a group that is not his" "$(on_server '%g %a' all/his) $(stat -c %a "$M/all/his")" "4 755 755"

note "setuid and setgid"
for name in write cut touch; do
	cp /bin/true "$M/all/$name"
	chmod 6777 "$M/all/$name"
done
stat "$M"/all/* >/dev/null
user "echo x >> write"
is "writing by another takes them away" "$(stat -c %a "$M/all/write") $(on_server %a all/write)" "777 777"
user "truncate -s 10 cut"
is "whether cutting does is the server's to say" "$(stat -c %a "$M/all/cut")" "$(on_server %a all/cut)"
user "touch touch"
is "but not touching" "$(stat -c %a "$M/all/touch") $(on_server %a all/touch)" "6777 6777"
chown 1000:1000 "$M/all/touch"
is "chown does" "$(stat -c %a "$M/all/touch") $(on_server %a all/touch)" "777 777"
mkdir "$M/setgid"
chmod 6777 "$M/setgid"
chown 1000:1000 "$M/setgid"
is "but not for directories" "$(stat -c %a "$M/setgid") $(on_server %a setgid)" "6777 6777"
mkdir "$M/setgid/below"
is "which hand them down with the group" "$(stat -c '%g %a' "$M/setgid/below")" "$(on_server '%g %a' setgid/below)"

note "what stat tells"
is "birth" "$(stat -c %W "$M/file")" "$(on_server %W file)"
is "all times" "$(stat -c '%.9X %.9Y %.9Z' "$M/file")" "$(on_server '%.9X %.9Y %.9Z' file)"
is "times before 1970" "$(touch -d '1960-01-02 03:04:05.5 UTC' "$M/old"; stat -c %.1Y "$M/old") $(on_server %.1Y old)" "-315521754.5 -315521754.5"
is "blocks" "$(stat -c %b "$M/file")" "$(on_server %b file)"
is "statx has the basic ones and birth" "$(python "print(hex(struct.unpack_from('I', statx('/file'), 0)[0] & 0xfff))")" 0xfff
is "and how to align direct I/O" "$(python "
x = statx('/file'); print(struct.unpack_from('I', x, 0)[0] & 0x2000 != 0, *struct.unpack_from('II', x, 152))")" "True 4 4096"
is "of a file alone" "$(python "print(struct.unpack_from('I', statx('/dir'), 0)[0] & 0x2000)")" 0
is "no automount point" "$(python "print(struct.unpack_from('Q', statx('/dir'), 8)[0] & 0x1000)")" 0
is "flags of a file" "$(python "print(struct.unpack('l', fcntl.ioctl(os.open(M + '/file', os.O_RDONLY), 0x80086601, b'12345678'))[0] & 0xffffffff)")" 0
is "cannot be set" "$(error "fcntl.ioctl(os.open(M + '/file', os.O_RDONLY), 0x40086602, bytes(8))")" ENOTTY

note "names that stand for something else"
remount actimeo=600
# Known here, then another one there.
known() {
	echo old >"$M/$1"
	cat "$M/$1" >/dev/null
	other "echo new >/tmp/new && cp /tmp/new $1.new && mv $1.new $1"
}
known e1
is "open sees the new file" "$(cat "$M/e1")" new
known e2
check "chmod" chmod 600 "$M/e2"
is "changes the new one" "$(on_server %a e2)" 600
known e3
check "truncate" truncate -s 1 "$M/e3"
is "cuts it" "$(on_server %s e3)" 1
known e4
check "rename" mv "$M/e4" "$M/e4-moved"
is "moves it" "$(server_sh cat "$E/e4-moved")" new
known e5
check "link" ln "$M/e5" "$M/e5-link"
is "links it" "$(server_sh cat "$E/e5-link")" new
for what in "touch" "mkdir" "mkfifo" "ln -s to"; do
	mkdir "$M/p"
	ls -a "$M/p" >/dev/null
	other "mv p p-old && mkdir p && rm -r p-old"
	check "$what in a directory that is another one now" eval "$what $M/p/x"
	is "makes it there" "$(other "ls p")" x
	rm -rf "$M/p"
done

note "how long names are believed"
stat "$M/late" >/dev/null 2>&1
other 'touch late'
is "lookupcache=all: a name that was not there" "$(error "os.stat(M + '/late')")" ENOENT
is "but O_CREAT finds it" "$(error "os.open(M + '/late', os.O_CREAT | os.O_EXCL)")" EEXIST
echo x >"$M/leaving"
other 'rm leaving'
is "and one that was" "$(error "os.stat(M + '/leaving')")" none
remount actimeo=600,lookupcache=pos
stat "$M/late2" >/dev/null 2>&1
other 'touch late2'
is "lookupcache=pos: a name that was not there is looked up" "$(error "os.stat(M + '/late2')")" none
echo x >"$M/leaving"
other 'rm leaving'
is "one that was is not" "$(error "os.stat(M + '/leaving')")" none
remount actimeo=600,lookupcache=none
stat "$M/late3" >/dev/null 2>&1
other 'touch late3'
is "lookupcache=none: a name that was not there is looked up" "$(error "os.stat(M + '/late3')")" none
echo x >"$M/leaving"
other 'rm leaving'
is "and so is one that was" "$(error "os.stat(M + '/leaving')")" ENOENT

note "how long attributes are believed"
remount acregmin=4,acregmax=4,acdirmin=600,acdirmax=600
chmod 600 "$M/file"
stat "$M/file" >/dev/null
other 'chmod 644 file'
is "less than acregmin: as they are" "$(stat -c %a "$M/file")" 600
check "more than acregmax: no longer" within 10 eval '[ "$(stat -c %a "$M/file")" = 644 ]'
remount acregmin=1,acregmax=60
stat "$M/file" >/dev/null
rpc_mark
python "
end = time.monotonic() + 9
while time.monotonic() < end: os.stat(M + '/file'); time.sleep(0.1)"
below "the time doubles as long as nothing changes" "$(rpc_count GETATTR)" 7
refuse "and they are asked for" [ "$(rpc_count GETATTR)" = 0 ]
remount acdirmin=3,acdirmax=3
stat "$M/late4" >/dev/null 2>&1
other 'touch late4'
is "less than acdirmin: a name is not there" "$(error "os.stat(M + '/late4')")" ENOENT
check "more than acdirmax: it is" within 10 stat "$M/late4"
check "unmount" umount "$M"

if [ "$CLIENT" = rnfs4 ]; then
	note "what it takes a scripted server for"
	scripted serve &
	ctl() { scripted ctl /run/scripted "$@"; }
	within 5 ctl put owned text
	mount_rnfs4 -o noac 127.0.0.1:/ "$M"
	is "owners with numbers are those" "$(stat -c %u:%g "$M/owned")" 0:0
	ctl rule GETATTR times=ever set=18:0x72000000 set=20:0x77000000
	is "others are nobody" "$(stat -c %u:%g "$M/owned")" 65534:65534
	ctl clear
	ctl rule OPEN/null close
	ctl rule SEQUENCE/lone restart
	is "O_EXCL when its answer is lost" "$(error "os.open(M + '/made', os.O_CREAT | os.O_EXCL | os.O_WRONLY)")" none
	is "and the server restarts" "$(ctl log | grep -c RESTART)" 1
	ctl clear
	umount "$M"
else
	skip "owners with numbers are those" "the scripted server is for rnfs4"
	skip "others are nobody" "the scripted server is for rnfs4"
	skip "O_EXCL when its answer is lost" "the scripted server is for rnfs4"
	skip "and the server restarts" "the scripted server is for rnfs4"
fi
