#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The server restarts in mid-write and has forgotten its clients: every file is opened anew, nothing is lost.
#
# guest: debug

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/acts.sh
. /guest/acts.sh

tell() {
	note "$@"
}

plan $((FORGOTTEN_RESULTS + 2))
acts_begin
is "a mount, and an archive" $? 0
act_forgotten
check "unmount" umount /mnt/acts
