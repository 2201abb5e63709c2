#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# W2: an administrator of the server takes away what is open on one file system. That costs nothing on another, neither time nor state:
# its opens are tested, found good and left alone, its locks stay, its dirty data gets there. The C client gives up every lock it has and
# opens everything anew.

. "$(dirname "$0")/lib.sh"

cat >/tmp/hold_two.py <<'END_OF_PROGRAM'
"""hold_two.py KEPT REVOKED RECORDS: opens both files, locks KEPT, and opens a third beside it, to which a thread appends a record now and then,
each acknowledged with its time in RECORDS; prints "held"; when /tmp/revoked is there writes to REVOKED, and then tells for both files
what each call gives."""
import errno, fcntl, os, sys, threading, time


def say(what, *calls):
    got = []
    for call in calls:
        try:
            got.append(call() or "ok")
        except OSError as error:
            got.append(errno.errorcode[error.errno])
    print(what, *got, flush=True)


def append(path, records):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    log = open(records, "w", encoding="ascii")
    while True:
        os.write(fd, b"a record\n")
        os.fsync(fd)
        print(f"{time.time():.3f}", file=log, flush=True)
        time.sleep(0.02)


kept, revoked = (os.open(path, os.O_RDWR | os.O_CREAT, 0o644) for path in sys.argv[1:3])
for fd in kept, revoked:
    os.write(fd, b"first\n")
    os.fsync(fd)
say("lock", lambda: fcntl.lockf(kept, fcntl.LOCK_EX | fcntl.LOCK_NB))
threading.Thread(target=append, args=(sys.argv[1] + ".records", sys.argv[3]), daemon=True).start()
os.write(kept, b"dirty\n")
print("held", flush=True)
while not os.path.exists("/tmp/revoked"):
    time.sleep(0.05)
os.write(revoked, b"more\n")
say("revoked", lambda: os.fsync(revoked), lambda: os.pwrite(revoked, b"x", 0) and None, lambda: os.fsync(revoked))
time.sleep(1)
say("kept", lambda: os.fsync(kept), lambda: os.pread(kept, 5, 0).decode(), lambda: os.pwrite(kept, b"F", 0) and None,
    lambda: os.fsync(kept))
print("done", flush=True)
time.sleep(1000)
END_OF_PROGRAM

# What the server holds of the file "kept": prints how many opens, and how many locks.
held() {
	server_sh 'cat /proc/fs/nfsd/clients/*/states' | awk -v name="kept-$1\"" '
		index($0, name) { opens += /type: open/; locks += /type: lock/ }
		END { print opens + 0, locks + 0 }'
}

# revoke CLIENT: opens on both file systems, and one of these is taken back.
revoke() {
	local client=$1
	rm -f /tmp/revoked
	"mount_$client" "/mnt/$client" && "mount_$client" "$SERVER:/other" "/mnt/$client-other" || return
	: >"/tmp/$client.records"
	python3 /tmp/hold_two.py "/mnt/$client/kept-$client" "/mnt/$client-other/revoked" "/tmp/$client.records" >"/tmp/$client.out" 2>&1 &
	pids[$client]=$!
	within 30 grep -q held "/tmp/$client.out" || return
	held_before=$(held "$client")
	sleep 1
	rpc_mark
	server_sh "echo $EXPORT/other >/proc/fs/nfsd/unlock_filesystem"
	touch /tmp/revoked
	within 30 grep -q "^done" "/tmp/$client.out"
}

# answer CLIENT WHAT
answer() {
	sed -n "s/^$2 //p" "/tmp/$1.out"
}

# The longest time between two records.
longest_gap() {
	awk '{ if (NR > 1 && $1 - last > most) most = $1 - last; last = $1 } END { printf "%.2f", most }' "/tmp/$1.records"
}

declare -A pids
plan 10
echo 0 >/proc/sys/fs/leases-enable
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
server_sh "mkdir -p $EXPORT/other && mount -t tmpfs tmpfs $EXPORT/other && exportfs -o rw,no_root_squash,fsid=1 '*:$EXPORT/other'"
revoke rnfs4
is "rnfs4: what is open on one of two file systems is taken back" $? 0
is "it is locked on the other" "$(answer rnfs4 lock), $held_before" "ok, 1 1"
is "there, a write is repeated with a new open" "$(answer rnfs4 revoked)" "ok ok ok"
is "on the other, dirty data is synced, read() and write() go on" "$(answer rnfs4 kept)" "ok first ok ok"
is "and the server has it" "$(cat "$EXPORT/kept-rnfs4")" $'First\ndirty'
is "it holds what it held before" "$(held rnfs4)" "$held_before"
is "only what was taken back is opened again" "$(rpc_count OPEN)" 1
below "nobody else waited for that" "$(longest_gap rnfs4)" 1.5
note "rnfs4: lock gave $(answer rnfs4 lock); the server held $held_before opens and locks, then $(held rnfs4);" \
	"$(rpc_count | tr '\n' ',')" "longest wait of another file's writer $(longest_gap rnfs4) s"
kill "${pids[rnfs4]}"
wait "${pids[rnfs4]}"
check "unmount" eval 'umount /mnt/rnfs4-other && umount /mnt/rnfs4'
check "and the module can be removed" rmmod rnfs4

revoke nfs4 || note "the C client: it has not come to an end in 30 s"
note "the C client: lock gave $(answer nfs4 lock); then, where it was taken back: $(answer nfs4 revoked);" \
	"on the other file system fsync, read, write, fsync gave $(answer nfs4 kept)"
note "the C client: the server held $held_before opens and locks, then $(held nfs4); $(rpc_count | tr '\n' ',')" \
	"longest wait of another file's writer $(longest_gap nfs4) s; on the server is $(tr '\n' ' ' <"$EXPORT/kept-nfs4")"
kill -9 "${pids[nfs4]}"
