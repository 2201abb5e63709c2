# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Mounting with the one client and the other. Both take the same form, so that a test can be written for either:
#	mount_rnfs4 [-o OPTS] [SERVER:/PATH] DIR

mount_rnfs4() {
	mount_parse "$@" || usage "mount_rnfs4 [-o OPTS] [SERVER:/PATH] DIR"
	mount -i -t rnfs4 ${mount_opts:+-o "$mount_opts"} "$mount_from" "$mount_dir"
}

# The C client.
mount_nfs4() {
	mount_parse "$@" || usage "mount_nfs4 [-o OPTS] [SERVER:/PATH] DIR"
	[[ ,$mount_opts = *,vers=* ]] || mount_opts=vers=4.2${mount_opts:+,$mount_opts}
	mount -t nfs4 -o "$mount_opts" "$mount_from" "$mount_dir"
}

mount_parse() {
	mount_opts=
	while [ "${1:-}" = -o ]; do
		mount_opts=${mount_opts:+$mount_opts,}${2:-}
		shift 2 || return
	done
	mount_from=$SERVER:/
	if [ $# = 2 ]; then
		mount_from=$1
		shift
	fi
	[ $# = 1 ] || return
	mount_dir=$1
	mkdir -p "$mount_dir"
}
