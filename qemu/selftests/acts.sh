#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The server restarts in mid-write, three times, under a writer and an archive that is being unpacked.
#
# It remembers its clients: every open is reclaimed, nothing is lost. It has forgotten them: every file is opened anew, nothing is lost. And
# while it is down one open file is replaced and another made unreadable: NFS_CONTEXT_BAD for those two, and only those. Their dirty data is
# reported by fsync(), writing is refused, a fresh open() works; everything else goes on and nothing of it is lost.
#
# guest: debug early

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/acts.sh
. /guest/acts.sh

tell() {
	note "$@"
}

plan $((RECLAIM_RESULTS + FORGOTTEN_RESULTS + BAD_RESULTS + 2))
acts_begin
is "a mount, and an archive" $? 0
tell "act 1: the server remembers its clients"
act_reclaim
tell "act 2: the server has forgotten its clients"
act_forgotten
tell "act 3: two of the open files are gone for good"
act_bad
check "unmount" umount /mnt/acts
