// SPDX-License-Identifier: GPL-2.0

//! Waits for a state to be recovered, for the last call of a client, for clients to go.

use super::{take, Lock, Ran, System};

/// `Client::sleep_until_recovered` and `wake_recovered` in `rust/client/state_manager.rs`: two calls
/// that found their state marked, and the state manager, which recovers it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Recovered {
    /// `wake_recovered` does not take the machine's lock.
    pub no_lock: bool,
    /// It wakes first and changes the state then.
    pub wake_first: bool,
    marked: bool,
    machine: Lock,
    queue: Vec<usize>,
    at: [u8; 3],
}

impl Recovered {
    pub fn new(no_lock: bool, wake_first: bool) -> Self {
        Self {
            no_lock,
            wake_first,
            marked: true,
            machine: None,
            queue: Vec::new(),
            at: [0; 3],
        }
    }

    fn wake_all(&mut self) {
        for t in core::mem::take(&mut self.queue) {
            self.at[t] = 6;
        }
    }
}

impl System for Recovered {
    const THREADS: usize = 3;

    fn step(&mut self, t: usize, _way: usize) -> Result<Ran, String> {
        let manager = t == 2;
        self.at[t] = match (manager, self.at[t]) {
            // The call: lock, look, sleep or not, unlock.
            (false, 0) => match take(&mut self.machine, t) {
                true => 1,
                false => return Ok(Ran::Blocked),
            },
            (false, 1) => match self.marked {
                true => 2,
                false => 4,
            },
            (false, 2) => {
                self.queue.push(t);
                3
            }
            // On the queue, with the lock: the task's callback has not ended yet.
            (false, 3) => {
                self.machine = None;
                5
            }
            (false, 4) => {
                self.machine = None;
                7
            }
            (false, 5) => return Ok(Ran::Blocked),
            // Woken; if that was before the callback had ended, the lock is still to be dropped.
            (false, 6) => {
                if self.machine == Some(t) {
                    self.machine = None;
                }
                match self.marked {
                    true => return Err("woken before the state was recovered".into()),
                    false => 7,
                }
            }
            // The manager: change, lock and unlock, wake.
            (true, 0) if self.wake_first => {
                self.wake_all();
                1
            }
            (true, 0) => {
                self.marked = false;
                match self.no_lock {
                    true => 3,
                    false => 1,
                }
            }
            (true, 1) if self.wake_first => {
                self.marked = false;
                7
            }
            (true, 1) => match take(&mut self.machine, t) {
                true => 2,
                false => return Ok(Ran::Blocked),
            },
            (true, 2) => {
                self.machine = None;
                3
            }
            (true, 3) => {
                self.wake_all();
                7
            }
            _ => return Ok(Ran::Ended),
        };
        Ok(Ran::Step)
    }
}

/// `Client::call_end` and `wait_calls_done` in `rust/client/nfs_client.rs`: two calls, and who tears the
/// client down and frees it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Calls {
    /// `call_end` wakes after it has let go of the lock.
    pub wake_unlocked: bool,
    calls: u8,
    lock: Lock,
    freed: bool,
    /// Who waits is on the queue.
    waits: bool,
    at: [u8; 3],
}

impl Calls {
    pub fn new(wake_unlocked: bool) -> Self {
        Self {
            wake_unlocked,
            calls: 2,
            lock: None,
            freed: false,
            waits: false,
            at: [0; 3],
        }
    }

    fn wake(&mut self) {
        self.waits = false;
        if self.at[2] == 4 {
            self.at[2] = 0;
        }
    }

    fn end(&mut self, t: usize) -> u8 {
        match self.at[t] {
            0 => match take(&mut self.lock, t) {
                true => 1,
                false => 0,
            },
            1 => {
                self.calls -= 1;
                match self.calls {
                    0 if !self.wake_unlocked => 2,
                    _ => 3,
                }
            }
            2 => {
                self.wake();
                3
            }
            3 => {
                self.lock = None;
                match self.calls {
                    0 if self.wake_unlocked => 4,
                    _ => 5,
                }
            }
            _ => {
                self.wake();
                5
            }
        }
    }

    /// 0, 1: looks; 2: queued; 3: looks again; 4: sleeps; 5: frees; 6: ended.
    fn wait(&mut self) -> u8 {
        let zero = self.calls == 0;
        match self.at[2] {
            // The condition takes the lock.
            0 | 2 if self.lock.is_some() => self.at[2],
            0 if zero => 5,
            0 => 1,
            1 => {
                self.waits = true;
                2
            }
            2 if zero => 5,
            2 => 3,
            3 if self.waits => 4,
            3 => 0,
            _ => {
                self.freed = true;
                6
            }
        }
    }
}

impl System for Calls {
    const THREADS: usize = 3;

    fn step(&mut self, t: usize, _way: usize) -> Result<Ran, String> {
        let before = self.at[t];
        let ended = if t == 2 { 6 } else { 5 };
        if before == ended {
            return Ok(Ran::Ended);
        }
        if t == 2 && before == 4 {
            return Ok(Ran::Blocked);
        }
        if t != 2 && self.freed {
            return Err("used after it was freed".into());
        }
        let next = if t == 2 { self.wait() } else { self.end(t) };
        if next == before {
            return Ok(Ran::Blocked);
        }
        self.at[t] = next;
        Ok(Ran::Step)
    }
}

/// `Registry::put`, `left`, `wait_left` and `client` in `rust/client/registry.rs`: who unmounts, the work
/// queue that tears the client down, and somebody who mounts meanwhile.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Leaving {
    /// The count is behind the mutex that a mount holds for long, and who waits only tries to take it.
    pub behind_mutex: bool,
    /// `left` wakes before it counts.
    pub wake_first: bool,
    mutex: Lock,
    leaving: u8,
    queued: bool,
    waits: bool,
    at: [u8; 3],
}

impl Leaving {
    pub fn new(behind_mutex: bool, wake_first: bool) -> Self {
        Self {
            behind_mutex,
            wake_first,
            mutex: None,
            leaving: 0,
            queued: false,
            waits: false,
            at: [0; 3],
        }
    }

    fn is_quiet(&self) -> bool {
        self.leaving == 0 && !(self.behind_mutex && self.mutex.is_some())
    }

    fn wake(&mut self) {
        self.waits = false;
        if self.at[0] == 6 {
            self.at[0] = 3;
        }
    }

    fn unmount(&mut self) -> Option<u8> {
        Some(match self.at[0] {
            // `put`: takes the entry out and counts.
            0 if take(&mut self.mutex, 0) => 1,
            0 => return None,
            1 => {
                self.leaving += 1;
                self.mutex = None;
                2
            }
            2 => {
                self.queued = true;
                3
            }
            // `wait_left`. (The flush before it only makes the wait shorter.)
            3 if self.is_quiet() => 7,
            3 => 4,
            4 => {
                self.waits = true;
                5
            }
            5 if self.is_quiet() => 7,
            5 if self.waits => 6,
            5 => 3,
            _ => return None,
        })
    }

    fn tear_down(&mut self) -> Option<u8> {
        Some(match self.at[1] {
            0 if self.queued => 1,
            1 if self.wake_first => {
                self.wake();
                2
            }
            1 | 2 if self.behind_mutex && !take(&mut self.mutex, 1) => return None,
            1 | 2 => {
                self.leaving -= 1;
                if self.behind_mutex {
                    self.mutex = None;
                }
                match self.wake_first {
                    true => 7,
                    false => 3,
                }
            }
            3 => {
                self.wake();
                7
            }
            _ => return None,
        })
    }

    fn mount(&mut self) -> Option<u8> {
        Some(match self.at[2] {
            0 if take(&mut self.mutex, 2) => 1,
            // Makes a client.
            1 => 2,
            2 => {
                self.mutex = None;
                7
            }
            _ => return None,
        })
    }
}

impl System for Leaving {
    const THREADS: usize = 3;

    fn step(&mut self, t: usize, _way: usize) -> Result<Ran, String> {
        if self.at[t] == 7 {
            return Ok(Ran::Ended);
        }
        let next = match t {
            0 => self.unmount(),
            1 => self.tear_down(),
            _ => self.mount(),
        };
        Ok(match next {
            Some(at) => {
                self.at[t] = at;
                Ran::Step
            }
            None => Ran::Blocked,
        })
    }
}

/// How [`Parked`] might be wrong.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ParkSlip {
    No,
    /// Who parks does not tell.
    Silent,
    /// He tells before he sleeps.
    TellsFirst,
}

/// `Session::park`, `has_parked` and `acquire`, and the waits of `rust/client/call/exchange/waits.rs`: two calls that have all slots,
/// recovery, whose own call wants one, and a connection that breaks.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Parked {
    slip: ParkSlip,
    /// How often the connection breaks from now on.
    breaks: u8,
    connected: bool,
    /// The machine: the connection is to be made, the lease to be looked at.
    lost: bool,
    check: bool,
    used: [bool; 2],
    parked: [bool; 2],
    /// Who sleeps until there is a connection.
    asleep: [bool; 2],
    /// Recovery's call sleeps for a slot.
    queued: bool,
    at: [u8; 4],
}

impl Parked {
    pub fn new(breaks: u8, slip: ParkSlip) -> Self {
        Self {
            slip,
            breaks,
            connected: true,
            lost: false,
            check: false,
            used: [true; 2],
            parked: [false; 2],
            asleep: [false; 2],
            queued: false,
            at: [0; 4],
        }
    }

    fn tell(&mut self) {
        if self.parked.contains(&true) && !self.used.contains(&false) {
            self.queued = false;
        }
    }

    fn call(&mut self, t: usize) -> Ran {
        self.at[t] = match self.at[t] {
            // In flight.
            0 if self.connected => {
                self.used[t] = false;
                self.queued = false;
                9
            }
            0 => {
                self.lost = true;
                1
            }
            1 => {
                self.parked[t] = true;
                if self.slip == ParkSlip::TellsFirst {
                    self.tell();
                }
                2
            }
            // Unless it may be sent at once.
            2 => {
                self.asleep[t] = self.lost || self.check;
                3
            }
            3 => {
                if self.slip == ParkSlip::No {
                    self.tell();
                }
                4
            }
            4 if self.asleep[t] => return Ran::Blocked,
            4 => {
                self.parked[t] = false;
                0
            }
            _ => return Ran::Ended,
        };
        Ran::Step
    }

    fn recovery(&mut self) -> Ran {
        self.at[2] = match self.at[2] {
            0 if self.lost => 1,
            0 if self.used.contains(&true) => return Ran::Blocked,
            0 => 9,
            // PROBE.
            1 => {
                self.connected = true;
                self.check = true;
                self.lost = false;
                2
            }
            // CHECK_LEASE: a slot, or sleep; and who has to know.
            2 if self.used.contains(&false) => 4,
            2 => {
                self.queued = true;
                match self.parked.contains(&true) {
                    true => 3,
                    false => 5,
                }
            }
            3 if self.connected => {
                self.asleep = [false; 2];
                5
            }
            3 => {
                self.queued = false;
                6
            }
            4 if self.connected => 7,
            4 => 6,
            5 if self.queued => return Ran::Blocked,
            5 => 2,
            // No answer.
            6 => {
                self.lost = true;
                0
            }
            7 => {
                self.check = false;
                8
            }
            8 => {
                self.asleep = [false; 2];
                0
            }
            _ => return Ran::Ended,
        };
        Ran::Step
    }
}

impl System for Parked {
    const THREADS: usize = 4;

    fn step(&mut self, t: usize, _way: usize) -> Result<Ran, String> {
        Ok(match t {
            0 | 1 => self.call(t),
            2 => self.recovery(),
            _ if self.breaks == 0 => Ran::Ended,
            _ => {
                self.breaks -= 1;
                self.connected = false;
                Ran::Step
            }
        })
    }
}
