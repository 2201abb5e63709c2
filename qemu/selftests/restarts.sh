#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The server restarts 5 times in a row, or 50 (FULL), while records are appended and archives unpacked, then three times so quickly
# that nobody can have reclaimed in between: nobody meets an error, and nothing is lost.
#
# guest: smp=2 timeout=600

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/workload.sh
. /guest/workload.sh
# shellcheck source=qemu/guest/trace.sh
. /guest/trace.sh

CLIENT=${CLIENT:-rnfs4}
M=/mnt/restarts
RESTARTS=${RESTARTS:-${FULL:+50}} RESTARTS=${RESTARTS:-5}

trees=0 failed=0

# An archive is being unpacked at all times: where one has ended, the next one begins.
keep_unpacking() {
	! kill -0 "$unpack_pid" 2>/dev/null || return 0
	finish_tree
	trees=$((trees + 1))
	mkdir "$M/trees/$trees"
	unpack_begin "$M/trees/$trees"
}

finish_tree() {
	unpack_end && check_tree || failed=$((failed + 1))
}

# Compared at once, and then there is room for the next.
check_tree() {
	tree_equal && rm -r "$unpack_dir/tree"
}

# A different pause each time, and the same ones in each run.
RANDOM=4
pause() {
	sleep "$((RANDOM % 2)).$((RANDOM % 10))"
}

plan $((RESTARTS + 9))

archive_make 100
is "an archive" $? 0
workload_at "$M"
echo 0 >/proc/sys/fs/leases-enable
trace_begin
check "mount" "mount_$CLIENT" "$M"
workload_begin "$M/trees"
is "a writer appends to $WRITER_FILES open files, an archive is being unpacked" $? 0

for n in $(seq "$RESTARTS"); do
	pause
	server_restart
	up=$EPOCHREALTIME
	within 60 resumed "$up"
	is "restart $n: the writer goes on" $? 0
	keep_unpacking
done
note "$(acknowledged) records, $trees archives, $(trace_reclaims) opens reclaimed"
below "its opens were reclaimed each time" $((RESTARTS * WRITER_FILES - 1)) "$(trace_reclaims)"

for _ in 1 2 3; do
	server_restart
done
up=$EPOCHREALTIME
within 60 resumed "$up"
is "after three restarts at once the writer goes on" $? 0

finish_tree
is "all archives were unpacked and are on the server, as they were" "$failed" 0
writer_end
is "the writer has met no error" $? 0
check "every record is on the server" records_equal
check "unmount" umount "$M"
