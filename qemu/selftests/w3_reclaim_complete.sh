#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# W3: the session is destroyed, but not the client, while RECLAIM_COMPLETE is on its way. It must be sent again in the next session: a
# server grants no new open before it. The C client forgets it, and its opens wait for ever.
#
# guest: timeout=300 early

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/hold.sh
. /guest/hold.sh

EVENTS=/sys/kernel/tracing/instances/session

# Destroys the sessions of the client whose open is reclaimed next, at that moment, from where the server is: before anything that the
# client sends after that can arrive. It is told by the server's trace events, and guesses session ids as knfsd makes them: the client
# id and a counter.
cat >/tmp/destroy.py <<'END_OF_PROGRAM'
import re, socket, struct, sys

trace = open("/sys/kernel/tracing/instances/session/trace_pipe", encoding="ascii", errors="replace")
print("watching", flush=True)
client, completed = None, 0
for line in trace:
    if match := re.search(r"client ([0-9a-f]{8}):([0-9a-f]{8})", line):
        client = [int(n, 16) for n in match.groups()]
    completed += "OP_RECLAIM_COMPLETE status=0" in line
    if "OP_OPEN status=0" in line:
        break

server = socket.create_connection((sys.argv[1], 2049))
replies = server.makefile("rb")
cred = struct.pack(">IIIIIII", 1, 20, 0, 0, 0, 0, 0)


def destroy(counter):
    """Returns the status."""
    call = struct.pack(">IIIIII", counter, 0, 2, 100003, 4, 1) + cred + struct.pack(">II", 0, 0)
    call += struct.pack(">IIII", 0, 1, 1, 44) + struct.pack("<IIII", *client, counter, 0)
    server.sendall(struct.pack(">I", 0x80000000 | len(call)) + call)
    size, = struct.unpack(">I", replies.read(4))
    reply = replies.read(size & 0x7fffffff)
    return struct.unpack(">I", reply[24:28])[0]


print("destroyed", [destroy(n) for n in range(1, 200)].count(0), "completed", completed, flush=True)
END_OF_PROGRAM

watch() {
	local events=$EVENTS/events/nfsd
	mkdir -p "$EVENTS"
	echo 'name == "OP_OPEN" || name == "OP_RECLAIM_COMPLETE"' >"$events/nfsd_compound_status/filter"
	echo 1 | tee "$events"/{nfsd_compound_status,nfsd_slot_seqid_sequence}/enable >/dev/null
	: >"$EVENTS/trace"
	nsenter --net=/run/netns/server python3 /tmp/destroy.py "$SERVER" >/tmp/destroyed 2>&1 &
	watcher=$!
	within 30 grep -q watching /tmp/destroyed
}

# lose_session CLIENT: a restart with one open file to reclaim, and what is between the reclaim and the end of it.
lose_session() {
	local answer
	"mount_$1" "/mnt/$1" && hold_begin || return
	answer="$(hold open "$1" "/mnt/$1/$1" RDWR CREAT) $(hold write "$1" one) $(hold fsync "$1")"
	[ "$answer" = "ok ok ok" ] || return
	server_stop
	# A second each way: whatever is sent next arrives long after the session has gone.
	net_delay 1000
	watch || return
	rpc_mark
	server_start
	(timeout 30 sh -c "echo two >>/mnt/$1/other" &)
	within 60 grep -q destroyed /tmp/destroyed
	local status=$?
	net_delay 0
	return $status
}

# What takes longer is taken for what never comes, in seconds.
NEVER=${FULL:+40} NEVER=${NEVER:-20}

opened_anew() {
	timeout "$NEVER" sh -c "echo three >/mnt/$1/new"
}

plan 8
echo 0 >/proc/sys/fs/leases-enable
lose_session rnfs4
is "rnfs4: the session goes behind its back after its reclaim" $? 0
is "before RECLAIM_COMPLETE has arrived" "$(tail -n 1 /tmp/destroyed)" "destroyed 1 completed 0"
check "a new open works" opened_anew rnfs4
is "for RECLAIM_COMPLETE was sent again" "$(rpc_count RECLAIM_COMPLETE)" 1
is "what was open is so still" "$(hold write rnfs4 more) $(hold fsync rnfs4)" "ok ok"
is "and the server has all of it" "$(cat "$EXPORT/rnfs4")" $'one\nmore'
hold_end
check "unmount" within 10 umount /mnt/rnfs4
check "and the module can be removed" rmmod rnfs4

if lose_session nfs4; then
	note "the C client: $(tail -n 1 /tmp/destroyed)"
	began=$EPOCHREALTIME
	if opened_anew nfs4; then
		note "the C client: a new open works after $(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }') s"
	else
		note "the C client: a new open has not come to its end after $NEVER s"
	fi
	note "the C client: RECLAIM_COMPLETE was sent again $(rpc_count RECLAIM_COMPLETE) times;" \
		"what was open: write $(hold write nfs4 more), fsync $(HOLD_PATIENCE=10 hold fsync nfs4)"
else
	note "the C client: its session could not be destroyed: $(cat /tmp/destroyed)"
fi
