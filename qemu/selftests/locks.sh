#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fcntl() and flock() locks: two clients see each other's, all that ranges can do, waiting and being woken, what goes with a
# descriptor or a process, and that data is handed over with a lock.
#
# guest: timeout=600

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/locker.sh
. /guest/locker.sh

R=/mnt/locks C=/mnt/other

held() {
	server_locks f
}

held_is() {
	[ "$(held)" = "$1" ]
}

# The server may be told after the program has gone on: a process that was killed does not wait.
soon_held() {
	within 5 held_is "$2" || true
	is "$1" "$(held)" "$2"
}

states() {
	server_sh 'cat /proc/fs/nfsd/clients/*/states' | grep -c "type: lock"
}

no_states() {
	[ "$(states)" = 0 ]
}

# round N: ours reads the number under a lock and writes the next; then theirs does.
round() {
	local who number
	for who in p c; do
		at "$who" lock f w 0 16 wait >/dev/null
		number=$(at "$who" read f 0 4)
		[ "$number" = "$(printf %04d "$expected")" ] || return 1
		expected=$((expected + 1))
		at "$who" write f 0 "$(printf %04d "$expected")" >/dev/null
		at "$who" lock f u 0 16 >/dev/null
	done
}

rounds() {
	local n
	for n in $(seq "$1"); do
		round || { note "round $n: $expected was expected"; return 1; }
	done
}

# Each has a record of its own in the same page, and changes it while the other changes his; then they change places.
apart() {
	local n
	for n in $(seq "$1"); do
		at p lock f w 0 8 wait >/dev/null
		at c lock f w 8 8 wait >/dev/null
		at p write f 0 "$(printf p%07d "$n")" >/dev/null
		at c write f 8 "$(printf c%07d "$n")" >/dev/null
		at c lock f u 8 8 >/dev/null
		at p lock f u 0 8 >/dev/null
		at p lock f w 8 8 wait >/dev/null
		at c lock f w 0 8 wait >/dev/null
		[ "$(at p read f 8 8)$(at c read f 0 8)" = "$(printf 'c%07dp%07d' "$n" "$n")" ] || return 1
		at p lock f u 8 8 >/dev/null
		at c lock f u 0 8 >/dev/null
	done
}

plan 74
echo 0 >/proc/sys/fs/leases-enable
check "mount" mount_rnfs4 "$R"
client_ns other
check "and with the C client of another machine" client_sh other mount_nfs4 "$C"
printf '%0100d' 0 >"$R/f"
locker p q c
is "all open the file" "$(at p open f "$R/f") $(at q open f "$R/f") $(at c open f "$C/f")" "ok ok ok"

note "two clients, and two processes of one"
is "a lock" "$(at p lock f w 10 10)" ok
is "is known to the server" "$(held)" "10 19 W;"
is "keeps the other client off" "$(at c lock f w 15 1)" EAGAIN
is "which is told why" "$(at c get f r 0 0)" "w 10 10 0"
is "and another process" "$(at q lock f r 15 1)" EAGAIN
is "which is told who" "$(at q get f r 0 0)" "w 10 10 $(locker_pid p)"
is "beside it there is room" "$(at c lock f w 20 0) $(at q lock f w 0 10)" "ok ok"
is "and ours are told of theirs" "$(at p get f r 20 0)" "w 20 0 0"
is "its owner may have it" "$(at p get f w 10 10)" free
is "the server has all three" "$(held)" "0 9 W;10 19 W;20 EOF W;"
is "unlocked" "$(at p lock f u 0 0) $(at q lock f u 0 0) $(at c lock f u 0 0)" "ok ok ok"
is "nothing is left" "$(held)" ""

note "ranges"
is "a range" "$(at p lock f r 0 100)" ok
is "split by an unlock" "$(at p lock f u 40 20) $(held)" "ok 0 39 R;60 99 R;"
is "the gap is the other's" "$(at c lock f w 40 20) $(at c lock f u 40 20)" "ok ok"
is "the rest is not" "$(at c lock f w 39 1) $(at c lock f w 60 1)" "EAGAIN EAGAIN"
is "merged again" "$(at p lock f r 40 20) $(held)" "ok 0 99 R;"
is "the middle upgraded" "$(at p lock f w 40 20) $(held)" "ok 0 39 R;40 59 W;60 99 R;"
is "others may read the ends" "$(at c lock f r 0 40) $(at c lock f r 30 20)" "ok EAGAIN"
is "a reader is in the way of an upgrade" "$(at p lock f w 0 0)" EAGAIN
is "which changes nothing" "$(at c lock f u 0 0) $(held)" "ok 0 39 R;40 59 W;60 99 R;"
is "upgraded, to the end" "$(at p lock f w 0 0) $(held)" "ok 0 EOF W;"
is "downgraded" "$(at p lock f r 0 0) $(at c lock f r 5 5) $(at c lock f u 5 5) $(held)" "ok ok ok 0 EOF R;"
is "unlocked from the middle to the end" "$(at p lock f u 50 0) $(held)" "ok 0 49 R;"
is "the last byte that there can be" "$(at p lock f w 9223372036854775806 1) $(at c lock f w 9223372036854775806 1)" "ok EAGAIN"
is "all unlocked" "$(at p lock f u 0 0) $(held)" "ok "
check "and the server keeps no lock stateid" within 5 no_states
is "a write lock wants a file open for writing" "$(at p open ro "$R/f" RDONLY) $(at p lock ro w 0 1) $(at p flock ro ex) $(at p flock ro sh)" \
	"ok EBADF EBADF ok"
is "closed" "$(at p close ro)" ok

note "waiting"
is "taken" "$(at p lock f w 0 10)" ok
tell q lock f w 0 10 wait
is "another process of ours waits" "$(answer q 1)" "no answer"
begin=$EPOCHREALTIME
is "an unlock wakes it" "$(at p lock f u 0 10) $(answer q 5)" "ok ok"
below "at once" "$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" "$AT_ONCE"
# Not sooner: the server lets whoever asks first have what is free.
tell c lock f w 0 10 wait
is "the other client gets it when we have done" "$(answer c 1) $(at q lock f u 0 10) $(answer c 40)" "no answer ok ok"
tell p lock f w 0 10 wait
is "we wait for the other client" "$(answer p 1)" "no answer"
is "and have it soon after" "$(at c lock f u 0 10) $(answer p 3)" "ok ok"
tell q lock f w 0 10 wait
sleep 0.5
below "a process that waits for another can be killed" "$(locker_kill q)" "$AT_ONCE"
is "taken by the other client" "$(at p lock f u 0 10) $(at c lock f w 0 10)" "ok ok"
locker q
at q open f "$R/f" >/dev/null
tell q lock f w 0 10 wait
sleep 1.5
below "a process that waits for the other client can be killed" "$(locker_kill q)" "$AT_ONCE"
is "it leaves nothing behind" "$(at c lock f u 0 0) $(at c lock f w 0 10) $(at c lock f u 0 0)" "ok ok ok"
locker q
is "two that wait for each other" "$(at q open f "$R/f") $(at p lock f w 0 1) $(at q lock f w 1 1)" "ok ok ok"
tell p lock f w 1 1 wait
sleep 0.5
is "are told of the deadlock" "$(at q lock f w 0 1 wait)" EDEADLOCK
is "one gives way" "$(at q lock f u 0 0) $(answer p 5) $(at p lock f u 0 0)" "ok ok ok"

note "flock()"
is "shared by several" "$(at p flock f sh) $(at q flock f sh) $(at c flock f sh)" "ok ok ok"
is "exclusive is for one" "$(at p flock f ex) $(at c flock f ex)" "EAGAIN EAGAIN"
is "the others leave" "$(at q flock f un) $(at c flock f un) $(at p flock f ex)" "ok ok ok"
is "and keep out" "$(at c flock f sh) $(at q flock f sh)" "EAGAIN EAGAIN"
is "it is a lock of the open file" "$(at p dup g f) $(at p close f) $(held)" "ok ok 0 EOF W;"
is "that goes with its last descriptor" "$(at p close g) $(at c flock f ex)" "ok ok"
tell q flock f ex wait
is "we wait for the other client" "$(answer q 1)" "no answer"
is "and are woken" "$(at c flock f un) $(answer q 3)" "ok ok"
child=$(at q fork)
is "a child has it as well" "$(at q close f) $(at c flock f ex)" "ok EAGAIN"
kill "$child"
is "until it goes, too" "$(within 5 held_is '' && at c flock f ex) $(at c flock f un)" "ok ok"

note "open file description locks"
at p open f "$R/f" >/dev/null
is "two files of one process" "$(at p open g "$R/f") $(at p ofd f w 0 10) $(at p ofd g w 5 1)" "ok ok EAGAIN"
is "keep the other client off" "$(at c lock f w 0 1)" EAGAIN
is "closing the other file does no harm" "$(at p close g) $(held)" "ok 0 9 W;"
is "closing its own ends it" "$(at p close f) $(held)" "ok "

note "what goes with a descriptor or a process"
at p open f "$R/f" >/dev/null
is "a process's locks go with any descriptor" "$(at p lock f w 0 10) $(at p open g "$R/f") $(at p close g) $(held)" "ok ok ok "
is "locked again" "$(at p lock f w 0 10) $(at p lock f r 20 10)" "ok ok"
below "the process is killed" "$(locker_kill p)" "$AT_ONCE"
soon_held "its locks are gone" ""
locker p
at p open f "$R/f" >/dev/null
check "no lock stateid is left" within 5 no_states

note "data is handed over with a lock"
expected=0
at c open f "$C/f" >/dev/null
check "50 rounds of two clients that count in turn" rounds 50
is "the server has the sum" "$(server_sh head -c 4 "$EXPORT/f")" 0100
check "records beside each other, in one page" apart 10
at c lock f w 200 4 >/dev/null
at c write f 200 tail >/dev/null
at c lock f u 200 4 >/dev/null
is "the file has grown under a lock" "$(at p lock f r 200 4) $(at p read f 200 4)" "ok tail"
is "a lock alone costs few calls" "$(at p lock f u 0 0)" ok
rpc_mark
at p lock f w 0 1 >/dev/null
at p lock f u 0 1 >/dev/null
below "taken and given back" "$(rpc_count rpcs)" 3

locker_end p q c
soon_held "all are gone" ""
check "unmount" umount "$R"
check "remove the module" rmmod rnfs4
