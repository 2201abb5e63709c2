#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Much more data than there is memory, by several writers and through mappings, while other programs take memory away and are killed for
# want of it: nothing hangs, nobody waits long, and the server has all of it.
#
# MIB is the size of the largest file (128; 1024 with FULL), CLIENT the client, both by --env.
#
# guest: mem=256 timeout=600 early

. "$(dirname "$0")/lib.sh"

CLIENT=${CLIENT:-rnfs4}
MIB=${MIB:-${FULL:+1024}} MIB=${MIB:-96}
PATIENCE=${FULL:+1500} PATIENCE=${PATIENCE:-300}
KILLS=${FULL:+2} KILLS=${KILLS:-1}
M=/mnt/pressure

# pour NAME OPTION...: one writer, whose last words are left in /tmp/NAME.log; "failed" if it fails or takes too long.
pour() {
	local name=$1
	shift
	timeout -k 5 "$PATIENCE" /guest/pour.py write "$@" >"/tmp/$name.log" 2>&1 || {
		echo "failed with $?" >>"/tmp/$name.log"
		# Whoever is stuck.
		echo w >/proc/sysrq-trigger
	}
}

# poured NAME...: all of them have ended well.
poured() {
	local name bad=0
	for name in "$@"; do
		grep -q '^longest' "/tmp/$name.log" && ! grep -q '^failed' "/tmp/$name.log" || {
			tail -n 3 "/tmp/$name.log"
			bad=1
		}
	done
	return $bad
}

# longest NAME...: how long the longest call of any of them took, in ms.
longest() {
	local name
	for name in "$@"; do
		sed -n 's/^longest //p' "/tmp/$name.log"
	done | sort -n | tail -n 1
}

# same NAME MIB SEED: the server has what was poured.
same() {
	check "the server has all of $1" server_sh /guest/pour.py check "$EXPORT/$1" "$2" "$3"
}

free_mib() {
	awk '/MemAvailable/ { printf "%d", $2 / 1024 }' /proc/meminfo
}

plan $((16 + KILLS))

# Over the loopback device: only so the server knows that it works for writers on its own machine, and is not made to wait, as they are,
# for the pages that it is to write (PF_LOCAL_THROTTLE). From another namespace it is, and with either client nothing moves any more: its
# threads stand in balance_dirty_pages(), the pages under writeback wait for them.
check "mount" nsenter --net=/run/netns/server -- "mount_$CLIENT" 127.0.0.1:/ "$M"
note "$(free_mib) MiB available"

# One file, four writers, little memory.
/guest/pour.py hog "$(($(free_mib) * 2 / 5))" &
hog=$!
began=$EPOCHSECONDS
for n in 0 1 2 3; do
	pour "large$n" --part "$n/4" --fsync "$M/large" "$MIB" 1 &
	writers[n]=$!
done
wait "${writers[@]}"
check "four writers write a file of $MIB MiB" poured large0 large1 large2 large3
note "in $((EPOCHSECONDS - began)) s; the longest write() took $(longest large0 large1 large2 large3) ms; $(free_mib) MiB available"
same large "$MIB" 1
rm "$M/large"

# Mappings: what is dirty is known only to the page tables until somebody looks.
began=$EPOCHSECONDS
for n in 0 1; do
	pour "mapped$n" --mmap --fsync "$M/mapped$n" 32 "1$n" &
	writers[n]=$!
done
wait "${writers[0]}" "${writers[1]}"
check "two write 32 MiB each through mappings" poured mapped0 mapped1
note "in $((EPOCHSECONDS - began)) s; the longest store and msync() took $(longest mapped0 mapped1) ms"
for n in 0 1; do
	same "mapped$n" 32 "1$n"
	rm "$M/mapped$n"
done
kill "$hog"
wait "$hog" 2>/dev/null

# Files that each stay below what is committed unasked: together they are more than may be dirty.
began=$EPOCHSECONDS
names=()
for n in 0 1 2 3 4 5 6 7; do
	pour "small$n" "$M/small$n" 10 "2$n" &
	writers[n]=$!
	names+=("small$n")
done
wait "${writers[@]}"
check "eight write 10 MiB each" poured "${names[@]}"
note "in $((EPOCHSECONDS - began)) s"
below "none of them has to wait for 10 s in a write()" "$(longest "${names[@]}")" 10000
for n in 0 3 7; do
	same "small$n" 10 "2$n"
done
rm "$M"/small*

# Programs that want all there is, and get killed, while two others write.
pour killed0 --fsync "$M/killed0" 64 31 &
writers[0]=$!
pour killed1 --mmap --fsync "$M/killed1" 32 32 &
writers[1]=$!
for n in $(seq "$KILLS"); do
	/guest/pour.py hog all >/dev/null 2>&1 &
	wait $! 2>/dev/null
	is "who wants all memory is killed ($n)" $? 137
done
wait "${writers[0]}" "${writers[1]}"
check "who writes meanwhile is not" poured killed0 killed1
same killed0 64 31
same killed1 32 32
check "unmount" umount "$M"
if [ "$CLIENT" = rnfs4 ]; then
	check "the module can be removed" rmmod rnfs4
else
	skip "the module can be removed" "$CLIENT"
fi
