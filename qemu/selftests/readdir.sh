#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Listing directories: what `ls -l` shows of a cold one comes with the entries, and is right; a directory of 7,000 entries, or 100,000
# (FULL), that changes under its reader; servers that do not know their cookies any more; and the rights of several users in turn, each asked for once.
#
# guest: timeout=500

. "$(dirname "$0")/lib.sh"

COUNT=${COUNT:-${FULL:+100000}} COUNT=${COUNT:-7000}
M=/mnt/rnfs4
SOME=600

make_some() {
	mkdir "$EXPORT/some" || return
	local n
	for n in $(seq $SOME); do
		echo "this is $n" >"$EXPORT/some/file-$n"
	done
	mkdir "$EXPORT/some/dir" && ln -s target "$EXPORT/some/link" && mkfifo "$EXPORT/some/fifo" && mknod "$EXPORT/some/null" c 1 3 &&
		chmod 4711 "$EXPORT/some/file-1" && chown 5:6 "$EXPORT/some/file-2" && ln "$EXPORT/some/file-3" "$EXPORT/some/file-3b"
}

# What a program shows that asks after each entry while it lists.
long() {
	# shellcheck disable=SC2012
	(cd "$1" && ls -AlinU --time-style=full-iso | sort)
}

calls() {
	local op
	for op in "$@"; do
		echo "$op $(rpc_count "$op")"
	done | paste -sd' '
}

contents() {
	local n line
	for ((n = 1; n <= SOME; n++)); do
		read -r line <"$M/some/file-$n" && [ "$line" = "this is $n" ] || return
	done
}

# Another client puts other files in the place of some.
replaced() {
	local n
	for n in $(seq 100 120); do
		echo "something else" >"$EXPORT/some/new" && mv "$EXPORT/some/new" "$EXPORT/some/file-$n" || return
	done
	sleep 2
	long $M/some >/tmp/ours && long "$EXPORT/some" >/tmp/theirs && diff /tmp/ours /tmp/theirs &&
		[ "$(cat $M/some/file-110)" = "something else" ]
}

names() {
	find "$1" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort
}

# What was listed before is kept: only the directory itself is asked for.
again() {
	names "$EXPORT/some" >/tmp/theirs
	names $M/some >/tmp/ours
	rpc_mark
	for _ in 1 2 3; do
		names $M/some >/tmp/ours && diff /tmp/ours /tmp/theirs || return
	done
	calls rpcs READDIR
	[ "$(rpc_count READDIR)" = 0 ] && [ "$(rpc_count rpcs)" -le 10 ]
}

has() {
	names $M/some | grep -qx "$1"
}

# ... until something changes there, here or elsewhere.
seen_at_once() {
	local where
	for where in "$M" "$EXPORT"; do
		touch "$where/some/late" && has late && mv "$where/some/late" "$where/some/later" && has later && ! has late &&
			rm "$where/some/later" && ! has later || return
	done
}

# The attributes of names that are looked at come with one READDIR once they are too old, not one by one.
looked_at_again() {
	long $M/some >/dev/null
	sleep 1.2
	rpc_mark
	long $M/some >/tmp/ours && long "$EXPORT/some" >/tmp/theirs && diff /tmp/ours /tmp/theirs || return
	calls rpcs READDIR GETATTR
	[ "$(rpc_count READDIR)" -gt 0 ] && [ "$(rpc_count rpcs)" -le 20 ]
}

# And so when they are no longer in memory.
forgotten() {
	long $M/some >/dev/null
	echo 2 >/proc/sys/vm/drop_caches
	rpc_mark
	long $M/some >/tmp/ours && diff /tmp/ours /tmp/theirs || return
	calls rpcs READDIR LOOKUP
	[ "$(rpc_count rpcs)" -le 20 ]
}

forbidden() {
	chmod 700 "$EXPORT/some"
	sleep 1.2
	ls $M/some >/dev/null || return
	! setpriv --reuid 1000 --regid 1000 --clear-groups ls $M/some && chmod 755 "$EXPORT/some"
}

ctl() {
	scripted ctl /run/scripted "$@"
}

NAMES=120

make_names() {
	local n
	within 5 ctl put name-0 x || return
	for n in $(seq $((NAMES - 1))); do
		ctl put "name-$n-$(printf '%080d' 0)" x >/dev/null || return
	done
	mount_rnfs4 127.0.0.1:/ /mnt/scripted
}

# lost STATUS TIMES: the server does not know a cookie, so often
lost() {
	ctl mark && ctl rule READDIR after=1 times="$2" status="$1" || return
	ls -U /mnt/scripted >/tmp/names && ctl clear || return
	local calls
	calls=$(ctl count READDIR)
	note "$calls, $(wc -l </tmp/names) names"
	[ "$(sort -u /tmp/names | wc -l)" = $NAMES ] && [ "$(wc -l </tmp/names)" = $NAMES ] && [ "${calls#READDIR=}" -gt 3 ]
}

# Each of several users looks at what he may do.
round() {
	local uid
	for uid in 0 1000 1001 1002; do
		setpriv --reuid $uid --regid $uid --clear-groups sh -c 'test -r "$1"; test -w "$1"; test -x "$1"' sh $M/some/file-7
		setpriv --reuid $uid --regid $uid --clear-groups sh -c 'test -w "$1"; echo $?' sh $M/some/file-7
	done
}

plan 19
echo 0 >/proc/sys/fs/leases-enable
check "there are files" make_some
check "both clients mount" eval "mount_rnfs4 -o actimeo=1 $M && umount $M && mount_rnfs4 $M && mount_nfs4 /mnt/nfs4"
rpc_mark
long /mnt/nfs4/some >/tmp/theirs
note "the C client: $(calls rpcs READDIR LOOKUP)"
rpc_mark
long $M/some >/tmp/ours
note "rnfs4: $(calls rpcs READDIR LOOKUP ACCESS)"
is "ls -l looks nothing up but the directory" "$(rpc_count LOOKUP)" 1
below "and needs few calls" "$(rpc_count rpcs)" 20
long "$EXPORT/some" >/tmp/theirs
check "it shows what the server has" diff /tmp/ours /tmp/theirs
umount $M
mount_rnfs4 -o actimeo=1 $M
rpc_mark
check "names alone" eval "[ \$(ls -U $M/some | wc -l) = $((SOME + 5)) ]"
note "rnfs4: $(calls rpcs READDIR LOOKUP)"
long $M/some >/dev/null
check "listed again it is not read again" again
check "unless it changes, here or elsewhere" seen_at_once
check "or its names are looked at, and what is known of them is old" looked_at_again
check "or are no longer in memory" forgotten
check "it is not for those who may not read it" forbidden
check "each name stands for its file" contents
check "files that were replaced are seen" replaced
# What was asked long ago, by the first of them, is asked again after a minute.
umount $M
mount_rnfs4 -o actimeo=1 $M
round >/tmp/first
rpc_mark
for _ in 1 2 3; do
	round
done >/tmp/more
is "what each of four users may do is asked once" "$(calls ACCESS)" "ACCESS 0"
is "and right" "$(sort -u /tmp/more)" "$(printf '0\n1')"
check "there are $COUNT files" /guest/listing.py make "$EXPORT/many" "$COUNT"
check "they change while they are listed" /guest/listing.py churn $M/many "$EXPORT/many"
scripted serve >/tmp/scripted.log 2>&1 &
make_names
check "a cookie that is not known, but its place is" lost NFS4ERR_NOT_SAME 1
check "nor its place" lost NFS4ERR_BAD_COOKIE 2
umount /mnt/scripted /mnt/nfs4 $M
