# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The guest's library: where things are, and the list of the functions that are commands.

SERVER=10.11.12.1
SERVER6=fd11:12::1
EXPORT=/export
HOST_DIR=/host
STATE=/run/rnfs4
NFS_STATE=${NFS_STATE:-$STATE/nfs}
VM_ROLE=${VM_ROLE:-both}

COMMANDS=(
	server_sh server_start server_stop server_restart server_forget server_expire
	mount_rnfs4 mount_nfs4
	client_ns client_sh
	net_delay net_cut net_heal
	rpc_mark rpc_count
	kmemleak_check
)

. /guest/net.sh
. /guest/server.sh
. /guest/mount.sh
. /guest/count.sh
. /guest/kmemleak.sh

# usage TEXT: what a command says to a wrong call.
usage() {
	echo "usage: $*" >&2
	exit 2
}
