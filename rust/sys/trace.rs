// SPDX-License-Identifier: GPL-2.0

//! The tracepoints, `/sys/kernel/tracing/events/rnfs4`. Any context; next to nothing while nobody listens.
//!
//! They are defined in `bindings/trace.h`: the kernel crate knows only those of the kernel's own headers.

use rnfs4_bindings as bindings;

fn text(text: &str) -> bindings::rnfs4_text {
    bindings::rnfs4_text {
        text: text.as_ptr().cast(),
        len: text.len().min(255) as i32,
    }
}

/// A call has ended: which errors it was told apart by, its main operation, its slot and sequence id, the server's status or a
/// negative errno.
pub(crate) fn call(client: &str, class: &str, op: u32, slot: u32, seqid: u32, status: i32) {
    // SAFETY: The texts outlive the call and are as long as they say.
    unsafe { bindings::rnfs4_trace_call(text(client), text(class), op, slot, seqid, status) };
}

/// Whether somebody listens to [`call`]: what it is told is not to be had for nothing.
pub(crate) fn call_enabled() -> bool {
    // SAFETY: It may be called in any context.
    unsafe { bindings::rnfs4_trace_call_enabled() }
}

/// The state manager begins a step.
pub(crate) fn step_begin(client: &str, step: &str) {
    // SAFETY: As in `call`.
    unsafe { bindings::rnfs4_trace_step_begin(text(client), text(step)) };
}

/// A step has ended.
pub(crate) fn step_end(client: &str, step: &str, status: i32) {
    // SAFETY: As in `call`.
    unsafe { bindings::rnfs4_trace_step_end(text(client), text(step), status) };
}

/// There is more to do: the bits that were set.
pub(crate) fn trouble(client: &str, bits: u32) {
    // SAFETY: As in `call`.
    unsafe { bindings::rnfs4_trace_trouble(text(client), bits) };
}

/// SEQUENCE brought flags that were news.
pub(crate) fn sequence_flags(client: &str, flags: u32) {
    // SAFETY: As in `call`.
    unsafe { bindings::rnfs4_trace_sequence_flags(text(client), flags) };
}

/// SEQUENCE failed.
pub(crate) fn sequence_error(client: &str, status: u32) {
    // SAFETY: As in `call`.
    unsafe { bindings::rnfs4_trace_sequence_error(text(client), status) };
}

/// An open is lost for good.
pub(crate) fn context_bad(client: &str, fileid: u64, status: i32) {
    // SAFETY: As in `call`.
    unsafe { bindings::rnfs4_trace_context_bad(text(client), fileid, status) };
}

/// A lock is lost for good.
pub(crate) fn lock_lost(client: &str, fileid: u64) {
    // SAFETY: As in `call`.
    unsafe { bindings::rnfs4_trace_lock_lost(text(client), fileid, 0) };
}

/// What a recovery has brought.
pub(crate) struct Recovered {
    /// How long it took, in milliseconds.
    pub(crate) ms: u64,
    /// Opens reclaimed.
    pub(crate) opens: u64,
    /// Locks reclaimed.
    pub(crate) locks: u64,
    /// Opens opened anew.
    pub(crate) reopened: u64,
    /// Opens lost.
    pub(crate) failed: u64,
    /// Locks lost.
    pub(crate) locks_lost: u64,
}

/// A recovery has ended.
pub(crate) fn recovered(client: &str, sum: &Recovered) {
    let sum = bindings::rnfs4_recovered {
        ms: sum.ms,
        opens: sum.opens,
        locks: sum.locks,
        reopened: sum.reopened,
        failed: sum.failed,
        locks_lost: sum.locks_lost,
    };
    // SAFETY: As in `call`.
    unsafe { bindings::rnfs4_trace_recovered(text(client), sum) };
}
