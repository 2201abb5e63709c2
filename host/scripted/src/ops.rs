// SPDX-License-Identifier: GPL-2.0

//! Operations on files and names, as the RFC has them.

use crate::{
    args::{Args, Claim, How},
    fs::{Kind, ROOT},
    getattr,
    state::{State, What},
    wire::{Out, SetAttrs},
    world::World,
};
use rnfs4_proto::{
    ops::open::open4_result,
    status::Status,
    types::{Bitmap, ChangeInfo, NfsType, ShareAccess, StableHow, Stateid, Verifier},
    xdr::{Encode, XdrResult},
};
use std::collections::BTreeMap;

/// What one operation of a COMPOUND leaves to the next.
#[derive(Clone, Debug, Default)]
pub struct Cx {
    /// The client, once SEQUENCE has told.
    pub client: u64,
    /// The caller.
    pub cred: (u32, u32),
    /// The current object.
    pub fh: Option<u64>,
    /// The saved object.
    pub saved: Option<u64>,
    /// The current stateid.
    pub stateid: Option<Stateid>,
}

/// The verifier of every directory's cookies, which never go bad.
const COOKIES: Verifier = Verifier(*b"cookies.");

/// How an operation ends. Where it failed, what it has written counts only for those whose failures
/// have a body.
pub type Res = Result<(), Status>;

/// The end of a result that could not be written: the server's own fault.
pub fn written(res: XdrResult) -> Res {
    res.map_err(|_| Status::SERVERFAULT)
}

/// The handle of an object.
pub fn handle(id: u64) -> [u8; 16] {
    let mut fh = *b"scripted........";
    if let Some(tail) = fh.last_chunk_mut() {
        *tail = id.to_be_bytes();
    }
    fh
}

fn object(fh: &[u8]) -> Result<u64, Status> {
    let tail = fh.strip_prefix(b"scripted").ok_or(Status::BADHANDLE)?;
    Ok(u64::from_be_bytes(
        tail.try_into().map_err(|_| Status::BADHANDLE)?,
    ))
}

fn sorted(entries: &BTreeMap<Vec<u8>, crate::fs::Entry>, behind: u64) -> Vec<(u64, u64, Vec<u8>)> {
    let mut list: Vec<_> = entries
        .iter()
        .map(|(name, e)| (e.cookie, e.id, name.clone()))
        .collect();
    list.retain(|e| e.0 > behind);
    list.sort();
    list
}

impl Cx {
    fn current(&self) -> Result<u64, Status> {
        self.fh.ok_or(Status::NOFILEHANDLE)
    }

    /// The stateid, or the one that "current" stands for.
    pub fn resolve(&self, id: &Stateid) -> Result<Stateid, Status> {
        match *id {
            Stateid::CURRENT => self.stateid.ok_or(Status::BAD_STATEID),
            id => Ok(id),
        }
    }
}

impl World {
    /// The stateid must allow this access to the current file. A special one does.
    fn may(&mut self, cx: &Cx, id: &Stateid, access: ShareAccess) -> Result<u64, Status> {
        let file = cx.current()?;
        let id = cx.resolve(id)?;
        self.fs.node(file)?.data()?;
        if id.is_special() {
            return match id {
                Stateid::ANONYMOUS | Stateid::READ_BYPASS => Ok(file),
                _ => Err(Status::BAD_STATEID),
            };
        }
        let state = self.mem.find(&id, cx.client)?;
        if state.file != file {
            return Err(Status::BAD_STATEID);
        }
        let open = match &state.what {
            What::Open(open) => *open,
            What::Lock(open, _) => {
                let open = *open;
                match self.mem.find(&open, cx.client).map(|s| s.what.clone()) {
                    Ok(What::Open(open)) => open,
                    _ => return Err(Status::BAD_STATEID),
                }
            }
            What::Delegation => ShareAccess::BOTH,
        };
        if !open.covers(access) {
            return Err(Status::OPENMODE);
        }
        Ok(file)
    }

    fn make(
        &mut self,
        cx: &Cx,
        dir: u64,
        name: &[u8],
        kind: Kind,
        set: &SetAttrs,
    ) -> Result<(u64, ChangeInfo), Status> {
        if set.unknown {
            return Err(Status::ATTRNOTSUPP);
        }
        match self.fs.lookup(dir, name) {
            Ok(_) => return Err(Status::EXIST),
            Err(Status::NOENT) => (),
            Err(status) => return Err(status),
        }
        let id = self.fs.make(kind, 0o644, cx.cred);
        self.fs.node(id)?.set(set)?;
        Ok((id, self.fs.link(dir, name, id)?))
    }

    fn create(&mut self, cx: &mut Cx, args: &Args, out: &mut Out) -> Res {
        let Args::Create {
            kind,
            link,
            dev,
            name,
            attrs,
        } = args
        else {
            return Err(Status::SERVERFAULT);
        };
        let kind = match NfsType::from_u32(*kind).map_err(|_| Status::BADTYPE)? {
            NfsType::Dir => Kind::Dir {
                parent: ROOT,
                entries: BTreeMap::new(),
            },
            NfsType::Lnk => Kind::Link(link.clone()),
            typ @ (NfsType::Blk | NfsType::Chr | NfsType::Sock | NfsType::Fifo) => {
                Kind::Special(typ, *dev)
            }
            _ => return Err(Status::BADTYPE),
        };
        let (id, change) = self.make(cx, cx.current()?, name, kind, attrs)?;
        cx.fh = Some(id);
        written(out.change(change).and_then(|()| attrs.mask.encode(out)))
    }

    fn readdir(&mut self, cx: &Cx, args: &Args, out: &mut Out) -> Res {
        let Args::Readdir {
            cookie,
            verifier,
            maxcount,
            attrs,
        } = args
        else {
            return Err(Status::SERVERFAULT);
        };
        let lease = self.lease();
        let dir = cx.current()?;
        let list = sorted(self.fs.node(dir)?.entries()?, *cookie);
        let room = (*maxcount as usize).saturating_sub(64);
        if *cookie != 0 && *verifier != COOKIES {
            return Err(Status::NOT_SAME);
        }
        written(COOKIES.encode(out))?;
        let mut eof = true;
        for (n, (cookie, id, name)) in list.iter().enumerate() {
            let mut entry = Out::default();
            written(entry.put_bool(true).and_then(|()| entry.put_u64(*cookie)))?;
            written(entry.data(name))?;
            written(getattr::put(&mut self.fs, *id, *attrs, lease, &mut entry))?;
            if out.0.len() + entry.0.len() > room {
                if n == 0 {
                    return Err(Status::TOOSMALL);
                }
                eof = false;
                break;
            }
            out.0.extend(entry.0);
        }
        written(out.put_bool(false).and_then(|()| out.put_bool(eof)))
    }

    fn open(&mut self, cx: &mut Cx, args: &Args, out: &mut Out) -> Res {
        let Args::Open {
            access,
            owner,
            how,
            claim,
        } = args
        else {
            return Err(Status::SERVERFAULT);
        };
        self.mem
            .check_grace(cx.client, matches!(claim, Claim::Previous))?;
        let (dir, mut attrset) = (cx.current()?, Bitmap::EMPTY);
        let unchanged = |w: &mut Self| {
            w.fs.node(dir).map(|n| ChangeInfo {
                atomic: true,
                before: n.change,
                after: n.change,
            })
        };
        let (file, change) = match claim {
            Claim::Previous | Claim::Fh => (dir, unchanged(self)?),
            Claim::DelegCurFh(id) => {
                self.mem.find(id, cx.client)?;
                (dir, unchanged(self)?)
            }
            Claim::Other => return Err(Status::NOTSUPP),
            Claim::Null(name) => match (self.fs.lookup(dir, name), how) {
                (Err(Status::NOENT), How::Unchecked(set) | How::Guarded(set)) => {
                    attrset = set.mask;
                    self.make(cx, dir, name, Kind::File(Vec::new()), set)?
                }
                (Err(Status::NOENT), How::Exclusive(verifier, set)) => {
                    attrset = set.mask;
                    let made = self.make(cx, dir, name, Kind::File(Vec::new()), set)?;
                    self.made.insert(made.0, *verifier);
                    made
                }
                (Ok(file), How::Exclusive(verifier, _))
                    if self.made.get(&file) == Some(verifier) =>
                {
                    (file, unchanged(self)?)
                }
                (Ok(_), How::Guarded(_) | How::Exclusive(..)) => return Err(Status::EXIST),
                (Ok(file), How::Unchecked(set)) => {
                    if let Some(size) = set.size {
                        let set = SetAttrs {
                            size: Some(size),
                            ..SetAttrs::default()
                        };
                        self.fs.node(file)?.set(&set)?;
                    }
                    (file, unchanged(self)?)
                }
                (Ok(file), How::NoCreate) => (file, unchanged(self)?),
                (Err(status), _) => return Err(status),
            },
        };
        self.fs.node(file)?.data()?;
        let access_bits = access.access();
        if access_bits.0 == 0 {
            return Err(Status::INVAL);
        }
        let stateid = match self.mem.find_open(cx.client, owner, file) {
            Some(other) => {
                if let Some(State {
                    what: What::Open(open),
                    ..
                }) = self.mem.states.get_mut(&other)
                {
                    *open = open.with(access_bits);
                }
                self.mem.bump(other)
            }
            None => self.mem.add(State {
                seqid: 1,
                client: cx.client,
                owner: owner.clone(),
                file,
                what: What::Open(access_bits),
                revoked: None,
            }),
        };
        (cx.fh, cx.stateid) = (Some(file), Some(stateid));
        written(stateid.encode(out))?;
        written(out.change(change))?;
        written(out.put_u32(open4_result::LOCKTYPE_POSIX | open4_result::PRESERVE_UNLINKED))?;
        written(attrset.encode(out))?;
        self.delegate(cx, file, *access, out)
    }

    /// The delegation that comes with an open: none, unless a test wants one.
    fn delegate(&mut self, cx: &Cx, file: u64, access: ShareAccess, out: &mut Out) -> Res {
        if self.delegation == 0 {
            let none_ext = access.covers(ShareAccess::WANT_NO_DELEG);
            written(out.put_u32(if none_ext { 3 } else { 0 }))?;
            return if none_ext {
                written(out.put_u32(0))
            } else {
                Ok(())
            };
        }
        let stateid = self.mem.add(State {
            seqid: 1,
            client: cx.client,
            owner: Vec::new(),
            file,
            what: What::Delegation,
            revoked: None,
        });
        written(out.put_u32(self.delegation))?;
        written(stateid.encode(out))?;
        written(out.put_bool(false))?;
        if self.delegation == 2 {
            written(out.put_u32(1).and_then(|()| out.put_u64(u64::MAX)))?;
        }
        written((0..3).try_for_each(|_| out.put_u32(0)))?;
        written(out.data(b""))
    }

    fn read(&mut self, cx: &Cx, id: &Stateid, offset: u64, count: u32, out: &mut Out) -> Res {
        let file = self.may(cx, id, ShareAccess::READ)?;
        let data = self.fs.node(file)?.data()?;
        let start = offset.min(data.len() as u64) as usize;
        let count = count.min(getattr::IO_MAX) as usize;
        let end = start.saturating_add(count).min(data.len());
        written(out.put_bool(end == data.len()))?;
        written(out.data(data.get(start..end).unwrap_or(&[])))
    }

    /// Runs one operation on files or names.
    pub fn file_op(&mut self, cx: &mut Cx, args: &Args, out: &mut Out) -> Res {
        let lease = self.lease();
        match args {
            Args::Access(asked) => {
                self.fs.node(cx.current()?)?;
                written(
                    out.put_u32(asked & 0x3f)
                        .and_then(|()| out.put_u32(asked & 0x3f)),
                )
            }
            Args::Commit { .. } => {
                let file = cx.current()?;
                self.fs.node(file)?.data()?;
                written(self.verifier.encode(out))
            }
            Args::Create { .. } => self.create(cx, args, out),
            Args::Getattr(asked) => {
                let id = cx.current()?;
                self.fs.node(id)?;
                written(getattr::put(&mut self.fs, id, *asked, lease, out))
            }
            Args::Getfh => written(out.data(&handle(cx.current()?))),
            Args::Link(name) => {
                let from = cx.saved.ok_or(Status::NOFILEHANDLE)?;
                let change = self.fs.link(cx.current()?, name, from)?;
                written(out.change(change))
            }
            Args::Lookup(name) => {
                cx.fh = Some(self.fs.lookup(cx.current()?, name)?);
                Ok(())
            }
            Args::Lookupp => {
                cx.fh = Some(self.fs.parent(cx.current()?)?);
                Ok(())
            }
            Args::Open { .. } => self.open(cx, args, out),
            Args::Putfh(fh) => {
                let id = object(fh)?;
                self.fs.node(id)?;
                cx.fh = Some(id);
                Ok(())
            }
            Args::Putrootfh => {
                cx.fh = Some(ROOT);
                Ok(())
            }
            Args::Read {
                stateid,
                offset,
                count,
            } => self.read(cx, stateid, *offset, *count, out),
            Args::Readdir { .. } => self.readdir(cx, args, out),
            Args::Readlink => match &self.fs.node(cx.current()?)?.kind {
                Kind::Link(text) => written(out.data(text)),
                _ => Err(Status::INVAL),
            },
            Args::Remove(name) => {
                let (change, id) = self.fs.unlink(cx.current()?, name)?;
                if !self.mem.is_open(id) {
                    self.fs.forget(id);
                }
                written(out.change(change))
            }
            Args::Rename(old, new) => {
                let from = cx.saved.ok_or(Status::NOFILEHANDLE)?;
                let (source, target, gone) = self.fs.rename((from, old), (cx.current()?, new))?;
                if let Some(id) = gone.filter(|id| !self.mem.is_open(*id)) {
                    self.fs.forget(id);
                }
                written(out.change(source).and_then(|()| out.change(target)))
            }
            Args::Restorefh => {
                cx.fh = Some(cx.saved.ok_or(Status::RESTOREFH)?);
                Ok(())
            }
            Args::Savefh => {
                cx.saved = Some(cx.current()?);
                Ok(())
            }
            Args::Setattr { stateid, attrs } => {
                let id = cx.current()?;
                if attrs.unknown {
                    return Err(Status::ATTRNOTSUPP);
                }
                if attrs.size.is_some() {
                    self.may(cx, stateid, ShareAccess::WRITE)?;
                }
                self.fs.node(id)?.set(attrs)?;
                written(attrs.mask.encode(out))
            }
            Args::Write {
                stateid,
                offset,
                stable,
                data,
            } => {
                let file = self.may(cx, stateid, ShareAccess::WRITE)?;
                self.fs.node(file)?.write(*offset, data)?;
                let committed = if *stable == 0 {
                    StableHow::Unstable
                } else {
                    StableHow::FileSync
                };
                written(out.put_u32(data.len() as u32))?;
                written(out.put_u32(committed as u32))?;
                written(self.verifier.encode(out))
            }
            Args::SecinfoNoName => {
                cx.current()?;
                cx.fh = None;
                written(out.put_u32(1).and_then(|()| out.put_u32(1)))
            }
            _ => self.state_op(cx, args, out),
        }
    }
}
