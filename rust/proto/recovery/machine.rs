// SPDX-License-Identifier: GPL-2.0

//! The state manager's mind: what is wrong, as bits, and what to do next, as steps.
//!
//! A thread asks for the next [`Step`], does it, and tells how it went; calls of programs tell what
//! they saw. Between these the machine keeps the C client's `NFS4CLNT_*` bits. It differs from the C
//! client's `nfs4_state_manager()` in that
//!
//! * RECLAIM_COMPLETE is a bit of its own, set with each new client id and cleared by nothing but its
//!   success, so it cannot be forgotten;
//! * errors lead where the [table](super::table) says, in the middle of any step; none ends the
//!   machine: it goes on trying, ever slower;
//! * waits start at 1 ms, and the machine alone knows of them: no step sleeps;
//! * a purge needs one EXCHANGE_ID and one CREATE_SESSION, not two of each.
//!
//! Pure: the caller holds a lock around each method. Times are milliseconds of any clock that does not
//! jump.

use super::{
    backoff,
    bits::Bits,
    table::{
        decide,
        decide_malformed,
        decide_no_reply,
        Action,
        Need,
        OpClass,
        StateKind, //
    },
};
use crate::{
    ops::session::seq4_status,
    status::Status, //
};

/// The longest wait between two tries, in milliseconds.
const WAIT_CAP_MS: u32 = 5000;
/// The same where the server asked for it: it may be in its grace period, which does not last for ever.
const DELAY_CAP_MS: u32 = backoff::Backoff::CALL_CAP_MS;
/// How many times in a row a trouble may come before it is one that hurrying does not help against:
/// the wait after a refusal is that of this try at least.
const REFUSED_TRY: u32 = 10;
/// Once a program's call has gone through, the wait after the next trouble is that of this try at most (64 ms): recovery helps. It is
/// not nothing, because a server may have a call succeed now and then, and be no good for all that.
const WORKED_TRY: u32 = 6;
/// The wait after the first failure to connect, in milliseconds.
const PROBE_MS: u32 = 50;
/// The longest wait between two tries to connect, in milliseconds.
const PROBE_CAP_MS: u32 = 400;
/// A connection that breaks again within this time is tried no more eagerly than before, in milliseconds.
const PROBE_QUIET_MS: u64 = 5000;
/// The flags that tell of state that the server has taken away.
const REVOKED: u32 = seq4_status::EXPIRED_ALL_STATE_REVOKED
    | seq4_status::EXPIRED_SOME_STATE_REVOKED
    | seq4_status::ADMIN_STATE_REVOKED
    | seq4_status::RECALLABLE_STATE_REVOKED;
/// The flags that tell of the way of callbacks.
const BACKCHANNEL: u32 =
    seq4_status::CB_PATH_DOWN | seq4_status::CB_PATH_DOWN_SESSION | seq4_status::BACKCHANNEL_FAULT;
/// When such a flag that is still up after all states were tested is believed to tell of more: the wait is first that of this try (256 ms),
/// and in the end the cap.
const RETEST_TRY: u32 = 8;
/// See [`RETEST_TRY`], in milliseconds.
const RETEST_CAP_MS: u32 = 60_000;
/// After so much quiet, in milliseconds and on top of four times the last wait, trouble is new trouble.
const QUIET_MS: u64 = 1000;

/// What the state manager does next.
///
/// From `PurgeState` to `BindConn` and in the two passes over the states the slot table is draining,
/// and the step begins when it is drained.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Nothing to do: end the drain and wake who waits.
    Idle,
    /// Nothing before this many milliseconds have passed. News may shorten the wait to nothing, so ask
    /// again when there are some.
    Wait(u32),
    /// Try to connect, for a second at most. Nobody needs to be kept from sending: who tries finds out by himself.
    Probe,
    /// Choose a new verifier for this client. No call is sent.
    PurgeState,
    /// EXCHANGE_ID.
    ExchangeId,
    /// DESTROY_SESSION of the present session.
    DestroySession,
    /// CREATE_SESSION; then reset the slot table.
    CreateSession,
    /// BIND_CONN_TO_SESSION.
    BindConn,
    /// A lone SEQUENCE.
    CheckLease,
    /// Reclaim the states that are marked for it.
    ReclaimReboot,
    /// RECLAIM_COMPLETE.
    ReclaimComplete,
    /// Test the states that are marked for it, open anew what is gone.
    ReclaimNograce,
}

impl Step {
    /// The step's name: that of its operation or of the bit that it settles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Wait(_) => "WAIT",
            Self::Probe => "PROBE",
            Self::PurgeState => "PURGE_STATE",
            Self::ExchangeId => "EXCHANGE_ID",
            Self::DestroySession => "DESTROY_SESSION",
            Self::CreateSession => "CREATE_SESSION",
            Self::BindConn => "BIND_CONN_TO_SESSION",
            Self::CheckLease => "CHECK_LEASE",
            Self::ReclaimReboot => "RECLAIM_REBOOT",
            Self::ReclaimComplete => "RECLAIM_COMPLETE",
            Self::ReclaimNograce => "RECLAIM_NOGRACE",
        }
    }

    /// The operation whose rows of the table hold for errors of this step. Errors of single states in
    /// the two passes are no errors of the step: those that break it off come as [`Event::Saw`].
    pub const fn class(self) -> OpClass {
        match self {
            Self::ExchangeId => OpClass::ExchangeId,
            Self::DestroySession => OpClass::DestroySession,
            Self::CreateSession => OpClass::CreateSession,
            Self::BindConn => OpClass::BindConn,
            Self::ReclaimReboot => OpClass::OpenReclaim,
            Self::ReclaimComplete => OpClass::ReclaimComplete,
            Self::ReclaimNograce => OpClass::OpenExpired,
            Self::Idle | Self::Wait(_) | Self::Probe | Self::PurgeState | Self::CheckLease => {
                OpClass::Sequence
            }
        }
    }
}

/// Why a step failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The server said so.
    Status(Status),
    /// There was no reply, or no memory to ask.
    NoReply,
    /// There was a reply that could not be understood.
    Malformed,
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// EXCHANGE_ID was successful.
    ClientId {
        /// The server knew this client id already (`EXCHGID4_FLAG_CONFIRMED_R`).
        confirmed: bool,
        /// The server's scope is not that of the last time: handles and state mean nothing to it.
        scope_changed: bool,
    },
    /// This step was successful. A pass is, when no state has its mark any more.
    Done(Step),
    /// This step failed.
    Failed(Step, Failure),
    /// A call came upon [`Action::Recover`]. In a pass over the states: the pass was broken off.
    Saw(Need),
    /// A state has been marked to be tested and opened anew; told after it was marked.
    MarkedNograce,
    /// SEQUENCE was successful in a call that was not privileged, and had these status flags. To be told where there are any, and
    /// while the machine [is uneasy](Machine::is_uneasy).
    SequenceFlags(u32),
    /// No renewal was successful for longer than the lease.
    LeaseLapsed,
    /// The connection broke. It is to be made again at once, also when nobody wants to send anything: the server may have
    /// restarted, and what is open on it has to be reclaimed while there is time.
    Disconnected,
}

/// What the caller has to do with its states at once, before the next step.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mark {
    /// Nothing.
    #[default]
    None,
    /// All states to be reclaimed. Those that are marked to be opened anew were lost before the server
    /// restarted: they keep that mark.
    Reboot,
    /// All states to be tested and opened anew where they are gone.
    Nograce,
    /// The states that are still marked to be reclaimed: to be opened anew. (If there are any, the caller
    /// tells by [`Event::MarkedNograce`].)
    EndReboot,
}

/// What came of taking note of something.
#[derive(Default)]
struct Noted {
    /// It was not known before.
    news: bool,
    mark: Mark,
}

/// The wait after failure number `n` (from 0) to connect, in milliseconds.
fn probe_wait(n: u32) -> u32 {
    PROBE_MS.saturating_mul(1 << n.min(8)).min(PROBE_CAP_MS)
}

/// The state manager's mind.
#[derive(Clone, Debug)]
pub struct Machine {
    bits: Bits,
    /// The connection is to carry callbacks.
    backchannel: bool,
    /// Status flags that have been dealt with: a server keeps them up until all is settled.
    flags: u32,
    /// How many passes in a row have left a flag up that tells of revoked state.
    retests: u32,
    /// From when on such a flag means that more was revoked meanwhile; 0: it was not seen by a pass yet.
    retest_ms: u64,
    /// How many troubles in a row.
    troubles: u32,
    /// When the last one was.
    trouble_ms: u64,
    /// No step before this time.
    not_before_ms: u64,
    /// How many times in a row there was no connection to be had, or it broke soon.
    probes: u32,
    /// When the last connection was made.
    connected_ms: u64,
    /// No try to connect before this time.
    probe_ms: u64,
    /// States were marked since the last pass over them ended: it may have gone by them already.
    marked: bool,
    /// Why the server refuses what we cannot do without.
    refused: Option<Failure>,
}

impl Machine {
    /// A client that has nothing yet. `backchannel`: the session is to carry callbacks.
    pub const fn new(backchannel: bool) -> Self {
        Self {
            bits: Bits::LEASE_EXPIRED,
            backchannel,
            flags: 0,
            retests: 0,
            retest_ms: 0,
            troubles: 0,
            trouble_ms: 0,
            not_before_ms: 0,
            probes: 0,
            connected_ms: 0,
            probe_ms: 0,
            marked: false,
            refused: None,
        }
    }

    /// Those of the status flags of a SEQUENCE that are of interest: without callbacks nothing that is said of their ways is, and a server says
    /// so with each reply.
    #[inline]
    pub const fn heeded(flags: u32, backchannel: bool) -> u32 {
        match backchannel {
            true => flags,
            false => flags & !BACKCHANNEL,
        }
    }

    /// The bits, for who wants to see.
    pub fn bits(&self) -> Bits {
        self.bits
    }

    /// All that must be there for a program's call is there.
    pub fn is_idle(&self) -> bool {
        self.todo() == Step::Idle
    }

    /// The success of a program's call, even without status flags, is of interest: there was trouble lately, or flags are up.
    pub fn is_uneasy(&self) -> bool {
        self.troubles > WORKED_TRY || self.flags != 0
    }

    /// A new open may be sent: it would not be refused because RECLAIM_COMPLETE is missing.
    pub fn may_open(&self) -> bool {
        const UNFIT: Bits = Bits::PURGE_STATE
            .or(Bits::LEASE_EXPIRED)
            .or(Bits::SESSION_RESET)
            .or(Bits::RECLAIM_REBOOT)
            .or(Bits::RECLAIM_COMPLETE);
        !self.bits.any(UNFIT)
    }

    /// The last step was refused for a reason that time alone will not mend. A mount fails with it; a
    /// mounted client goes on trying.
    pub fn refused(&self) -> Option<Failure> {
        self.refused
    }

    /// A call whose connection broke may be sent again: there is another, and the server knows the session.
    pub fn may_resend(&self) -> bool {
        const UNFIT: Bits = Bits::CONN_LOST
            .or(Bits::PURGE_STATE)
            .or(Bits::LEASE_EXPIRED)
            .or(Bits::SESSION_RESET)
            .or(Bits::BIND_CONN_TO_SESSION)
            .or(Bits::CHECK_LEASE);
        !self.bits.any(UNFIT)
    }

    /// After a [`Step::Probe`] without an answer: whether to begin anew. A server that is down does not even refuse, and TCP
    /// asks it ever more rarely; to notice its return, ask anew each second. Now and then not, for who is a long way off.
    pub fn connects_anew(&self) -> bool {
        self.probes % 8 < 6
    }

    /// The next step, at time `now_ms`.
    pub fn step(&self, now_ms: u64) -> Step {
        let todo = self.todo();
        let not_before = match todo {
            Step::Probe => self.probe_ms,
            _ => self.not_before_ms,
        };
        let wait = not_before.saturating_sub(now_ms);
        match todo {
            Step::Idle => Step::Idle,
            step if wait == 0 => step,
            _ => Step::Wait(u32::try_from(wait).unwrap_or(WAIT_CAP_MS)),
        }
    }

    /// What is to be done, waits aside; never [`Step::Wait`].
    pub fn todo(&self) -> Step {
        let has = |bit| self.bits.has(bit);
        if has(Bits::CONN_LOST) {
            Step::Probe
        } else if has(Bits::PURGE_STATE) {
            Step::PurgeState
        } else if has(Bits::LEASE_EXPIRED) && !has(Bits::LEASE_CONFIRM) {
            Step::ExchangeId
        } else if has(Bits::LEASE_EXPIRED) || has(Bits::SESSION_RESET) {
            match has(Bits::HAS_SESSION) {
                true => Step::DestroySession,
                false => Step::CreateSession,
            }
        } else if has(Bits::BIND_CONN_TO_SESSION) {
            Step::BindConn
        } else if has(Bits::CHECK_LEASE) {
            Step::CheckLease
        } else if has(Bits::RECLAIM_REBOOT) {
            Step::ReclaimReboot
        } else if has(Bits::RECLAIM_COMPLETE) {
            Step::ReclaimComplete
        } else if has(Bits::RECLAIM_NOGRACE) {
            Step::ReclaimNograce
        } else {
            Step::Idle
        }
    }

    /// Takes note of an event at time `now_ms`, and tells what is to be done with the states. If the
    /// machine was idle and no longer is, the state manager is to be started.
    pub fn event(&mut self, now_ms: u64, event: Event) -> Mark {
        match event {
            Event::ClientId {
                confirmed,
                scope_changed,
            } => self.client_id(confirmed, scope_changed),
            Event::Done(Step::Probe) => self.connected(now_ms),
            Event::Failed(Step::Probe, _) => self.not_connected(now_ms),
            Event::Done(step) => self.done(now_ms, step),
            Event::Failed(step, failure) => self.failed(now_ms, step, failure),
            Event::Saw(need) => {
                let noted = self.need(need);
                self.trouble(now_ms, noted)
            }
            Event::MarkedNograce => {
                // No trouble of the client's: who marks states over and over slows down by itself.
                self.note(Bits::RECLAIM_NOGRACE, Mark::None).mark
            }
            Event::SequenceFlags(flags) => self.sequence_flags(now_ms, flags),
            Event::LeaseLapsed => {
                let noted = self.need(Need::Lease);
                self.trouble(now_ms, noted)
            }
            Event::Disconnected => self.disconnected(now_ms),
        }
    }

    fn disconnected(&mut self, now_ms: u64) -> Mark {
        if !self.bits.has(Bits::CONN_LOST) {
            self.bits.set(Bits::CONN_LOST);
            // At once, unless the last connection did not last.
            if now_ms.saturating_sub(self.connected_ms) > PROBE_QUIET_MS {
                self.probes = 0;
            }
            self.probe_ms = match self.probes {
                0 => now_ms,
                n => now_ms.saturating_add(probe_wait(n - 1).into()),
            };
            self.probes = self.probes.saturating_add(1);
        }
        Mark::None
    }

    fn not_connected(&mut self, now_ms: u64) -> Mark {
        let wait = probe_wait(self.probes.saturating_sub(1));
        self.probes = self.probes.saturating_add(1);
        self.probe_ms = now_ms.saturating_add(wait.into());
        Mark::None
    }

    /// There is a connection. What the server knows of us is to be found out, and that at once: what did not answer may answer
    /// now.
    fn connected(&mut self, now_ms: u64) -> Mark {
        self.bits.clear(Bits::CONN_LOST);
        self.bits.set(Bits::CHECK_LEASE);
        self.connected_ms = now_ms;
        self.not_before_ms = self.not_before_ms.min(now_ms);
        Mark::None
    }

    /// EXCHANGE_ID was successful.
    fn client_id(&mut self, confirmed: bool, scope_changed: bool) -> Mark {
        self.bits.set(Bits::LEASE_CONFIRM);
        self.refused = None;
        if scope_changed {
            self.bits.set(Bits::NO_RECLAIM);
        }
        if confirmed {
            // The server has what it had. Its old session goes before there is a new one.
            return Mark::None;
        }
        // Sessions went with the client id that they belonged to.
        self.bits.clear(Bits::HAS_SESSION);
        self.bits.set(Bits::RECLAIM_COMPLETE);
        if self.bits.has(Bits::NO_RECLAIM) {
            self.bits.clear(Bits::RECLAIM_REBOOT);
            self.note(Bits::RECLAIM_NOGRACE, Mark::Nograce).mark
        } else {
            self.bits.set(Bits::RECLAIM_REBOOT);
            Mark::Reboot
        }
    }

    fn done(&mut self, now_ms: u64, step: Step) -> Mark {
        self.refused = None;
        match step {
            Step::PurgeState => {
                self.bits.clear(Bits::PURGE_STATE.or(Bits::LEASE_CONFIRM));
                self.bits.set(Bits::LEASE_EXPIRED.or(Bits::NO_RECLAIM));
            }
            Step::DestroySession => self.bits.clear(Bits::HAS_SESSION),
            Step::CreateSession => {
                // A new session needs no other help, and its flags speak anew.
                self.bits.clear(
                    Bits::LEASE_EXPIRED
                        .or(Bits::LEASE_CONFIRM)
                        .or(Bits::NO_RECLAIM)
                        .or(Bits::SESSION_RESET)
                        .or(Bits::BIND_CONN_TO_SESSION)
                        .or(Bits::CHECK_LEASE),
                );
                self.bits.set(Bits::HAS_SESSION);
                self.flags = 0;
            }
            Step::BindConn => self.bits.clear(Bits::BIND_CONN_TO_SESSION),
            Step::CheckLease => self.bits.clear(Bits::CHECK_LEASE),
            Step::ReclaimReboot => {
                self.bits.clear(Bits::RECLAIM_REBOOT);
                return Mark::EndReboot;
            }
            Step::ReclaimComplete => self.bits.clear(Bits::RECLAIM_COMPLETE),
            // Who marks a state tells so afterwards: where that happened since, another pass finds them.
            Step::ReclaimNograce => {
                if !core::mem::take(&mut self.marked) {
                    self.bits.clear(Bits::RECLAIM_NOGRACE);
                }
                let wait = backoff::exponential(self.retests + RETEST_TRY, RETEST_CAP_MS);
                self.retest_ms = now_ms.saturating_add(wait.into());
            }
            // EXCHANGE_ID has more to tell: it comes as `Event::ClientId`.
            Step::ExchangeId | Step::Probe | Step::Idle | Step::Wait(_) => (),
        }
        Mark::None
    }

    fn failed(&mut self, now_ms: u64, step: Step, failure: Failure) -> Mark {
        let class = step.class();
        let action = match failure {
            Failure::Status(status) => decide(status, class, StateKind::None),
            Failure::NoReply => decide_no_reply(class),
            Failure::Malformed => decide_malformed(class),
        };
        match action {
            Action::Done if step != Step::ExchangeId => return self.done(now_ms, step),
            Action::Recover(need) => {
                // What the step was for is still to be done: its own bit stays.
                self.slow_down(now_ms, WAIT_CAP_MS);
                return self.need(need).mark;
            }
            Action::Fail => {
                self.refused = Some(failure);
                // If it was CREATE_SESSION: a client id that was not confirmed is as good as none.
                self.bits.clear(Bits::LEASE_CONFIRM);
                self.troubles = self.troubles.max(REFUSED_TRY);
            }
            // The server does not let go of the session: let it keep it.
            _ if step == Step::DestroySession && self.troubles >= REFUSED_TRY => {
                return self.done(now_ms, step);
            }
            Action::Delay | Action::DelayThenFail if matches!(failure, Failure::Status(_)) => {
                self.slow_down(now_ms, DELAY_CAP_MS);
                return Mark::None;
            }
            _ => (),
        }
        self.slow_down(now_ms, WAIT_CAP_MS);
        Mark::None
    }

    /// Notes what is needed.
    fn need(&mut self, need: Need) -> Noted {
        match need {
            Need::Lease => self.note(Bits::CHECK_LEASE, Mark::None),
            Need::Session => self.note(Bits::SESSION_RESET, Mark::None),
            Need::BindConn => self.note(Bits::BIND_CONN_TO_SESSION, Mark::None),
            Need::NewClient => {
                self.bits.clear(Bits::LEASE_CONFIRM);
                self.note(Bits::LEASE_EXPIRED, Mark::None)
            }
            Need::Expired => {
                self.bits.clear(Bits::LEASE_CONFIRM);
                let bits = Bits::LEASE_EXPIRED.or(Bits::NO_RECLAIM);
                self.note(bits.or(Bits::RECLAIM_NOGRACE), Mark::Nograce)
            }
            Need::Purge => self.note(Bits::PURGE_STATE, Mark::None),
        }
    }

    fn note(&mut self, bits: Bits, mark: Mark) -> Noted {
        let news = !self.bits.has(bits);
        // The first marks are found by the first pass: only later ones need another.
        self.marked |= bits.has(Bits::RECLAIM_NOGRACE) && self.bits.has(Bits::RECLAIM_NOGRACE);
        self.bits.set(bits);
        Noted { news, mark }
    }

    /// Somebody other than a step brings a trouble. Many calls may bring the same one: it counts when it
    /// is news.
    fn trouble(&mut self, now_ms: u64, noted: Noted) -> Mark {
        if noted.news {
            self.slow_down(now_ms, WAIT_CAP_MS);
        }
        noted.mark
    }

    /// One more trouble: the next step waits twice as long as after the one before, unless that one is
    /// long ago. Success of a step is no reason to forget: a server may well give a session and then
    /// not know it, over and over. That of a program's call is one (`WORKED_TRY`).
    fn slow_down(&mut self, now_ms: u64, cap_ms: u32) {
        let last_wait = backoff::exponential(self.troubles.saturating_sub(1), WAIT_CAP_MS);
        let quiet = QUIET_MS + 4 * u64::from(last_wait);
        if now_ms.saturating_sub(self.trouble_ms) > quiet && self.refused.is_none() {
            self.troubles = 0;
        }
        let wait = backoff::exponential(self.troubles, cap_ms);
        self.troubles = self.troubles.saturating_add(1);
        self.trouble_ms = now_ms;
        self.not_before_ms = now_ms.saturating_add(wait.into());
    }

    fn sequence_flags(&mut self, now_ms: u64, flags: u32) -> Mark {
        const CB_PATH: u32 = seq4_status::CB_PATH_DOWN | seq4_status::CB_PATH_DOWN_SESSION;

        let flags = Self::heeded(flags, self.backchannel);
        if self.is_idle() {
            self.troubles = self.troubles.min(WORKED_TRY);
        }
        // A flag stays up until all that it speaks of is settled, so it is news only when it rises.
        let mut news = flags & !self.flags;
        if flags & REVOKED == 0 {
            self.retests = 0;
            self.retest_ms = 0;
        } else if self.retest_ms != 0 && now_ms >= self.retest_ms {
            // What was revoked has been freed: this is something else. Or the server says so of nothing; then ever more rarely.
            self.retests = self.retests.saturating_add(1).min(RETEST_TRY);
            self.retest_ms = 0;
            news |= flags & REVOKED;
        }
        self.flags = flags;
        let mut noted = Noted::default();
        if news & seq4_status::RESTART_RECLAIM_NEEDED != 0 && !self.bits.has(Bits::RECLAIM_COMPLETE)
        {
            // Session and client id have outlived the server, state has not.
            let bits = Bits::RECLAIM_REBOOT.or(Bits::RECLAIM_COMPLETE);
            noted = self.note(bits, Mark::Reboot);
        } else if news & REVOKED != 0 {
            // Something was revoked, all of it perhaps: the stateids themselves can tell. (The C client
            // gives up every lock of every file here, and of the last but one its whole client id.)
            noted = self.note(Bits::RECLAIM_NOGRACE, Mark::Nograce);
        }
        if news & seq4_status::BACKCHANNEL_FAULT != 0 {
            noted.news |= self.need(Need::Session).news;
        }
        if news & CB_PATH != 0 {
            noted.news |= self.need(Need::BindConn).news;
        }
        self.trouble(now_ms, noted)
    }
}
