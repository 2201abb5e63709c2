#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Listing directories: what `ls -l` shows of a cold one comes with the entries, and is right; a directory of 10,000 entries, or 100,000
# (FULL), that changes under its reader; servers that do not know their cookies any more; and the rights of several users in turn, each asked for once.
#
# guest: timeout=500

. "$(dirname "$0")/lib.sh"

COUNT=${COUNT:-${FULL:+100000}} COUNT=${COUNT:-10000}
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

plan 14
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
check "each name stands for its file" contents
check "files that were replaced are seen" replaced
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
