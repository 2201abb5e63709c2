#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A server that reads and writes less than it was asked for, or says something odd about it: the rest is asked for again, and what cannot
# be ends in an error, in time. Through the page cache and past it; a scripted server for each client, the C client's result beside.
#
# guest: timeout=200

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/selftests/scripted.bash
. "$(dirname "$0")/scripted.bash"

SIZE=300000

cat >/tmp/io.py <<'END_OF_PROGRAM'
"""io.py read|write buffered|direct PATH: reads PATH, which is to be as /tmp/model, or writes it so, and syncs. Prints how that ended."""
import errno, mmap, os, sys

how, way, path = sys.argv[1:]
with open("/tmp/model", "rb") as file:
    model = file.read()
flags = os.O_DIRECT if way == "direct" else 0
memory = mmap.mmap(-1, (len(model) + 4095) // 4096 * 4096)
try:
    if how == "read":
        fd, data = os.open(path, os.O_RDONLY | flags), b""
        while got := os.preadv(fd, [memory], len(data)):
            data += memory[:got]
        print("right" if data == model else f"wrong: {len(data)} bytes")
    else:
        fd, done = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | flags, 0o644), 0
        memory[: len(model)] = model
        while done < len(model):
            done += os.pwritev(fd, [memoryview(memory)[done : len(model)]], done)
        os.fsync(fd)
        print("done")
except OSError as error:
    print(errno.errorcode[error.errno])
END_OF_PROGRAM

# io CLIENT HOW WAY RULE...: how it ends with these rules, which must strike; from the cold.
io() {
	local client=$1 how=$2 way=$3 said
	shift 3
	echo 3 >/proc/sys/vm/drop_caches
	ctl "$client" clear >/dev/null
	for rule in "$@"; do
		ctl "$client" rule "$rule" >/dev/null || return
	done
	said=$(timeout -s KILL 20 python3 /tmp/io.py "$how" "$way" "/mnt/$client/file")
	ctl "$client" rules | grep -q 'hits=[1-9]' || said="the rule has not struck"
	ctl "$client" clear >/dev/null
	echo "${said:-hangs}"
}

# same CLIENT: what the server has is what was to be written
same() {
	[ "$(ctl "$1" get /file)" = "$(cat /tmp/model)" ]
}

# both WHAT WANTED HOW WAY RULE...
both() {
	local what=$1 wanted=$2
	shift 2
	is "$what" "$(io rnfs4 "$@")" "$wanted"
	note "nfs4: $(io nfs4 "$@")"
	[ "$1 $wanted" != "write done" ] || check "and the server has it" same rnfs4
}

plan 38
# Text, which the server can show as it is.
base64 -w 0 /dev/urandom | head -c $SIZE >/tmp/model
serve rnfs4
serve nfs4
check "both clients mount" eval 'mounted rnfs4 && mounted nfs4'
for client in rnfs4 nfs4; do
	cp /tmp/model /mnt/$client/file
done
check "the server has a file" same rnfs4

declare -A nothing=([buffered]=right [direct]=EIO)
for way in buffered direct; do
	# The words of a READ's result: whether that is the end, how many bytes, and these.
	both "$way: a READ of a part" right read $way "READ set=0:0 set=1:4096 cut=4104"
	both "$way: of an odd part" right read $way "READ set=0:0 set=1:1001 cut=1012"
	both "$way: several of them" right read $way "READ times=20 set=0:0 set=1:8192 cut=8200"
	both "$way: of nothing, once" "${nothing[$way]}" read $way "READ set=0:0 set=1:0 cut=8"
	both "$way: that has more than was asked for" EIO read $way "READ times=ever set=1:2000000"
	# Of a WRITE's: how many bytes, how safe they are, and the verifier.
	both "$way: a WRITE of a part" "done" write $way "WRITE set=0:4096"
	both "$way: of an odd part" "done" write $way "WRITE set=0:1001"
	both "$way: several of them" "done" write $way "WRITE times=20 set=0:8192"
	both "$way: of nothing" EIO write $way "WRITE times=ever set=0:0"
	both "$way: of more than was sent" EIO write $way "WRITE times=ever set=0:2000000"
	both "$way: a file that gets too large" EFBIG write $way "WRITE times=ever status=FBIG"
	both "$way: a verifier that changes with each WRITE" "done" write $way "WRITE times=1 set=2:7" "WRITE times=1 after=1 set=2:8"
	cp /tmp/model /mnt/rnfs4/file && cp /tmp/model /mnt/nfs4/file
done
is "nothing is read for ever" "$(io rnfs4 read buffered "READ times=ever set=0:0 set=1:0 cut=8")" EIO
note "nfs4: $(io nfs4 read buffered "READ times=ever set=0:0 set=1:0 cut=8")"
is "nor past the cache" "$(io rnfs4 read direct "READ times=ever set=0:0 set=1:0 cut=8")" EIO
note "nfs4: $(io nfs4 read direct "READ times=ever set=0:0 set=1:0 cut=8")"
check "unmount" umount /mnt/rnfs4
check "the module can be removed" rmmod rnfs4
