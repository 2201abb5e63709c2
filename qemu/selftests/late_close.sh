#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is open for reading stays so for a moment after the last close(): the next open() of the same user makes do with it, and what nobody
# comes back to is closed with others in one call. Nobody can tell but by the number of calls: what others write is seen, who may not
# open does not, what is removed is closed first, and nothing is left behind by umount, a restart of the server, or time.

. "$(dirname "$0")/lib.sh"

M=/mnt/late

server_opens() {
	server_sh 'cat /proc/fs/nfsd/clients/*/states' | grep -c 'type: open'
}

opens_are() {
	[ "$(server_opens)" = "$1" ]
}

counter() {
	sed -n "s/^$1 //p" /sys/kernel/debug/rnfs4/*/counters
}

# calls CMD...: how many OPEN, CLOSE and GETATTR calls that takes
calls() {
	rpc_mark
	"$@" >/dev/null
	echo "$(rpc_count OPEN) $(rpc_count CLOSE) $(rpc_count rpcs)"
}

as_user() {
	setpriv --reuid=1000 --regid=1000 --clear-groups "$@"
}

read_all() {
	cat "$M"/many/* >/dev/null
}

MANY=300
plan 43
echo 0 >/proc/sys/fs/leases-enable
# The debug kernel takes its time: there, what is kept is kept for 10 seconds.
if [ -e /sys/kernel/debug/kmemleak ]; then
	export LEASE=60 GRACE=10
	MANY=40
	server_restart
fi
check "mount" mount_rnfs4 "$M"
server_sh "mkdir $EXPORT/many && cd $EXPORT/many && seq $MANY | split -l 1 -a 3 - f && cd .. && echo one >a && echo two >b && chmod 600 b && echo run >x && chmod 711 x"

note "the next open"
ls $M >/dev/null
is "the first reads a file by one call" "$(calls cat $M/a)" "1 0 1"
is "the server has it open" "$(server_opens)" 1
is "so does the client, without a context" "$(grep -c 'granted=1 contexts=0$' /sys/kernel/debug/rnfs4/*/opens)" 1
is "the next asks for the attributes" "$(calls cat $M/a)" "0 0 1"
is "and counts" "$(counter opens_shared)" 1
server_sh "echo changed >$EXPORT/a"
is "what was written meanwhile is seen" "$(cat $M/a)" changed
exec 5<$M/a
is "two at a time share it, too" "$(calls cat $M/a)" "0 0 1"
exec 5<&-
as_user ls $M >/dev/null
is "another user opens it for himself" "$(calls as_user cat $M/a)" "1 0 1"
server_sh "chmod 600 $EXPORT/a"
is "who may no longer open it is told" "$(as_user cat $M/a 2>&1 | sed 's/.*: //')" "Permission denied"
is "who may does" "$(cat $M/a)" changed
is "a writer opens it for writing" "$(calls sh -c "echo more >>$M/a") $(server_sh tail -n 1 "$EXPORT/a")" "1 1 2 more"
check "and all is closed in time" within 20 opens_are 0

note "who may run a file may not read it"
is "by its name" "$(as_user cat $M/x 2>&1 | sed 's/.*: //')" "Permission denied"
is "nor a second time" "$(as_user cat $M/x 2>&1 | sed 's/.*: //')" "Permission denied"
is "nor by an open of the same user, who may run it" "$(cat $M/x)" run
server_sh "cp /bin/true $EXPORT/t && chmod 711 $EXPORT/t"
check "but he may run it" as_user $M/t
refuse "and not read it then" as_user cat $M/t
check "root reads it" cmp $M/t /bin/true

note "many"
within 20 opens_are 0
is "$MANY files" "$(read_all && server_opens)" "$MANY"
rpc_mark
check "are closed in time" within 20 opens_are 0
is "each of them" "$(rpc_count CLOSE)" "$MANY"
below "in few calls" "$(rpc_count rpcs)" 10
is "and counted" "$(($(counter closed_late) >= MANY))" 1
server_sh "cd $EXPORT/many && seq $((MANY + 1)) 900 | split -l 1 -a 3 - g"
read_all
below "what is kept has a limit" "$(server_opens)" 513

note "what is removed"
cat $M/many/faaa >/dev/null
rm $M/many/faaa
is "is closed first" "$(server_sh 'cat /proc/fs/nfsd/clients/*/states' | grep -c faaa)" 0
cat $M/many/faab >/dev/null
mv $M/many/faac $M/many/faab
is "so is what is replaced" "$(cat $M/many/faab)" 3

note "what another has replaced"
# replaced CMD: what the server's file is after that was done to one which is known and kept open, and has been replaced since.
replaced() {
	server_sh "echo old >$EXPORT/r"
	cat $M/r >/dev/null
	server_sh "cd $EXPORT && echo new >r.new && chmod 644 r.new && mv r.new r"
	eval "$1"
}
is "is opened anew" "$(replaced "cat $M/r")" new
is "chmod is for the new one" "$(replaced "chmod 600 $M/r && server_sh stat -c %a $EXPORT/r")" 600
is "truncate, too" "$(replaced "truncate -s 1 $M/r && server_sh stat -c %s $EXPORT/r")" 1
is "and link" "$(replaced "ln -f $M/r $M/l && server_sh cat $EXPORT/l; rm $M/l")" new
is "and open() to write" "$(replaced "echo more >>$M/r && server_sh cat $EXPORT/r")" $'new\nmore'
is "who has it open keeps the old one" "$(replaced "cat <&5" 5<$M/r)" old
is "and may open it by his descriptor" "$(replaced "cat /proc/self/fd/5" 5<$M/r)" old

note "the server restarts"
cat $M/a $M/b >/dev/null
reclaimed=$(counter opens_reclaimed)
exec 5<$M/b
server_restart
check "all goes on" within 30 timeout 30 touch $M/new
is "what nobody needs is not reclaimed" "$(($(counter opens_reclaimed) - reclaimed)) $(server_opens)" "1 1"
is "and opened again by who wants it" "$(cat $M/a | head -n 1) $(cat <&5)" "changed two"
exec 5<&-
server_stop
server_forget
server_start
is "nor where the server has forgotten it" "$(cat $M/a | head -n 1)" changed
check "unmount" umount $M
check "the server knows the client no more" within 5 eval '[ -z "$(server_sh ls /proc/fs/nfsd/clients)" ]'

note "without"
check "mount with noac" mount_rnfs4 -o noac $M
is "each is closed at once" "$(cat $M/a $M/b >/dev/null && server_opens)" 0
check "unmount" umount $M
