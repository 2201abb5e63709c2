# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A scripted server for each client, so that what one is told does not reach the other. Sourced after lib.sh, and started with serve.
# LEASE_SCRIPTED is its lease period in seconds (60).

declare -A address=([rnfs4]=127.0.0.2 [nfs4]=127.0.0.3)

# ctl CLIENT COMMAND: the scripted server of that client.
ctl() {
	local client=$1
	shift
	scripted ctl "/run/scripted.$client" "$@"
}

# serve CLIENT: starts it.
serve() {
	scripted serve --listen "${address[$1]}:2049" --control "/run/scripted.$1" --lease "${LEASE_SCRIPTED:-60}" >/dev/null 2>&1 &
	within 20 ctl "$1" mark >/dev/null 2>&1
}

# mounted CLIENT: mounts it, on /mnt/CLIENT.
mounted() {
	mkdir -p "/mnt/$1"
	case $1 in
	rnfs4) mount_rnfs4 "${address[$1]}:/" "/mnt/$1" ;;
	nfs4) mount -t nfs4 -o vers=4.1 "${address[$1]}:/" "/mnt/$1" ;;
	esac
}
