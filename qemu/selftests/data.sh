#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# File data through the page cache: what programs write in whatever way is what the server has, and what the server has is what
# they read. Everything is compared on the server's side.
#
# guest: smp=2 mem=768

. "$(dirname "$0")/lib.sh"

CLIENT=${CLIENT:-rnfs4}
M=/mnt/data
MODEL=/tmp/model

sum_of() {
	sha256sum <"$1" | cut -d' ' -f1
}

server_sum() {
	server_sh sha256sum "$EXPORT/$1" | cut -d' ' -f1
}

# same NAME FILE: the server's file NAME holds what the local FILE holds
same() {
	[ "$(server_sum "$1")" = "$(sum_of "$2")" ]
}

remount() {
	umount "$M" && "mount_$CLIENT" "$M"
}

# One command on the file and on its model, which is on a local file system.
both() {
	local command=$1 file=$2
	shift 2
	"$command" "$M/$file" "$@" && "$command" "$MODEL/$file" "$@"
}


put_block() {
	dd of="$1" if=/tmp/noise bs="$4" count=1 iflag=skip_bytes,fullblock skip="$3" oflag=seek_bytes seek="$2" conv=notrunc status=none
}

# Writes at random, sometimes cut off or extended, always the same for a seed.
scramble() {
	local file=$1 n op at len
	RANDOM=$2
	for n in $(seq "$STEPS"); do
		op=$((RANDOM % 10))
		at=$(((RANDOM << 5 | RANDOM & 31) % 400000))
		len=$((RANDOM % (op < 5 ? 700 : 70000) + 1))
		case $op in
		9) both truncate "$file" -s "$at" ;;
		*) both put_block "$file" "$at" "$((RANDOM % 4096))" "$len" ;;
		esac || return
		[ $((n % 20)) != 0 ] || sync "$M/$file"
		[ $((n % 25)) != 0 ] || cmp "$M/$file" "$MODEL/$file" || return
	done
}

# The same through one descriptor that stays open.
append_lines() {
	local n
	exec 8>>"$1"
	for n in $(seq "$2"); do
		echo "record $n of $1" >&8 || return
	done
	exec 8>&-
}

append_synced() {
	local n
	for n in $(seq "$2"); do
		echo "record $n" | dd of="$1" oflag=append conv=notrunc,fsync status=none || return
	done
}

parallel_writers() {
	local n
	for n in $(seq 6); do
		dd if=/tmp/noise of="$M/parallel$n" bs=$((n * 1000)) count=40 conv=fsync status=none iflag=fullblock &
	done
	wait
	for n in $(seq 6); do
		dd if=/tmp/noise of="$MODEL/parallel$n" bs=$((n * 1000)) count=40 status=none iflag=fullblock
		same "parallel$n" "$MODEL/parallel$n" || return
	done
}

# Two descriptors that write by turns into one page.
interleave() {
	local n
	: >"$1"
	exec 8>>"$1" 9>>"$1"
	for n in $(seq 50); do
		echo "eight $n" >&8
		echo "nine $n" >&9
	done
	exec 8>&- 9>&-
}

# holes FILE: makes one of 1 MiB with one page at 64 KiB, and prints where, from some places on, it has data and holes.
holes() {
	python3 -c "
import errno, os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR | os.O_TRUNC)
os.pwrite(fd, b'x' * 4096, 65536)
os.ftruncate(fd, 1 << 20)
def seek(*args):
    try:
        return os.lseek(fd, *args)
    except OSError as error:
        return errno.errorcode[error.errno]
print(*(seek(at, os.SEEK_DATA) for at in (0, 65540, 70000, 1 << 20)), *(seek(at, os.SEEK_HOLE) for at in (0, 65536, 70000, 1 << 20)))
print(os.lseek(fd, 0, os.SEEK_CUR))" "$1" | tr '\n' ' '
}

BIG=${FULL:+64} BIG=${BIG:-20}
STEPS=${FULL:+200} STEPS=${STEPS:-50}
seeds=("$RANDOM" ${FULL:+2 3 4 5 6 7 8 9})
plan $((44 + 2 * ${#seeds[@]}))

mkdir -p "$MODEL"
mount -t tmpfs tmpfs "$MODEL"
head -c 8M /dev/urandom >/tmp/noise
check "mount" "mount_$CLIENT" "$M"

head -c 5000 /tmp/noise >"$MODEL/small"
rpc_mark
check "a small file is written" cp "$MODEL/small" "$M/small"
is "by one WRITE" "$(rpc_count WRITE)" 1
is "and without a COMMIT" "$(rpc_count COMMIT)" 0
check "the server has it" same small "$MODEL/small"
is "and it is read back" "$(sum_of "$M/small")" "$(sum_of "$MODEL/small")"

head -c "$BIG"M /dev/urandom >"$MODEL/big"
rpc_mark
check "$BIG MiB are written and synced" dd if="$MODEL/big" of="$M/big" bs=1M conv=fsync status=none
note "$(rpc_count | tr '\n' ' ')"
check "the server has them" same big "$MODEL/big"
check "unmounted and mounted again" remount
rpc_mark
is "they are read cold" "$(sum_of "$M/big")" "$(sum_of "$MODEL/big")"
note "$(rpc_count | tr '\n' ' ')"
rpc_mark
is "and again" "$(sum_of "$M/big")" "$(sum_of "$MODEL/big")"
is "from the cache" "$(rpc_count READ)" 0

check "records are appended, each synced" append_synced "$M/log" 50
append_synced "$MODEL/log" 50
check "the server has them" same log "$MODEL/log"
check "records are appended through one descriptor" append_lines "$M/lines" 500
is "the server has them" "$(server_sh wc -l "$EXPORT/lines" | cut -d' ' -f1)" 500
check "two descriptors append by turns" interleave "$M/turns"
is "the server has all of it" "$(server_sh sort -u "$EXPORT/turns" | wc -l)" 100

for seed in "${seeds[@]}"; do
	check "random writes and truncations, seed $seed" scramble "scramble$seed" "$seed"
	check "the server has the same" same "scramble$seed" "$MODEL/scramble$seed"
done

check "several files are written at once" parallel_writers
check "what a mapping has changed is right" fio --name=mapped --filename="$M/mapped" --ioengine=mmap --rw=randrw --bs=4k \
	--size=4M --verify=crc32c --verify_state_save=0 --do_verify=1 --verify_fatal=1 --end_fsync=1 --output=/tmp/fio.out
is "and on the server" "$(server_sum mapped)" "$(sum_of "$M/mapped")"
check "overlapping writes of odd sizes are right" fio --name=odd --filename="$M/odd" --ioengine=psync --rw=randwrite \
	--bsrange=512-40k --bs_unaligned --size=4M --verify=crc32c --verify_state_save=0 --do_verify=1 --verify_fatal=1 --output=/tmp/fio.out
CUTS=${FULL:+200} CUTS=${CUTS:-20}
is "a file that is cut while it is stored to through a mapping stays as long" "$(/guest/cutting.py "$M/cut" "$EXPORT/cut" "$CUTS")" "$CUTS"
net_delay 4
is "on a long way, too" "$(/guest/cutting.py "$M/cut" "$EXPORT/cut" "$CUTS")" "$CUTS"
net_delay 0
rpc_mark
is "two users write by turns into one page" "$(/guest/twousers.py "$M/two" "$EXPORT/two")" "all ok True"
below "neither by the other's right" 15 "$(rpc_count WRITE)"
rpc_mark
is "where there are data, and where holes" "$(holes "$M/sparse")" "65536 65540 ENXIO ENXIO 0 69632 70000 ENXIO 70000 "
is "is for the server to say" "$(rpc_count SEEK)" 8
rpc_mark
check "room is made behind the end" fallocate -o 1M -l 1M "$M/sparse"
is "which is moved" "$(stat -c %s "$M/sparse") $(server_sh stat -c %s "$EXPORT/sparse")" "2097152 2097152"
is "room that leaves the size alone cannot be had" "$(fallocate -n -l 4M "$M/sparse" 2>&1 | grep -c unsupported)" 1
cp "$MODEL/small" "$MODEL/holed"
check "a hole is made in what was just written" bash -c "cp $MODEL/small $M/holed && fallocate -p -o 100 -l 4500 $M/holed"
dd if=/dev/zero of="$MODEL/holed" bs=100 seek=1 count=45 conv=notrunc status=none
is "here" "$(sum_of "$M/holed")" "$(sum_of "$MODEL/holed")"
check "and on the server" same holed "$MODEL/holed"
is "in one call each" "$(rpc_count ALLOCATE) $(rpc_count DEALLOCATE)" "1 1"
# Data that is not to stay (RWF_DONTCACHE): until the server has it for good it does.
head -c 4M /dev/urandom >"$MODEL/uncached"
is "what is written uncached is not cached once it is safe" "$(/guest/uncached.py write "$M/uncached" "$MODEL/uncached")" "0 of 1024"
check "the server has it" same uncached "$MODEL/uncached"
is "nor is what is read so" "$(/guest/uncached.py read "$M/uncached")" "0 of 1024"
is "it is right" "$(sum_of "$M/uncached")" "$(sum_of "$MODEL/uncached")"
check "unmount" umount "$M"
check "with a server that cannot be asked" "mount_$CLIENT" -o vers=4.1 "$M"
is "no hole can be made" "$(fallocate -p -o 0 -l 4096 "$M/sparse" 2>&1 | grep -c unsupported)" 1
is "all is data" "$(holes "$M/sparse")" "0 65540 70000 ENXIO 1048576 1048576 1048576 ENXIO 1048576 "
check "unmount" umount "$M"
