// SPDX-License-Identifier: GPL-2.0

//! The session's slots: hand-off from call to call, and the drain before recovery. Mirrors
//! `rust/client/session.rs`: `acquire`, `done`, `release`, `begin_drain`, `wait_drained`, `end_drain`;
//! each `self.inner.lock()` there is one step here, each wake-up another.

use super::{Ran, System};

/// What the model may get wrong, to see that it would be noticed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Slip {
    No,
    /// `acquire` lets go of the lock before the task is on the queue.
    SleepUnlocked,
    /// `done` does not count the call as finishing.
    NoFinishing,
    /// `done` wakes the queue before it frees the slot.
    WakeFirst,
    /// `end_drain` wakes all before the drain has ended.
    WakeBeforeEnd,
    /// A call that never went out gives its slot back and wakes nobody.
    SilentRelease,
    /// `release` wakes who drains before it has uncounted the call.
    DrainedFirst,
    /// Who is woken for a slot and is killed does not pass the wake-up on.
    KilledKeepsWake,
    /// `done` wakes one task where the server allows several slots more.
    GrowthWakesOne,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum At {
    /// Before `acquire`.
    Start,
    /// Has found no slot, is not yet on the queue (only with a slip).
    ToSleep,
    Sleeping,
    /// Holds a slot; the call is with the server.
    Sent,
    /// `done` has told the table, and wakes the next, or all where the limit has grown.
    Told(bool),
    /// The reply is being acted on.
    Acting,
    /// `release` has uncounted; wakes who drains if that is due.
    Released(bool),
    /// A call that never went out: wakes the next.
    Unsent,
    /// Woken and killed: passes the wake-up on.
    PassOn,
    End,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Manager {
    Begin,
    /// `wait_drained`: looks.
    Look,
    /// On the `drained` queue; looks once more before it sleeps.
    Queued,
    Sleeping,
    /// All is drained: recovery's own call.
    Alone,
    OwnCall,
    EndDrain,
    WakeAll,
    End,
}

/// Calls of programs, as many as there are threads but one, and the state manager.
pub const CALLS: usize = 3;

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Slots {
    pub slip: Slip,
    /// One call is killed at some time while it has no slot.
    pub kill: bool,
    limit: usize,
    /// The first reply raises the limit to this.
    grows_to: usize,
    used: usize,
    finishing: usize,
    draining: bool,
    /// `slot_queue`, in its order.
    queue: Vec<usize>,
    /// The manager is on the `drained` queue.
    waits: bool,
    calls: [At; CALLS],
    /// This call may still be killed.
    killable: bool,
    killed: [bool; CALLS],
    manager: Manager,
    /// With `WakeFirst`, `WakeBeforeEnd`, `DrainedFirst`: the wake-up has been given.
    early: [bool; CALLS + 1],
}

impl Slots {
    pub fn new(limit: usize, recovery: bool, kill: bool, slip: Slip) -> Self {
        Self {
            slip,
            kill,
            limit,
            grows_to: limit,
            used: 0,
            finishing: 0,
            draining: false,
            queue: Vec::new(),
            waits: false,
            calls: [At::Start; CALLS],
            killable: kill,
            killed: [false; CALLS],
            manager: if recovery {
                Manager::Begin
            } else {
                Manager::End
            },
            early: [false; CALLS + 1],
        }
    }

    /// The server will allow as many slots as there are calls.
    pub fn growing(self) -> Self {
        Self {
            grows_to: CALLS,
            ..self
        }
    }

    /// A slot lies idle that somebody sleeps for, and nobody is on the way to it.
    fn is_idle(&self) -> bool {
        let free = !self.draining && self.used < self.limit && !self.queue.is_empty();
        let coming = |at: &At| {
            matches!(
                at,
                At::Start | At::ToSleep | At::Told(_) | At::Unsent | At::PassOn
            )
        };
        free && !self.calls.iter().any(coming) && self.manager != Manager::WakeAll
    }

    fn is_drained(&self) -> bool {
        self.used == 0 && self.finishing == 0
    }

    fn wake(&mut self, call: usize) {
        self.calls[call] = At::Start;
    }

    fn wake_next(&mut self) {
        if !self.queue.is_empty() {
            let call = self.queue.remove(0);
            self.wake(call);
        }
    }

    fn wake_all(&mut self) {
        while !self.queue.is_empty() {
            self.wake_next();
        }
    }

    fn wake_drained(&mut self) {
        if self.manager == Manager::Sleeping {
            self.manager = Manager::Look;
        }
        self.waits = false;
    }

    fn call(&mut self, t: usize, way: usize) -> Result<Ran, String> {
        if way == 2 {
            return Ok(self.kill_call(t));
        }
        self.calls[t] = match self.calls[t] {
            At::Start if self.killed[t] => match self.slip {
                Slip::KilledKeepsWake => At::End,
                _ => At::PassOn,
            },
            At::Start if self.draining || self.used >= self.limit => match self.slip {
                Slip::SleepUnlocked => At::ToSleep,
                _ => {
                    self.queue.push(t);
                    At::Sleeping
                }
            },
            At::Start => {
                if matches!(self.manager, Manager::Alone | Manager::OwnCall) {
                    return Err("a program's call in the middle of recovery".into());
                }
                self.used += 1;
                At::Sent
            }
            At::ToSleep => {
                self.queue.push(t);
                At::Sleeping
            }
            At::Sleeping => return Ok(Ran::Blocked),
            // It was never sent: `release` of a slot that was not told.
            At::Sent if way == 1 => {
                self.used -= 1;
                if self.is_drained() {
                    self.wake_drained();
                }
                match self.slip {
                    Slip::SilentRelease => At::End,
                    _ => At::Unsent,
                }
            }
            At::Sent if self.slip == Slip::WakeFirst && !self.early[t] => {
                self.early[t] = true;
                self.wake_next();
                At::Sent
            }
            At::Sent => {
                self.used -= 1;
                if self.slip != Slip::NoFinishing {
                    self.finishing += 1;
                }
                let more = self.grows_to > self.limit;
                self.limit = self.grows_to;
                match self.slip {
                    Slip::WakeFirst => At::Acting,
                    Slip::GrowthWakesOne => At::Told(false),
                    _ => At::Told(more),
                }
            }
            At::Told(more) => {
                match more {
                    true => self.wake_all(),
                    false => self.wake_next(),
                }
                At::Acting
            }
            At::Acting => {
                if matches!(self.manager, Manager::Alone | Manager::OwnCall) {
                    return Err("recovery began before a reply was acted on".into());
                }
                match self.slip {
                    Slip::NoFinishing => At::Released(self.is_drained()),
                    Slip::DrainedFirst if !self.early[t] => {
                        self.early[t] = true;
                        self.wake_drained();
                        At::Acting
                    }
                    Slip::DrainedFirst => {
                        self.finishing -= 1;
                        At::End
                    }
                    _ => {
                        self.finishing -= 1;
                        At::Released(self.is_drained())
                    }
                }
            }
            At::Released(drained) => {
                if drained {
                    self.wake_drained();
                }
                At::End
            }
            At::Unsent | At::PassOn => {
                self.wake_next();
                At::End
            }
            At::End => return Ok(Ran::Ended),
        };
        Ok(Ran::Step)
    }

    /// `rpc_signal_task()`: a task that sleeps is taken off its queue and woken; one that was woken
    /// already goes to its end instead of its `prepare`.
    fn kill_call(&mut self, t: usize) -> Ran {
        self.killable = false;
        self.killed[t] = true;
        if let Some(at) = self.queue.iter().position(|call| *call == t) {
            self.queue.remove(at);
            self.wake(t);
        }
        Ran::Step
    }

    fn manager(&mut self) -> Result<Ran, String> {
        self.manager = match self.manager {
            Manager::Begin => {
                self.draining = true;
                Manager::Look
            }
            Manager::Look if self.is_drained() => Manager::Alone,
            // `prepare_to_wait_event()`, then the condition again, then `schedule_timeout()`.
            Manager::Look => {
                self.waits = true;
                Manager::Queued
            }
            Manager::Queued if self.is_drained() => {
                self.waits = false;
                Manager::Alone
            }
            // A wake-up since then has taken it off the queue: it does not sleep, but looks again.
            Manager::Queued if !self.waits => Manager::Look,
            Manager::Queued => Manager::Sleeping,
            Manager::Sleeping => return Ok(Ran::Blocked),
            Manager::Alone => {
                if !self.is_drained() {
                    return Err("recovery began with calls in flight".into());
                }
                self.used += 1;
                Manager::OwnCall
            }
            Manager::OwnCall => {
                self.used -= 1;
                self.wake_next();
                Manager::EndDrain
            }
            Manager::EndDrain if self.slip == Slip::WakeBeforeEnd && !self.early[CALLS] => {
                self.early[CALLS] = true;
                self.wake_all();
                Manager::EndDrain
            }
            Manager::EndDrain => {
                self.draining = false;
                match self.slip {
                    Slip::WakeBeforeEnd => Manager::End,
                    _ => Manager::WakeAll,
                }
            }
            Manager::WakeAll => {
                self.wake_all();
                Manager::End
            }
            Manager::End => return Ok(Ran::Ended),
        };
        Ok(Ran::Step)
    }
}

impl System for Slots {
    const THREADS: usize = CALLS + 1;

    fn ways(&self, t: usize) -> usize {
        match self.calls.get(t) {
            Some(At::Sent) if !self.early[t] => 2,
            // 1: the same as 0; 2: a signal.
            Some(At::Start | At::Sleeping) if self.killable => 3,
            _ => 1,
        }
    }

    fn step(&mut self, t: usize, way: usize) -> Result<Ran, String> {
        let ran = match t {
            CALLS => self.manager()?,
            _ => self.call(t, way)?,
        };
        if self.used > self.limit {
            return Err("more slots in use than there are".into());
        }
        if self.is_idle() {
            return Err("a slot lies idle that somebody sleeps for".into());
        }
        Ok(ran)
    }

    fn at_end(&self) -> Result<(), String> {
        match self.is_drained() && self.queue.is_empty() && !self.draining {
            true => Ok(()),
            false => Err("something is left".into()),
        }
    }
}
