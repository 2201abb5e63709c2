#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A server that loses what it has not committed: all of it is written again, and such a server is no longer relied on when it has
# happened often; but one loss, however much is lost in it, is one.

. "$(dirname "$0")/lib.sh"

M=/mnt/losses

# pour NAME: 1 MiB in pieces that are written one by one, and an fsync().
pour() {
	python3 - "$M/$1" <<-'END'
		import os, sys
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
		for _ in range(16):
		    os.write(fd, b"0123456789abcdef" * 4096)
		os.fsync(fd)
		os.close(fd)
	END
}

ctl() {
	scripted ctl /run/scripted "$@"
}

# count OP: how many came since the mark
count() {
	ctl count "$1" | sed 's/.*=//'
}

whole() {
	is "the server has all of it" "$(ctl get "$1" | tr -d '\n' | sha256sum)" \
		"$(python3 -c 'print("0123456789abcdef" * 65536, end="")' | sha256sum)"
}

plan 13

scripted serve &
server=$!
within 5 ctl put here x
check "mount" mount_rnfs4 -o wsize=65536 127.0.0.1:/ "$M"

ctl mark
check "1 MiB is written and synced" pour plain
is "by so many WRITEs" "$(count WRITE)" 16
is "and one COMMIT" "$(count COMMIT)" 1

# The verifier that COMMIT tells is none of those of the WRITEs.
ctl rule COMMIT times=1 set=1:77 >/dev/null
ctl mark
check "all of it is lost once" pour lost
is "and written twice" "$(count WRITE)" 32
is "still to be committed" "$(count COMMIT)" 2
whole lost

ctl rule COMMIT times=ever set=1:77 >/dev/null
ctl mark
check "all of it is lost each time: fsync() comes to an end" timeout 60 bash -c "$(declare -f pour); M=$M pour never"
note "$(count WRITE) WRITEs, $(count COMMIT) COMMITs"
below "after not too many tries" "$(count COMMIT)" 12
whole never
ctl clear >/dev/null
check "unmount" umount "$M"
check "the module can be removed" within 10 rmmod rnfs4
kill "$server"
