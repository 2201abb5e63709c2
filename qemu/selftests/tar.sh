#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# An archive of 500 files, or 5,000 (FULL), is unpacked, compared on the server's side and by a client that has nothing in its cache, and removed.
#
# guest: timeout=1500

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/workload.sh
. /guest/workload.sh

CLIENT=${CLIENT:-rnfs4}
FILES=${FILES:-${FULL:+5000}} FILES=${FILES:-500}
M=/mnt/tar

plan 10

archive_make "$FILES" 30000
is "an archive of $FILES files" $? 0
workload_at "$M"
check "mount" "mount_$CLIENT" "$M"
rpc_mark
unpack_begin "$M"
unpack_end
is "it is unpacked" $? 0
note "RPCs for each file: $(awk -v n="$(rpc_count rpcs)" -v files="$FILES" 'BEGIN { printf "%.1f", n / files }') ($(rpc_count | awk '$2 > 100' | tr '\n' ' '))"
check "the server has all of it, as it was" tree_equal
check "unmount" umount "$M"
check "mount again" "mount_$CLIENT" "$M"
check "what is read cold is the same" eval '/guest/tree.py list "$M/tree" | cmp - "$WORK/tree.list"'
check "all of it is removed" rm -r "$M/tree"
is "nothing is left on the server" "$(server_sh find "$EXPORT" -mindepth 1)" ""
check "unmount" umount "$M"
