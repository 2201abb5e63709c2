# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The server: the kernel's own nfsd in a namespace of its own, with private mounts, state directory and host name.
# LEASE and GRACE (seconds, 10 unless set) and THREADS (8) are read at each start. What it keeps on disk of its clients is in $NFS_STATE.

# The namespace, kept by files so that no process has to stay in it.
server_create() {
	mkdir -p "$STATE/ns" "$NFS_STATE"
	mount --bind "$STATE/ns" "$STATE/ns"
	mount --make-private "$STATE/ns"
	touch "$STATE/ns/mnt" "$STATE/ns/uts"
	echo "$EXPORT *(rw,no_root_squash,no_subtree_check,insecure,fsid=0)" >/etc/exports
	modprobe nfsd &&
		nsenter --net=/run/netns/server unshare --mount="$STATE/ns/mnt" --uts="$STATE/ns/uts" --propagation slave \
			bash -ec '
				hostname server
				cp -a /var/lib/nfs/. "$1"
				mount --bind "$1" /var/lib/nfs
				mkdir -p /run/rpc_pipefs /var/lib/nfs/nfsdcld
				mount -t rpc_pipefs rpc_pipefs /run/rpc_pipefs
				mountpoint -q /proc/fs/nfsd && umount /proc/fs/nfsd
				mount -t nfsd nfsd /proc/fs/nfsd
				mount -t sysfs sysfs /sys
			' bash "$NFS_STATE"
}

# server_sh CMD...: runs a command where the server is; a single argument is a line for the shell.
server_sh() {
	[ $# -gt 0 ] || usage "server_sh CMD..."
	[ $# != 1 ] || set -- bash -c "$1"
	nsenter --net=/run/netns/server --mount="$STATE/ns/mnt" --uts="$STATE/ns/uts" -- "$@"
}

# pid_of NAME: of the process of that name. (pidof reads the command lines of all processes, and waits for one that holds the lock of its
# memory: in mmap(), say, for a server that is down.)
pid_of() {
	local file
	file=$(grep -lxF -e "$1" /proc/[1-9]*/comm 2>/dev/null | head -n 1)
	file=${file#/proc/}
	[ -n "$file" ] && echo "${file%/comm}"
}

# server_start: returns when the server answers. Where it remembers clients, its grace period runs from here.
server_start() {
	server_sh bash -ec "$(declare -f pid_of)"'
		exportfs -ra
		pid_of nfsdcld >/dev/null || nfsdcld -p /run/rpc_pipefs
		pid_of rpc.mountd >/dev/null || rpc.mountd -N 3 -V 4
		exec rpc.nfsd -N 3 -V 4.1 -V 4.2 --lease-time "$1" --grace-time "$2" "$3"
	' bash "${LEASE:-10}" "${GRACE:-${LEASE:-10}}" "${THREADS:-8}" || return
	[ "$(server_sh cat /proc/fs/nfsd/threads)" -gt 0 ]
}

# server_stop: the server ends, with its sockets and all of its state but the record of its clients on disk.
server_stop() {
	server_sh 'rpc.nfsd 0; read -r n < /proc/fs/nfsd/threads; [ "$n" = 0 ]'
}

server_restart() {
	server_stop && server_start
}

# server_forget: wipes the record of clients, so that a server started after it lets nobody reclaim.
server_forget() {
	if [ "$(server_sh cat /proc/fs/nfsd/threads)" != 0 ]; then
		echo "server_forget: the server is running; stop it first" >&2
		return 1
	fi
	# nfsdcld holds its database open: a new one begins with the next start.
	local pid
	if pid=$(pid_of nfsdcld); then
		kill "$pid"
		while kill -0 "$pid" 2>/dev/null; do
			sleep 0.05
		done
	fi
	server_sh 'rm -rf /var/lib/nfs/nfsdcld/* /var/lib/nfs/v4recovery/*'
}

# server_expire [TEXT]: the server drops clients with all their state, as if their leases had run out: all of them, or those that have
# the text in what /proc/fs/nfsd/clients/*/info says, an address or a part of the client's name.
server_expire() {
	server_sh bash -c '
		found=1
		for client in /proc/fs/nfsd/clients/*; do
			if grep -qF -e "$1" "$client/info" 2>/dev/null; then
				echo expire > "$client/ctl" && found=0
			fi
		done
		exit $found
	' bash "${1:-clientid}"
}
