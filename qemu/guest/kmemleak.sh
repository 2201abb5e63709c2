# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Memory leaks of the kernel, where its configuration can find them (the debug one). What was allocated before the script began does
# not count: the kernel loses a few bytes of its own at boot. NO_KMEMLEAK=1 leaves the check at the end out.

KMEMLEAK=/sys/kernel/debug/kmemleak

kmemleak_begin() {
	[ ! -e $KMEMLEAK ] || jiffies >"$STATE/kmemleak-mark"
}

jiffies() {
	awk '$1 == "jiffies:" { print $2; exit }' /proc/timer_list
}

# kmemleak_check: scans now, and prints and fails on what was allocated since the script began and nobody refers to any more.
kmemleak_check() {
	[ -e $KMEMLEAK ] || return 0
	# Only what is older than five seconds is looked at, and what the first scan suspects must still be lost at the second.
	sleep 6
	echo scan >$KMEMLEAK
	echo scan >$KMEMLEAK
	awk -v mark="$(cat "$STATE/kmemleak-mark")" '
		/^unreferenced object/ { head = $0; next }
		head != "" { show = $NF + 0 >= mark + 0; if (show) { print head; leaks++ } head = "" }
		show
		END { exit leaks > 0 }' $KMEMLEAK
}

kmemleak_end() {
	[ -n "${NO_KMEMLEAK:-}" ] || kmemleak_check
}
