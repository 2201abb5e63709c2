// SPDX-License-Identifier: GPL-2.0

//! The server as a whole, and how it runs a COMPOUND.

use crate::{
    args::{self, Args},
    fs::Fs,
    ops::{Cx, Res},
    rules::{Act, Rules},
    state::Memory,
    state_ops::put_denied,
    wire::{get_data, Out},
};
use rnfs4_proto::{
    status::Status,
    types::{Bitmap, SessionId, Stateid, Verifier},
    xdr::{Decode, Encode, SliceSource, Source, XdrResult},
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// Lines of the log that are kept.
const LOG_MAX: usize = 100_000;
/// The most operations of a COMPOUND, whatever the session says.
const OPS_MAX: usize = 4096;

/// The server.
#[derive(Debug)]
pub struct World {
    /// The files.
    pub fs: Fs,
    /// The clients.
    pub mem: Memory,
    /// The script.
    pub rules: Rules,
    /// What was done, an operation to a line.
    pub log: VecDeque<String>,
    /// How often each operation came since the mark.
    pub counts: BTreeMap<String, u64>,
    /// The write verifier.
    pub verifier: Verifier,
    /// Files that were made by an exclusive create, with its verifier.
    pub made: HashMap<u64, Verifier>,
    /// The most slots and operations that a session gets.
    pub limits: (u32, u32),
    /// Bits added to each SEQUENCE's status flags.
    pub flags: u32,
    /// The delegation given with each open, 0 for none.
    pub delegation: u32,
}

/// A reply, and what the script does to it on its way.
#[derive(Debug, Default)]
pub struct Answer {
    /// The result of the COMPOUND.
    pub body: Vec<u8>,
    /// What concerns the message as a whole.
    pub acts: Vec<Act>,
}

/// What SEQUENCE finds in its slot.
enum Found {
    /// A new call.
    New,
    /// One that was answered before, with this.
    Replay(Vec<u8>),
}

/// A call's slot: where its reply is kept, if it is to be kept.
struct Place {
    session: SessionId,
    slot: usize,
    keep: bool,
}

impl World {
    /// A server with an empty root.
    pub fn new(lease: Duration) -> Self {
        Self {
            fs: Fs::new(),
            mem: Memory::new(lease),
            rules: Rules::default(),
            log: VecDeque::new(),
            counts: BTreeMap::new(),
            verifier: Verifier(1u64.to_be_bytes()),
            made: HashMap::new(),
            limits: (16, 128),
            flags: 0,
            delegation: 0,
        }
    }

    /// The lease period in seconds.
    pub fn lease(&self) -> u32 {
        self.mem.lease.as_secs() as u32
    }

    /// All state goes; what was written and not committed stays, but nobody is told so.
    pub fn restart(&mut self, forget: bool) {
        self.mem.restart(forget);
        self.new_verifier();
        self.note("RESTART".to_owned());
    }

    /// From now on the server says that it may have lost what was not committed.
    pub fn new_verifier(&mut self) {
        self.verifier = Verifier(self.mem.number().to_be_bytes());
    }

    /// A line for the log.
    pub fn note(&mut self, line: String) {
        if self.log.len() >= LOG_MAX {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    fn count(&mut self, name: &str, qualifier: &str) {
        *self.counts.entry(name.to_owned()).or_default() += 1;
        if !qualifier.is_empty() {
            *self
                .counts
                .entry(format!("{name}/{qualifier}"))
                .or_default() += 1;
        }
    }

    /// Looks at a SEQUENCE's session and slot.
    fn slot(&mut self, args: &Args, call: u64, ops: usize) -> Result<Found, Status> {
        let Args::Sequence {
            sessionid,
            seqid,
            slot,
            highest,
            ..
        } = args
        else {
            return Err(Status::SERVERFAULT);
        };
        let session = self
            .mem
            .sessions
            .get_mut(sessionid)
            .ok_or(Status::BADSESSION)?;
        if *highest as usize >= session.slots.len() {
            return Err(Status::BAD_HIGH_SLOT);
        }
        if ops > session.max_ops as usize {
            return Err(Status::TOO_MANY_OPS);
        }
        let slot = session
            .slots
            .get_mut(*slot as usize)
            .ok_or(Status::BADSLOT)?;
        if *seqid == slot.seqid && slot.seqid != 0 {
            return match &slot.reply {
                _ if call != slot.call => Err(Status::SEQ_FALSE_RETRY),
                Some(reply) => Ok(Found::Replay(reply.clone())),
                None => Err(Status::RETRY_UNCACHED_REP),
            };
        }
        if *seqid != slot.seqid.wrapping_add(1) {
            return Err(Status::SEQ_MISORDERED);
        }
        (slot.seqid, slot.call, slot.reply) = (*seqid, call, None);
        Ok(Found::New)
    }

    /// The place of an operation in its COMPOUND, as far as sessions are concerned.
    fn check_place(args: &Args, index: usize, ops: usize) -> Res {
        let bare = matches!(
            args,
            Args::ExchangeId { .. }
                | Args::CreateSession { .. }
                | Args::DestroySession(_)
                | Args::BindConn { .. }
                | Args::DestroyClientid(_)
        );
        match (index, matches!(args, Args::Sequence { .. })) {
            (0, true) => Ok(()),
            (0, false) if !bare => Err(Status::OP_NOT_IN_SESSION),
            (0, false) if ops > 1 => Err(Status::NOT_ONLY_OP),
            (0, false) => Ok(()),
            (_, true) => Err(Status::SEQUENCE_POS),
            (_, false) => Ok(()),
        }
    }

    /// The body that a failed result has all the same.
    fn error_body(args: &Args, status: Status, body: &mut Vec<u8>) -> XdrResult {
        let mut out = Out::default();
        match args {
            Args::Setattr { .. } => Bitmap::EMPTY.encode(&mut out)?,
            Args::Lock { .. } | Args::Lockt { .. } if status == Status::DENIED => {
                if !body.is_empty() {
                    return Ok(());
                }
                let r = crate::state::Range {
                    start: 0,
                    end: 1,
                    exclusive: true,
                };
                put_denied(&mut out, r, 1, b"somebody")?;
            }
            _ => (),
        }
        *body = out.0;
        Ok(())
    }

    /// Runs a COMPOUND. `None` where not even its head can be read.
    pub fn compound(&mut self, call: &[u8], cred: (u32, u32)) -> Option<Answer> {
        self.mem.expire_old();
        let s = &mut SliceSource::new(call);
        let tag = get_data(s, 1024).ok()?;
        let (minor, ops) = (s.get_u32().ok()?, s.get_count(OPS_MAX).ok()?);
        let mut answer = Answer::default();
        if !matches!(minor, 1 | 2) {
            let parts = (Status::MINOR_VERS_MISMATCH, 0, Vec::new());
            answer.body = assemble(&tag, &parts, &[]).ok()?;
            return Some(answer);
        }
        let mut cx = Cx {
            cred,
            ..Cx::default()
        };
        let (mut place, mut replay) = (None, None);
        // What is true, for the slot, and what is sent.
        let (mut good, mut sent) = ((Status::OK, 0, Vec::new()), (Status::OK, 0, Vec::new()));
        for index in 0..ops {
            let num = s.get_u32().ok()?;
            let mut body = Out::default();
            let Ok(args) = Args::decode(num, s) else {
                self.finish_op(&mut good, num, Status::BADXDR, &[]);
                self.finish_op(&mut sent, num, Status::BADXDR, &[]);
                break;
            };
            let lone = matches!(args, Args::Sequence { .. }) && ops == 1;
            let qualifier = if lone { "lone" } else { args.qualifier() };
            let acts = self.rules.fire(num, qualifier, cx.fh);
            if acts.contains(&Act::Restart) {
                self.restart(false);
            }
            self.count(args::name(num), qualifier);
            let injected = acts.iter().find_map(|act| match act {
                Act::Status(status) => Some(*status),
                _ => None,
            });
            let res = match injected {
                Some(status) => Err(status),
                None => Self::check_place(&args, index, ops).and_then(|()| {
                    if let Args::Sequence {
                        sessionid,
                        slot,
                        cache,
                        ..
                    } = &args
                    {
                        let mut hash = DefaultHasher::new();
                        call.get(call.len() - s.remaining()..).hash(&mut hash);
                        match self.slot(&args, hash.finish(), ops)? {
                            Found::New => (),
                            Found::Replay(reply) => {
                                replay = Some(reply);
                                return Ok(());
                            }
                        }
                        let keep = *cache || lone;
                        place = Some(Place {
                            session: *sessionid,
                            slot: *slot as usize,
                            keep,
                        });
                    }
                    match args {
                        Args::Unknown(_) => Err(Status::OP_ILLEGAL),
                        _ => self.file_op(&mut cx, &args, &mut body),
                    }
                }),
            };
            let status = res.err().unwrap_or(Status::OK);
            if !status.is_ok() {
                Self::error_body(&args, status, &mut body.0).ok()?;
            }
            self.note_op(num, qualifier, &cx, &args, status, &acts, replay.is_some());
            if let Some(reply) = replay {
                answer.body = reply;
                answer.acts = acts;
                return Some(answer);
            }
            let shown = if matches!(args, Args::Unknown(_)) {
                10044
            } else {
                num
            };
            self.finish_op(&mut good, shown, status, &body.0);
            let mut shown = shown;
            self.rules.garble(&acts, &mut shown, &mut body.0);
            self.finish_op(&mut sent, shown, status, &body.0);
            answer.acts.extend(acts);
            if !status.is_ok() {
                break;
            }
        }
        if let Some(place) = place {
            let reply = assemble(&tag, &good, &[]).ok()?;
            let session = self.mem.sessions.get_mut(&place.session);
            if let Some(slot) = session.and_then(|s| s.slots.get_mut(place.slot)) {
                slot.reply = place.keep.then_some(reply);
            }
        }
        answer.body = assemble(&tag, &sent, &answer.acts).ok()?;
        Some(answer)
    }

    fn finish_op(
        &self,
        results: &mut (Status, u32, Vec<u8>),
        num: u32,
        status: Status,
        body: &[u8],
    ) {
        results.0 = status;
        results.1 += 1;
        results.2.extend(num.to_be_bytes());
        results.2.extend(status.0.to_be_bytes());
        results.2.extend(body);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all that a line of the log tells"
    )]
    fn note_op(
        &mut self,
        num: u32,
        qualifier: &str,
        cx: &Cx,
        args: &Args,
        status: Status,
        acts: &[Act],
        replay: bool,
    ) {
        let mut line = args::name(num).to_owned();
        if !qualifier.is_empty() {
            line = format!("{line}/{qualifier}");
        }
        match args {
            Args::Sequence { seqid, slot, .. } => line += &format!(" slot={slot} seqid={seqid}"),
            Args::Lookup(name) | Args::Remove(name) => {
                line += &format!(" name={}", name.escape_ascii())
            }
            Args::Write {
                stateid,
                offset,
                data,
                ..
            } => {
                line += &format!(" offset={offset} count={} {}", data.len(), short(stateid));
            }
            Args::Read {
                stateid,
                offset,
                count,
            } => {
                line += &format!(" offset={offset} count={count} {}", short(stateid));
            }
            Args::Close(id) | Args::FreeStateid(id) => line += &format!(" {}", short(id)),
            Args::Commit { offset, count } => line += &format!(" offset={offset} count={count}"),
            Args::Unknown(num) => line += &format!(" number={num}"),
            Args::TestStateid(ids) => line += &format!(" n={}", ids.len()),
            _ => (),
        }
        if let Some(fh) = cx.fh {
            line += &format!(" fh={fh}");
        }
        line += &format!(" {status}");
        if replay {
            line += " REPLAY";
        }
        for act in acts {
            line += &format!(" !{act:?}");
        }
        self.note(line);
    }
}

fn short(id: &Stateid) -> String {
    match *id {
        Stateid::ANONYMOUS => "anonymous".to_owned(),
        Stateid::CURRENT => "current".to_owned(),
        id => {
            let tail = id.other.last_chunk().map_or(0, |b| u32::from_be_bytes(*b));
            format!("stateid={tail}.{}", id.seqid)
        }
    }
}

/// The result of a COMPOUND from its parts.
fn assemble(
    tag: &[u8],
    (status, count, results): &(Status, u32, Vec<u8>),
    acts: &[Act],
) -> XdrResult<Vec<u8>> {
    let (mut status, mut count, mut length) = (*status, *count, None);
    for act in acts {
        match act {
            Act::Whole(s) => status = *s,
            Act::Count(n) => count = *n,
            Act::Tag(n) => length = Some(*n),
            _ => (),
        }
    }
    let mut out = Out::default();
    out.put_u32(status.0)?;
    match length {
        Some(length) => out.put_u32(length)?,
        None => out.data(tag)?,
    }
    out.put_u32(count)?;
    out.0.extend(results);
    Ok(out.0)
}
