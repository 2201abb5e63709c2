# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Both clients in one scenario, for the picture: each holds files open, one of which a writer appends to, record by record, each synced;
# the server goes down, loses two files of each, comes back. What happens is put down for "scripts/plot timeline" in the file BOTH_EVENTS
# (host/plot/events.rs says how).
#
#	both_clients	plays it; fails if a writer does not go on

BOTH_OPENS=200
BOTH_DELAY=5
BOTH_TRACE=/sys/kernel/tracing/instances/both
BOTH_CLIENTS=(rnfs4 nfs4)

# both.py DIR COUNT LOG: the last two files are those that are lost; they have data that was not sent.
both_program() {
	cat >/tmp/both.py <<-'END_OF_PROGRAM'
		import errno, os, sys, time

		directory, count, log = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], "w", encoding="ascii")
		fds = [os.open(f"{directory}/{n}", os.O_RDWR) for n in range(count)]
		lost = fds[-2:]
		for fd in lost:
		    os.write(fd, b"never sent")
		while True:
		    os.write(fds[0], b"a record\n")
		    os.fsync(fds[0])
		    print(f"{time.monotonic():.4f} ack", file=log, flush=True)
		    if lost and os.path.exists("/tmp/both.back"):
		        for fd in lost:
		            try:
		                os.fsync(fd)
		            except OSError as error:
		                print(f"{time.monotonic():.4f} error {errno.errorcode[error.errno]}", file=log, flush=True)
		        lost = []
		    time.sleep(0.005)
	END_OF_PROGRAM
}

both_trace() {
	local events=$BOTH_TRACE/events
	mkdir -p "$BOTH_TRACE" &&
		echo mono >"$BOTH_TRACE/trace_clock" &&
		echo 4096 >"$BOTH_TRACE/buffer_size_kb" &&
		echo 'procname != "WRITE" && procname != "COMMIT" && procname != "SEQUENCE"' >"$events/sunrpc/rpc_stats_latency/filter" &&
		echo 1 | tee "$events"/{sunrpc/rpc_stats_latency,nfsd/nfsd_grace_start,nfsd/nfsd_grace_complete}/enable >/dev/null
}

both_mark() {
	echo "$1" >"$BOTH_TRACE/trace_marker"
}

# both_acks CLIENT: how many so far
both_acks() {
	grep -c ack "/tmp/both.$1"
}

# both_more CLIENT COUNT: more than that
both_more() {
	[ "$(both_acks "$1")" -gt "$2" ]
}

both_clients() {
	local client n status=0 acks pids=()
	both_program
	both_trace || return
	rm -f /tmp/both.back
	for client in "${BOTH_CLIENTS[@]}"; do
		server_sh "mkdir -p $EXPORT/both/$client && cd $EXPORT/both/$client && seq 0 $((BOTH_OPENS - 1)) | xargs touch"
		"mount_$client" "/mnt/both-$client" || return
		: >"/tmp/both.$client"
		python3 /tmp/both.py "/mnt/both-$client/both/$client" "$BOTH_OPENS" "/tmp/both.$client" &
		pids+=($!)
	done
	for client in "${BOTH_CLIENTS[@]}"; do
		within 60 both_more "$client" 5 || return
	done
	net_delay "$BOTH_DELAY"
	both_mark begin
	sleep 3
	both_mark down
	server_stop
	for client in "${BOTH_CLIENTS[@]}"; do
		rm "$EXPORT/both/$client"/{$((BOTH_OPENS - 2)),$((BOTH_OPENS - 1))}
	done
	sleep 1
	declare -A acks
	for client in "${BOTH_CLIENTS[@]}"; do
		acks[$client]=$(both_acks "$client")
	done
	server_start
	touch /tmp/both.back
	for client in "${BOTH_CLIENTS[@]}"; do
		within 60 both_more "$client" "${acks[$client]}" || status=1
	done
	sleep 2
	both_mark end
	net_delay 0
	both_events >"$BOTH_EVENTS"
	kill -9 "${pids[@]}"
	wait "${pids[@]}" 2>/dev/null
	for client in "${BOTH_CLIENTS[@]}"; do
		umount "/mnt/both-$client" || status=1
	done
	return $status
}

# What was traced, logged and acknowledged, between the marks.
both_events() {
	local client
	echo "# One restart of the server, with $BOTH_OPENS files open on each client and $BOTH_DELAY ms added to each round trip"
	{
		awk -v OFMT=%.6f '
			{ at = substr($0, match($0, /[0-9]+[.][0-9]+: /)) + 0 }
			/tracing_mark_write: begin/ { print at, "server up" }
			/tracing_mark_write: down/ { print at, "server down" }
			/tracing_mark_write: end/ { print at, "end" }
			/nfsd_grace_start/ { print at, "server grace" }
			/nfsd_grace_complete/ { print at, "server up" }
			/rpc_stats_latency/ { for (i = 1; i < NF; i++) if ($i ~ /^(rnfs4|nfs)v4$/) print at, $i == "nfsv4" ? "nfs4" : "rnfs4", "call", $(i + 1) }
			' "$BOTH_TRACE/trace"
		for client in "${BOTH_CLIENTS[@]}"; do
			sed "s/ / $client /" "/tmp/both.$client"
		done
		dmesg | sed -nE 's/^\[ *([0-9.]+)\] NFSv4: state recovery failed for open file.*/\1 nfs4 bad/p'
		cat /sys/kernel/debug/rnfs4/*/timeline | awk -v OFMT=%.3f '
			{ at = $1 / 1000 }
			$2 == "begin" || $2 == "end" { print at, "rnfs4", $2, $3 }
			$2 == "recovered" { sub(/.*opens=/, ""); print at, "rnfs4 reclaimed", $0 + 0 }
			$2 == "context-bad" { n = 1; if (match($0, /count=/)) n = substr($0, RSTART + 6) + 0; print at, "rnfs4 bad", n }'
	} | sort -s -n -k 1,1 | awk '$2 == "end" { exit } / server up/ { on = 1 } on'
}
