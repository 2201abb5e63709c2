#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Both clients in one kernel, at once, with the same server: each has an identity and state of its own, both survive a restart, and
# neither disturbs the other when it comes and goes.

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/hold.sh
. /guest/hold.sh

R=/mnt/rnfs4 C=/mnt/nfs4

clients() {
	server_sh 'cat /proc/fs/nfsd/clients/*/info' | grep -c '^status: confirmed'
}

names() {
	server_sh 'cat /proc/fs/nfsd/clients/*/info' | grep '^name:' | sort -u | wc -l
}

# opens NAME: how many files of that name the server holds open.
opens() {
	server_sh 'cat /proc/fs/nfsd/clients/*/states' | grep -cE "type: open.*filename: \"([^\"]*/)?$1\""
}

one_client() {
	[ "$(clients)" = 1 ]
}

# Each writes a line to its file and syncs it.
say() {
	hold write "$1" "$2" && hold fsync "$1"
}

writer() {
	: >"/tmp/$1.log"
	/guest/writer.py append --interval 0.03 "/tmp/$1.log" "/mnt/$1/$1.records" &
}

same_records() {
	server_sh /guest/writer.py check "/tmp/$1.log" "$EXPORT/$1.records"
}

acked_since() {
	awk -v since="$2" '$1 == "ack" && $5 > since { found = 1; exit } END { exit !found }' "/tmp/$1.log"
}

plan 28

echo 0 >/proc/sys/fs/leases-enable
check "mount with rnfs4" mount_rnfs4 "$R"
check "mount with the C client" mount_nfs4 "$C"
is "the server knows two clients" "$(clients)" 2
is "by different names" "$(names)" 2
echo ours >"$R/ours"
echo theirs >"$C/theirs"
is "each sees what the other has written" "$(cat "$C/ours" "$R/theirs")" $'ours\ntheirs'
is "and counts space in the same blocks" "$(stat -f -c '%s %S %b %c' "$R")" "$(stat -f -c '%s %S %b %c' "$C")"

hold_begin
is "each holds a file of its own open" "$(hold open r "$R/r" RDWR CREAT) $(hold open c "$C/c" RDWR CREAT)" "ok ok"
is "and one that the other has open as well" "$(hold open rb "$R/both" RDWR CREAT) $(hold open cb "$C/both" RDWR CREAT)" "ok ok"
is "which the server holds apart" "$(opens both)" 2
writer rnfs4
writer_r=$!
writer nfs4
writer_c=$!
check "both append records" within 60 eval 'acked_since rnfs4 0 && acked_since nfs4 0'

server_restart
up=$EPOCHREALTIME
check "after a restart rnfs4 goes on" within 60 acked_since rnfs4 "$up"
check "and so does the C client" within 60 acked_since nfs4 "$up"
is "all open files can be written" "$(for name in r c rb cb; do say $name one; done | sort | uniq -c | xargs)" "8 ok"
is "the server knows two clients again" "$(clients)" 2
is "with the state of both" "$(opens r) $(opens c) $(opens both)" "1 1 2"
kill "$writer_r" "$writer_c"
wait "$writer_r"
is "rnfs4's writer has met no error" $? 0
wait "$writer_c"
is "nor has the other" $? 0
check "rnfs4's records are on the server" same_records rnfs4
check "and the others" same_records nfs4

is "the C client closes its files" "$(hold close c) $(hold close cb)" "ok ok"
is "rnfs4's stay open" "$(opens r) $(opens both)" "1 1"
check "the C client unmounts" umount "$C"
check "and leaves one client behind" within 10 one_client
is "which is not disturbed" "$(say r two | xargs)" "ok ok"

check "the C client mounts again" mount_nfs4 "$C"
hold_end
echo still >"$C/theirs"
check "rnfs4 unmounts, and the module is removed" eval 'umount "$R" && within 10 rmmod rnfs4'
check "that leaves one client behind" within 10 one_client
is "which is not disturbed" "$(echo more >>"$C/theirs" && server_sh cat "$EXPORT/theirs")" $'still\nmore'
umount "$C"
