#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everyday operations on files: each does what it says, on the server's side, and what cannot be done fails for the right reason.

. "$(dirname "$0")/lib.sh"

CLIENT=${CLIENT:-rnfs4}
M=/mnt/files
E=$EXPORT

# as_user CMD...: as an ordinary user
as_user() {
	setpriv --reuid=1000 --regid=1000 --clear-groups "$@"
}

# on_server FORMAT NAME: what stat says there.
on_server() {
	server_sh stat -c "$1" "$E/$2"
}

# python CODE: with the mount as M.
python() {
	M=$M python3 -c "import os, mmap, errno; M = os.environ['M']
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

plan 115

# Without delegations both clients ask the server about the same things.
echo 0 >/proc/sys/fs/leases-enable
check "mount" "mount_$CLIENT" "$M"

# Regular files
check "create" touch "$M/empty"
is "the server has it" "$(on_server '%F %s' empty)" "regular empty file 0"
check "O_EXCL fails where there is one" says "cannot overwrite existing" bash -c "set -C; : > $M/empty"
check "and not elsewhere" bash -c "set -C; echo new > $M/fresh"
echo one >"$M/lines"
echo two >>"$M/lines"
is "append" "$(server_sh cat "$E/lines")" $'one\ntwo'
echo three >"$M/lines"
is "overwrite" "$(server_sh cat "$E/lines")" three
check "create a file that can only be read" bash -c "umask 222; echo data > $M/readonly"
is "its mode" "$(on_server %a readonly)" 444
is "its content" "$(server_sh cat "$E/readonly")" data
check "a file and its attributes are copied" cp -p /bin/bash "$M/bash"
is "the content" "$(server_sh cmp /bin/bash "$E/bash" && echo same)" same
is "mode and time" "$(on_server '%a %Y' bash)" "$(stat -c '%a %Y' /bin/bash)"
is "it can be executed" "$("$M/bash" -c 'echo runs')" runs
is "its number is the server's" "$(stat -c %i "$M/bash")" "$(on_server %i bash)"
check "fsync" python "fd = os.open(M + '/synced', os.O_RDWR | os.O_CREAT); os.write(fd, b'x'); os.fsync(fd); os.fdatasync(fd); os.close(fd)"
check "a name of 255 bytes" touch "$M/$(printf 'n%.0s' {1..255})"
check "and none of 256" says "File name too long" touch "$M/$(printf 'n%.0s' {1..256})"
check "any byte but slash in a name" touch "$M/"$'new\nline \xff "quoted" ünï'
is "the server has it" "$(server_sh test -e "$E/"$'new\nline \xff "quoted" ünï' && echo there)" there

# Sizes
printf 0123456789 >"$M/size"
check "truncate to less" truncate -s 4 "$M/size"
is "the server has less" "$(server_sh cat "$E/size")" 0123
check "truncate to more" truncate -s 8 "$M/size"
is "the server has zeros" "$(server_sh od -An -tx1 "$E/size" | xargs)" "30 31 32 33 00 00 00 00"
check "ftruncate of what is being written" python "
fd = os.open(M + '/cut', os.O_RDWR | os.O_CREAT)
os.write(fd, b'x' * 100000); os.ftruncate(fd, 5000); os.write(fd, b'end'); os.close(fd)"
is "comes to the right size" "$(on_server %s cut)" 100003
is "with a hole" "$(server_sh "head -c 100000 '$E/cut' | tail -c 95000 | tr -d '\0' | wc -c")" 0
check "a file with holes" bash -c "echo start > $M/sparse; dd if=/bin/bash of=$M/sparse bs=4k count=1 seek=1000 conv=notrunc status=none"
is "is as long on the server" "$(on_server %s sparse)" $((1001 * 4096))
below "and as sparse" "$(on_server %b sparse)" 200
is "holes are read as zeros" "$(head -c 4000000 "$M/sparse" | tail -c 3900000 | tr -d '\0' | wc -c)" 0
check "beyond 4 GiB" dd if=/bin/bash of="$M/far" bs=1M count=1 seek=5000 status=none
is "the server has the size" "$(on_server %s far)" $((5001 * 1048576))
is "and the data" "$(server_sh tail -c 1048576 "$E/far" | sha256sum)" "$(head -c 1048576 /bin/bash | sha256sum)"
rm "$M/far"

# Mappings
check "what is written through a mapping" python "
with open(M + '/mapped', 'wb') as f: f.write(b'.' * 10000)
with open(M + '/mapped', 'r+b') as f:
    m = mmap.mmap(f.fileno(), 0); m[5000:5005] = b'hello'; m.flush(); m.close()"
is "is on the server" "$(server_sh tail -c +5001 "$E/mapped" | head -c 5)" hello
server_sh "printf from-server > '$E/given'"
is "what the server has is seen through one" "$(python "
with open(M + '/given', 'rb') as f: print(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[:].decode())")" from-server

# Directories
check "mkdir" mkdir -p "$M/dir/sub/deep"
is "the server has it" "$(on_server %F dir/sub/deep)" directory
check "mkdir of what is there" says "File exists" mkdir "$M/dir"
check "rmdir of what is not empty" says "Directory not empty" rmdir "$M/dir"
check "rmdir" rmdir "$M/dir/sub/deep"
is "is gone on the server" "$(server_sh ls "$E/dir/sub")" ""
is "links of a directory" "$(stat -c %h "$M/dir")" "$(on_server %h dir)"
mkdir "$M/many"
NAMES=${FULL:+1000} NAMES=${NAMES:-300}
check "$NAMES names" python "
for n in range($NAMES): os.close(os.open(f'{M}/many/name-{n:04}', os.O_CREAT | os.O_WRONLY))"
is "are on the server" "$(server_sh ls "$E/many" | wc -l)" "$NAMES"
is "each is read once" "$(find "$M/many" -type f -printf '%f\n' | sort | sha256sum)" "$(seq -f 'name-%04g' 0 $((NAMES - 1)) | sha256sum)"
is "by a new reader, too" "$(umount "$M" && "mount_$CLIENT" "$M" && find "$M/many" -type f | wc -l)" "$NAMES"
check "they are removed while they are read" python "
for entry in os.scandir(M + '/many'): os.unlink(entry.path)"
is "none is left" "$(server_sh ls "$E/many"; ls "$M/many")" ""
is "an empty directory has . and .." "$(ls -a "$M/many")" $'.\n..'
check "cd and relative names" bash -c "cd $M/dir/sub && echo here > file && cat ../sub/file"
is "getcwd" "$(cd "$M/dir/sub" && /bin/pwd -P)" "$M/dir/sub"

# Names
echo content >"$M/old"
check "rename" mv "$M/old" "$M/new"
is "the server has the new name" "$(server_sh "cd '$E' && ls old new 2>/dev/null")" new
check "over another file" mv "$M/new" "$M/lines"
is "which is gone" "$(server_sh cat "$E/lines")" content
check "into another directory" mv "$M/lines" "$M/dir/moved"
is "the server has it there" "$(server_sh cat "$E/dir/moved")" content
check "a directory" mv "$M/dir" "$M/moved-dir"
is "with what is in it" "$(cat "$M/moved-dir/moved")" content
is "into itself" "$(error "os.rename(M + '/moved-dir', M + '/moved-dir/sub/x')")" EINVAL
is "a directory over a file" "$(error "os.rename(M + '/moved-dir', M + '/empty')")" ENOTDIR
is "a file over a directory" "$(error "os.rename(M + '/empty', M + '/moved-dir')")" EISDIR
is "a directory over one that is not empty" "$(error "os.mkdir(M + '/d'); os.rename(M + '/d', M + '/moved-dir')")" ENOTEMPTY
is "what is not there" "$(error "os.rename(M + '/nothing', M + '/x')")" ENOENT
check "a link" ln "$M/moved-dir/moved" "$M/linked"
is "counts on the server" "$(on_server %h linked)" 2
is "and here" "$(stat -c %h "$M/moved-dir/moved")" 2
check "unlink" rm "$M/moved-dir/moved"
is "leaves the other" "$(cat "$M/linked") $(stat -c %h "$M/linked")" "content 1"
is "a link to a directory" "$(error "os.link(M + '/moved-dir', M + '/x')")" EPERM
check "a symbolic link" ln -s moved-dir/sub/file "$M/symlink"
is "is on the server what it was made" "$(server_sh readlink "$E/symlink")" moved-dir/sub/file
is "is read and followed" "$(readlink "$M/symlink") $(cat "$M/symlink")" "moved-dir/sub/file here"
check "a long one" ln -s "$(printf 'x/%.0s' {1..2000})" "$M/long"
is "is read whole" "$(readlink "$M/long")" "$(printf 'x/%.0s' {1..2000})"
check "a fifo" mkfifo "$M/fifo"
is "works" "$(echo through >"$M/fifo" & timeout 5 cat "$M/fifo")" through

# A file that is unlinked while it is open
echo ghost >"$M/ghost"
exec 6<>"$M/ghost"
check "unlink of an open file" rm "$M/ghost"
is "takes its name away" "$(error "os.stat(M + '/ghost')")" ENOENT
is "and leaves the file" "$(cat <&6)" ghost
echo more >&6
check "which can be written and synced" python "os.fsync(6)"
is "and has no visible name" "$(find "$M" -name '*ghost*')" ""
exec 6>&-
is "until it is closed: then nothing is left" "$(server_sh "ls -A '$E' | grep -c '^\.nfs'")" 0
check "a directory with such a file" bash -c "mkdir $M/d2; exec 6> $M/d2/file; rm $M/d2/file; exec 6>&-; rmdir $M/d2"
echo target >"$M/target"
echo source >"$M/source"
exec 6<"$M/target"
check "rename over an open file" mv "$M/source" "$M/target"
is "leaves the old one to its reader" "$(cat <&6) $(cat "$M/target")" "target source"
exec 6<&-
is "and nothing behind" "$(server_sh "ls -A '$E' | grep -c '^\.nfs'")" 0

# Attributes
touch "$M/attr"
check "chmod" chmod 4751 "$M/attr"
is "on the server" "$(on_server %a attr)" 4751
check "chown" chown 1000:1001 "$M/attr"
is "on the server, with no set-user-id any more" "$(on_server '%u:%g %a' attr)" "1000:1001 751"
check "utimes" touch -d '2001-02-03 04:05:06.789 UTC' "$M/attr"
is "on the server" "$(on_server %.3Y attr)" 981173106.789
server_sh chmod 600 "$E/empty"
server_sh chown root "$E/empty"
check "an ordinary user may not open what is not his" says "Permission denied" as_user cat "$M/empty"
check "nor change its mode" says "Operation not permitted" as_user chmod 777 "$M/empty"
server_sh chmod 755 "$E/moved-dir"
check "nor make a file in root's directory" says "Permission denied" as_user touch "$M/moved-dir/mine"
mkdir -m 777 "$M/open-dir"
touch "$M/moved-dir/source"
echo kept >"$M/open-dir/target"
exec 9<"$M/open-dir/target"
check "nor move one from there over a file that is open" says "Permission denied" as_user mv -f "$M/moved-dir/source" "$M/open-dir/target"
is "which keeps its name" "$(server_sh cat "$E/open-dir/target")" kept
exec 9<&-
mkdir -m 1777 "$M/tmp"
check "but where he may" as_user bash -c "echo mine > $M/tmp/mine"
is "it is his" "$(on_server %u:%g tmp/mine)" 1000:1000
is "statfs has the server's size" "$(df -BM --output=size "$M")" "$(server_sh df -BM --output=size "$E")"

# What changes on the server is seen
server_sh "echo first > '$E/changing'"
is "a file made by somebody else" "$(cat "$M/changing")" first
sleep 0.1
server_sh "echo second > '$E/changing'"
is "and changed by him, from the next open on" "$(cat "$M/changing")" second

# What is wrong
is "ENOENT" "$(error "open(M + '/nothing')")" ENOENT
is "ENOTDIR" "$(error "open(M + '/empty/x')")" ENOTDIR
is "EISDIR" "$(error "os.open(M + '/moved-dir', os.O_WRONLY)")" EISDIR
is "unlink of a directory" "$(error "os.unlink(M + '/moved-dir')")" EISDIR
is "rmdir of a file" "$(error "os.rmdir(M + '/empty')")" ENOTDIR
is "O_DIRECTORY on a file" "$(error "os.open(M + '/empty', os.O_DIRECTORY)")" ENOTDIR
is "O_NOFOLLOW on a link" "$(error "os.open(M + '/symlink', os.O_NOFOLLOW)")" ELOOP
is "write where only reading was asked for" "$(error "os.write(os.open(M + '/attr', os.O_RDONLY), b'x')")" EBADF

# A lock is one that the server knows of, or none.
rpc_mark
if flock -n "$M/attr" true 2>/dev/null; then
	below "flock asks the server" 0 "$(rpc_count LOCK)"
else
	ok "flock is refused, where there are no locks yet"
fi
check "unmount" umount "$M"
