#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Faults on demand: each operation that can be made to fail does, the program sees what it should, and the client is well after.
#
# guest: timeout=600

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/hold.sh
. /guest/hold.sh

M=/mnt/faults
DEBUGFS=/sys/kernel/debug/rnfs4

# Rules, in one write.
fault() {
	printf '%s\n' "$@" | dd of="$D/fault" bs=4096 iflag=fullblock status=none
}

counter() {
	awk -v want="$1" '$1 == want { print $2 }' "$D/counters"
}

well() {
	within 30 grep -qx 'idle 1' "$D/state"
}

# All rules have struck as often as they were to.
struck() {
	! awk '{ for (i = 1; i <= NF; i++) { split($i, kv, "="); v[kv[1]] = kv[2] } if (v["hits"] != v["times"]) { print; bad = 1 } }
		END { exit !bad }' "$D/fault"
}

# Something of everything, with nothing cached.
work() {
	local name=$M/w$1
	dd if=/dev/zero of=$M/large bs=128k count=4 conv=fsync status=none &&
		echo "$1" >"$name" && sync "$name" && echo 2 >/proc/sys/vm/drop_caches &&
		echo "more" >>"$name" && chmod 600 "$name" && mv "$name" "$name.new" && ln "$name.new" "$name" && ls -l $M >/dev/null &&
		[ "$(cat "$name")" = "$1
more" ] && echo 3 >/proc/sys/vm/drop_caches && cmp -s -n 500000 $M/large /dev/zero && rm "$name" "$name.new"
}

# One operation fails once, with what goes away by itself: nobody notices.
unnoticed() {
	fault clear "$1 error=$2"
	work "$1" && well && struck
}

# over_open RULE...: renames a file over one that somebody reads, with the rules armed. That is a LOOKUP, a RENAME that hides the file
# and one for the rest. Fails as the program does.
over_open() {
	local status=0
	rm -f $M/over $M/under
	echo over >$M/over && echo under >$M/under && exec 6<$M/under && fault clear "$@" || return
	mv $M/over $M/under || status=$?
	grep -q 'rename.*hits=1' "$D/fault" && fault clear && [ "$(cat <&6)" = under ] || return 99
	exec 6<&-
	well || return 99
	return $status
}

# Each change to a name, and then to what goes by it.
change_names() {
	local dir=$M/changed
	mkdir $dir && mkfifo $dir/fifo && ln -s fifo $dir/symlink && mknod $dir/null c 1 3 && ln $dir/fifo $dir/further &&
		mv $dir/fifo $dir/moved && mv $dir/moved $M/moved && chmod 600 $M/moved && rm $M/moved $dir/further $dir/symlink $dir/null &&
		rmdir $dir
}

# behind RULES...: nothing of that is done twice because of a question that goes along with it, with the rules armed.
behind() {
	fault clear "$@" && change_names && grep -q 'hits=[1-9]' "$D/fault" && fault clear && well
}

# made_once NAME RULE...: what open() with O_EXCL says, with the rules armed, which must all strike.
made_once() {
	local name=$1
	shift
	fault clear "$@"
	python3 -c "
import errno, os
try:
    print(os.write(os.open('$M/$name', os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640), b'text'))
except OSError as error:
    print(errno.errorcode[error.errno])"
	struck && fault clear && well
}

# present NAME: its times are the present one.
present() {
	server_sh stat -c '%X %Y' "$EXPORT/$1" | awk -v now="$EPOCHSECONDS" '{ exit !($1 > now - 60 && $1 <= now + 1 && $2 > now - 60 && $2 <= now + 1) }'
}

# A line that is no rule.
bad_rule() {
	! fault "$1" 2>/dev/null
}

plan 124
echo 0 >/proc/sys/fs/leases-enable
server_restart
check "mount" mount_rnfs4 $M
D=$(echo $DEBUGFS/*)
check "all is well without faults" work nothing

for rule in "wrote error=IO" "write" "write error=NOSUCH" "write error=IO times=x" "write error=IO probability=101" "write error=IO
nonsense"; do
	check "refused: ${rule//$'\n'/ + }" bad_rule "$rule"
done
is "nothing is armed" "$(cat "$D/fault")" ""
fault "write error=DELAY after=1 times=2 probability=50" "close error=-EIO times=-1"
is "what is armed is shown" "$(cat "$D/fault")" "write error=NFS4ERR_DELAY after=1 times=2 probability=50 seen=0 hits=0
close error=-EIO after=0 times=-1 probability=100 seen=0 hits=0"

for op in open close read write commit setattr rename link remove readdir putfh getattr; do
	check "$op: DELAY is waited for" unnoticed $op NFS4ERR_DELAY
done
for op in write read close; do
	check "$op: a stateid that the server does not know is recovered" unnoticed $op NFS4ERR_BAD_STATEID
done
for error in DELAY BADSLOT BAD_HIGH_SLOT SEQ_MISORDERED SEQ_FALSE_RETRY RETRY_UNCACHED_REP CONN_NOT_BOUND_TO_SESSION BADSESSION \
	DEADSESSION; do
	check "SEQUENCE: $error" unnoticed sequence NFS4ERR_$error
done

# With the session lost, the steps that make another.
for step in destroy-session create-session bind-conn-to-session; do
	cause=BADSESSION
	[ $step != bind-conn-to-session ] || cause=CONN_NOT_BOUND_TO_SESSION
	for error in DELAY garbage; do
		fault clear "$step error=$error" "sequence error=$cause"
		check "$step: $error" work "$step"
		check "and all is well" well
	done
done

# What the server has is lost: as the table says.
fault clear "write error=NFS4ERR_NOSPC"
is "a full disk is told" "$(sh -c "echo full >$M/full && sync $M/full" 2>&1 | grep -c 'No space left')" 1
fault clear "open error=NFS4ERR_ACCESS"
refuse "an open that is refused" touch $M/refused
fault clear "read error=-EIO"
echo text >$M/text
echo 3 >/proc/sys/vm/drop_caches
cat $M/text >/dev/null 2>&1
check "after a reply that was lost all is well" well

fault clear "write error=DELAY after=2 times=3"
for i in 1 2 3 4 5 6 7 8; do
	echo $i >$M/many && sync $M/many
done
is "after and times" "$(cat "$D/fault")" "write error=NFS4ERR_DELAY after=2 times=3 probability=100 seen=5 hits=3"
fault clear "getattr error=DELAY times=-1 probability=50"
for _ in $(seq 30); do
	echo 2 >/proc/sys/vm/drop_caches
	ls -l $M >/dev/null
done
hits=$(sed 's/.*hits=//' "$D/fault")
note "$(cat "$D/fault")"
is "probability" "$((hits > 5 && hits < 200))" 1
fault clear

# An operation that stands behind the one that a program asked for, or before it, wherever it comes along.
for rule in getattr:0 getattr:1 getattr:2 getattr:3 getattr:4 getattr:5 getattr:6 getfh:0 getfh:1 getfh:2 getfh:3 \
	restorefh:0 restorefh:1 restorefh:2 restorefh:3; do
	op=${rule%:*} after=${rule#*:}
	check "changes to names, with $op put off, no. $after and each seventh behind it" behind "$op error=DELAY after=$after" \
		"$op error=DELAY after=$((after + 7))" "$op error=DELAY after=$((after + 14))" "$op error=DELAY after=$((after + 21))"
done

# An answer that is lost, and then the session that had it: a call runs twice. Which one depends on what else was sent.
for nth in 0 1; do
	for after in 1 2 3 4; do
		check "over an open file, and rename $nth runs twice ($after)" over_open "rename error=-ECONNRESET after=$nth" \
			"sequence error=BADSESSION after=$after"
		is "the server has it" "$(server_sh "cd $EXPORT; cat under; ls -A | grep -c '^\.nfs\|^over'")" $'over\n0'
	done
done
# Done, but the client has been told otherwise: what has moved must not be moved over.
over_open "rename error=-EIO after=1" 2>/dev/null
is "a rename that is done, and seems to fail" $? 1
is "loses nothing" "$(server_sh "cat $EXPORT/under")" over
over_open "rename error=ACCESS after=1" 2>/dev/null
is "one that is refused" $? 1
is "leaves both as they were" "$(server_sh "cd $EXPORT; cat over under; ls -A | grep -c '^\.nfs'")" $'over\nunder\n0'

# A file is made whose answer is lost: it is known again by the verifier, as long as that is there, or by what has taken its place.
lost=("open error=-ECONNRESET" "sequence error=BADSESSION after=1")
is "open() with O_EXCL runs twice" "$(made_once twice "${lost[@]}")" 4
is "the server has it" "$(server_sh "cd $EXPORT; cat twice; stat -c ' %a %h' twice")" "text 640 1"
check "with the present time" present twice
is "a second time it is there" "$(python3 -c "open('$M/twice', 'x')" 2>&1 | grep -o FileExists)" FileExists
for text in '' theirs; do
	ls $M/theirs 2>/dev/null
	server_sh "rm -f $EXPORT/theirs; printf '$text' >$EXPORT/theirs"
	is "what another has made (${text:-empty}) is not taken for ours" "$(made_once theirs "${lost[@]}")" EEXIST
	is "and stays as it is" "$(server_sh cat "$EXPORT/theirs")" "$text"
	rm -f $M/theirs
done
is "where only the present time may be set" "$(made_once foreign "setattr error=PERM")" 4
is "it is made all the same" "$(server_sh cat "$EXPORT/foreign")" text
check "with that time" present foreign

# What is made otherwise, and its answer lost, is known by the same mark.
for command in "mkdir dir" "mkfifo fifo" "ln -s target symlink" "mknod null c 1 3"; do
	fault clear "create error=-ECONNRESET" "sequence error=BADSESSION after=1"
	check "$command runs twice" eval "(cd $M && $command) && struck && fault clear && well"
done
is "the server has them" "$(server_sh "cd $EXPORT; stat -c '%F %h %a' dir fifo symlink null")" \
	$'directory 2 755\nfifo 1 644\nsymbolic link 1 777\ncharacter special file 1 644'
check "with the present time" present dir
is "mkdir: a second time it is there" "$(mkdir $M/dir 2>&1 | grep -o 'File exists')" "File exists"
ls $M/taken 2>/dev/null
server_sh "mkdir $EXPORT/taken"
fault clear "create error=-ECONNRESET" "sequence error=BADSESSION after=1"
is "what another has made is not taken for ours" "$(mkdir $M/taken 2>&1 | grep -o 'File exists')" "File exists"
well
fault clear "create error=PERM"
check "where only the present time may be set a directory is made all the same" mkdir $M/present
fault clear
# Whose doing it was that a name is there, or gone, nobody can tell.
touch $M/dir/file
fault clear "link error=-ECONNRESET" "sequence error=BADSESSION after=1"
is "link() that runs twice says so" "$(ln $M/dir/file $M/hard 2>&1 | grep -o 'File exists')" "File exists"
fault clear "remove error=-ECONNRESET" "sequence error=BADSESSION after=1"
is "and so does unlink()" "$(rm $M/hard 2>&1 | grep -o 'No such file')" "No such file"
is "both are done" "$(well && fault clear && server_sh stat -c %h "$EXPORT/dir/file")" 1

# The seed's fault: the reclaim of an open fails after the server's restart. What cannot be reclaimed is opened anew.
hold_begin
hold open f $M/text >/dev/null
for error in NO_GRACE RECLAIM_BAD RECLAIM_CONFLICT BAD_STATEID DELAY; do
	fault clear "open-reclaim error=$error"
	server_restart
	is "open-reclaim: $error" "$(hold write f $error) $(hold fsync f)" "ok ok"
	well
done
is "a DELAY is waited for, then it is reclaimed" "$(counter opens_reclaimed) $(counter opens_reopened)" "1 4"
note "$(grep -E 'opens|faults' "$D/counters" | tr '\n' ' ')"
fault clear "open-reclaim error=STALE" "open-reopen error=STALE"
server_restart
# Before the loss is known write() goes into the page cache, and fsync() would tell.
touch $M/recovered
well
is "neither reclaimed nor opened anew: the context is bad" "$(hold write f x)" EBADF
is "and counted" "$(counter opens_failed)" 1
fault clear "reclaim-complete error=DELAY times=2"
server_restart
check "reclaim-complete: DELAY" touch $M/complete
check "it was said after all" struck
fault clear "exchange-id error=DELAY"
server_restart
check "exchange-id: DELAY" touch $M/exchange
check "it was asked again" struck
hold_end
fault clear
check "all is well" well
check "unmount" umount $M
check "the module can be removed" rmmod rnfs4
