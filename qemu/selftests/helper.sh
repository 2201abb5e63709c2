#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mount.rnfs4: host names with one address and with several, its exit statuses and what it says, the background, the configuration
# file, fstab, remounts; and that plain mount(8) gets along without it.
#
# guest: timeout=300

. "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/selftests/mounts.bash
. "$(dirname "$0")/mounts.bash"

A=/mnt/a CONFIG=/etc/rnfs4mount.conf
# Shares more bits with ours than the server has, so it is tried first; nobody has it.
NOBODY=${SERVER%.*}.3

mounted() {
	grep -q " $1 rnfs4 " /proc/mounts
}

# ends STATUS TEXT CMD...: it does so, and says that.
ends() {
	local wanted=$1 text=$2 out status=0
	shift 2
	out=$("$@" 2>&1) || status=$?
	mounted "$A" && umount "$A"
	[ "$status" = "$wanted" ] && grep -qF -- "$text" <<<"$out" || {
		echo "status $status; said: $out"
		return 1
	}
}

by_name() {
	mount -t rnfs4 -o "${2:-rw}" "$1" "$A"
}

plan 58
mkdir -p "$A" "$EXPORT/dir"
echo text >"$EXPORT/dir/file"
cat >>/etc/hosts <<END
$SERVER fileserver
$SERVER6 sixserver
$SERVER bothserver
$SERVER6 bothserver
$NOBODY halfserver
$SERVER halfserver
127.0.0.1 strange
END

# Names
check "mount by a name" by_name fileserver:/dir
is "and it works" "$(cat "$A/file")" text
is "the name is shown" "$(awk -v dir="$A" '$2 == dir { print $1, $3 }' /proc/mounts)" "fileserver:/dir rnfs4"
check "and the address" shows "$A" addr="$SERVER" proto=tcp
check "but not twice" ends 32 "already mounted" mount.rnfs4 fileserver:/dir "$A"
check "mount by a name of IPv6" by_name sixserver:/dir
check "shows that address" shows "$A" addr="$SERVER6" proto=tcp6
umount "$A"
check "of two addresses, proto=tcp" by_name bothserver:/ proto=tcp
check "takes the one" shows "$A" addr="$SERVER"
umount "$A"
check "and proto=tcp6" by_name bothserver:/ proto=tcp6
check "the other" shows "$A" addr="$SERVER6"
umount "$A"
check "proto=tcp6 does not fit a name without such an address" ends 32 "proto" by_name fileserver:/ proto=tcp6
said=$(mount.rnfs4 halfserver:/dir "$A" -v -o retry=0)
check "an address where nobody is does not matter" shows "$A" addr="$SERVER"
is "although it is tried" "$(grep -c trying <<<"$said") $(grep -o "$NOBODY" <<<"$said")" "2 $NOBODY"
umount "$A"
check "a numeric address" by_name "$SERVER:/dir"
umount "$A"
check "and one in brackets" by_name "[$SERVER6]:/dir"
umount "$A"

# Statuses
check "nothing to mount" ends 1 "usage" mount.rnfs4
check "no path" ends 1 "HOST:/PATH" mount.rnfs4 fileserver "$A"
check "an argument that there is not" ends 1 "usage" mount.rnfs4 -z fileserver:/ "$A"
check "not root" ends 1 "only root" setpriv --reuid 1000 --clear-groups mount.rnfs4 fileserver:/ "$A"
check "no such directory" ends 32 "does not exist" mount.rnfs4 fileserver:/ /mnt/nowhere
check "no directory" ends 32 "not a directory" mount.rnfs4 fileserver:/ /etc/hosts
check "an unknown host" ends 32 "nohost" mount.rnfs4 nohost:/ "$A" -o retry=0
check "a host that is not there" ends 32 "no route" mount.rnfs4 "$NOBODY:/" "$A" -o retry=0
check "nobody at that port" ends 32 "connection refused" mount.rnfs4 fileserver:/ "$A" -o port=4,retry=0
check "no such path" ends 32 "no such path" mount.rnfs4 fileserver:/dir/nowhere "$A"
check "a file" ends 32 "path is not a directory" mount.rnfs4 fileserver:/dir/file "$A"
check "an option that there is not" ends 32 "unknown option nonsense" mount.rnfs4 fileserver:/ "$A" -o nonsense
check "a bad value, in the kernel's words" ends 32 "only NFSv4.1 and 4.2 are supported" mount.rnfs4 fileserver:/ "$A" -o vers=3
check "a bad value of the helper's own" ends 32 "retry" mount.rnfs4 fileserver:/ "$A" -o retry=soon
check "mount(8) hands the status on" ends 32 "no such path" by_name fileserver:/dir/nowhere
scripted serve &
within 5 scripted ctl /run/scripted rule PUTROOTFH times=ever status=NFS4ERR_ACCESS >/dev/null
check "access denied" ends 32 "access denied" mount.rnfs4 strange:/ "$A"
scripted ctl /run/scripted clear >/dev/null
kill $!
net_cut
check "a host that does not answer" ends 32 "no answer" mount.rnfs4 "[$SERVER6]:/" "$A" -o retry=0
net_heal

# Flags
check "-f" ends 0 "" mount.rnfs4 fileserver:/ "$A" -f
check "mounts nothing, but looks at the options" ends 32 "unknown" mount.rnfs4 fileserver:/ "$A" -f -o nonsense
check "-s" ends 0 "" mount.rnfs4 fileserver:/ "$A" -s -o nonsense
check "-r" mount.rnfs4 fileserver:/dir "$A" -r -n
check "mounts read-only" shows "$A" ro
umount "$A"
check "-V" ends 0 "mount.rnfs4" mount.rnfs4 -V

# Options of the mount point, remounts
check "options of mount(8)" by_name fileserver:/dir nosuid,nodev,noexec,noatime,_netdev,x-some.thing,comment=none
check "are the mount point's" shows "$A" rw nosuid nodev noexec noatime
check "remount read-only" mount -o remount,ro "$A"
check "is, and the others stay" shows "$A" ro nosuid nodev noexec noatime
check "remount read-write" mount -o remount,rw "$A"
check "what a remount cannot change is named" ends 32 "rsize cannot be changed" mount -o remount,rsize=8192 "$A"

# The configuration file
cat >"$CONFIG" <<END
[ NFSMount_Global_Options ]
  Defaultvers=4.1
  Rsize=64k
  Timeo=70
  Background=True
[ Server "fileserver" ]
  Timeo=80
  Ac=False
[ Server "bothserver" ]
  Timeo=90
[ MountPoint "$A" ]
  Wsize=8k
END
check "kilobytes are for the file alone" ends 32 "wsize" by_name fileserver:/ wsize=16k
check "mount with a file" by_name fileserver:/ retrans=5,rsize=8192
check "the nearest word counts" shows "$A" vers=4.1 rsize=8192 wsize=8192 timeo=80 retrans=5 noac
umount "$A"
echo nonsense >"$CONFIG"
check "a file that makes no sense" ends 1 "$CONFIG, line 1" mount.rnfs4 fileserver:/ "$A"
rm "$CONFIG"

# The background
server_stop
began=$SECONDS
check "bg with the server down" by_name fileserver:/dir bg
below "returns at once" $((SECONDS - began)) 8
refuse "although there is nothing yet" mounted "$A"
server_start
check "when the server comes it is mounted" within 30 mounted "$A"
umount "$A"
server_stop
(sleep 3; server_start) &
check "without bg it is waited for" by_name fileserver:/dir retry=1
umount "$A"

# Without it
echo "fileserver:/dir $A rnfs4 noauto,user,timeo=90 0 0" >>/etc/fstab
mount "$A"
check "fstab" shows "$A" timeo=90 nosuid nodev noexec
umount "$A"
rm /sbin/mount.rnfs4
check "without the helper, numeric addresses" mount -t rnfs4 "$SERVER:/dir" "$A"
umount "$A"
check "and a name with one" mount -t rnfs4 -o addr="$SERVER" fileserver:/dir "$A"
umount "$A"
within 10 rmmod rnfs4
check "without the module" ends 32 "modprobe" mount.rnfs4 fileserver:/dir "$A"
