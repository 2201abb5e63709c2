#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The programs of nfstest, with the C client and with ours in turn: nothing fails with ours that passes with the C client. Some of them
# look at what goes over the wire. The C client gets no delegations, with which it would leave out, or fail, what is about stateids of
# locks. The second machine that nfstest_cache asks for is a namespace with the C client. (nfstest_lock dies of itself, nfstest_file is
# no test.)
#
# PROGRAMS chooses some of them, by --env.
#
# guest: full mem=1536 timeout=4800

. "$(dirname "$0")/lib.sh"

read -ra programs <<<"${PROGRAMS:-posix fcmp sparse alloc dio cache}"
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
# One that keeps its rights, has written what it has seen when it is ended, and is ended with the shell that it was begun by.
cat >"$BIN/tcpdump" <<'END'
#!/bin/sh
exec setpriv --pdeathsig TERM /usr/bin/tcpdump -Z root -U --immediate-mode "$@"
END
# The way to the second machine, whose mounts are its own.
cat >"$BIN/ssh" <<END
#!/bin/bash
while [[ \$1 == -* ]]; do
	shift
done
export PATH=/usr/sbin:/usr/bin
exec nsenter --net=/run/netns/second --uts="$STATE/ns/uts-second" --mount="$STATE/ns/mnt-second" -- bash -c "\${*:2}"
END
# It takes the last operation that has the WRITE's stateid for the WRITE; where a CLOSE goes along, that is the CLOSE.
sed -E 's/"NFS.argop == %d and (NFS.stateid.other == b.%s.)" % \((bio_op), (.*)\)$/"\1 and NFS.argop == %d" % (\3, \2)/' \
	/usr/bin/nfstest_dio >"$BIN/nfstest_dio"
chmod 755 "$BIN/nfstest_dio"
client_ns second
touch "$STATE/ns/mnt-second"
unshare --mount="$STATE/ns/mnt-second" true
chmod 755 "$BIN/rnfs4/mount" "$BIN/tcpdump" "$BIN/ssh"

# run CLIENT PROGRAM: leaves what it says in $BIN/log, and what failed, without numbers. Fails if it did not come to its end.
run() {
	local log=$BIN/log/$1.$2 more=()
	[ "$2" != cache ] || more=(--client "$NET4.3")
	(cd "$BIN/log" && PATH=$BIN/$1:$BIN:$PATH HOSTNAME=$(hostname) timeout "$LIMIT" "nfstest_$2" --server "$SERVER" --export / --mtpoint /mnt/nfstest \
		--nfsversion 4.2 --interface nfs0 --client-ipaddr 10.11.12.2 --tcpdump "$BIN/tcpdump" --tbsize 4096 "${more[@]}" >"$log" 2>&1)
	umount -l /mnt/nfstest 2>/dev/null
	rm -f "$BIN"/log/*.cap /tmp/nfstest_*
	# Of an exception, what it was: that stands below where it was, and less far in.
	sed -nE '/FAIL: Traceback/ { :more $!{ n; /^ {11}/b more }; s/^/FAIL:/ }; s/ \([0-9]+ passed.*//; s/[0-9]+/N/g; s/^ *FAIL: *//p' "$log" |
		sort -u >"$log.failed"
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
