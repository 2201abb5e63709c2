#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What others do is seen: another client's changes to data, names, types and attributes, as close-to-open consistency and the attribute
# cache's times allow. The other client is the server itself; and once a scripted one, that answers late.
. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/selftests/scripted.bash
. "$(dirname "$0")/scripted.bash"

CLIENT=${CLIENT:-rnfs4}
M=/mnt/coherence

# other CMD: what somebody else does, in the exported directory.
other() {
	server_sh sh -c "cd $EXPORT && $1"
}

remount() {
	cd / && umount "$M" && "mount_$CLIENT" -o "$1" "$M" && cd "$M"
}

as_user() {
	setpriv --reuid 1000 --regid 1000 --clear-groups "$@"
}

# Names come, change their file and go again, a few at a time by several writers.
shuffle() {
	local n name
	for n in $(seq 12); do
		name=$1.$n
		echo "$name" >"new.$name" && mv "new.$name" "moved.$name" && ln "moved.$name" "kept.$name" && rm "moved.$name" || return
	done
}

shuffles() {
	local n pids=()
	for n in 1 2 3 4; do
		shuffle "$n" &
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n" || return
	done
}

plan 30
server_sh chmod 777 "$EXPORT"
check "mount" "mount_$CLIENT" "$M"
cd "$M" || exit

echo one >f
is "a close brings the data to the server" "$(other 'cat f')" one
cat f >/dev/null
other 'echo two >f'
is "an open sees what another has closed" "$(cat f)" two

printf aaaaaaaaaa >g
cat g >/dev/null
other 'printf bbbbbbbbbb >g'
printf c | dd of=g bs=1 seek=3 conv=notrunc status=none
is "a write is not merged with data that is out of date" "$(other 'cat g')" bbbcbbbbbb
is "nor is it read so" "$(cat g)" bbbcbbbbbb

printf ZZZZZZZZZZZZZZZZZZZZ >h
cat h >/dev/null
python3 -c '
import os
first = os.open("h", os.O_RDWR)
second = os.open("h", os.O_WRONLY | os.O_TRUNC)
os.pwrite(second, b"x", 0)
os.pwrite(second, b"y", 10)
assert os.pread(first, 100, 0) == b"x" + bytes(9) + b"y"'
is "what was cut off does not come back in a hole" "$(other 'od -An -c h' | tr -d ' \n')" 'x\0\0\0\0\0\0\0\0\0y'

remount noac
ls name >/dev/null 2>&1
other 'touch name'
check "noac: a new name is seen at once" ls name
other 'rm name'
refuse "noac: so is its end" ls name
echo 1 >size
other 'echo 12345 >size'
is "noac: and a size" "$(stat -c %s size)" 6
other 'chmod 600 size'
is "noac: and a mode" "$(stat -c %a size)" 600

remount actimeo=1
ls name >/dev/null 2>&1
other 'touch name'
check "a new name is seen in time" within 5 ls name
other 'rm name; mkdir name'
check "a name that has become a directory" within 5 test -d name
other 'rmdir name; ln -s size name'
check "a name that has become a link" within 5 eval '[ "$(readlink name)" = size ]'
other 'rm name; ln -s f name'
check "a link with another target" within 5 eval '[ "$(readlink name)" = f ]'

exec 7<f
other 'echo three >f.new; mv f.new f'
is "an open file stays what it was when its name goes to another" "$(cat <&7)" two
check "a new open gets the other" within 5 eval '[ "$(cat f)" = three ]'
exec 7<&-
mkdir gone
cd gone || exit
other 'rmdir gone'
check "a removed directory is stale" within 5 eval 'ls 2>&1 | grep -qi stale'
cd "$M" || exit

cp /bin/true suid
chmod 4755 suid
echo x >>suid
is "who writes takes the setuid bit away" "$(stat -c %a suid)" "$(other 'stat -c %a suid')"

mkdir private
echo secret >private/file
chmod 700 private
refuse "what one user may another may not" as_user cat private/file
chmod 755 private
check "until he may" as_user cat private/file
refuse "but not more than that" as_user sh -c 'echo x >>private/file'

check "writers in one directory do not disturb each other" shuffles
is "and leave what they should" "$(other 'ls | grep -c "^kept"')" 48

# However much is known of the directory, and for however long: nobody has asked for this name.
mkdir burst
for n in $(seq 10); do
	[ ! -e "burst/no-$n" ]
done
other 'echo new >burst/made && echo new >burst/stated'
is "a name that nobody has asked for is looked for at the server" "$(cat burst/made; stat -c %s burst/stated)" "new
4"
cd /
check "umount" umount "$M"

# Somebody else makes the name behind the server's answer to the LOOKUP, which is long on its way; what is asked meanwhile on the other
# connection shows that the directory has changed.
serve "$CLIENT"
check "a server that answers late" "mount_$CLIENT" -o vers=4.1,nconnect=2,actimeo=1 "${address[$CLIENT]}:/" "$M"
stat "$M" >/dev/null
ctl "$CLIENT" rule "LOOKUP delay=2200" >/dev/null
stat "$M/new" >/dev/null 2>&1 &
looking=$!
sleep 0.3
ctl "$CLIENT" put new text >/dev/null
sleep 1.2
stat "$M" >/dev/null
check "the directory is known to have changed before the answer comes" kill -0 $looking
wait $looking
is "which is that there is nothing" $? 1
is "and then it is found" "$(cat "$M/new")" text
check "umount" umount "$M"
