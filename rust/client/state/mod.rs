// SPDX-License-Identifier: GPL-2.0

//! State: what the client holds on the server for those who use its files, and the operations that change it.
//!
//! * [`owner`], [`open_state`], [`open_context`]: whose it is, what a file is open for, and each open() of it.
//! * [`open`], [`close`], [`late_close`], [`remove`], [`setattr`], [`space`], [`delegation`]: operations on an open file.
//! * [`lock`], [`lock_state`]: byte-range locks, their owners and stateids.

pub(super) mod close;
pub(super) mod delegation;
pub(super) mod late_close;
pub(super) mod lock;
pub(super) mod lock_state;
pub(super) mod open;
pub(super) mod open_context;
pub(super) mod open_state;
pub(super) mod owner;
pub(super) mod remove;
pub(super) mod setattr;
pub(super) mod space;
