# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Counting what clients send, by the server's own statistics: the same yardstick for every client. Whoever counts one client keeps
# the others quiet.
#
#	rpc_mark		from here on
#	rpc_count		prints each operation that came since, with its number, and "rpcs", the number of calls
#	rpc_count NAME		prints one number: of an operation as the RFC calls it (OPEN, WRITE), or of rpcs

# By number, from 3 on (RFC 8881 section 16.2, RFC 7862 section 15).
RPC_OPERATIONS=(
	ACCESS CLOSE COMMIT CREATE DELEGPURGE DELEGRETURN GETATTR GETFH LINK LOCK LOCKT LOCKU LOOKUP LOOKUPP NVERIFY OPEN OPENATTR
	OPEN_CONFIRM OPEN_DOWNGRADE PUTFH PUTPUBFH PUTROOTFH READ READDIR READLINK REMOVE RENAME RENEW RESTOREFH SAVEFH SECINFO SETATTR
	SETCLIENTID SETCLIENTID_CONFIRM VERIFY WRITE RELEASE_LOCKOWNER BACKCHANNEL_CTL BIND_CONN_TO_SESSION EXCHANGE_ID CREATE_SESSION
	DESTROY_SESSION FREE_STATEID GET_DIR_DELEGATION GETDEVICEINFO GETDEVICELIST LAYOUTCOMMIT LAYOUTGET LAYOUTRETURN SECINFO_NO_NAME
	SEQUENCE SET_SSV TEST_STATEID WANT_DELEGATION DESTROY_CLIENTID RECLAIM_COMPLETE ALLOCATE COPY COPY_NOTIFY DEALLOCATE IO_ADVISE
	LAYOUTERROR LAYOUTSTATS OFFLOAD_CANCEL OFFLOAD_STATUS READ_PLUS SEEK WRITE_SAME CLONE GETXATTR SETXATTR LISTXATTRS REMOVEXATTR
)

# Name and count since the server's statistics began, one to a line.
rpc_counters() {
	server_sh cat /proc/net/rpc/nfsd | awk -v names="${RPC_OPERATIONS[*]}" '
		BEGIN { n = split(names, name, " ") }
		$1 == "proc4" { print "rpcs", $4 }
		$1 == "proc4ops" { for (i = 1; i <= n; i++) print name[i], $(2 + 3 + i) + 0 }'
}

rpc_mark() {
	rpc_counters >"$STATE/rpc-mark"
}

rpc_count() {
	[ -e "$STATE/rpc-mark" ] || : >"$STATE/rpc-mark"
	rpc_counters | awk -v want="${1:-}" '
		marked { before[$1] = $2; next }
		want == "" && $2 != before[$1] { print $1, $2 - before[$1] }
		want == $1 { print $2 - before[$1]; found = 1 }
		END { exit want != "" && !found }' marked=1 "$STATE/rpc-mark" marked=0 -
}
