#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Random work on files, compared with a model in memory: reads, writes, mappings, truncations, renames and removals of open files,
# caches dropped, the server restarted, and another client (the C client) that has its turn while a file is closed here.
#
# DURATION (seconds: 30; 300 with FULL) is for how long, SEED for which operations; both by --env. A run of an hour:
#	qemu/run --timeout 4000 --env DURATION=3600 qemu/selftests/fsx.sh
#
# guest: smp=2 mem=768 timeout=900 early

limit=${FULL:+300} limit=${DURATION:-${limit:-30}}

. "$(dirname "$0")/lib.sh"

M=/mnt/fsx
OTHER=/mnt/other
SEED=${SEED:-$RANDOM}

# player N OPTION...: one of the programs, with a seed of its own.
player() {
	local n=$1
	shift
	/guest/fsx.py --seed $((SEED + n)) --seconds "$limit" --keep "/tmp/fsx.$n.ops" "$@" >"/tmp/fsx.$n.log" 2>&1
}

# told N: what player N has said, for the reader.
told() {
	head -c 3000 "/tmp/fsx.$1.log" | sed "s/^/# player $1: /"
}

# list WHAT: plays the operations that it reads.
list() {
	cat >/tmp/list.ops
	check "$1" /guest/fsx.py --files 1 --shrink 0 --other "$OTHER" --server "$EXPORT" --replay /tmp/list.ops "$M"
}

plan 16

# The two clients would hand delegations to and fro.
echo 0 >/proc/sys/fs/leases-enable
check "mount" mount_rnfs4 "$M"
check "the other client mounts" mount_nfs4 -o lookupcache=none "$OTHER"

# What random work would not meet every minute.
list "what a mapping leaves behind the end is not seen after ftruncate()" <<'END'
("write", 0, 1, 0, 0, 100)
("map_beyond", 0, 2)
("truncate", 0, 3, 0, 4000, False)
("read", 0, 4, 0, 0, 9000)
("map_write", 0, 5, 50, 4)
("verify", 0, 6)
END
list "nor after truncate() to another page, when it was synced" <<'END'
("write", 0, 1, 0, 0, 100)
("map_beyond", 0, 2)
("fsync", 0, 3, 0, False)
("truncate", 0, 4, 0, 30000, True)
("map_read", 0, 5, 0, 30000)
("map_write", 0, 6, 3000, 4)
("verify", 0, 7)
END
list "nor after a write further on" <<'END'
("write", 0, 1, 0, 0, 100)
("map_beyond", 0, 2)
("write", 0, 3, 0, 20000, 300)
("read", 0, 4, 0, 0, 30000)
("map_write", 0, 5, 2000, 4)
("verify", 0, 6)
END
list "a mapping goes on after truncate() to less and to more" <<'END'
("write", 0, 1, 0, 0, 60000)
("map_write", 0, 2, 5000, 4)
("truncate", 0, 3, 0, 5001, False)
("truncate", 0, 4, 0, 50000, False)
("map_read", 0, 5, 0, 50000)
("map_write", 0, 6, 5002, 40000)
("verify", 0, 7)
END
list "what another client appends to a cached page is seen" <<'END'
("write", 0, 1, 0, 0, 100)
("read", 0, 2, 0, 0, 100)
("other", 0, 3, "append", 0, 3000)
("read", 0, 4, 0, 0, 9000)
("append", 0, 5, 0, 50)
("other", 0, 6, "append", 0, 3000)
("map_read", 0, 7, 0, 9000)
("verify", 0, 8)
END
list "what was cached behind a cut does not come back" <<'END'
("write", 0, 1, 0, 0, 60000)
("read", 0, 2, 0, 0, 60000)
("other", 0, 3, "truncate", 10, 1)
("write", 0, 4, 0, 50000, 10)
("read", 0, 5, 0, 0, 60000)
("open", 0, 6, 514)
("write", 0, 7, 0, 30000, 10)
("read", 0, 8, 0, 0, 60000)
("verify", 0, 9)
END

list "O_TRUNC by another name comes behind what was written before" <<'END'
("write", 0, 1, 0, 0, 60000)
("write", 0, 2, 0, 100000, 60000)
("cut", 0, 3)
("read", 0, 4, 0, 0, 200000)
("append", 0, 5, 0, 100)
("verify", 0, 6)
END
list "and nothing of that is left in a mapping" <<'END'
("write", 0, 1, 0, 0, 60000)
("fsync", 0, 2, 0, False)
("map_read", 0, 3, 0, 60000)
("cut", 0, 4)
("truncate", 0, 5, 0, 30000, True)
("map_read", 0, 6, 0, 30000)
("verify", 0, 7)
END
list "what another client has written is seen, though truncate() comes behind it" <<'END'
("write", 0, 1, 0, 0, 339)
("reopen", 0, 2)
("other", 0, 3, "write", 339, 4096)
("truncate", 0, 4, 0, 12288, True)
("read", 0, 5, 0, 0, 20000)
("verify", 0, 6)
END

# The first one alone restarts the server; the others see that as well.
player 1 --restarts 1000 --other "$OTHER" --server "$EXPORT" "$M" &
one=$!
player 2 --files 1 --size 3000000 --server "$EXPORT" "$M" &
two=$!
player 3 --files 8 --size 20000 --other "$OTHER" --server "$EXPORT" "$M" &
three=$!
wait "$one"
is "three files, in turns with another client, through restarts" $? 0
told 1
wait "$two"
is "one that is larger" $? 0
told 2
wait "$three"
is "eight small ones, in turns with another client" $? 0
told 3
is "nothing is left" "$(server_sh ls -A "$EXPORT")" ""
umount "$OTHER"
check "unmount" umount "$M"
