#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a client tells of itself: its files in debugfs, tracepoints, /proc/self/mountstats, the kernel's log. It must be true, and reading
# must do no harm, whatever the client is doing.
#
# guest: timeout=300

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/hold.sh
. /guest/hold.sh

M=/mnt/observe
DEBUGFS=/sys/kernel/debug/rnfs4
TRACING=/sys/kernel/tracing

counter() {
	awk -v want="$1" '$1 == want { print $2 }' "$D/counters"
}

# The lines of the time line since the last call.
seen=0
timeline() {
	tail -n +$((seen + 1)) "$D/timeline"
	seen=$(wc -l <"$D/timeline")
}

idle() {
	grep -qx 'idle 1' "$D/state"
}

server_opens() {
	server_sh 'cat /proc/fs/nfsd/clients/*/states' | grep -c 'type: open'
}

# Reads all there is, over and over.
reader() {
	while :; do
		cat "$DEBUGFS"/*/* /proc/self/mountstats
	done >/dev/null 2>&1
}

plan 46
echo 0 >/proc/sys/fs/leases-enable
mountpoint -q $TRACING || mount -t tracefs tracefs $TRACING
server_restart
mkdir "$EXPORT/d"
for i in 1 2 3 4 5; do
	echo data >"$EXPORT/d/$i"
done
check "mount" mount_rnfs4 $M
D=$(echo $DEBUGFS/*)
is "the client has a directory" "$(cd "$D" && echo *)" "counters fault locks opens owners session state timeline"
check "all is well" idle
is "it had one client id and one session" "$(counter client_ids) $(counter sessions_created)" "1 1"
is "and no recovery" "$(counter recoveries) $(counter server_restarts)" "0 0"

hold_begin
for i in 1 2 3 4 5; do
	hold open f$i $M/d/$i >/dev/null
done
is "five opens" "$(wc -l <"$D/opens")" 5
check "the first is there, by its number" grep -q "^fileid=$(stat -c %i $M/d/1) .* uid=0 .* access=3 granted=3 contexts=1$" "$D/opens"
is "as many as the server knows" "$(server_opens)" 5
is "one owner" "$(grep -c '^owner ' "$D/owners")" 1
check "a lock, with its bytes" flock $M/d/1 grep -q "^fileid=$(stat -c %i $M/d/1) .* bytes=w0-[0-9]*,$" "$D/locks"
timeline >/dev/null

echo 1 >$TRACING/events/rnfs4/enable
rpc_mark
server_restart
is "the file can be written" "$(hold write f1 more) $(hold fsync f1)" "ok ok"
check "well again" within 20 idle
note "$(timeline | tr '\n' ';')"
is "five opens were reclaimed" "$(counter opens_reclaimed)" 5
is "the server has seen as many" "$(server_opens)" 5
is "one restart" "$(counter server_restarts) $(counter client_ids) $(counter reclaim_completes)" "1 2 2"
check "the time line has the pass" grep -q 'recovered opens=5 locks=0 reopened=0 failed=0' "$D/timeline"
check "and its end" grep -q 'well after=' "$D/timeline"
check "the log says so" sh -c "dmesg | grep -q 'reclaimed 5 opens, 0 locks in .* after a restart'"
for event in 'rnfs4_step_begin: .*step=RECLAIM_REBOOT' 'rnfs4_step_end: .*step=RECLAIM_COMPLETE status=0' \
	'rnfs4_call: .*class=io .*status=0' 'rnfs4_trouble:' 'rnfs4_sequence_error:' 'rnfs4_recovered: .*opens=5 '; do
	check "trace: $event" grep -q "$event" $TRACING/trace
done

server_stop
server_forget
rm "$EXPORT/d/2"
server_start
is "a file that is still there can be written" "$(hold write f1 more) $(hold fsync f1)" "ok ok"
check "well once more" within 20 idle
is "four opens were opened anew, one was lost" "$(counter opens_reopened) $(counter opens_failed)" "4 1"
is "its context is bad" "$(grep -c ' BAD$' "$D/opens")" 1
check "the time line says so" grep -q 'context-bad fileid=[0-9]* NFS4ERR_' "$D/timeline"
check "and the log" sh -c "dmesg | grep -q 'could not be recovered'"
check "and a tracepoint" grep -q 'rnfs4_context_bad:' $TRACING/trace
echo 0 >$TRACING/events/rnfs4/enable
is "the other cannot" "$(hold write f2 more)" EBADF
hold_end

dd if=/dev/zero of=$M/big bs=64k count=16 conv=fsync 2>/dev/null
echo 3 >/proc/sys/vm/drop_caches
cat $M/big >/dev/null
mountstats $M >/tmp/read
check "mountstats: what was read" grep -q 'client read 1048576 bytes via NFS READ' /tmp/read
check "mountstats: what was written" grep -Eq 'client wrote 10485[0-9]* bytes via NFS WRITE' /tmp/read
check "mountstats: calls" grep -q '^OPEN:' /tmp/read
check "mountstats iostat" sh -c "mountstats iostat $M | grep -q '^read:'"
cat /proc/mounts >/tmp/mounts
is "/proc/mounts has the type" "$(awk -v at=$M '$2 == at { print $3 }' /tmp/mounts)" rnfs4
# busy: reads the file over and over while nfsiostat looks
busy() {
	while [ ! -e /tmp/seen ]; do
		echo 3 >/proc/sys/vm/drop_caches
		cat $M/big >/dev/null
		sleep 0.3
	done
}
busy &
nfsiostat 2 2 $M >/tmp/iostat
touch /tmp/seen
wait $!
check "nfsiostat knows the mount" grep -q "mounted on $M:" /tmp/iostat
below "and shows what is read in a second, in KiB" 100 "$(awk '/^read:/ { getline; last = $2 } END { print last + 0 }' /tmp/iostat)"

for i in 1 2; do
	reader &
done
server_restart
check "reading while the server restarts" sh -c "echo x >$M/x && sync $M/x"
umount $M
come_and_go() {
	for i in 1 2 3; do
		mount_rnfs4 $M && echo "$i" >$M/x && umount $M || return
	done
}
check "reading while mounts come and go" come_and_go
check "no client is left" within 10 test -z "$(ls $DEBUGFS)"
mount_rnfs4 $M
exec 9<"$(echo $DEBUGFS/*/state)"
umount $M
refuse "an open file of a client that went cannot be read" cat <&9
refuse "and keeps the module" rmmod rnfs4
exec 9<&-
check "without it the module can go" within 20 rmmod rnfs4
check "and come again, with readers" insmod /module/rnfs4.ko
# shellcheck disable=SC2046
kill $(jobs -p)
