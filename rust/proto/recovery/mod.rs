// SPDX-License-Identifier: GPL-2.0

//! Recovery: what an error means, and what the state manager does about it.
//!
//! * [`table`]: error x operation x state -> [`action`], all of it.
//! * [`machine`]: which step is next, by the state [`bits`].
//! * [`batch`]: many states in few calls.
//! * [`lease`], [`backoff`], [`inflight`], [`usage`]: the arithmetic beside.

pub mod action;
pub mod backoff;
pub mod batch;
pub mod bits;
pub mod inflight;
pub mod lease;
pub mod machine;
pub mod table;
pub mod usage;
