#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# State owners: one for each user that opens files, kept for a lease period after the last file was closed, used again by the next open,
# forgotten after that; and no owner or open is left behind over whatever order of open, dup, fork, close, kill.
#
# guest: smp=2 timeout=400 early

. "$(dirname "$0")/lib.sh"

M=/mnt/owners
PERIOD=10
# The debug kernel takes longer to open all of it than an owner is kept.
[ ! -e /sys/kernel/debug/kmemleak ] || PERIOD=60

# A number out of the client's file in debugfs.
owners() {
	awk -v want="$1" '$1 == want { print $2 }' /sys/kernel/debug/rnfs4/*/owners
}

owners_are() {
	[ "$(owners active) $(owners lru) $(owners states)" = "$1" ] || {
		echo "active, lru, states: $(owners active) $(owners lru) $(owners states), wanted $1"
		return 1
	}
}

# What the server knows of opens.
server_opens() {
	server_sh 'cat /proc/fs/nfsd/clients/*/states' | grep -c 'type: open'
}

restarted() {
	/guest/owners.py users "$M/d" 50 "$EACH" &
	local users=$!
	nap 1
	server_restart && wait "$users"
}

# Files for each user.
EACH=${FULL:+200} EACH=${EACH:-14}
# Seconds.
RACES=${FULL:+20} RACES=${RACES:-6}

plan 18
echo 0 >/proc/sys/fs/leases-enable
LEASE=$PERIOD GRACE=$PERIOD server_restart
mkdir "$EXPORT/d" && /guest/owners.py make "$EXPORT/d" 50 "$EACH"
is "$((50 * EACH)) files" $? 0
check "mount" mount_rnfs4 "$M"
check "there is no owner yet" within 30 owners_are "0 0 0"

check "50 users open them" /guest/owners.py users "$M/d" 50 "$EACH"
check "all are closed, their owners are kept" owners_are "0 50 0"
is "the server has no open left" "$(server_opens)" 0
check "an owner is used again" /guest/owners.py users "$M/d" 1 1
is "by the same user" "$(owners active) $(owners lru)" "0 50"
check "after the lease nothing is left" within $((PERIOD * 2 + 5)) owners_are "0 0 0"

check "the same while the server restarts" restarted
check "an open file keeps its owner" /guest/owners.py hold "$M/d" "cat /sys/kernel/debug/rnfs4/*/owners | grep -qx 'active 1'"
server_restart
check "the client is well after a restart" touch "$M/d/held"
check "unused owners did not survive that, but for the one who asked" within 5 owners_are "0 1 0"

check "open, dup, fork, close, upgrade and downgrade, all at once" /guest/owners.py races "$M/d" "$RACES"
check "nothing is open" within 20 eval '[ "$(owners active) $(owners states)" = "0 0" ]'
is "on the server neither" "$(server_opens)" 0
check "after the lease nothing is left" within $((PERIOD * 2 + 5)) owners_are "0 0 0"
check "unmount" umount "$M"
