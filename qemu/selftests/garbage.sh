#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Garbage for an answer: a scripted server answers each kind of operation with garbage: short, long, wrong counts, wrong operations,
# absurd numbers. Those kinds that stand for a way through the client meet much of it, or with FULL all, the others some (SEED, SHARE),
# and then there is random noise (COUNT). It ends in an error or in another try, in time; the client is well afterwards, reads what the
# server has, and can be unmounted. garbage.py does it, several at once.
#
# guest: timeout=400 early

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/selftests/workers.bash
. "$(dirname "$0")/workers.bash"

workers=(
	"Plain Lookup Access Readlink"
	"Readdir Remove Rename Create Link"
	"Open Create_open Close Downgrade"
	"Write Read Commit"
	"Setattr Delegreturn FreeStateid TestStateid"
	"Lock Lock_more Lockt Locku"
	"ExchangeId CreateSession ReclaimComplete"
	"Slot Sequence BindConn"
	"OpenReclaim OpenExpired DestroySession DestroyClientid"
)
[ -z "${KINDS:-}" ] || IFS=, read -ra workers <<<"$KINDS"
workers_more=random

read -ra kinds <<<"${workers[*]}"
plan $((${#kinds[@]} + 2 * ${#workers[@]} + 1))

note "SEED=${SEED:=$RANDOM} COUNT=${COUNT:=2} SHARE=${SHARE:=1}"
workers_run garbage.py "$SEED" "$COUNT" "$SHARE"
workers_results "garbage ends well"
check "the module can be removed" rmmod rnfs4
