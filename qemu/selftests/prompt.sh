#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How soon a client notices that the server is there again (W5): restarts with an idle and with a busy client, and the C client's time
# beside ours for one restart. Time runs from the moment at which the server begins its grace period, before which it answers nobody, to
# the client's EXCHANGE_ID there; both are events of the server's, with one clock.
#
# The client tries to connect every 400 to 600 ms, and what it is told then takes four short calls. So half of the times must be
# below a second. Single ones may be longer where the guest has to share its processors; the C client comes at its next renewal, which
# may be two thirds of the lease away.
#
# guest: timeout=600 early

. "$(dirname "$0")/lib.sh"

RESTARTS=${RESTARTS:-5}
MEDIAN=${MEDIAN:-1.0}
WORST=${WORST:-5.0}
M=/mnt/prompt
export LEASE=30 GRACE=10

TRACE=/sys/kernel/tracing/instances/prompt
mkdir -p "$TRACE"
echo 'name == "OP_EXCHANGE_ID"' >"$TRACE/events/nfsd/nfsd_compound_status/filter"
echo 1 | tee "$TRACE"/events/nfsd/{nfsd_compound_status,nfsd_grace_start}/enable >/dev/null

# Seconds from the server's return to the first EXCHANGE_ID; fails if there was none.
seen() {
	awk '
		{ match($0, / [0-9]+[.][0-9]+: /); time = substr($0, RSTART + 1, RLENGTH - 3) }
		/nfsd_grace_start/ { up = time; seen = "" }
		/OP_EXCHANGE_ID/ && up != "" && seen == "" { seen = time }
		END { if (seen != "") printf "%.3f\n", seen - up }' "$TRACE/trace" | grep .
}

# restart_seen DOWN: the server is down for so many seconds; then how long until the client introduces itself.
restart_seen() {
	server_stop
	sleep "$1"
	: >"$TRACE/trace"
	server_start
	within 100 seen
}

# restarts WHAT N: the times of N restarts, sorted, in TIMES.
restarts() {
	local what=$1 n=$2 i time
	TIMES=()
	for ((i = 0; i < n; i++)); do
		time=$(restart_seen "$((i % 3)).$((RANDOM % 10))") || time=100
		TIMES+=("$time")
		# The next one finds the client with all its state.
		if ! within 30 synced; then
			note "$what: a write did not get through after restart $i"
			TIMES+=(100)
		fi
	done
	mapfile -t TIMES <<<"$(printf '%s\n' "${TIMES[@]}" | sort -n)"
	note "$what: EXCHANGE_ID after ${TIMES[*]} s"
}

median() {
	echo "${TIMES[${#TIMES[@]} / 2]}"
}

# Through the descriptor that is open, and no other.
synced() {
	echo line >&5 && python3 -c 'import os; os.fsync(5)'
}

plan 10

server_restart
check "mount" mount_rnfs4 "$M"
exec 5>>"$M/file"
check "a file is written, and stays open" synced

restarts "rnfs4, idle" "$RESTARTS"
below "an idle client notices a restart at once" "$(median)" "$MEDIAN"
below "and each" "${TIMES[-1]}" "$WORST"

while :; do
	echo line
	sleep 0.01
done >>"$M/busy" 5>&- &
writer=$!
restarts "rnfs4, busy" "$RESTARTS"
below "and so does a busy one" "$(median)" "$MEDIAN"
below "each, too" "${TIMES[-1]}" "$WORST"
check "whose writer lives" kill "$writer"
wait "$writer"
exec 5>&-
is "nothing is missing" "$(server_sh "wc -l < $EXPORT/file")" $((2 * RESTARTS + 1))
check "unmount" umount "$M"

mount_nfs4 "$M"
exec 5>>"$M/file-nfs4"
synced
restarts "nfs4, idle" 1
note "W5: idle client, lease $LEASE s: nfs4 ${TIMES[-1]} s"
exec 5>&-
check "the C client, too, comes back in the end" umount "$M"
