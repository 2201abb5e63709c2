// SPDX-License-Identifier: GPL-2.0

#include "trace_calls.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

void rnfs4_trace_call(struct rnfs4_text client, struct rnfs4_text class, u32 op, u32 slot, u32 seqid, int status)
{
	trace_rnfs4_call(client, class, op, slot, seqid, status);
}

bool rnfs4_trace_call_enabled(void)
{
	return trace_rnfs4_call_enabled();
}

void rnfs4_trace_step_begin(struct rnfs4_text client, struct rnfs4_text step)
{
	trace_rnfs4_step_begin(client, step, 0);
}

void rnfs4_trace_step_end(struct rnfs4_text client, struct rnfs4_text step, int status)
{
	trace_rnfs4_step_end(client, step, status);
}

void rnfs4_trace_trouble(struct rnfs4_text client, u32 bits)
{
	trace_rnfs4_trouble(client, bits);
}

void rnfs4_trace_sequence_flags(struct rnfs4_text client, u32 flags)
{
	trace_rnfs4_sequence_flags(client, flags);
}

void rnfs4_trace_sequence_error(struct rnfs4_text client, u32 status)
{
	trace_rnfs4_sequence_error(client, status);
}

void rnfs4_trace_context_bad(struct rnfs4_text client, u64 fileid, int status)
{
	trace_rnfs4_context_bad(client, fileid, status);
}

void rnfs4_trace_lock_lost(struct rnfs4_text client, u64 fileid, int status)
{
	trace_rnfs4_lock_lost(client, fileid, status);
}

void rnfs4_trace_recovered(struct rnfs4_text client, struct rnfs4_recovered sum)
{
	trace_rnfs4_recovered(client, sum);
}
