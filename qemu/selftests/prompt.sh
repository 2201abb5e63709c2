#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How soon a client notices that the server is there again (W5): ten restarts each with an idle and a busy client, and the C client's
# time beside ours for one restart. Time runs from the moment at which the server is up to the client's EXCHANGE_ID there.
#
# guest: timeout=600 alone unproven

. "$(dirname "$0")/lib.sh"

RESTARTS=${RESTARTS:-10}
LIMIT=${LIMIT:-1.0}
M=/mnt/prompt
export LEASE=30 GRACE=10

# The server's trace of EXCHANGE_IDs, with a mark for each time that it is up: one clock for both.
TRACE=/sys/kernel/tracing/instances/prompt
mkdir -p "$TRACE"
echo 'name == "OP_EXCHANGE_ID"' >"$TRACE/events/nfsd/nfsd_compound_status/filter"
echo 1 >"$TRACE/events/nfsd/nfsd_compound_status/enable"

# Seconds from the last mark to the first EXCHANGE_ID since then; nothing if there was none.
seen() {
	awk '
		{ match($0, / [0-9]+[.][0-9]+: /); time = substr($0, RSTART + 1, RLENGTH - 3) }
		/tracing_mark_write: up/ { up = time; seen = "" }
		/OP_EXCHANGE_ID/ && seen == "" { seen = time }
		END { if (up != "" && seen != "") printf "%.3f\n", seen - up }' "$TRACE/trace" | grep .
}

# restart_seen DOWN: the server is down for so many seconds; then how long until the client introduces itself.
restart_seen() {
	server_stop
	sleep "$1"
	: >"$TRACE/trace"
	server_start
	echo up >"$TRACE/trace_marker"
	within 100 seen
}

# restarts WHAT N: the longest of N restarts.
restarts() {
	local what=$1 n=$2 i seen worst=0 all=
	for ((i = 0; i < n; i++)); do
		seen=$(restart_seen "$((i % 4)).$((RANDOM % 10))") || seen=100
		all+=" $seen"
		worst=$(awk -v a="$worst" -v b="$seen" 'BEGIN { print (a > b) ? a : b }')
		# The next one finds the client with all its state.
		within 30 synced || return
	done
	note "$what: EXCHANGE_ID after (s):$all"
	WORST=$worst
}

# Through the descriptor that is open, and no other.
synced() {
	echo line >&5 && python3 -c 'import os; os.fsync(5)'
}

plan 8

server_restart
check "mount" mount_rnfs4 "$M"
exec 5>>"$M/file"
check "a file is written, and stays open" synced

if restarts "rnfs4, idle" "$RESTARTS"; then
	below "an idle client notices each restart at once" "$WORST" "$LIMIT"
else
	not_ok "an idle client notices each restart at once"
fi

while :; do
	echo line
	sleep 0.01
done >>"$M/busy" &
writer=$!
if restarts "rnfs4, busy" "$RESTARTS"; then
	below "and so does a busy one" "$WORST" "$LIMIT"
else
	not_ok "and so does a busy one"
fi
check "whose writer lives" kill "$writer"
wait "$writer"
exec 5>&-
is "nothing is missing" "$(server_sh "wc -l < $EXPORT/file")" $((2 * RESTARTS + 1))
check "unmount" umount "$M"

mount_nfs4 "$M"
exec 5>>"$M/file-nfs4"
synced
restarts "nfs4, idle" 1
note "W5: idle client, lease $LEASE s: nfs4 $WORST s"
exec 5>&-
check "the C client, too, comes back in the end" umount "$M"
