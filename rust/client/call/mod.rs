// SPDX-License-Identifier: GPL-2.0

//! Calls: how a compound gets its answer.
//!
//! * [`exchange`]: a call, from the claim of a slot to its end or its next try; [`async_ops`]: those that nobody waits for.
//! * [`session`]: the slots. [`bare`]: the compounds that make and unmake client ids and sessions, outside of one.
//! * [`patience`]: how long a caller waits. [`errno`]: what it is told.
//! * [`link`], [`force`]: the connection, what happens when it breaks, and how one gets rid of a mount that waits for it.

pub(super) mod async_ops;
pub(super) mod bare;
pub(super) mod errno;
pub(super) mod exchange;
pub(super) mod force;
pub(super) mod link;
pub(super) mod patience;
pub(super) mod session;
