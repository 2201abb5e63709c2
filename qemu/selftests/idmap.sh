#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A server that calls owners by name and takes no numbers: what stat(), ls and chown do with rnfs4 and with the C client, names that one
# side does not know, and a program that does not answer.
#
# guest: timeout=300

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/guest/count.sh
. /guest/count.sh

DOMAIN=rnfs4.test
SLOW=/run/idmap-slow

# The users of both sides, and carol, whom only the server knows.
users_create() {
	printf '%s\n' bob:x:3002:3005::/: alice:x:3001:3005::/: >>/etc/passwd
	printf '%s\n' crew:x:3005: >>/etc/group
	printf '[General]\nDomain = %s\n[Mapping]\nNobody-User = nobody\nNobody-Group = nogroup\n' $DOMAIN >/etc/idmapd.conf
	# shellcheck disable=SC2016
	server_sh 'cp /etc/passwd /run/server-passwd && echo carol:x:3003:3005::/: >>/run/server-passwd && mount --bind /run/server-passwd /etc/passwd'
}

# What asks for numbers, and for the C client's, too: nfsidmap, which takes its time if told so.
programs_create() {
	# shellcheck disable=SC2016
	printf '#!/bin/sh\n[ ! -e %s ] || sleep 100\nexec /usr/sbin/nfsidmap -t 600 "$@"\n' $SLOW >/usr/sbin/idmap-asker
	chmod 755 /usr/sbin/idmap-asker
	echo 'create rnfs4_idmap * * /usr/sbin/idmap-asker %k %d' >/etc/request-key.d/rnfs4_idmap.conf
}

server_by_name() {
	server_stop && server_sh "echo N >/sys/module/nfsd/parameters/nfs4_disable_idmapping; rpc.idmapd -S -p /run/rpc_pipefs" && server_start
}

owners() {
	stat -c '%u:%g' "$@" | tr '\n' ' '
}

server_owner() {
	server_sh stat -c '%U:%G' "$EXPORT/$1"
}

# chown that fails, by the error.
chown_error() {
	python3 -c "
import errno, os
try:
    os.chown('$2', $1, -1)
    print('none')
except OSError as error:
    print(errno.errorcode[error.errno])"
}

# A stat() that waits for the program is killed.
killed_in_time() {
	local pid
	stat "$1" &
	pid=$!
	sleep 1.5
	[ -d /proc/$pid ] || return
	kill -9 $pid
	within 1 gone $pid
}

gone() {
	local state
	# It may go between one look and the next.
	state=$(awk '{ print $3 }' "/proc/$1/stat" 2>/dev/null)
	[ -z "$state" ] || [ "$state" = Z ]
}

plan 24
modprobe nfs
users_create
programs_create
echo N >/sys/module/nfs/parameters/nfs4_disable_idmapping
check "the server calls owners by name" server_by_name
server_sh "cd $EXPORT && mkdir dir && touch dir/alice dir/bob dir/carol dir/nobody && chown alice:crew dir dir/alice && chown bob:crew dir/bob &&
	chown carol:crew dir/carol && chown 5555:5556 dir/nobody"

for client in rnfs4 nfs4; do
	M=/mnt/$client
	check "$client: mount" "mount_$client" -o actimeo=1 $M
	is "$client: owners by name, and one whom the server calls nobody" "$(owners $M/dir $M/dir/alice $M/dir/bob $M/dir/nobody)" \
		"3001:3005 3001:3005 3002:3005 65534:65534 "
	is "$client: a name that is not known here" "$(owners $M/dir/carol)" "65534:3005 "
	umount $M && "mount_$client" -o actimeo=1 $M
	# shellcheck disable=SC2012
	is "$client: ls -l of a cold directory" "$(ls -ln $M/dir | awk 'NR > 1 { print $3 }' | tr '\n' ' ')" "3001 3002 65534 65534 "
	check "$client: chown by a number that the server does not take" chown 3002 $M/dir/alice
	is "$client: the server has it" "$(server_owner dir/alice)" bob:crew
	rpc_mark
	check "$client: back" chown 3001:3005 $M/dir/alice
	note "$client: $(rpc_count SETATTR) SETATTR"
	[ $client != rnfs4 ] || is "and knows now how it is done" "$(rpc_count SETATTR)" 1
	is "$client: an owner without name" "$(chown_error 7777 $M/dir/alice)" EINVAL
	[ $client = rnfs4 ] || umount $M
done
is "one line for the administrator" "$(dmesg | grep -c 'rnfs4: .*takes no numbers for owners')" 1

M=/mnt/rnfs4
check "a file that is made for somebody else, with its data" install -o bob -g crew -m 640 /etc/passwd $M/dir/made
is "is his on both sides" "$(owners $M/dir/made)$(server_owner dir/made)" "3002:3005 bob:crew"

# A name for which the program takes its time.
server_sh "echo dora:x:3004:3005::/: >>/etc/passwd && touch $EXPORT/dir/dora && chown dora $EXPORT/dir/dora"
touch $SLOW
check "who waits for a program can be killed" killed_in_time $M/dir/dora
rm $SLOW
check "unmount, with nobody left waiting" umount $M
pkill -x sleep
check "the module can be removed" rmmod rnfs4
