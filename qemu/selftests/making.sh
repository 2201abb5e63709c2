#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Files that are being made: what their maker sets on them goes with their data, and yet is there when anybody looks, in whatever way the
# making ends.
#
# guest: timeout=300

. "$(dirname "$0")/lib.sh"

M=/mnt/making

making() {
	FAULT=$(echo /sys/kernel/debug/rnfs4/*/fault) /guest/making.py "$M" "$EXPORT" "$1"
}

CASES=(
	"closed times, owner and mode are there after close()"
	"seen fstat() shows them before, and the server has them then"
	"opened whoever opens the file before has the rights that it gives"
	"asked access() knows of them"
	"written a write behind them has its own time"
	"cut ftruncate() too"
	"mapped and a mapping"
	"tightened a right that is taken is taken at once"
	"synced fsync() sends them"
	"all_synced sync() does"
	"duplicate the first close() does, and what follows is at once"
	"big behind a big file they come as well"
	"empty and behind none"
	"given an owner that is another one is set at once"
	"special and so are special bits, which the owner's setting does not take"
	"refused what is not allowed is refused at once"
	"killed SIGKILL loses nothing"
	"renamed a rename neither"
	"restarted nor a restart of the server"
	"lost a refusal is told by close()"
)

plan $((${#CASES[@]} + 7))

check "mount" mount_rnfs4 "$M"
for row in "${CASES[@]}"; do
	read -r name words <<<"$row"
	check "$words" making "$name"
done
check "unmount" umount "$M"
for option in noac sync lookupcache=none; do
	rm -f "$EXPORT/at_once"
	mount_rnfs4 -o "$option" "$M"
	check "with $option nothing waits" making at_once
	umount "$M"
done

check "nothing is left on the server" within 10 eval '[ -z "$(server_sh ls /proc/fs/nfsd/clients)" ]'
check "the module can be removed" rmmod rnfs4
