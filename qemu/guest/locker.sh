# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Processes that hold locks (locker.py says what they can be told):
#
#	locker NAME...		starts one of each name
#				(the same name again once it has ended)
#	at NAME CMD ARG...	tells it something, and prints the answer: "ok", or the name of the error
#	tell NAME CMD ARG...	does not wait for the answer
#	answer NAME [SECONDS]	prints the answer to that; "no answer" after so many seconds (10)
#	locker_pid NAME
#	locker_end NAME...	ends them with all that they have
#	locker_kill NAME	the same by SIGKILL; how long that took, in seconds

LOCKERS=/tmp/lockers
# How long, in seconds, may take what happens at once: the debug kernel is slow.
AT_ONCE=1
[ ! -e /sys/kernel/debug/kmemleak ] || AT_ONCE=4
declare -A locker_in locker_out locker_pids

locker() {
	local name in out
	for name; do
		mkdir -p "$LOCKERS/$name"
		rm -f "$LOCKERS/$name/in" "$LOCKERS/$name/out"
		mkfifo "$LOCKERS/$name/in" "$LOCKERS/$name/out"
		/guest/locker.py <"$LOCKERS/$name/in" >"$LOCKERS/$name/out" &
		locker_pids[$name]=$!
		disown
		exec {in}>"$LOCKERS/$name/in" {out}<"$LOCKERS/$name/out"
		locker_in[$name]=$in
		locker_out[$name]=$out
	done
}

tell() {
	local name=$1
	shift
	echo "$*" >&"${locker_in[$name]}"
}

answer() {
	local line
	read -r -t "${2:-10}" -u "${locker_out[$1]}" line || line="no answer"
	echo "$line"
}

at() {
	tell "$@"
	answer "$1" 60
}

locker_pid() {
	echo "${locker_pids[$1]}"
}

# locker_gone NAME: waits until the process has ended, which the shell need not have noticed.
locker_gone() {
	local pid=${locker_pids[$1]}
	while [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; do
		sleep 0.02
	done
}

locker_end() {
	local name in out
	for name; do
		kill "${locker_pids[$name]}"
		locker_gone "$name"
		in=${locker_in[$name]} out=${locker_out[$name]}
		exec {in}>&- {out}<&-
	done
	return 0
}

locker_kill() {
	local begin=$EPOCHREALTIME
	kill -KILL "${locker_pids[$1]}"
	locker_gone "$1"
	awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", b - a }'
}

# server_locks [FILE]: what the server has of locks, on a file or on all, as START END KIND of each.
server_locks() {
	local file=${1:-} device inode
	device=$(server_sh stat -c '%Hd %Ld' "$EXPORT")
	# shellcheck disable=SC2086 # two numbers
	device=$(printf '%02x:%02x:' $device)
	inode=${file:+$(server_sh stat -c %i "$EXPORT/$file")}
	awk -v place="$device$inode" '$2 == "POSIX" && (place ~ /:$/ ? index($6, place) == 1 : $6 == place) {
		print $7, $8, substr($4, 1, 1) }' /proc/locks | sort -n | tr '\n' ';'
}
