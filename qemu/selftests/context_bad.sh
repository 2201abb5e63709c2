#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every system call on a file whose open could not be recovered (NFS_CONTEXT_BAD): what context_bad.table says of each is what it
# gives. Three ways to get there: the server refuses the reclaim with an error ("refused", which is made by fault injection), or while it
# is down the files are replaced by others ("gone"), or closed to their user ("denied"). The C client goes the last two at the same time;
# what it gives is noted where it is something else.
#
# guest: timeout=400

. "$(dirname "$0")/lib.sh"

TABLE=$(dirname "$0")/context_bad.table
WAYS=(refused gone denied)
USER_ID=1000

# each CMD: for each client and way
each() {
	local way
	for way in "${WAYS[@]}"; do
		"$1" rnfs4 "$way" && { [ "$way" = refused ] || "$1" nfs4 "$way"; } || return
	done
}

# The way "refused" is that of a client of its own, on another mount.
mounts() {
	client_ns other && client_sh other mount_rnfs4 /mnt/refused &&
		printf "%s error=NFS4ERR_ACCESS times=-1\n" open-reclaim open-reopen | tee /sys/kernel/debug/rnfs4/*/fault &&
		mount_rnfs4 /mnt/rnfs4 && mount_nfs4 /mnt/nfs4
}

# mount_of CLIENT WAY
mount_of() {
	[ "$2" = refused ] && echo /mnt/refused || echo "/mnt/$1"
}

make_files() {
	head -c 4096 /dev/zero >"$EXPORT/source"
	server_sh mkdir -p "$EXPORT/$1-$2" && server_sh /guest/bad_context.py make --user "$USER_ID" "$EXPORT/$1-$2"
}

# The program waits until the fifo is closed.
begin() {
	local name=$1-$2 fd
	mkfifo "/tmp/$name.go"
	/guest/bad_context.py run --user "$USER_ID" "$(mount_of "$1" "$2")/$name" >"/tmp/$name" 2>&1 <"/tmp/$name.go" &
	exec {fd}>"/tmp/$name.go"
	go[$name]=$fd
	within 60 grep -q ready "/tmp/$name"
}

spoil() {
	local side=$EXPORT/$1-$2
	case $2 in
	gone)
		mv "$side" "$side.old"
		mkdir "$side"
		/guest/bad_context.py make --user "$USER_ID" "$side"
		rm -r "$side.old"
		;;
	denied)
		chown root "$side"/* && chmod 600 "$side"/*
		;;
	esac
}

finish() {
	local name=$1-$2
	echo >&"${go[$name]}"
	within 200 ended "$name"
}

ended() {
	[ "$(grep -vc ready "/tmp/$1")" = "$cases" ]
}

# got CLIENT WAY CASE
got() {
	[ -e "/tmp/$1-$2" ] && sed -n "s/^$3 //p" "/tmp/$1-$2"
}

# What is to come, from the lines of the table: case, refused, gone, denied; as "refused" where nothing is said.
wanted() {
	awk -F ' *[|] *' -v name="$1" -v way="$2" '
		BEGIN { at["refused"] = 3; at["gone"] = 4; at["denied"] = 5 }
		$2 == name { print $at[way] != "" ? $at[way] : $3 }' "$TABLE"
}

compare() {
	local name=$1 way ours theirs
	for way in "${WAYS[@]}"; do
		ours=$(got rnfs4 "$way" "$name")
		theirs=$(got nfs4 "$way" "$name" 2>/dev/null || echo "$ours")
		[ "$ours" = "$theirs" ] || note "$name, $way: rnfs4 gives $ours; the C client: $theirs"
		is "$name, $way" "$ours" "$(wanted "$name" "$way")"
	done
}

declare -A go
mapfile -t names <<<"$(/guest/bad_context.py list)"
cases=${#names[@]}

plan $((7 + 3 * cases))
echo 0 >/proc/sys/fs/leases-enable
# Nothing is written back but by the calls themselves.
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
check "there are files for $cases cases" each make_files
check "both clients mount" mounts
each begin
is "the files are opened" $? 0
server_stop
check "the server is down, and what it has is replaced or closed" each spoil
server_start
# A new open is granted when all that can be reclaimed has been.
check "the server is back, and has come out of its grace period" within 60 timeout 30 touch /mnt/refused/new /mnt/rnfs4/new /mnt/nfs4/new
check "every call comes to its end" each finish
for name in "${names[@]}"; do
	compare "$name"
done
check "rnfs4 unmounts" umount /mnt/refused /mnt/rnfs4
