#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every row of the table of errors through the module: a scripted server answers each kind of operation with each status, and what the
# program gets, and what the client does about it, is what the table says. rows.py does it; several run at once, each with a server
# of its own, because most of the time is spent in waiting. SEED (a number) chooses one of the statuses for which the table has the same
# rules; all of them come with SEED=all, or FULL.
#
# guest: timeout=400 early

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/selftests/workers.bash
. "$(dirname "$0")/workers.bash"

workers=(
	"Plain Lookup Access Readdir Readlink Remove Rename Create Link Slot"
	"Open Create_open Close Downgrade Commit"
	"Write Write_locked Read Setattr Chmod Delegreturn"
	"Lock Lock_more Lockt Locku"
	"OpenReclaim LockReclaim DestroyClientid"
	"OpenExpired TestStateid FreeStateid"
	"ExchangeId"
	"Mounting CreateSession"
	"Sequence BindConn"
	"ReclaimComplete DestroySession"
)
# In a module that sets lost locks again.
retaken=("LockExpired")
[ -z "${ROWS:-}" ] || { IFS=, read -ra workers <<<"$ROWS" && retaken=(); }

read -ra kinds <<<"${workers[*]} ${retaken[*]}"
plan $((${#kinds[@]} + ${#workers[@]} + ${#retaken[@]} + 1 + 2 * ${#retaken[@]}))

[ -z "${FULL:-}" ] || SEED=all
note "SEED=${SEED:=$RANDOM}"
workers_run rows.py "$SEED"
workers_results "each row is as the table says"
check "the module can be removed" rmmod rnfs4

if [ "${#retaken[@]}" != 0 ]; then
	check "the module with recover_lost_locks=1" insmod /module/rnfs4.ko recover_lost_locks=1
	workers=("${retaken[@]}")
	workers_run rows.py "$SEED"
	workers_results "each row is as the table says"
	check "it can be removed, too" rmmod rnfs4
fi
