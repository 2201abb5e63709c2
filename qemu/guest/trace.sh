# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the server does with the opens of its clients, by its own trace events: how each OPEN ended, and when it was in its grace
# period, in which it grants no open but a reclaim.
#
#	trace_begin		from here on
#	trace_opens STATUS...	prints how many OPENs ended with one of these (0 is success), with their PUTFHs that failed
#	trace_reclaims		prints how many OPENs it granted during a grace period

TRACE=/sys/kernel/tracing/instances/opens

trace_begin() {
	local events=$TRACE/events/nfsd
	mkdir -p "$TRACE" && {
		echo 4096 >"$TRACE/buffer_size_kb"
		echo 'name == "OP_OPEN" || (name == "OP_PUTFH" && status != 0)' >"$events/nfsd_compound_status/filter"
		echo 1 | tee "$events"/{nfsd_grace_start,nfsd_grace_complete,nfsd_compound_status}/enable >/dev/null
		: >"$TRACE/trace"
	}
}

trace_opens() {
	awk -v wanted=" $* " '
		/nfsd_compound_status/ { sub(/.*=/, ""); n += index(wanted, " " $0 " ") > 0 }
		END { print n + 0 }' "$TRACE/trace"
}

trace_reclaims() {
	awk '
		/nfsd_grace_start/ { grace = 1 }
		/nfsd_grace_complete/ { grace = 0 }
		grace && /OP_OPEN status=0$/ { n++ }
		END { print n + 0 }' "$TRACE/trace"
}
