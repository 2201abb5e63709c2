#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What each of the two machines runs: it takes commands from the host, one to a line, "ID COMMAND", runs them side by side, and
# answers each in one line, "ID STATUS OUTPUT", the output in base64. It ends when it is told to quit.

control=
for port in /sys/class/virtio-ports/*; do
	[ "$(cat "$port/name")" != control ] || control=/dev/${port##*/}
done
[ -n "$control" ] || exit 1
exec {control}<>"$control"

answer() {
	local output status
	output=$(bash -c "$2" 2>&1 </dev/null)
	status=$?
	output=$(base64 -w 0 <<<"$output")
	flock /tmp printf '%s %s %s\n' "$1" "$status" "$output" >&"$control"
}

# Without delegations each open is state of its own on the server, with every client.
[ "$VM_ROLE" != server ] || echo 0 >/proc/sys/fs/leases-enable

echo ready >&"$control"
while read -r -u "$control" id command; do
	[ "$command" != quit ] || exit 0
	answer "$id" "$command" &
done
exit 1
