// SPDX-License-Identifier: GPL-2.0

//! The slot table of a session's fore channel (RFC 2.10.6): who may send what, and what a SEQUENCE
//! result means for the slot and for the call.
//!
//! A slot's sequence id goes up by one with each call that the server has accepted, and a SEQUENCE
//! that fails changes nothing. The trouble is a call whose reply never came: it may or may not have
//! been accepted. Such a slot is *in doubt*, and no call is run on the strength of a guess: the next
//! thing it carries is a lone SEQUENCE with the same id, which settles the matter whatever the answer
//! is. Slots in doubt are used last; a renewal of the lease, being a lone SEQUENCE, takes them first
//! and so repairs them at no cost. (The C client guesses, and waits 15 s where it was wrong, and for
//! each DELAY.)
//!
//! No locks in here: the caller holds one around each method. None of them sleeps.

use crate::{
    compound::Ops,
    ops::session::SequenceRes,
    recovery::backoff,
    status::Status,
    types::SlotId, //
};

/// The most slots that are used, and so the most calls in flight.
pub const MAX_SLOTS: u32 = 64;

/// Back-off after a DELAY of SEQUENCE: cap in milliseconds.
const DELAY_CAP_MS: u32 = 1000;

/// Whether a call for the operation `op` does harm if it is run twice, so that the server has to keep its
/// reply. All of these have small replies.
pub const fn must_be_cached(op: u32) -> bool {
    // CLOSE, CREATE, LINK, LOCK, LOCKU, OPEN, OPEN_DOWNGRADE, REMOVE, RENAME, SETATTR, SETXATTR,
    // REMOVEXATTR
    matches!(op, 4 | 6 | 11 | 12 | 14 | 18 | 21 | 28 | 29 | 34 | 73 | 75)
}

/// Whether the server has to keep its reply to these operations: one of them does harm if it is run twice. One that brings file data
/// besides does not fit in the cache of a slot; what stands before a READ must be such that it may be run again, as an OPEN that
/// makes nothing.
pub fn must_keep_reply<O: Ops>(ops: &O) -> bool {
    ops.data_at().is_none() && !ops.each_op(&mut |op| !must_be_cached(op))
}

/// Whether a name has been made, moved or removed, of these operations the first `succeeded` having succeeded. What the server did not want to do
/// behind that must not make it be asked for all of it once more: it would not find the names as they were.
pub fn has_changed_names<O: Ops>(ops: &O, succeeded: u32) -> bool {
    let mut left = succeeded;
    !ops.each_op(&mut |op| {
        let ran = left > 0;
        left = left.saturating_sub(1);
        // CREATE, LINK, REMOVE, RENAME
        !(ran && matches!(op, 6 | 11 | 28 | 29))
    })
}

/// The right to send one call: what its SEQUENCE is to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a slot that is not given back by `done` is lost"]
pub struct SlotGrant {
    /// The slot.
    pub slot: SlotId,
    /// The sequence id.
    pub seqid: u32,
    /// The highest slot in use.
    pub highest_slot: SlotId,
    /// The slot is in doubt: only a lone SEQUENCE may be sent with this grant. Who wants to send
    /// anything else sends that first, and then asks for another grant.
    pub probe: bool,
    /// Which session this is for.
    generation: u32,
}

/// What became of a call.
#[derive(Clone, Copy, Debug)]
pub enum SeqOutcome<'a> {
    /// A reply came, with this result of SEQUENCE.
    Replied(Result<&'a SequenceRes, Status>),
    /// No reply came: time-out, signal, connection given up.
    NoReply {
        /// The call may have reached the server.
        was_sent: bool,
    },
    /// A reply came that could not be understood.
    Malformed,
}

/// What to do about it. The slot has been freed but for [`SeqAction::RetrySameSlot`]; who waits for a
/// slot may be woken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SeqAction {
    /// Nothing: the call is over.
    Done,
    /// Send the same call again with the same grant, after a while.
    RetrySameSlot {
        /// How long to wait, in milliseconds.
        after_ms: u32,
    },
    /// Get a new grant and send the call again, after a while.
    RetryNewSlot {
        /// How long to wait, in milliseconds; 0 unless it has come to this many times in a row.
        after_ms: u32,
        /// The server has run the call but has not kept the reply. Only for calls that were sent
        /// without `cache_this`, so harmless to run twice.
        executed: bool,
    },
    /// The session is lost: reset it, then send the call again with a new grant.
    ResetSession,
    /// Bind the connection to the session, then send the call again with a new grant.
    BindConn,
    /// The server refuses the call as it is.
    Fail(Status),
}

#[derive(Clone, Copy)]
struct Slot {
    /// The sequence id of the next call, or of the one in doubt.
    seqid: u32,
    /// How many times in a row the server said DELAY.
    delays: u32,
}

/// The slots of one session.
pub struct SlotTable {
    slots: [Slot; MAX_SLOTS as usize],
    /// Bit n: slot n has a call in flight.
    used: u64,
    /// Bit n: the connection broke under slot n's call, which waits for another. So it is not in flight.
    parked: u64,
    /// Bit n: slot n is in doubt.
    doubt: u64,
    /// Slots that the server allows and likes to see used; at least one.
    limit: u32,
    /// How many times without a success a call had to be sent again with another grant.
    retries: u32,
    generation: u32,
    draining: bool,
}

impl SlotTable {
    /// The table before there is a session: one slot, and draining.
    pub const fn new() -> Self {
        Self {
            slots: [Slot {
                seqid: 1,
                delays: 0,
            }; MAX_SLOTS as usize],
            used: 0,
            parked: 0,
            doubt: 0,
            limit: 1,
            retries: 0,
            generation: 0,
            draining: true,
        }
    }

    /// A new session with `slots` slots. Calls of the former session that are still in flight find out
    /// by themselves: their [`done`](Self::done) no longer touches a slot.
    pub fn reset(&mut self, slots: u32) {
        *self = Self {
            limit: slots.clamp(1, MAX_SLOTS),
            generation: self.generation.wrapping_add(1),
            draining: self.draining,
            ..Self::new()
        };
    }

    /// A free slot, the lowest possible; `None` if there is none or the table is draining.
    ///
    /// `privileged` is recovery itself, which must not wait for what waits for it: it passes a draining
    /// table. `lone` is for a call that is nothing but SEQUENCE: it gets a slot in doubt if there is one.
    pub fn alloc(&mut self, privileged: bool, lone: bool) -> Option<SlotGrant> {
        if self.draining && !privileged {
            return None;
        }
        let free = !self.used & (u64::MAX >> (MAX_SLOTS - self.limit));
        let doubtful = free & self.doubt;
        let known = free & !self.doubt;
        let slots = if known == 0 || (lone && doubtful != 0) {
            doubtful
        } else {
            known
        };
        if slots == 0 {
            return None;
        }
        let slot = slots.trailing_zeros();
        self.used |= 1 << slot;
        Some(SlotGrant {
            slot: SlotId(slot),
            seqid: self.slot(slot).seqid,
            highest_slot: SlotId(u64::BITS - 1 - self.used.leading_zeros()),
            probe: self.doubt & (1 << slot) != 0,
            generation: self.generation,
        })
    }

    /// Stops handing out slots but to recovery.
    pub fn begin_drain(&mut self) {
        self.draining = true;
    }

    /// Nothing is in flight.
    pub fn is_drained(&self) -> bool {
        self.used & !self.parked == 0
    }

    /// The connection broke before the reply came: the call keeps its slot, so that the same request can be sent again and a
    /// server that has run it answers from its cache. A drain does not wait for it.
    pub fn park(&mut self, grant: SlotGrant) {
        if grant.generation == self.generation {
            self.parked |= 1 << grant.slot.0;
            // Until the server has answered: DELAY in the middle, for the request that it is still at, does not settle it.
            self.doubt |= 1 << grant.slot.0;
        }
    }

    /// The call is about to be sent again. `false`: its session is no more, and so is its slot.
    #[must_use = "a call whose session is gone needs another slot"]
    pub fn unpark(&mut self, grant: SlotGrant) -> bool {
        let same = grant.generation == self.generation;
        if same {
            self.parked &= !(1 << grant.slot.0);
        }
        same
    }

    /// No slot is free but those that parked calls keep: nobody gets on before one of these does.
    pub fn is_blocked(&self) -> bool {
        let all = u64::MAX >> (MAX_SLOTS - self.limit);
        self.parked != 0 && self.used & all == all
    }

    /// Hands out slots again; who waits for one is to be woken.
    pub fn end_drain(&mut self) {
        self.draining = false;
    }

    /// Only recovery gets slots.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// How many calls are in flight.
    pub fn in_use(&self) -> u32 {
        self.used.count_ones()
    }

    /// How many calls may be in flight.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// A call is over: keeps the slot's books and tells what to do.
    pub fn done(&mut self, grant: SlotGrant, outcome: SeqOutcome<'_>) -> SeqAction {
        if grant.generation != self.generation {
            return Self::done_late(outcome);
        }
        let action = match outcome {
            SeqOutcome::Replied(Ok(res)) => {
                self.accepted(grant);
                self.update_limit(res);
                self.retries = 0;
                SeqAction::Done
            }
            SeqOutcome::Replied(Err(status)) => self.refused(grant, status),
            // The server has played back its reply to the call in doubt, which is longer than a lone
            // SEQUENCE's: that settles it. If it was garbage after all, the next call will be told.
            SeqOutcome::Malformed if grant.probe => {
                self.accepted(grant);
                self.retry_new_slot(false)
            }
            SeqOutcome::NoReply { was_sent: false } => SeqAction::Done,
            SeqOutcome::NoReply { was_sent: true } | SeqOutcome::Malformed => {
                self.doubt |= 1 << grant.slot.0;
                SeqAction::Done
            }
        };
        if !matches!(action, SeqAction::RetrySameSlot { .. }) {
            self.used &= !(1 << grant.slot.0);
            self.parked &= !(1 << grant.slot.0);
            self.slot(grant.slot.0).delays = 0;
        }
        action
    }

    /// A call of a session that is no more.
    fn done_late(outcome: SeqOutcome<'_>) -> SeqAction {
        match outcome {
            SeqOutcome::Replied(Err(status)) => match status {
                Status::DELAY
                | Status::BADSLOT
                | Status::BAD_HIGH_SLOT
                | Status::SEQ_MISORDERED
                | Status::SEQ_FALSE_RETRY
                | Status::BADSESSION
                | Status::DEADSESSION
                | Status::CONN_NOT_BOUND_TO_SESSION => SeqAction::RetryNewSlot {
                    after_ms: 0,
                    executed: false,
                },
                Status::RETRY_UNCACHED_REP => SeqAction::RetryNewSlot {
                    after_ms: 0,
                    executed: true,
                },
                _ => SeqAction::Fail(status),
            },
            SeqOutcome::Replied(Ok(_)) | SeqOutcome::NoReply { .. } | SeqOutcome::Malformed => {
                SeqAction::Done
            }
        }
    }

    /// SEQUENCE failed, so nothing of the call was run (but for RETRY_UNCACHED_REP) and the server's
    /// slot is as it was.
    fn refused(&mut self, grant: SlotGrant, status: Status) -> SeqAction {
        match status {
            Status::DELAY => {
                let slot = self.slot(grant.slot.0);
                let after_ms = backoff::exponential(slot.delays, DELAY_CAP_MS);
                slot.delays = slot.delays.saturating_add(1);
                SeqAction::RetrySameSlot { after_ms }
            }
            Status::RETRY_UNCACHED_REP => {
                self.accepted(grant);
                self.retry_new_slot(true)
            }
            Status::SEQ_FALSE_RETRY => {
                self.accepted(grant);
                self.retry_new_slot(false)
            }
            // The server has taken the slot away; a reply that said so may have been overtaken.
            Status::BADSLOT if grant.slot.0 > 0 => {
                self.limit = self.limit.min(grant.slot.0);
                self.retry_new_slot(false)
            }
            // Out of step for no known reason, or lost: only a new session helps.
            Status::SEQ_MISORDERED
            | Status::BADSLOT
            | Status::BAD_HIGH_SLOT
            | Status::BADSESSION
            | Status::DEADSESSION => SeqAction::ResetSession,
            Status::CONN_NOT_BOUND_TO_SESSION => SeqAction::BindConn,
            // The RFC leaves the slot as it was, but this is not the time to trust in it.
            _ => {
                self.doubt |= 1 << grant.slot.0;
                SeqAction::Fail(status)
            }
        }
    }

    fn retry_new_slot(&mut self, executed: bool) -> SeqAction {
        // As many as there can be calls in flight may have met the same trouble; a server that always
        // finds some waits for us in the end.
        let after_ms = match self.retries / MAX_SLOTS {
            0 => 0,
            n => backoff::exponential(n - 1, DELAY_CAP_MS),
        };
        self.retries = self.retries.saturating_add(1);
        SeqAction::RetryNewSlot { executed, after_ms }
    }

    /// The server has used up the grant's sequence id.
    fn accepted(&mut self, grant: SlotGrant) {
        self.slot(grant.slot.0).seqid = grant.seqid.wrapping_add(1);
        self.doubt &= !(1 << grant.slot.0);
    }

    /// Follows the server's wish. It may be out of date where replies overtake each other: the next
    /// reply puts it right, and a slot that is too high costs one BADSLOT.
    fn update_limit(&mut self, res: &SequenceRes) {
        let highest = res.target_highest_slot.min(res.highest_slot);
        self.limit = highest.0.saturating_add(1).clamp(1, MAX_SLOTS);
    }

    fn slot(&mut self, slot: u32) -> &mut Slot {
        // Each slot number comes from a grant of ours, below the maximum.
        &mut self.slots[(slot % MAX_SLOTS) as usize]
    }
}

impl Default for SlotTable {
    fn default() -> Self {
        Self::new()
    }
}
