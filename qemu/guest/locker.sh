# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Processes that hold locks (locker.py says what they can be told):
#
#	locker NAME...		starts one of each name
#	at NAME CMD ARG...	tells it something, and prints the answer: "ok", or the name of the error
#	tell NAME CMD ARG...	does not wait for the answer
#	answer NAME [SECONDS]	prints the answer to that; "no answer" after so many seconds (10)
#	locker_pid NAME
#	locker_end NAME...	ends them with all that they have
#	locker_kill NAME	the same by SIGKILL; how long that took, in seconds

LOCKERS=/tmp/lockers
declare -A locker_in locker_out locker_pids

locker() {
	local name in out
	for name; do
		mkdir -p "$LOCKERS/$name"
		rm -f "$LOCKERS/$name/in" "$LOCKERS/$name/out"
		mkfifo "$LOCKERS/$name/in" "$LOCKERS/$name/out"
		/guest/locker.py <"$LOCKERS/$name/in" >"$LOCKERS/$name/out" &
		locker_pids[$name]=$!
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

locker_forget() {
	local in=${locker_in[$1]} out=${locker_out[$1]}
	exec {in}>&- {out}<&-
	unset "locker_in[$1]" "locker_out[$1]" "locker_pids[$1]"
}

locker_end() {
	local name
	for name; do
		kill "${locker_pids[$name]}"
		wait "${locker_pids[$name]}" 2>/dev/null
		locker_forget "$name"
	done
	return 0
}

locker_kill() {
	local begin=$EPOCHREALTIME
	kill -KILL "${locker_pids[$1]}"
	wait "${locker_pids[$1]}" 2>/dev/null
	awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", b - a }'
	locker_forget "$1"
}
