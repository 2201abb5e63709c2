// SPDX-License-Identifier: GPL-2.0

//! Recovery: the lease, and what is done when it or the server is lost. What is to be done is decided in
//! [`rnfs4_proto::recovery`].
//!
//! * [`state_manager`]: the thread that takes the steps.
//! * [`lease`], [`renew`]: client id and session, made, kept and given up.
//! * [`reclaim`], [`lock_reclaim`]: opens and locks, got back.

pub(super) mod lease;
pub(super) mod lock_reclaim;
pub(super) mod reclaim;
pub(super) mod renew;
pub(super) mod state_manager;
