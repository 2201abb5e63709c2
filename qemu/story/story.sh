#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What "make run" plays in the guest: the three acts of qemu/guest/acts.sh, told with the seconds since each began. What must be so is
# counted, and said only where it is not so. Then both clients in one scenario, for a picture (both.sh). Ends with a summary, and with 1 if
# anything was not so.

# tell TEXT: what happens.
tell() {
	printf '%6.1f s  %s\n' "$(awk -v a="$story_began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" "$*"
}

# found STATUS WHAT [DETAIL]: what has been found to be so, or not.
found() {
	if [ "$1" = 0 ]; then
		story_held=$((story_held + 1))
	else
		story_broken=$((story_broken + 1))
		tell "NOT SO: $2${3:+ ($3)}"
	fi
}

# The words of the acts; they mean what they mean in the selftests.
check() {
	local what=$1 out
	shift
	out=$("$@" 2>&1)
	found $? "$what" "$out"
}

is() {
	[ "$2" = "$3" ]
	found $? "$1" "$2, not $3"
}

below() {
	awk -v got="$2" -v limit="$3" 'BEGIN { exit !(got + 0 < limit + 0) }'
	found $? "$1" "$2, not below $3"
}

story_summary=()
story_status=0

# play TITLE RESULTS ACT
play() {
	story_began=$EPOCHREALTIME story_held=0 story_broken=0
	echo
	echo "$1"
	"$3"
	if [ "$story_broken" = 0 ] && [ "$story_held" = "$2" ]; then
		story_summary+=("  held    $1")
	else
		story_summary+=("  BROKEN  $1 ($story_held of $2 assertions hold)")
		story_status=1
	fi
}

. /guest/acts.sh

client=${CLIENT:-rnfs4}
story_began=$EPOCHREALTIME
echo "Linux $(uname -r), NFS server $SERVER (lease and grace period 10 s), client $client"
acts_begin || {
	echo "$SERVER:/ cannot be mounted"
	exit 1
}
tell "$(findmnt -no SOURCE,FSTYPE /mnt/acts | tr -s ' ') is mounted"
play "Act 1: the server restarts" "$RECLAIM_RESULTS" act_reclaim
play "Act 2: the server restarts and has forgotten its clients" "$FORGOTTEN_RESULTS" act_forgotten
play "Act 3: the server restarts, and two of the open files are gone for good" "$BAD_RESULTS" act_bad
umount /mnt/acts || story_status=1

# The same restart for both clients, drawn when the guest is off.
if [ "$client" = rnfs4 ]; then
	story_began=$EPOCHREALTIME
	echo
	echo "Beside the C client"
	# shellcheck source=qemu/story/both.sh
	. ./both.sh
	BOTH_EVENTS=/vm/timeline.events
	if both_clients; then
		tell "both have gone on after a restart with $BOTH_OPENS files open: a picture is made of it"
	else
		tell "NOT SO: both go on after a restart"
		story_status=1
	fi
fi

echo
echo "Summary"
printf '%s\n' "${story_summary[@]}"
exit "$story_status"
