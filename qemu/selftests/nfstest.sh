#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Those programs of nfstest that do with one client and its server, with the C client and with ours in turn: nothing fails with ours that
# passes with the C client. Some of them look at what goes over the wire. The C client gets no delegations, with which it would leave
# out, or fail, what is about stateids of locks. (nfstest_cache wants a second machine, nfstest_lock dies of itself, nfstest_file is no test.)
#
# PROGRAMS chooses some of them, by --env.
#
# guest: full mem=1536 timeout=3600

. "$(dirname "$0")/lib.sh"

read -ra programs <<<"${PROGRAMS:-posix fcmp sparse alloc dio}"
BIN=/tmp/nfstest
LIMIT=${LIMIT:-900}

mkdir -p "$BIN"/{rnfs4,nfs4,log}
# It mounts what looks like a server with whatever client mount(8) takes for it.
cat >"$BIN/rnfs4/mount" <<'END'
#!/bin/sh
case "$*" in
*:/*) exec /usr/bin/mount -i -t rnfs4 "$@" ;;
*) exec /usr/bin/mount "$@" ;;
esac
END
# One that keeps its rights, and has written what it has seen when it is ended.
cat >"$BIN/tcpdump" <<'END'
#!/bin/sh
exec /usr/bin/tcpdump -Z root -U --immediate-mode "$@"
END
chmod 755 "$BIN/rnfs4/mount" "$BIN/tcpdump"

# run CLIENT PROGRAM: leaves what it says in $BIN/log, and what failed, without numbers. Fails if it did not come to its end.
run() {
	local log=$BIN/log/$1.$2
	(cd "$BIN/log" && PATH=$BIN/$1:$PATH HOSTNAME=$(hostname) timeout "$LIMIT" "nfstest_$2" --server "$SERVER" --export / --mtpoint /mnt/nfstest \
		--nfsversion 4.2 --interface nfs0 --client-ipaddr 10.11.12.2 --tcpdump "$BIN/tcpdump" --tbsize 4096 >"$log" 2>&1)
	umount -l /mnt/nfstest 2>/dev/null
	rm -f "$BIN"/log/*.cap /tmp/nfstest_*
	sed -nE 's/ \([0-9]+ passed.*//; s/[0-9]+/N/g; s/^ *FAIL: //p' "$log" | sort -u >"$log.failed"
	note "$2, $1: $(grep -E '^[0-9]+ tests? \(' "$log")"
	grep -qE '^[0-9]+ tests? \(' "$log" || {
		tail -n 20 "$log"
		return 1
	}
}

plan $((3 * ${#programs[@]}))
echo 0 >/proc/sys/fs/leases-enable
for program in "${programs[@]}"; do
	run nfs4 "$program" >"$BIN/said"
	ended=$?
	grep '^#' "$BIN/said"
	is "nfstest_$program runs with the C client" "$ended" 0
	run rnfs4 "$program" >"$BIN/said"
	ended=$?
	sed 's/^[^#]/# &/' "$BIN/said"
	is "nfstest_$program runs with rnfs4" "$ended" 0
	is "nothing fails that passes there" "$(comm -13 "$BIN/log/nfs4.$program.failed" "$BIN/log/rnfs4.$program.failed")" ""
done
