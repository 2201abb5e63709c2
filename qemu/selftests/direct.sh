#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# O_DIRECT: any alignment, several pieces, aio and io_uring, beside the page cache and mappings, with the server restarting, losing what
# was not committed, or silent. What is written is compared on the server's side; calls at the limits give what the C client gives.
#
# guest: smp=2 timeout=500 early

. "$(dirname "$0")/lib.sh"

M=/mnt/rnfs4
MODEL=/tmp/model
# How much is done at random, and how much of that fio does.
STEPS=${FULL:+500} STEPS=${STEPS:-80}
MIB=${FULL:+32} MIB=${MIB:-4}

server_sum() {
	server_sh sha256sum "$EXPORT/$1" | cut -d' ' -f1
}

sum_of() {
	sha256sum <"$1" | cut -d' ' -f1
}

# put FILE SIZE: one write() of random data, that is also in /tmp/data
put() {
	dd if=/dev/urandom of=/tmp/data bs="$2" count=1 iflag=fullblock status=none &&
		dd if=/tmp/data of="$M/$1" bs="$2" count=1 iflag=fullblock oflag=direct conv=notrunc status=none
}

get() {
	dd if="$M/$1" of=/tmp/got bs="$2" count=1 iflag=direct status=none && cmp /tmp/got /tmp/data
}

# calls OPERATION...: how often each came since the mark
calls() {
	local op
	for op in "$@"; do
		echo "$op $(rpc_count "$op")"
	done | paste -sd' '
}

# scrambled FILE [ARG...]
scrambled() {
	local file=$1
	shift
	/guest/direct.py scramble "$M/$file" $MODEL/model "$@" && [ "$(server_sum "$file")" = "$(sum_of $MODEL/model)" ]
}

edges() {
	/guest/direct.py edges "/mnt/$1/edges-$1" 2>&1
}

appended() {
	local id pids=()
	for id in 1 2 3 4; do
		/guest/direct.py append $M/append "$id" 60 &
		pids+=($!)
	done
	for id in "${pids[@]}"; do
		wait "$id" || return
	done
	server_sh /guest/direct.py records "$EXPORT/append" 1,2,3,4 60
}

# verified NAME ARG...: fio writes, reads what it has written and compares
verified() {
	local name=$1
	shift
	fio --name="$name" --filename="$M/fio-$name" --direct=1 --rw=randrw --size=16m --io_size="${MIB}m" --iodepth=16 \
		--verify=crc32c --verify_state_save=0 --verify_fatal=1 "$@"
}

UNALIGNED=(--bsrange=1k-128k --bs_unaligned)

verified_over_restart() {
	local pid
	verified restart --ioengine=libaio --bs=16k --rw=randwrite --time_based --runtime=12 --rate_iops=200 &
	pid=$!
	sleep 2
	server_restart
	wait "$pid"
}

# Blocks that begin as those of ext4's journal do.
alike() {
	python3 -c 'import os; os.write(1, (b"\xc0\x3b\x39\x98" + bytes(4092)) * 64)'
}

# A file system on a loop device on a file: that is aio with pages which nobody else may hold. ext4's journal writes such pages, of
# kmalloc(), for blocks that would look like its own.
looped() {
	local dev
	truncate -s 64M $M/disk && dev=$(losetup --direct-io=on --show -f $M/disk) && mkfs.ext4 -q -b 4096 "$dev" || return
	mkdir -p /mnt/loop && mount -o data=journal "$dev" /mnt/loop && cp -r /guest /mnt/loop/ && alike >/mnt/loop/alike && sync -f /mnt/loop &&
		umount /mnt/loop && mount "$dev" /mnt/loop && diff -r /guest /mnt/loop/guest && alike | cmp - /mnt/loop/alike &&
		umount /mnt/loop && losetup -d "$dev"
}

too_big() {
	(
		ulimit -f 100
		trap '' XFSZ
		dd if=/dev/zero of=$M/big bs=64k seek=10 count=1 oflag=direct 2>&1
	) | grep -q 'File too large'
}

full() {
	server_sh "mkdir -p $EXPORT/full && mount -t tmpfs -o size=2m tmpfs $EXPORT/full && exportfs -o rw,no_root_squash,fsid=5 '*:$EXPORT/full'" &&
		mount_rnfs4 "$SERVER:/full" /mnt/full || return
	dd if=/dev/zero of=/mnt/full/file bs=512k count=8 oflag=direct 2>&1 | grep -q 'No space left' &&
		[ "$(stat -c %s /mnt/full/file)" = "$(server_sh stat -c %s "$EXPORT/full/file")" ] && umount /mnt/full
}

ctl() {
	scripted ctl /run/scripted "$@"
}

# While one of the WRITEs waits for its answer, the server forgets what it has in memory: that one, and what came before it. What comes
# after it stays.
written_again() {
	within 5 ctl put file x && mount_rnfs4 -o wsize=65536 127.0.0.1:/ /mnt/scripted || return
	ctl mark && ctl rule WRITE after=2 delay=1500 || return
	dd if=/tmp/data of=/mnt/scripted/file bs=256k count=1 iflag=fullblock oflag=direct conv=notrunc status=none &
	sleep 0.7
	ctl verifier && wait $! || return
	note "$(ctl count WRITE) $(ctl count COMMIT)"
	[ "$(ctl count WRITE) $(ctl count COMMIT)" = "WRITE=7 COMMIT=1" ] && [ "$(ctl get file)" = "$(cat /tmp/data)" ]
}

# begin_hold NAME WHAT FILE: starts a call that waits for a server which is silent
begin_hold() {
	mkfifo "/tmp/$1.go"
	/guest/direct.py hold "$2" "$3" >"/tmp/$1" 2>&1 <"/tmp/$1.go" &
	held=$!
	exec {fd}>"/tmp/$1.go"
	within 10 grep -q ready "/tmp/$1"
}

not_there() {
	! kill -0 "$1" 2>/dev/null
}

killed() {
	put held 1M && begin_hold killed "$1" $M/held && net_cut && echo >&"$fd" || return
	sleep 1
	kill -9 "$held" && within 3 not_there "$held"
}

forced() {
	begin_hold forced read /mnt/forced/held && net_cut other && echo >&"$fd" || return
	sleep 1
	umount -f /mnt/forced
	within 10 grep -q EIO /tmp/forced
}

pins_given_back() {
	[ "$(awk '/nr_foll_pin_acquired/ { a = $2 } /nr_foll_pin_released/ { r = $2 } END { print a - r }' /proc/vmstat)" = 0 ]
}

plan 26
mkdir -p $MODEL && mount -t tmpfs tmpfs $MODEL
echo 0 >/proc/sys/fs/leases-enable
check "both clients mount" eval 'mount_rnfs4 /mnt/rnfs4 && mount_nfs4 /mnt/nfs4'
touch $M/small
put small 4096
rpc_mark
put small 4096
is "a small write takes one WRITE" "$(calls WRITE COMMIT)" "WRITE 1 COMMIT 0"
rpc_mark
check "and is read" get small 4096
is "with one READ" "$(calls READ)" "READ 1"
rpc_mark
put large 8M
is "a large one is committed once" "$(calls COMMIT)" "COMMIT 1"
is "the server has it" "$(server_sum large)" "$(sum_of /tmp/data)"
check "and it is read" get large 8M
is "calls at the limits give what the C client gives" "$(edges rnfs4)" "$(edges nfs4)"
check "any alignment, any pieces" scrambled unaligned --steps "$STEPS"
check "beside buffered calls, mappings and truncation" scrambled mixed --steps "$STEPS" --mixed
check "and once more" scrambled mixed2 --steps "$STEPS" --mixed --seed 2
check "four processes append" appended
check "aio, verified by fio" verified aio --ioengine=libaio "${UNALIGNED[@]}"
check "io_uring" verified uring --ioengine=io_uring "${UNALIGNED[@]}"
check "io_uring with registered buffers" verified fixed --ioengine=io_uring --fixedbufs --registerfiles --bs=4k --size=4m
check "a file system on a loop device" looped
check "EFBIG" too_big
check "ENOSPC is told by the write" full
check "the server restarts meanwhile" verified_over_restart
scripted serve >/tmp/scripted.log 2>&1 &
# Text, as the server shows it.
head -c 196608 /dev/urandom | base64 -w 0 >/tmp/data
check "what a server has lost is written again" written_again
is "and it has it" "$(ctl get file | tr -d '\n' | sha256sum | cut -d' ' -f1)" "$(sum_of /tmp/data)"
check "who reads from a silent server can be killed" killed read
net_heal
rm /tmp/killed.go
check "who writes to one, too" killed write
net_heal
client_ns other && client_sh other mount_rnfs4 /mnt/forced
check "umount -f ends a read" forced
net_heal other
umount /mnt/forced
check "no page stays pinned" within 30 pins_given_back
umount /mnt/scripted /mnt/nfs4
check "unmounts" umount $M
