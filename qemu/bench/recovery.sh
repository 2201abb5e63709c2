#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How long a client needs to get its opens back after a restart of the server: both clients in turn, in one boot. Prints a line of JSON for
# each run (docs/recovery.md says what is in it). In the environment: COUNTS and DELAY, lists with commas.
#
# A program holds COUNT files open and writes to one of them, in the midst of the others, record by record, each synced. The server is
# stopped and started; from the moment at which it listens its own trace events tell when the first call came and when the last open was
# granted again, and the program when the write returned that had waited.

. /guest/within.sh

IFS=, read -ra counts <<<"${COUNTS:-1,100,2000,20000}"
IFS=, read -ra delays <<<"${DELAY:-0,2,10}"
EVENTS=/sys/kernel/tracing/instances/bench
# Long enough for whoever reclaims one by one: the server prolongs its grace period for him up to twice the lease.
export LEASE=600 GRACE=240

cat >/tmp/opens.py <<'END_OF_PROGRAM'
"""opens.py DIR COUNT LOG: opens DIR/0 ... and appends to the one in the middle; LOG gets a line for each record: monotonic seconds when its
write began and when it was safe."""
import os, resource, sys, time

directory, count, log = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], "w", encoding="ascii")
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
fds = [os.open(f"{directory}/{n}", os.O_RDWR) for n in range(count)]
fd = fds[count // 2]
while True:
    began = time.monotonic()
    os.write(fd, b"record\n")
    os.fsync(fd)
    print(f"{began:.4f} {time.monotonic():.4f}", file=log, flush=True)
    time.sleep(0.01)
END_OF_PROGRAM

# Marks in the trace the moment at which somebody can connect: the server is not waited for, as a quick client is done before its programs
# have ended.
cat >/tmp/up.py <<'END_OF_PROGRAM'
import sys, time

def listens():
    with open("/proc/thread-self/net/tcp", encoding="ascii") as sockets:
        return any(words[1].endswith(":0801") and words[3] == "0A" for words in map(str.split, sockets))

while not listens():
    time.sleep(0.002)
with open(sys.argv[1], "w", encoding="ascii") as marker:
    marker.write("up\n")
END_OF_PROGRAM

events() {
	local events=$EVENTS/events/nfsd
	mkdir -p "$EVENTS"
	echo mono >"$EVENTS/trace_clock"
	echo 12000 >"$EVENTS/buffer_size_kb"
	echo 'name == "OP_OPEN" || name == "OP_EXCHANGE_ID" || name == "OP_SEQUENCE" || name == "OP_RECLAIM_COMPLETE"' \
		>"$events/nfsd_compound_status/filter"
	echo 1 >"$events/nfsd_compound_status/enable"
}

writing() {
	[ "$(wc -l <"$1")" -gt 5 ]
}

# resumed LOG SINCE: a record was safe after that moment
resumed() {
	awk -v since="$2" '$2 > since { found = 1; exit } END { exit !found }' "$1"
}

reclaimed() {
	[ "$(rpc_count RECLAIM_COMPLETE)" -gt 0 ]
}

# run CLIENT COUNT DELAY
run() {
	local client=$1 count=$2 delay=$3 log=/tmp/records pid watch up
	echo "# $client, $count opens, $delay ms"
	"mount_$client" "/mnt/$client" || return
	: >"$log"
	python3 /tmp/opens.py "/mnt/$client/files" "$count" "$log" &
	pid=$!
	within 400 writing "$log" || return
	server_stop
	net_delay "$delay"
	rpc_mark
	: >"$EVENTS/trace"
	nsenter --net=/run/netns/server python3 -S /tmp/up.py "$EVENTS/trace_marker" &
	watch=$!
	server_start
	wait "$watch" || return
	up=$(awk '/tracing_mark_write: up/ { print substr($0, match($0, /[0-9]+[.][0-9]+: tracing_mark/)) + 0; exit }' "$EVENTS/trace")
	within 600 resumed "$log" "$up" && within 60 reclaimed || return
	net_delay 0
	awk -v client="$client" -v count="$count" -v delay="$delay" -v up="$up" \
		-v write="$(awk -v since="$up" '$2 > since { print $2; exit }' "$log")" '
		# From when the server is up to when the client has said that it has reclaimed all.
		/nfsd_compound_status/ && !complete {
			at = substr($0, match($0, /[0-9]+[.][0-9]+: nfsd/)) + 0
			if (at < up) next
			if (!first) first = at
			if (/OP_SEQUENCE/) calls++
			if (/OP_OPEN status=0$/) { last = at; granted++ }
			if (/OP_RECLAIM_COMPLETE status=0$/) complete = at
		}
		END {
			printf "{\"client\": \"%s\", \"opens\": %d, \"delay_ms\": %s, \"first_call_s\": %.3f, \"last_open_s\": %.3f, ",
				client, count, delay, first - up, last - up
			printf "\"complete_s\": %.3f, \"write_s\": %.3f, \"granted\": %d, \"rpcs\": %d}\n", complete - up, write - up, granted, calls
		}' "$EVENTS/trace"
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	umount "/mnt/$client"
}

most=0
for count in "${counts[@]}"; do
	most=$((count > most ? count : most))
done
echo 0 >/proc/sys/fs/leases-enable
events
server_sh "mkdir $EXPORT/files && cd $EXPORT/files && seq 0 $((most - 1)) | xargs touch"
server_restart
status=0
for delay in "${delays[@]}"; do
	for count in "${counts[@]}"; do
		for client in rnfs4 nfs4; do
			run "$client" "$count" "$delay" || {
				echo "# no result"
				status=1
			}
		done
	done
done
exit "$status"
