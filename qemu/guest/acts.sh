# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The three acts: the server restarts under a writer and an archive that is being unpacked, and
#
#	act_reclaim	it remembers its clients: every open is reclaimed
#	act_forgotten	it has forgotten them: reclaim is refused, every file is reopened
#	act_bad		it has lost one open file and closed another to its user: those two are lost to the program, and only they
#
# Told and asserted with the words of whoever sources this, the selftests (lib.sh) or the story: "tell TEXT" says what happens,
# "check", "is" and "below" what must be so. acts_begin comes first; each act then gives as many results as stands at it.

# shellcheck source=qemu/guest/workload.sh
. /guest/workload.sh
# shellcheck source=qemu/guest/trace.sh
. /guest/trace.sh
# shellcheck source=qemu/guest/hold.sh
. /guest/hold.sh

# The debug kernel is slower than a restart of its server by far.
ACT_FILES=150
[ "$VM_CONFIG" != debug ] || ACT_FILES=50

# Errors of the protocol that the server's trace shows as numbers (RFC 8881 section 15.1).
ACCESS=13 STALE=70 NO_GRACE=10033 RECLAIM_BAD=10034

# Without delegations each open is state of its own on the server, with the one client as with the other.
acts_begin() {
	echo 0 >/proc/sys/fs/leases-enable
	archive_make "$ACT_FILES"
	workload_at /mnt/acts
	trace_begin && "mount_${CLIENT:-rnfs4}" /mnt/acts
}

# act NAME DURING AFTER: the frame of all three. The command DURING is run while the server is down, AFTER as soon as the writer goes on.
act() {
	local dir=/mnt/acts/$1 during=$2 after=$3 down up
	workload_begin "$dir"
	is "a writer appends to $WRITER_FILES open files, an archive is being unpacked" $? 0
	tell "a writer appends to $WRITER_FILES open files and syncs each record; an archive is being unpacked"
	trace_begin
	server_stop
	tell "the server goes down: $(acknowledged) records acknowledged, $(unpacked) of $archive_names names unpacked"
	check "the server went down in mid-write" unpacking
	"$during"
	# A client may be back before the start has been told of.
	down=$EPOCHREALTIME
	server_start
	up=$EPOCHREALTIME
	tell "the server is up again"
	check "the writer goes on" within 60 resumed "$up"
	tell "the writer goes on"
	check "with a record that it had begun before" waited_at "$down"
	"$after"
	unpack_end
	is "the archive is unpacked to its end" $? 0
	writer_end
	is "the writer has met no error" $? 0
	tell "the archive is unpacked, the writer has ended: $(acknowledged) records acknowledged"
	check "every record is on the server" records_equal
	check "every unpacked file is on the server, as it was" tree_equal
	tell "compared on the server's side: $(acknowledged) records and $archive_names names"
}

# How many of the writer's files the server holds open for somebody.
held_open() {
	server_sh 'cat /proc/fs/nfsd/clients/*/states' | grep -c 'type: open.*"records/file'
}

at_least() {
	[ "$1" -ge "$2" ] || {
		echo "got $1, wanted $2 or more"
		return 1
	}
}

RECLAIM_RESULTS=11
act_reclaim() {
	act reclaim true reclaimed
}

reclaimed() {
	local reclaims
	reclaims=$(trace_reclaims)
	tell "$reclaims opens were reclaimed"
	check "its opens were reclaimed during the grace period" at_least "$reclaims" "$WRITER_FILES"
	is "no reclaim was refused" "$(trace_opens $NO_GRACE $RECLAIM_BAD)" 0
	is "the server holds its files open again" "$(held_open)" "$WRITER_FILES"
}

FORGOTTEN_RESULTS=11
act_forgotten() {
	act forgotten server_forget reopened
}

reopened() {
	local refused
	refused=$(trace_opens $NO_GRACE $RECLAIM_BAD)
	tell "the server knew nobody: reclaim was refused ($refused times), the files were opened anew"
	is "no reclaim was granted" "$(trace_reclaims)" 0
	check "but refused" at_least "$refused" 1
	is "the server holds its files open again" "$(held_open)" "$WRITER_FILES"
}

# Three files more, held open by the ordinary user, with data that has been written and not been synced.
BAD_RESULTS=41
act_bad() {
	local name
	# Nothing is written back but by fsync(), however slow the machine is.
	echo 0 >/proc/sys/vm/dirty_writeback_centisecs
	mkdir /mnt/acts/held && chown "$WRITER_UID" /mnt/acts/held
	hold_begin
	hold user "$WRITER_UID" >/dev/null
	for name in replaced unreadable bystander; do
		is "$name is opened" "$(hold open $name /mnt/acts/held/$name RDWR CREAT)" ok
		is "$name has a line, synced" "$(hold write $name first) $(hold fsync $name)" "ok ok"
		is "$name has data that is not synced" "$(hold fill $name 5000)" ok
	done
	tell "three more files are open, with data that is not synced yet"
	act bad spoil bad_contexts
	hold_end
}

# While the server is down.
spoil() {
	local side=$EXPORT/held
	is "the server has not got the dirty data" "$(stat -c %s "$side"/{replaced,unreadable,bystander} | tr '\n' ' ')" "6 6 6 "
	rm "$side/replaced"
	echo another >"$side/replaced"
	chown "$WRITER_UID" "$side/replaced"
	chown root "$side/unreadable"
	chmod 600 "$side/unreadable"
	tell "one open file has been replaced, another made unreadable"
}

bad_contexts() {
	local side=$EXPORT/held name began
	check "the server has lost a file" at_least "$(trace_opens $STALE)" 1
	check "and denies access to another" at_least "$(trace_opens $ACCESS)" 1
	for name in replaced unreadable; do
		is "$name: fsync() reports the lost data" "$(hold fsync $name)" EIO
		is "$name: write() is refused" "$(hold write $name more)" EBADF
		is "$name: fsync() has reported it once" "$(hold fsync $name)" ok
	done
	is "bystander: its dirty data is saved" "$(hold fsync bystander)" ok
	is "and on the server" "$(stat -c %s "$side/bystander")" 5006
	is "and it can be written" "$(hold write bystander more) $(hold fsync bystander)" "ok ok"
	tell "replaced, unreadable: fsync() gave EIO for what was dirty, write() gives EBADF; all others go on"

	chown "$WRITER_UID" "$side/unreadable"
	for name in replaced unreadable; do
		began=$EPOCHREALTIME
		is "$name: a fresh open() works" "$(hold open new-$name /mnt/acts/held/$name RDWR)" ok
		# Whatever waits for a lease or a grace period waits for longer.
		below "at once" "$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" 5
		is "and it can be written" "$(hold write new-$name fresh) $(hold fsync new-$name)" "ok ok"
		is "and the server has it" "$(head -n 1 "$side/$name")" fresh
	done
	tell "a fresh open() of both works at once"
	for name in replaced unreadable; do
		is "$name: the old descriptor stays bad" "$(hold write $name more)" EBADF
		is "$name: close() has nothing more to say" "$(hold close $name)" ok
	done
}
