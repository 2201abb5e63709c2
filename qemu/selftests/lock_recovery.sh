#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What becomes of locks when the server restarts: they are reclaimed, and nobody else gets them in between. Where they cannot be, their
# owner's reads and writes fail until he unlocks, and nobody else's; the log says so once. With recover_lost_locks they are set again.
#
# guest: timeout=600

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/locker.sh
. /guest/locker.sh

R=/mnt/locks C=/mnt/other

held_is() {
	[ "$(server_locks "$1")" = "$2" ]
}

# The server can be asked again: a new open is granted when all that can be reclaimed has been.
grace_over() {
	within 60 timeout 30 touch "$R/new"
}

forget() {
	server_stop && server_forget && server_start
}

lines() {
	dmesg | grep -c "lock of process .* was lost"
}

plan 65
echo 0 >/proc/sys/fs/leases-enable
check "mount" mount_rnfs4 "$R"
client_ns other
check "and with the C client of another machine" client_sh other mount_nfs4 "$C"
for file in a b c; do
	printf '%0100d' 0 >"$R/$file"
done
locker p q c
for who in p q; do
	at "$who" open a "$R/a" >/dev/null
	at "$who" open b "$R/b" >/dev/null
	at "$who" open c "$R/c" >/dev/null
done
at c open a "$C/a" >/dev/null
at c open b "$C/b" >/dev/null

note "the server restarts"
is "two of us hold locks on a file, and one on another" "$(at p lock a w 0 10) $(at p lock a r 20 5) $(at q lock a r 20 30) $(at p flock b ex)" \
	"ok ok ok ok"
before=$(server_locks a)$(server_locks b)
tell c lock a w 0 10 wait
check "the server restarts" server_restart
check "and lets everybody go on" grace_over
is "it has the same locks" "$(server_locks a)$(server_locks b)" "$before"
is "the other client has not got what it waits for" "$(answer c 0.2)" "no answer"
is "the lock's owner reads and writes" "$(at p write a 0 hello) $(at p fsync a) $(at p read a 0 5)" "ok ok hello"
is "unlocks, and the other client gets it" "$(at p lock a u 0 10) $(answer c 40) $(at c lock a u 0 0)" "ok ok ok"
is "all unlock" "$(at p lock a u 0 0) $(at q lock a u 0 0) $(at p flock b un) $(server_locks a)$(server_locks b)" "ok ok ok "

note "many locks on one file"
is "200 of two processes" "$(at p many c w 0 100 4) $(at q many c r 1000 100 4)" "ok ok"
before=$(server_locks c)
is "are known to the server" "$(tr ';' '\n' <<<"$before" | grep -c .)" 200
rpc_mark
server_restart
check "after a restart" grace_over
is "the server has them again" "$(server_locks c)" "$before"
note "LOCK $(rpc_count LOCK), in $(rpc_count rpcs) calls"
is "all unlock" "$(at p lock c u 0 0) $(at q lock c u 0 0) $(server_locks c)" "ok ok "

note "what waits while the server is down"
is "a lock" "$(at p lock a w 0 10)" ok
server_stop
tell p lock a u 0 10
tell q lock b w 0 10
is "an unlock and a lock wait" "$(answer p 1) $(answer q 0.2)" "no answer no answer"
below "who waits for a lock can be killed" "$(locker_kill q)" "$AT_ONCE"
server_start
is "the unlock is done when the server is back" "$(answer p 40)" ok
grace_over
check "what nobody waited for any more is not locked" within 10 held_is b ""
is "and the unlocked is not locked" "$(server_locks a)" ""
locker q
at q open a "$R/a" >/dev/null

note "the server has forgotten us"
is "locked again" "$(at p lock a w 0 10) $(at p read a 0 5)" "ok hello"
lost=$(lines)
check "the server restarts, and nobody may reclaim" forget
within 30 test "$(at q read a 0 5)" = hello
check "the log says that the lock was lost" within 20 eval '[ "$(lines)" -gt "$lost" ]'
is "its owner cannot read" "$(at p read a 0 5)" EIO
is "nor write" "$(at p write a 0 world)" EIO
is "nor lock more" "$(at p lock a w 50 10)" EIO
is "another process can" "$(at q read a 0 5) $(at q write a 50 other) $(at q fsync a)" "hello ok ok"
is "its own other files are as before" "$(at p write b 0 world) $(at p fsync b)" "ok ok"
is "the other client may have the lock" "$(at c lock a w 0 10)" ok
is "the owner unlocks" "$(at p lock a u 0 0)" ok
is "and reads and writes again" "$(at p read a 0 5) $(at p write a 60 again) $(at p fsync a)" "hello ok ok"
is "locks as anybody else" "$(at p lock a w 0 10) $(at c lock a u 0 0) $(at p lock a w 0 10)" "EAGAIN ok ok"
is "the log had one line" "$(($(lines) - lost))" 1
is "dirty data of before is not lost for others" "$(server_sh head -c 5 "$EXPORT/a")" hello
locker_end p q
check "unmount" umount "$R"

# The client's own faults cut a pass over the locks of one owner in two: the server has the first, and not the second.
note "half of an owner's locks"
check "mount" mount_rnfs4 "$R"
locker p q
at p open a "$R/a" >/dev/null
at q open a "$R/a" >/dev/null
half() {
	local fault=$1
	shift
	is "two are locked" "$(at p lock a w 0 10) $(at p lock a w 30 10)" "ok ok"
	lost=$(lines)
	echo "$fault" >"$(echo /sys/kernel/debug/rnfs4/*/fault)"
	"$@"
	grace_over
}
for status in NO_GRACE BAD_STATEID ADMIN_REVOKED; do
	half "lock-reclaim error=NFS4ERR_$status after=1" server_restart
	check "$status to the second: the owner is told" within 20 eval '[ "$(at p read a 0 5)" = EIO ]'
	is "once in the log" "$(($(lines) - lost))" 1
	is "another process is not" "$(at q read a 0 5)" hello
	is "what was unlocked is not locked on the server either" "$(at p lock a u 0 0) $(server_locks a)" "ok "
	is "and all is as before" "$(at p lock a w 0 10) $(at p read a 0 5) $(at p lock a u 0 0)" "ok hello ok"
done
locker_end p q
check "unmount" umount "$R"

note "recover_lost_locks"
rmmod rnfs4
check "the module with recover_lost_locks=1" insmod /module/rnfs4.ko recover_lost_locks=1
check "mount" mount_rnfs4 "$R"
locker p
is "locked" "$(at p open a "$R/a") $(at p lock a w 0 10) $(at p lock a r 30 10)" "ok ok ok"
lost=$(lines)
forget
grace_over
is "what was lost is set again" "$(at p read a 0 5) $(server_locks a)" "hello 0 9 W;30 39 R;"
is "without a line in the log" "$(($(lines) - lost))" 0
is "unlocked" "$(at p lock a u 0 0)" ok
half "lock-retake error=NFS4ERR_BADSESSION after=1" forget
is "also where the session is lost between two locks" "$(at p read a 0 5) $(server_locks a)" "hello 0 9 W;30 39 W;"
locker_end p c
check "unmount" umount "$R"
