// SPDX-License-Identifier: GPL-2.0

//! NFSv4.1/4.2 as pure computation: what goes over the wire, and what an answer means.
//!
//! Nothing here allocates, waits, locks or knows the kernel; time and randomness are passed in. The
//! same sources are built into `rnfs4.ko` and, by cargo, into tests and fuzzers on the host.
//!
//! * [`xdr`], [`types`], [`status`], [`attrs`]: the data.
//! * [`op`], [`ops`], [`compound`]: operations as types, and sequences of them with a typed reply.
//! * [`session`]: the slot table and what a SEQUENCE result does to it.
//! * [`recovery`]: which error leads where, the state machine of the state manager, lease and
//!   back-off arithmetic, the accounting of calls in flight.
//! * [`together`]: what goes along with a call that is made anyway.
//! * [`late_close`]: how long what nobody has open any more is kept open.
//! * [`names`]: owners and groups that the server calls by name.
//! * [`fault`]: which operation is to fail on purpose, for tests.
//!
//! "RFC" without a number is RFC 8881; RFC 7862 is NFSv4.2.

#![cfg_attr(not(MODULE), no_std)]
#![forbid(unsafe_code)]
// A server must not be able to bring the client down.
#![deny(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "proto/attrs.rs"]
pub mod attrs;
#[path = "proto/compound.rs"]
pub mod compound;
#[path = "proto/fault.rs"]
pub mod fault;
#[path = "proto/late_close.rs"]
pub mod late_close;
#[path = "proto/names.rs"]
pub mod names;
#[path = "proto/op.rs"]
pub mod op;
#[path = "proto/ops/mod.rs"]
pub mod ops;
#[path = "proto/recovery/mod.rs"]
pub mod recovery;
#[path = "proto/session.rs"]
pub mod session;
#[path = "proto/setattrs.rs"]
pub mod setattrs;
#[path = "proto/status.rs"]
pub mod status;
#[path = "proto/together.rs"]
pub mod together;
#[path = "proto/types.rs"]
pub mod types;
#[path = "proto/xdr.rs"]
pub mod xdr;
