# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Memory leaks of the kernel, where its configuration can find them (the debug one). What was lost before the script began does not
# count. NO_KMEMLEAK=1 leaves the check at the end out.

KMEMLEAK=/sys/kernel/debug/kmemleak

kmemleak_begin() {
	[ ! -e $KMEMLEAK ] || echo clear >$KMEMLEAK
}

# kmemleak_check: scans now, and prints and fails on what nobody refers to any more.
kmemleak_check() {
	[ -e $KMEMLEAK ] || return 0
	# Only what is older than five seconds is looked at, and what the first scan suspects must still be lost at the second.
	sleep 6
	echo scan >$KMEMLEAK
	echo scan >$KMEMLEAK
	! grep . $KMEMLEAK
}

kmemleak_end() {
	[ -n "${NO_KMEMLEAK:-}" ] || kmemleak_check
}
