#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# While the server is down one open file is replaced and another made unreadable: NFS_CONTEXT_BAD for those two, and only those.
# Their dirty data is reported by fsync(), writing is refused, a fresh open() works; everything else goes on and nothing of it is lost.
#
# guest: debug

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/acts.sh
. /guest/acts.sh

tell() {
	note "$@"
}

plan $((BAD_RESULTS + 2))
acts_begin
is "a mount, and an archive" $? 0
act_bad
check "unmount" umount /mnt/acts
