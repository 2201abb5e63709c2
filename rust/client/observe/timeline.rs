// SPDX-License-Identifier: GPL-2.0

//! What happened in the last recoveries, with the time of each: a ring in memory, shown in debugfs.

use core::fmt;

use kernel::prelude::*;
use rnfs4_proto::{
    recovery::{
        bits::Bits,
        machine::{
            Failure,
            Step, //
        },
    },
    status::Status, //
};

/// How many entries are kept.
const KEPT: usize = 512;

/// Something worth a line.
#[derive(Clone, Copy)]
pub(crate) enum Happening {
    /// The connection to the server broke.
    ConnectionLost,
    /// There is a connection again.
    ConnectionBack,
    /// All was well, and now there is something to do.
    Trouble(Bits),
    /// There is more to do than was known.
    More(Bits),
    /// Flags of a SEQUENCE that were news.
    SequenceFlags(u32),
    /// The server gave a client id, perhaps one it had given before.
    ClientId {
        /// It is a new one: what was there before is gone, or has to be reclaimed.
        new: bool,
    },
    /// The state manager begins a step.
    StepBegun(Step),
    /// It has been taken.
    StepDone(Step),
    /// It has not.
    StepFailed(Step, Failure),
    /// What a pass over the states has brought.
    Pass(Recovered),
    /// Open contexts went bad.
    ContextBad {
        /// The file of the first of them.
        fileid: u64,
        /// Why, as far as the server said.
        status: Status,
        /// How many in a row.
        count: u32,
    },
    /// Locks were lost.
    LockLost {
        /// The file of the first of them.
        fileid: u64,
        /// How many in a row.
        count: u32,
    },
    /// All is well.
    Well {
        /// Since how many milliseconds it was not.
        after_ms: u64,
    },
}

/// What recovery has done, in numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
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

impl Recovered {
    /// What was added since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            opens: self.opens.saturating_sub(before.opens),
            locks: self.locks.saturating_sub(before.locks),
            reopened: self.reopened.saturating_sub(before.reopened),
            failed: self.failed.saturating_sub(before.failed),
            locks_lost: self.locks_lost.saturating_sub(before.locks_lost),
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionLost => f.write_str("connection-lost"),
            Self::ConnectionBack => f.write_str("connection-back"),
            Self::Trouble(bits) => write!(f, "trouble {bits}"),
            Self::More(bits) => write!(f, "more {bits}"),
            Self::SequenceFlags(flags) => write!(f, "sequence-flags {flags:#x}"),
            Self::ClientId { new: true } => f.write_str("client-id new"),
            Self::ClientId { new: false } => f.write_str("client-id known"),
            Self::StepBegun(step) => write!(f, "begin {}", step.name()),
            Self::StepDone(step) => write!(f, "end {} OK", step.name()),
            Self::StepFailed(step, Failure::Status(status)) => {
                write!(f, "end {} {status}", step.name())
            }
            Self::StepFailed(step, Failure::NoReply) => {
                write!(f, "end {} no-reply", step.name())
            }
            Self::StepFailed(step, Failure::Malformed) => {
                write!(f, "end {} malformed", step.name())
            }
            Self::Pass(sum) => write!(
                f,
                "recovered opens={} locks={} reopened={} failed={} locks-lost={}",
                sum.opens, sum.locks, sum.reopened, sum.failed, sum.locks_lost
            ),
            Self::ContextBad {
                fileid,
                status,
                count,
            } => write!(f, "context-bad fileid={fileid} {status} count={count}"),
            Self::LockLost { fileid, count } => {
                write!(f, "lock-lost fileid={fileid} count={count}")
            }
            Self::Well { after_ms } => write!(f, "well after={after_ms}ms"),
        }
    }
}

/// A happening and its time, in milliseconds since boot.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) ms: u64,
    pub(crate) what: Happening,
}

/// The ring. The caller holds a lock; nothing here sleeps but [`Timeline::new`] and [`Timeline::room`].
pub(crate) struct Timeline {
    ring: KVVec<Entry>,
    /// Where the next entry goes once the ring is full: where the oldest is.
    oldest: usize,
}

impl Timeline {
    /// An empty one. May sleep.
    pub(in crate::client) fn new() -> Result<Self> {
        Ok(Self {
            ring: Self::room()?,
            oldest: 0,
        })
    }

    /// Room for a copy of all entries. May sleep.
    pub(in crate::client) fn room() -> Result<KVVec<Entry>> {
        Ok(KVVec::with_capacity(KEPT, GFP_KERNEL)?)
    }

    /// Writes down what happened. Files that go bad together share an entry.
    pub(in crate::client) fn note(&mut self, ms: u64, what: Happening) {
        if self.shares_last(&what) {
            return;
        }
        let entry = Entry { ms, what };
        if self.ring.len() < KEPT {
            // There is room: it was made for so many.
            let _ = self.ring.push_within_capacity(entry);
        } else if let Some(old) = self.ring.get_mut(self.oldest) {
            *old = entry;
            self.oldest = (self.oldest + 1) % KEPT;
        }
    }

    fn shares_last(&mut self, what: &Happening) -> bool {
        let last = match self.oldest {
            0 => self.ring.len().checked_sub(1),
            oldest => Some(oldest - 1),
        };
        let last = last.and_then(|at| self.ring.get_mut(at));
        match (last.map(|entry| &mut entry.what), what) {
            (
                Some(Happening::ContextBad { status, count, .. }),
                Happening::ContextBad { status: new, .. },
            ) if status == new => {
                *count = count.saturating_add(1);
                true
            }
            (Some(Happening::LockLost { count, .. }), Happening::LockLost { .. }) => {
                *count = count.saturating_add(1);
                true
            }
            _ => false,
        }
    }

    /// Copies all entries, the oldest first, to `to`, which came from [`Timeline::room`].
    pub(in crate::client) fn copy(&self, to: &mut KVVec<Entry>) {
        let (newer, older) = self.ring.split_at(self.oldest.min(self.ring.len()));
        for part in [older, newer] {
            // There is room for all.
            let _ = to.extend_from_slice(part, GFP_NOWAIT);
        }
    }
}
