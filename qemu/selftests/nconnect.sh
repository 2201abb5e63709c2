#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Several connections to a server: all are used, each is bound to the session, and whatever becomes of one of them, or of the server,
# work goes on and they come back.
#
# guest: timeout=300

. "$(dirname "$0")/lib.sh"

A=/mnt/a B=/mnt/b

# ports: ours, of the connections that stand.
ports() {
	ss -Htn state established dst "$SERVER" | awk '{ sub(/.*:/, "", $3); print $3 }' | sort -n
}

four() {
	[ "$(ports | wc -l)" = 4 ]
}

# Three, and then four again: one is new.
others() {
	four && [ "$(ports)" != "$1" ]
}

# How many connections have carried more than a few calls.
used() {
	grep -A 60 "mounted on $A " /proc/self/mountstats | awk '$1 == "xprt:" && $8 > 10' | wc -l
}

# Writes small files until /tmp/go is gone; says what went wrong, and how many it were.
work() {
	local n=0
	while [ -e /tmp/go ]; do
		head -c 100000 /tmp/data >"$A/work.$1" && cmp -s -n 100000 /tmp/data "$A/work.$1" || echo "$1: number $n is bad"
		n=$((n + 1))
	done
	echo "$n" >"/tmp/work.$1"
}

# One of the connections gets this from the server's side.
meet() {
	server_sh "nft -f - <<-END
		table inet one {
			chain in { type filter hook input priority 0; tcp sport $1 $2; }
		}
	END"
}

plan 19
check "mount" mount_rnfs4 -o nconnect=4 "$A"
check "four connections are made" within 10 four
check "that is shown" grep -q ",nconnect=4," /proc/mounts
mount_rnfs4 -o nosharecache "$B"
is "the next mount goes by the same" "$(grep -c ",nconnect=4," /proc/mounts) $(ports | wc -l)" "2 4"
umount "$B"
head -c 8000000 /dev/urandom >/tmp/data
for n in 1 2 3 4; do
	cp /tmp/data "$A/file.$n" &
done
wait
is "what is written by all of them is whole" \
	"$(server_sh "sha256sum $EXPORT/file.*" | cut -d' ' -f1 | sort -u)" "$(sha256sum </tmp/data | cut -d' ' -f1)"
echo 3 >/proc/sys/vm/drop_caches
same=
for n in 1 2 3 4; do
	cmp /tmp/data "$A/file.$n" && same=$same$n
done
is "and what is read" "$same" 1234
is "all of them were used" "$(used)" 4

# The server, then one connection after the other.
touch /tmp/go
work 1 >/tmp/bad.1 2>&1 &
work 2 >/tmp/bad.2 2>&1 &
sleep 1
server_restart
check "after a restart all come back" within 20 four
was=$(ports)
meet "$(sed -n 2p <<<"$was")" "reject with tcp reset"
sleep 3
server_sh nft delete table inet one
check "after a reset as well" within 20 others "$was"
was=$(ports)
meet "$(sed -n 3p <<<"$was")" drop
check "one that is dead is given up" within 30 others "$was"
server_sh nft delete table inet one
rm /tmp/go
wait
is "nobody has noticed" "$(cat /tmp/bad.*)" ""
note "$(cat /tmp/work.1) and $(cat /tmp/work.2) files"
is "and all of it is there" "$(server_sh "cat $EXPORT/work.1 $EXPORT/work.2" | sha256sum)" \
	"$({ head -c 100000 /tmp/data; head -c 100000 /tmp/data; } | sha256sum)"
check "unmount" umount "$A"
is "ends all of them" "$(ports)" ""

# A server that wants each to be bound
scripted serve &
scripted=$!
ctl() {
	scripted ctl /run/scripted "$@"
}
within 5 ctl put file text >/dev/null
check "mount from the scripted server" mount_rnfs4 -o nconnect=4 127.0.0.1:/ "$B"
bound() {
	[ "$(ctl count BIND_CONN_TO_SESSION | sed 's/.*=//')" -ge "$1" ]
}
check "the others are bound at once" within 10 bound 3
ctl rule SEQUENCE status=NFS4ERR_CONN_NOT_BOUND_TO_SESSION >/dev/null
is "when one is not" "$(cat "$B/file")" text
check "all are" within 10 bound 7
check "unmount that" umount "$B"
kill "$scripted"
