#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The same as clients.sh, where each nanosecond of the guest's clocks is an instruction: docs/benchmarks.md.

# Whoever waits for one of the host's disks waits by the host's clock, and the guest's timers run wild meanwhile: the export is in memory.
server_stop &&
	truncate -s 900M /tmp/export.img &&
	mkfs.ext4 -q -J size=16 -N 50000 -m 0 -E lazy_itable_init=1,lazy_journal_init=1 /tmp/export.img &&
	device=$(losetup -f --show /tmp/export.img) &&
	mount -o noatime,noinit_itable "$device" "$EXPORT" &&
	server_sh mount -o noatime,noinit_itable "$device" "$EXPORT" &&
	server_start || exit

exec python3 -B compare/main.py --instructions
