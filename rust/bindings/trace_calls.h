/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints as functions, for Rust: each costs a call and a jump that is patched out while nobody listens. Any context.
 */
#ifndef RNFS4_TRACE_CALLS_H
#define RNFS4_TRACE_CALLS_H

#include <linux/types.h>

/* A string of Rust's: without a NUL at its end. */
struct rnfs4_text {
	const char *text;
	int len;
};

/* What a recovery has brought. */
struct rnfs4_recovered {
	u64 ms;
	u64 opens;
	u64 locks;
	u64 reopened;
	u64 failed;
	u64 locks_lost;
};

bool rnfs4_trace_call_enabled(void);
void rnfs4_trace_call(struct rnfs4_text client, struct rnfs4_text class, u32 op, u32 slot, u32 seqid, int status);
void rnfs4_trace_step_begin(struct rnfs4_text client, struct rnfs4_text step);
void rnfs4_trace_step_end(struct rnfs4_text client, struct rnfs4_text step, int status);
void rnfs4_trace_trouble(struct rnfs4_text client, u32 bits);
void rnfs4_trace_sequence_flags(struct rnfs4_text client, u32 flags);
void rnfs4_trace_sequence_error(struct rnfs4_text client, u32 status);
void rnfs4_trace_context_bad(struct rnfs4_text client, u64 fileid, int status);
void rnfs4_trace_lock_lost(struct rnfs4_text client, u64 fileid, int status);
void rnfs4_trace_recovered(struct rnfs4_text client, struct rnfs4_recovered sum);

#endif
