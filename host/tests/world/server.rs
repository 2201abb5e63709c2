// SPDX-License-Identifier: GPL-2.0

//! A server that keeps to the RFC, restarts, forgets, revokes and expires; and that knows what no
//! client should do to it.

use rnfs4_proto::{ops::session::seq4_status, status::Status};

/// How many files there are.
pub const FILES: usize = 3;
/// Milliseconds.
pub const LEASE_MS: u64 = 10_000;
pub const GRACE_MS: u64 = 10_000;

type Res<T = ()> = Result<T, Status>;

/// An open that the server has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    pub stateid: u32,
    /// Taken away, with this as the reason; kept in mind until FREE_STATEID.
    pub revoked: Option<Status>,
}

/// A client as the server knows it.
#[derive(Clone, Debug)]
pub struct Record {
    pub id: u32,
    pub verifier: u32,
    pub confirmed: bool,
    /// RECLAIM_COMPLETE has come.
    pub complete: bool,
    pub session: Option<u32>,
    pub bound: bool,
    /// When the lease was renewed.
    pub seen: u64,
    pub held: [Option<Held>; FILES],
}

/// What becomes of a client whose lease runs out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lapse {
    /// Nothing, as long as nobody else wants what it has.
    Courtesy,
    /// It loses its state, and is told so.
    Revoke,
    /// It is forgotten.
    Forget,
}

#[derive(Debug)]
pub struct Server {
    pub now: u64,
    next: u32,
    pub record: Option<Record>,
    grace_until: u64,
    /// Stable storage says that the client may reclaim.
    recorded: bool,
    pub lapse: Lapse,
    /// The file was removed: nobody can open it any more.
    pub gone: [bool; FILES],
    /// What must not be: an open of what the client has, for reasons that it cannot know.
    pub strict: bool,
    /// A reply about this file was lost: the client cannot know that it has it.
    pub excused: [bool; FILES],
    /// How often RECLAIM_COMPLETE was taken for the present record.
    pub completes: u32,
    pub calls: u32,
}

impl Server {
    pub fn new(strict: bool) -> Self {
        Self {
            now: 1000,
            next: 1,
            record: None,
            grace_until: 0,
            recorded: false,
            lapse: Lapse::Courtesy,
            gone: [false; FILES],
            strict,
            excused: [false; FILES],
            completes: 0,
            calls: 0,
        }
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Time goes on: grace ends, leases run out.
    pub fn tick(&mut self, ms: u64) {
        let was_in_grace = self.in_grace();
        self.now += ms;
        if was_in_grace && !self.in_grace() && !self.record.as_ref().is_some_and(|r| r.complete) {
            // Who has not come back by then has lost his right.
            self.recorded = false;
        }
        let Some(r) = self.record.as_mut() else {
            return;
        };
        if self.now - r.seen > LEASE_MS {
            match self.lapse {
                Lapse::Courtesy => (),
                Lapse::Revoke => self.revoke_all(Status::EXPIRED),
                Lapse::Forget => (self.record, self.recorded) = (None, false),
            }
        }
    }

    pub fn in_grace(&self) -> bool {
        self.now < self.grace_until
    }

    pub fn restart(&mut self) {
        self.record = None;
        self.grace_until = self.now + GRACE_MS;
    }

    /// A restart without grace, and without the record of clients.
    pub fn forget(&mut self) {
        (self.record, self.recorded, self.grace_until) = (None, false, 0);
    }

    pub fn revoke(&mut self, file: usize, why: Status) {
        let held = self.record.as_mut().and_then(|r| r.held[file].as_mut());
        if let Some(held) = held.filter(|held| held.revoked.is_none()) {
            held.revoked = Some(why);
        }
    }

    pub fn revoke_all(&mut self, why: Status) {
        (0..FILES).for_each(|file| self.revoke(file, why));
    }

    pub fn lose_session(&mut self) {
        if let Some(r) = self.record.as_mut() {
            r.session = None;
        }
    }

    pub fn unbind(&mut self) {
        if let Some(r) = self.record.as_mut() {
            r.bound = false;
        }
    }

    pub fn exchange_id(&mut self, verifier: u32) -> Res<(u32, bool)> {
        let known = self
            .record
            .as_ref()
            .filter(|r| r.verifier == verifier && r.confirmed);
        if let Some(r) = known {
            return Ok((r.id, true));
        }
        assert!(
            !self.strict || self.record.as_ref().is_none_or(|r| !r.confirmed),
            "a new instance, and all state given up for it"
        );
        let id = self.number();
        self.completes = 0;
        self.record = Some(Record {
            id,
            verifier,
            confirmed: false,
            complete: false,
            session: None,
            bound: false,
            seen: self.now,
            held: [None; FILES],
        });
        Ok((id, false))
    }

    pub fn create_session(&mut self, id: u32) -> Res<u32> {
        let (number, now) = (self.number(), self.now);
        let r = self
            .record
            .as_mut()
            .filter(|r| r.id == id)
            .ok_or(Status::STALE_CLIENTID)?;
        (r.confirmed, r.bound, r.seen) = (true, true, now);
        r.session = Some(number);
        Ok(number)
    }

    fn session(&mut self, session: u32) -> Res<&mut Record> {
        let now = self.now;
        let r = self
            .record
            .as_mut()
            .filter(|r| r.session == Some(session))
            .ok_or(Status::BADSESSION)?;
        r.seen = now;
        Ok(r)
    }

    /// SEQUENCE: the status flags.
    pub fn sequence(&mut self, session: u32) -> Res<u32> {
        let r = self.session(session)?;
        if !r.bound {
            return Err(Status::CONN_NOT_BOUND_TO_SESSION);
        }
        let revoked = r.held.iter().flatten().filter_map(|h| h.revoked);
        Ok(revoked.fold(0, |flags, why| {
            flags
                | match why {
                    Status::EXPIRED => seq4_status::EXPIRED_SOME_STATE_REVOKED,
                    _ => seq4_status::ADMIN_STATE_REVOKED,
                }
        }))
    }

    pub fn bind(&mut self, session: u32) -> Res {
        self.session(session)?.bound = true;
        Ok(())
    }

    pub fn destroy_session(&mut self, session: u32) -> Res {
        self.session(session)?.session = None;
        Ok(())
    }

    fn hold(&mut self, file: usize) -> u32 {
        let stateid = self.number();
        if let Some(r) = self.record.as_mut() {
            r.held[file] = Some(Held {
                stateid,
                revoked: None,
            });
        }
        stateid
    }

    /// OPEN with CLAIM_PREVIOUS.
    pub fn reclaim(&mut self, session: u32, file: usize) -> Res<u32> {
        self.sequence(session)?;
        let (grace, recorded) = (self.in_grace(), self.recorded);
        let r = self.session(session)?;
        assert!(!r.complete, "reclaimed after RECLAIM_COMPLETE");
        match r.complete || !grace {
            true => Err(Status::NO_GRACE),
            false if !recorded => Err(Status::RECLAIM_BAD),
            false if self.gone[file] => Err(Status::STALE),
            false => Ok(self.hold(file)),
        }
    }

    /// OPEN that is no reclaim; `again`: by recovery.
    pub fn open(&mut self, session: u32, file: usize, again: bool) -> Res<u32> {
        self.sequence(session)?;
        let grace = self.in_grace();
        let r = self.session(session)?;
        if grace || !r.complete {
            assert!(r.complete || !again, "reopened before RECLAIM_COMPLETE");
            return Err(Status::GRACE);
        }
        let has = r.held[file].is_some_and(|h| h.revoked.is_none());
        assert!(
            !(again && has && self.strict && !self.excused[file]),
            "file {file} opened anew, and the server has it"
        );
        match self.gone[file] {
            true => Err(Status::STALE),
            false => Ok(self.hold(file)),
        }
    }

    pub fn reclaim_complete(&mut self, session: u32) -> Res {
        self.sequence(session)?;
        let r = self.session(session)?;
        if r.complete {
            return Err(Status::COMPLETE_ALREADY);
        }
        r.complete = true;
        self.completes += 1;
        self.recorded = true;
        Ok(())
    }

    fn find(&mut self, session: u32, stateid: u32) -> Res<Option<&mut Option<Held>>> {
        self.sequence(session)?;
        let held = &mut self.session(session)?.held;
        Ok(held
            .iter_mut()
            .find(|h| h.is_some_and(|h| h.stateid == stateid)))
    }

    /// TEST_STATEID of one.
    pub fn test(&mut self, session: u32, stateid: u32) -> Res<Status> {
        Ok(match self.find(session, stateid)? {
            Some(Some(held)) => held.revoked.unwrap_or(Status::OK),
            _ => Status::BAD_STATEID,
        })
    }

    pub fn free(&mut self, session: u32, stateid: u32) -> Res {
        match self.find(session, stateid)? {
            Some(held) if held.is_some_and(|h| h.revoked.is_some()) => *held = None,
            Some(_) => return Err(Status::LOCKS_HELD),
            None => return Err(Status::BAD_STATEID),
        }
        Ok(())
    }

    /// READ or WRITE: the status flags.
    pub fn io(&mut self, session: u32, stateid: u32) -> (u32, Res) {
        let flags = match self.sequence(session) {
            Ok(flags) => flags,
            Err(status) => return (0, Err(status)),
        };
        let status = match self.test(session, stateid) {
            Ok(status) | Err(status) => status,
        };
        (flags, if status.is_ok() { Ok(()) } else { Err(status) })
    }
}
