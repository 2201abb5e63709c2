/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints of rnfs4: what a client goes through, and what its calls come to. docs/observing.md explains them.
 *
 * A status is 0, an NFS4ERR_* number, or a negative errno where the server said nothing.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rnfs4

#if !defined(_RNFS4_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _RNFS4_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(rnfs4_call,
	TP_PROTO(struct rnfs4_text client, struct rnfs4_text class, u32 op, u32 slot, u32 seqid, int status),
	TP_ARGS(client, class, op, slot, seqid, status),
	TP_STRUCT__entry(
		__string_len(client, client.text, client.len)
		__string_len(class, class.text, class.len)
		__field(u32, op)
		__field(u32, slot)
		__field(u32, seqid)
		__field(int, status)
	),
	TP_fast_assign(
		__assign_str(client);
		__assign_str(class);
		__entry->op = op;
		__entry->slot = slot;
		__entry->seqid = seqid;
		__entry->status = status;
	),
	TP_printk("client=%s class=%s op=%u slot=%u seqid=%u status=%d", __get_str(client), __get_str(class),
		  __entry->op, __entry->slot, __entry->seqid, __entry->status)
);

DECLARE_EVENT_CLASS(rnfs4_step_class,
	TP_PROTO(struct rnfs4_text client, struct rnfs4_text step, int status),
	TP_ARGS(client, step, status),
	TP_STRUCT__entry(
		__string_len(client, client.text, client.len)
		__string_len(step, step.text, step.len)
		__field(int, status)
	),
	TP_fast_assign(
		__assign_str(client);
		__assign_str(step);
		__entry->status = status;
	),
	TP_printk("client=%s step=%s status=%d", __get_str(client), __get_str(step), __entry->status)
);
DEFINE_EVENT(rnfs4_step_class, rnfs4_step_begin,
	TP_PROTO(struct rnfs4_text client, struct rnfs4_text step, int status),
	TP_ARGS(client, step, status));
DEFINE_EVENT(rnfs4_step_class, rnfs4_step_end,
	TP_PROTO(struct rnfs4_text client, struct rnfs4_text step, int status),
	TP_ARGS(client, step, status));

DECLARE_EVENT_CLASS(rnfs4_number_class,
	TP_PROTO(struct rnfs4_text client, u32 number),
	TP_ARGS(client, number),
	TP_STRUCT__entry(
		__string_len(client, client.text, client.len)
		__field(u32, number)
	),
	TP_fast_assign(
		__assign_str(client);
		__entry->number = number;
	),
	TP_printk("client=%s %#x", __get_str(client), __entry->number)
);
/* More to do for the state manager: the bits that were set, in the order of rust/proto/recovery/machine.rs. */
DEFINE_EVENT(rnfs4_number_class, rnfs4_trouble,
	TP_PROTO(struct rnfs4_text client, u32 number), TP_ARGS(client, number));
/* SEQ4_STATUS_* that were news. */
DEFINE_EVENT(rnfs4_number_class, rnfs4_sequence_flags,
	TP_PROTO(struct rnfs4_text client, u32 number), TP_ARGS(client, number));
/* SEQUENCE failed with this status. */
DEFINE_EVENT(rnfs4_number_class, rnfs4_sequence_error,
	TP_PROTO(struct rnfs4_text client, u32 number), TP_ARGS(client, number));

DECLARE_EVENT_CLASS(rnfs4_file_class,
	TP_PROTO(struct rnfs4_text client, u64 fileid, int status),
	TP_ARGS(client, fileid, status),
	TP_STRUCT__entry(
		__string_len(client, client.text, client.len)
		__field(u64, fileid)
		__field(int, status)
	),
	TP_fast_assign(
		__assign_str(client);
		__entry->fileid = fileid;
		__entry->status = status;
	),
	TP_printk("client=%s fileid=%llu status=%d", __get_str(client), __entry->fileid, __entry->status)
);
DEFINE_EVENT(rnfs4_file_class, rnfs4_context_bad,
	TP_PROTO(struct rnfs4_text client, u64 fileid, int status), TP_ARGS(client, fileid, status));
DEFINE_EVENT(rnfs4_file_class, rnfs4_lock_lost,
	TP_PROTO(struct rnfs4_text client, u64 fileid, int status), TP_ARGS(client, fileid, status));

TRACE_EVENT(rnfs4_recovered,
	TP_PROTO(struct rnfs4_text client, struct rnfs4_recovered sum),
	TP_ARGS(client, sum),
	TP_STRUCT__entry(
		__string_len(client, client.text, client.len)
		__field_struct(struct rnfs4_recovered, sum)
	),
	TP_fast_assign(
		__assign_str(client);
		__entry->sum = sum;
	),
	TP_printk("client=%s ms=%llu opens=%llu locks=%llu reopened=%llu failed=%llu locks_lost=%llu", __get_str(client),
		  __entry->sum.ms, __entry->sum.opens, __entry->sum.locks, __entry->sum.reopened, __entry->sum.failed,
		  __entry->sum.locks_lost)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
