// SPDX-License-Identifier: GPL-2.0

//! What a client has counted since it was made: shown in debugfs, a line `name value` for each.

use core::{
    array,
    fmt, //
};

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Counter {
            $($(#[$doc])* $variant,)*
        }

        /// The names in debugfs, in the order of the variants.
        const NAMES: &[&str] = &[$($name,)*];
    };
}

counters! {
    /// Recoveries: from the first thing that was wrong to the moment when all was well again.
    Recoveries = "recoveries",
    /// Recoveries in which opens and locks were reclaimed: the server had restarted.
    Restarts = "server_restarts",
    /// Connections to the server that broke.
    ConnectionBreaks = "connection_breaks",
    /// Successful EXCHANGE_IDs.
    ExchangeIds = "exchange_ids",
    /// Client ids that were new: the first one, and each after the server had forgotten us.
    ClientIds = "client_ids",
    /// Sessions created.
    Sessions = "sessions_created",
    /// Sessions that were found to be lost.
    SessionsLost = "sessions_lost",
    /// BIND_CONN_TO_SESSIONs.
    Binds = "connections_bound",
    /// Lone SEQUENCEs to see whether the lease holds.
    LeaseChecks = "lease_checks",
    /// Renewals of an idle client.
    Renewals = "renewals",
    /// RECLAIM_COMPLETEs.
    ReclaimCompletes = "reclaim_completes",
    /// Steps of the state manager that failed and were tried again or led elsewhere.
    StepsFailed = "steps_failed",
    /// Open states reclaimed after a restart of the server.
    OpensReclaimed = "opens_reclaimed",
    /// Locks reclaimed after a restart of the server.
    LocksReclaimed = "locks_reclaimed",
    /// Open states that were lost and have been opened anew.
    OpensReopened = "opens_reopened",
    /// Locks that were lost and have been taken anew (`recover_lost_locks`).
    LocksRetaken = "locks_retaken",
    /// Open states lost for good: their contexts are bad.
    OpensFailed = "opens_failed",
    /// Locks lost for good.
    LocksLost = "locks_lost",
    /// open()s that made do with what was open already.
    OpensShared = "opens_shared",
    /// Opens that were kept for a while, and then closed with others.
    ClosedLate = "closed_late",
    /// Stateids that the server was asked about.
    StateidsTested = "stateids_tested",
    /// Stateids of revoked state that were given back.
    StateidsFreed = "stateids_freed",
    /// Answers NFS4ERR_DELAY, to calls and to steps.
    Delays = "delays",
    /// Answers NFS4ERR_GRACE.
    Graces = "graces",
    /// Answers that a stateid is not good (any more).
    BadStateids = "bad_stateids",
    /// SEQUENCEs that failed.
    SequenceErrors = "sequence_errors",
    /// Lone SEQUENCEs on slots whose last call got no reply.
    SlotProbes = "slot_probes",
    /// Replies that made no sense.
    Malformed = "malformed_replies",
    /// Faults that were injected.
    Faults = "faults_injected",
}

/// How many there are.
const NR: usize = NAMES.len();

/// A client's counters.
pub(crate) struct Stats([Atomic<u64>; NR]);

impl Stats {
    /// All zero.
    pub(in crate::client) fn new() -> Self {
        Self(array::from_fn(|_| Atomic::new(0)))
    }

    /// Adds `n`. Any context.
    pub(in crate::client) fn add(&self, counter: Counter, n: u64) {
        if let Some(count) = self.0.get(counter as usize) {
            count.fetch_add(n, Relaxed);
        }
    }

    /// The count so far. Any context.
    pub(in crate::client) fn get(&self, counter: Counter) -> u64 {
        self.0
            .get(counter as usize)
            .map_or(0, |count| count.load(Relaxed))
    }
}

/// A line for each counter.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NAMES
            .iter()
            .zip(&self.0)
            .try_for_each(|(name, count)| writeln!(f, "{name} {}", count.load(Relaxed)))
    }
}
