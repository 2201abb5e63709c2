// SPDX-License-Identifier: GPL-2.0

//! What a server remembers of its clients: client ids, sessions with their slots, opens, locks,
//! delegations.

use rnfs4_proto::{
    status::Status,
    types::{ClientId, SessionId, ShareAccess, Stateid, Verifier},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

/// A client as it introduced itself.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub owner: Vec<u8>,
    /// This instance of it.
    pub verifier: Verifier,
    /// CREATE_SESSION has come.
    pub confirmed: bool,
    /// The number of the next CREATE_SESSION, and what the one before was answered.
    pub seqid: u32,
    /// The reply to the last CREATE_SESSION.
    pub reply: Option<Vec<u8>>,
    /// RECLAIM_COMPLETE has come.
    pub complete: bool,
    /// It had state before the restart and may have it back.
    pub may_reclaim: bool,
    /// The last sign of life.
    pub renewed: Instant,
}

/// A slot: what was answered last.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    /// The sequence id of the last call.
    pub seqid: u32,
    /// A hash of that call.
    pub call: u64,
    /// Its reply, if it was kept.
    pub reply: Option<Vec<u8>>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose.
    pub client: u64,
    /// The slots of the fore channel.
    pub slots: Vec<Slot>,
    /// Operations in a COMPOUND.
    pub max_ops: u32,
}

/// A locked range, its end not included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Range {
    /// The first byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    /// Nobody else may have it.
    pub exclusive: bool,
}

/// What a stateid stands for.
#[derive(Clone, Debug)]
pub enum What {
    /// An open.
    Open(ShareAccess),
    /// A lock owner's locks, and the open that they belong to.
    Lock(Stateid, Vec<Range>),
    /// A delegation.
    Delegation,
}

/// Some state.
#[derive(Clone, Debug)]
pub struct State {
    /// Counts the changes.
    pub seqid: u32,
    /// Whose.
    pub client: u64,
    /// The open-owner or lock-owner.
    pub owner: Vec<u8>,
    /// The file.
    pub file: u64,
    /// What it is.
    pub what: What,
    /// Taken away, with this as the reason.
    pub revoked: Option<Status>,
}

/// All of it. The map's key is the stateid's `other`.
#[derive(Debug)]
pub struct Memory {
    /// Changes with each restart.
    pub boot: u32,
    next: u64,
    /// Clients by their numbers.
    pub clients: BTreeMap<u64, Client>,
    /// Sessions.
    pub sessions: HashMap<SessionId, Session>,
    /// Opens, locks, delegations.
    pub states: BTreeMap<[u8; 12], State>,
    /// Names of clients that may reclaim.
    reclaimers: HashSet<Vec<u8>>,
    /// Until when the grace period lasts at most.
    grace: Option<Instant>,
    /// The lease period.
    pub lease: Duration,
    /// Clients whose lease has run out are thrown out.
    pub strict: bool,
}

impl Memory {
    /// A server that starts for the first time.
    pub fn new(lease: Duration) -> Self {
        Self {
            boot: 1,
            next: 1,
            clients: BTreeMap::new(),
            sessions: HashMap::new(),
            states: BTreeMap::new(),
            reclaimers: HashSet::new(),
            grace: None,
            lease,
            strict: false,
        }
    }

    /// A number that was not used before.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The server starts anew: only the names of clients with state survive, unless it is to forget
    /// these, too.
    pub fn restart(&mut self, forget: bool) {
        self.boot += 1;
        let known = self.clients.values().filter(|c| c.confirmed);
        self.reclaimers = known.map(|c| c.owner.clone()).collect();
        if forget {
            self.reclaimers.clear();
        }
        self.grace = (!self.reclaimers.is_empty()).then(|| Instant::now() + self.lease);
        self.clients.clear();
        self.sessions.clear();
        self.states.clear();
    }

    /// The grace period has not ended.
    pub fn in_grace(&mut self) -> bool {
        if self.grace.is_some_and(|end| Instant::now() >= end) || self.reclaimers.is_empty() {
            self.end_grace();
        }
        self.grace.is_some()
    }

    /// Ends the grace period.
    pub fn end_grace(&mut self) {
        self.grace = None;
        self.reclaimers.clear();
    }

    /// What speaks against state being made: `reclaim` is for what was held before the restart.
    pub fn check_grace(&mut self, client: u64, reclaim: bool) -> Result<(), Status> {
        let grace = self.in_grace();
        let client = self.clients.get(&client).ok_or(Status::STALE_CLIENTID)?;
        match reclaim {
            true if client.complete || !client.may_reclaim || !grace => Err(Status::NO_GRACE),
            false if grace || !client.complete => Err(Status::GRACE),
            _ => Ok(()),
        }
    }

    /// EXCHANGE_ID: the client's number, the number of the first CREATE_SESSION, and whether it was
    /// confirmed before.
    pub fn exchange_id(&mut self, owner: &[u8], verifier: Verifier) -> (ClientId, u32, bool) {
        let same = |c: &&mut Client| c.owner == owner && c.verifier == verifier && c.confirmed;
        if let Some(c) = self.clients.values_mut().find(same) {
            c.renewed = Instant::now();
            return (ClientId(c.id), c.seqid, true);
        }
        self.clients.retain(|_, c| c.owner != owner || c.confirmed);
        let id = (u64::from(self.boot) << 32) | self.number();
        let client = Client {
            id,
            owner: owner.to_vec(),
            verifier,
            confirmed: false,
            seqid: 1,
            reply: None,
            complete: false,
            may_reclaim: self.reclaimers.contains(owner),
            renewed: Instant::now(),
        };
        self.clients.insert(id, client);
        (ClientId(id), 1, false)
    }

    /// CREATE_SESSION confirms a client: other instances of it go.
    pub fn confirm(&mut self, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.confirmed = true;
        client.renewed = Instant::now();
        let owner = client.owner.clone();
        let others = self.clients.values();
        let others: Vec<u64> = others
            .filter(|c| c.owner == owner && c.id != id)
            .map(|c| c.id)
            .collect();
        for other in others {
            self.expire(other);
        }
    }

    /// A client goes with all that it has.
    pub fn expire(&mut self, id: u64) {
        self.clients.remove(&id);
        self.sessions.retain(|_, s| s.client != id);
        self.states.retain(|_, s| s.client != id);
    }

    /// Throws out whom the lease does not cover any more, if that is done at all.
    pub fn expire_old(&mut self) {
        if self.strict {
            let lease = self.lease;
            let old = self
                .clients
                .values()
                .filter(|c| c.renewed.elapsed() > lease);
            for id in old.map(|c| c.id).collect::<Vec<_>>() {
                self.expire(id);
            }
        }
    }

    /// RECLAIM_COMPLETE: when the last one has said so, the grace period ends.
    pub fn reclaim_complete(&mut self, id: u64) -> Result<(), Status> {
        let client = self.clients.get_mut(&id).ok_or(Status::STALE_CLIENTID)?;
        if client.complete {
            return Err(Status::COMPLETE_ALREADY);
        }
        client.complete = true;
        self.reclaimers.remove(&client.owner.clone());
        self.in_grace();
        Ok(())
    }

    /// A session of this client.
    pub fn create_session(&mut self, client: u64, slots: u32, max_ops: u32) -> SessionId {
        let mut id = [0; 16];
        let (head, tail) = id.split_at_mut(8);
        head.copy_from_slice(&client.to_be_bytes());
        tail.copy_from_slice(&self.number().to_be_bytes());
        let session = Session {
            client,
            slots: vec![Slot::default(); slots as usize],
            max_ops,
        };
        self.sessions.insert(SessionId(id), session);
        SessionId(id)
    }

    /// New state; its stateid.
    pub fn add(&mut self, state: State) -> Stateid {
        let mut other = [0; 12];
        let (head, tail) = other.split_at_mut(4);
        head.copy_from_slice(&self.boot.to_be_bytes());
        tail.copy_from_slice(&self.number().to_be_bytes());
        let seqid = state.seqid;
        self.states.insert(other, state);
        Stateid { seqid, other }
    }

    /// The state that `id` stands for. What is revoked is an error.
    pub fn find(&mut self, id: &Stateid, client: u64) -> Result<&mut State, Status> {
        if id.other.first_chunk() != Some(&self.boot.to_be_bytes()) {
            return Err(Status::STALE_STATEID);
        }
        let state = self.states.get_mut(&id.other);
        let state = state
            .filter(|s| s.client == client)
            .ok_or(Status::BAD_STATEID)?;
        if let Some(status) = state.revoked {
            return Err(status);
        }
        match id.seqid {
            seqid if seqid == 0 || seqid == state.seqid => Ok(state),
            seqid if (seqid.wrapping_sub(state.seqid) as i32) < 0 => Err(Status::OLD_STATEID),
            _ => Err(Status::BAD_STATEID),
        }
    }

    /// A newer version of the state; its stateid.
    pub fn bump(&mut self, other: [u8; 12]) -> Stateid {
        let seqid = self.states.get_mut(&other).map_or(1, |s| {
            s.seqid = s.seqid.wrapping_add(1).max(1);
            s.seqid
        });
        Stateid { seqid, other }
    }

    /// The open of this owner in this file.
    pub fn find_open(&self, client: u64, owner: &[u8], file: u64) -> Option<[u8; 12]> {
        self.states
            .iter()
            .find(|(_, s)| {
                matches!(s.what, What::Open(_))
                    && (s.client, s.file) == (client, file)
                    && s.owner == owner
                    && s.revoked.is_none()
            })
            .map(|(other, _)| *other)
    }

    /// Another owner's lock that is in the way of this one.
    pub fn conflict(&self, file: u64, who: (u64, &[u8]), r: Range) -> Option<(Range, &State)> {
        let states = self.states.values();
        states
            .filter(|s| s.file == file && s.revoked.is_none() && (s.client, &s.owner[..]) != who)
            .filter_map(|s| match &s.what {
                What::Lock(_, ranges) => Some((s, ranges)),
                _ => None,
            })
            .flat_map(|(s, ranges)| ranges.iter().map(move |l| (*l, s)))
            .find(|(l, _)| l.start < r.end && r.start < l.end && (l.exclusive || r.exclusive))
    }

    /// Whether anybody has the file open.
    pub fn is_open(&self, file: u64) -> bool {
        self.states.values().any(|s| s.file == file)
    }

    /// Something of this client was taken away and not freed yet.
    pub fn has_revoked(&self, client: u64) -> bool {
        let mut states = self.states.values();
        states.any(|s| s.client == client && s.revoked.is_some())
    }

    /// How many states of each kind there are: opens, lock owners, delegations.
    pub fn counts(&self) -> (u32, u32, u32) {
        self.states
            .values()
            .fold((0, 0, 0), |(o, l, d), s| match s.what {
                What::Open(_) => (o + 1, l, d),
                What::Lock(..) => (o, l + 1, d),
                What::Delegation => (o, l, d + 1),
            })
    }
}

/// `ranges` without what `r` covers; with it, if it is to be locked.
pub fn apply(ranges: &mut Vec<Range>, r: Range, lock: bool) {
    let mut kept = Vec::new();
    for l in ranges.drain(..) {
        if l.end <= r.start || r.end <= l.start {
            kept.push(l);
            continue;
        }
        if l.start < r.start {
            kept.push(Range { end: r.start, ..l });
        }
        if r.end < l.end {
            kept.push(Range { start: r.end, ..l });
        }
    }
    if lock {
        kept.push(r);
    }
    *ranges = kept;
}
