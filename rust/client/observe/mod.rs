// SPDX-License-Identifier: GPL-2.0

//! The client tells of itself: each thing that happens to a client is said in one place, and counted, written on the time line
//! and, where an administrator must know, in the kernel's log from here.
//!
//! All of it may be called with spinlocks held; the lock here is the innermost.
//!
//! [`debugfs`], and /proc/self/mountstats with [`iostats`], are where it is read; [`stats`] and [`timeline`] is what it is kept in.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};
use rnfs4_proto::{
    recovery::{
        bits::Bits,
        machine::{
            Event,
            Failure,
            Machine,
            Step, //
        },
        table::Need, //
    },
    status::Status, //
};

use self::{
    stats::{
        Counter,
        Stats, //
    },
    timeline::{
        Entry,
        Happening,
        Recovered,
        Timeline, //
    },
};
use super::nfs_client::Client;
use crate::sys::{
    ratelimit::RateLimit,
    time::now_ms,
    trace, //
};

pub(super) mod debugfs;
pub(super) mod iostats;
pub(super) mod stats;
pub(super) mod timeline;

/// The recovery that is going on.
#[derive(Clone, Copy)]
struct Current {
    begun_ms: u64,
    /// What had been recovered before it.
    before: Recovered,
    /// It is that of a client that makes itself known for the first time.
    first: bool,
    /// The server had restarted.
    restart: bool,
    /// What had been recovered before the pass that is going on.
    pass: Recovered,
}

struct Inner {
    timeline: Timeline,
    current: Option<Current>,
}

/// What a client knows of its own past.
#[pin_data]
pub(crate) struct Observer {
    stats: Stats,
    /// For lines about single files.
    #[pin]
    file_lines: RateLimit,
    /// For lines about the client.
    #[pin]
    lines: RateLimit,
    #[pin]
    inner: SpinLock<Inner>,
}

impl Observer {
    /// Of a client that has just been made. May sleep.
    pub(super) fn new() -> Result<impl PinInit<Self>> {
        let inner = Inner {
            timeline: Timeline::new()?,
            // A client begins by making itself known.
            current: Some(Current {
                begun_ms: now_ms(),
                before: Recovered::default(),
                first: true,
                restart: false,
                pass: Recovered::default(),
            }),
        };
        Ok(pin_init!(Self {
            stats: Stats::new(),
            file_lines <- RateLimit::new(),
            lines <- RateLimit::new(),
            inner <- new_spinlock!(inner),
        }))
    }

    /// The counters.
    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// A copy of the time line, the oldest entry first. May sleep.
    pub(super) fn timeline(&self) -> Result<KVVec<Entry>> {
        let mut copy = Timeline::room()?;
        self.inner.lock().timeline.copy(&mut copy);
        Ok(copy)
    }

    fn recovered(&self) -> Recovered {
        let get = |counter| self.stats.get(counter);
        Recovered {
            opens: get(Counter::OpensReclaimed),
            locks: get(Counter::LocksReclaimed),
            reopened: get(Counter::OpensReopened),
            failed: get(Counter::OpensFailed),
            locks_lost: get(Counter::LocksLost),
        }
    }
}

/// What an event counts as.
fn counter_of(event: Event) -> Option<Counter> {
    match event {
        Event::ClientId { .. } => Some(Counter::ExchangeIds),
        Event::Done(Step::CreateSession) => Some(Counter::Sessions),
        Event::Done(Step::BindConn) => Some(Counter::Binds),
        Event::Done(Step::CheckLease) => Some(Counter::LeaseChecks),
        Event::Done(Step::ReclaimComplete) => Some(Counter::ReclaimCompletes),
        // While the server is away these come twice a second, and say nothing new.
        Event::Failed(Step::Probe, _) => None,
        Event::Failed(step, _) if step != Step::Probe => Some(Counter::StepsFailed),
        _ => None,
    }
}

/// How a step failed, as the tracepoints have it.
fn failed_with(failure: Failure) -> i32 {
    match failure {
        Failure::Status(status) => status.0 as i32,
        Failure::NoReply => EIO.to_errno(),
        Failure::Malformed => EBADMSG.to_errno(),
    }
}

/// A log line about a client, if there have not been too many under this limit.
macro_rules! say {
    ($client:expr, $limit:ident, $pr:ident, $fmt:literal $(, $arg:expr)* $(,)?) => {
        if $client.observer.$limit.allow() {
            $pr!("{}: {}\n", $client.name(), format_args!($fmt $(, $arg)*));
        }
    };
}

impl Client {
    /// Counts something. Any context.
    pub(crate) fn count(&self, counter: Counter) {
        self.count_many(counter, 1);
    }

    /// The same, `n` times.
    pub(crate) fn count_many(&self, counter: Counter, n: u64) {
        self.observer.stats.add(counter, n);
    }

    /// Writes something on the time line.
    fn happened(&self, what: Happening) {
        self.observer.inner.lock().timeline.note(now_ms(), what);
    }

    /// An operation of a program's call, or of recovery's, got this answer.
    pub(crate) fn operation_status(&self, status: Status) {
        match status {
            Status::DELAY => self.count(Counter::Delays),
            Status::GRACE => self.count(Counter::Graces),
            Status::BAD_STATEID
            | Status::OLD_STATEID
            | Status::STALE_STATEID
            | Status::EXPIRED
            | Status::ADMIN_REVOKED => self.count(Counter::BadStateids),
            _ => {}
        }
    }

    /// SEQUENCE got this answer.
    pub(crate) fn sequence_status(&self, status: Status) {
        self.count(Counter::SequenceErrors);
        trace::sequence_error(self.name(), status.0);
        self.operation_status(status);
    }

    /// An open state is lost for good: its contexts are bad. `status` is the server's last word, if it said any.
    pub(crate) fn context_bad(&self, fileid: u64, status: Status) {
        self.count(Counter::OpensFailed);
        trace::context_bad(self.name(), fileid, status.0 as i32);
        self.happened(Happening::ContextBad {
            fileid,
            status,
            count: 1,
        });
        say!(
            self,
            file_lines,
            pr_warn,
            "open of file {} could not be recovered ({}): writes to it fail with EBADF",
            fileid,
            status,
        );
    }

    /// Process `pid` has lost a lock for good.
    pub(crate) fn lock_lost(&self, fileid: u64, pid: i32) {
        self.count(Counter::LocksLost);
        trace::lock_lost(self.name(), fileid);
        self.happened(Happening::LockLost { fileid, count: 1 });
        say!(
            self,
            file_lines,
            pr_warn,
            "lock of process {} on file {} was lost: its reads and writes there fail with EIO until it unlocks",
            pid,
            fileid,
        );
    }

    /// The state manager begins a step.
    pub(super) fn step_begun(&self, step: Step) {
        // A server that is down is tried several times a second, which is no news.
        if step == Step::Probe {
            return;
        }
        trace::step_begin(self.name(), step.name());
        let now = now_ms();
        let mut inner = self.observer.inner.lock();
        inner.timeline.note(now, Happening::StepBegun(step));
        let recovered = self.observer.recovered();
        if let Some(current) = inner.current.as_mut() {
            current.restart |= step == Step::ReclaimReboot;
            current.pass = recovered;
        }
    }

    /// The machine has taken note of `event`; `was` are its bits before that. Called under its lock, so that what is written
    /// down has the order in which it happened.
    pub(super) fn observe(&self, event: Event, was: Bits, was_idle: bool, machine: &Machine) {
        let now = now_ms();
        let (is, is_idle) = (machine.bits(), machine.is_idle());
        if let Some(counter) = counter_of(event) {
            self.count(counter);
        }
        let news = is.minus(was);
        match event {
            Event::Saw(Need::Session) if news != Bits::NONE => self.count(Counter::SessionsLost),
            Event::Disconnected if news != Bits::NONE => self.count(Counter::ConnectionBreaks),
            _ => {}
        }
        let mut inner = self.observer.inner.lock();
        let what = match event {
            Event::Disconnected if news != Bits::NONE => Some(Happening::ConnectionLost),
            Event::Done(Step::Probe) => Some(Happening::ConnectionBack),
            Event::Failed(Step::Probe, _) => None,
            Event::Done(step) => {
                trace::step_end(self.name(), step.name(), 0);
                Some(Happening::StepDone(step))
            }
            Event::Failed(step, failure) => {
                trace::step_end(self.name(), step.name(), failed_with(failure));
                Some(Happening::StepFailed(step, failure))
            }
            Event::ClientId { confirmed, .. } => {
                trace::step_end(self.name(), Step::ExchangeId.name(), 0);
                inner
                    .timeline
                    .note(now, Happening::StepDone(Step::ExchangeId));
                Some(Happening::ClientId { new: !confirmed })
            }
            Event::SequenceFlags(flags) if news != Bits::NONE => {
                trace::sequence_flags(self.name(), flags);
                Some(Happening::SequenceFlags(flags))
            }
            _ => None,
        };
        let recovered = self.observer.recovered();
        if let (Event::Done(Step::ReclaimReboot | Step::ReclaimNograce), Some(current)) =
            (event, inner.current)
        {
            let sum = recovered.since(current.pass);
            inner.timeline.note(now, Happening::Pass(sum));
        }
        if let Some(what) = what {
            inner.timeline.note(now, what);
        }
        if news != Bits::NONE {
            trace::trouble(self.name(), news.raw().into());
        }
        match (was_idle, is_idle) {
            (true, false) => {
                inner.timeline.note(now, Happening::Trouble(news));
                inner.current = Some(Current {
                    begun_ms: now,
                    before: recovered,
                    first: false,
                    restart: false,
                    pass: recovered,
                });
            }
            // What a step brings is told by the step.
            (false, false) if news != Bits::NONE && what.is_none() => {
                inner.timeline.note(now, Happening::More(news));
            }
            (false, true) => {
                if let Some(current) = inner.current.take() {
                    let after_ms = now.saturating_sub(current.begun_ms);
                    inner.timeline.note(now, Happening::Well { after_ms });
                    drop(inner);
                    self.recovered(current, recovered.since(current.before), after_ms);
                    return;
                }
            }
            _ => {}
        }
        drop(inner);
        if let Event::ClientId {
            confirmed: false, ..
        } = event
        {
            self.new_client_id();
        }
    }

    fn new_client_id(&self) {
        self.count(Counter::ClientIds);
        if self.is_established() {
            say!(
                self,
                lines,
                pr_notice,
                "the server does not know this client any more: all state has to be recovered"
            );
        }
    }

    /// A recovery has ended.
    fn recovered(&self, current: Current, sum: Recovered, after_ms: u64) {
        trace::recovered(
            self.name(),
            &trace::Recovered {
                ms: after_ms,
                opens: sum.opens,
                locks: sum.locks,
                reopened: sum.reopened,
                failed: sum.failed,
                locks_lost: sum.locks_lost,
            },
        );
        if current.first {
            return;
        }
        self.count(Counter::Recoveries);
        if current.restart {
            self.count(Counter::Restarts);
        }
        if current.restart && sum != Recovered::default() {
            say!(
                self,
                lines,
                pr_notice,
                "reclaimed {} opens, {} locks in {} ms after a restart of the server; opened anew: {}, lost: {} opens, {} locks",
                sum.opens,
                sum.locks,
                after_ms,
                sum.reopened,
                sum.failed,
                sum.locks_lost,
            );
        } else if sum.reopened > 0 || sum.failed > 0 || sum.locks_lost > 0 {
            say!(
                self,
                lines,
                pr_notice,
                "recovered in {} ms: {} opens opened anew, lost: {} opens, {} locks",
                after_ms,
                sum.reopened,
                sum.failed,
                sum.locks_lost,
            );
        }
    }
}
