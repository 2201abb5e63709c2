#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The server restarts in mid-write and remembers its clients: every open is reclaimed, nothing is lost.
#
# guest: debug

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/acts.sh
. /guest/acts.sh

tell() {
	note "$@"
}

plan $((RECLAIM_RESULTS + 2))
acts_begin
is "a mount, and an archive" $? 0
act_reclaim
check "unmount" umount /mnt/acts
