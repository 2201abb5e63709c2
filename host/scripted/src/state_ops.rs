// SPDX-License-Identifier: GPL-2.0

//! Operations on client ids, sessions and state.

use crate::{
    args::{Args, Locker},
    ops::{written, Cx, Res},
    state::{apply, Range, State, What},
    wire::Out,
    world::World,
};
use rnfs4_proto::{
    ops::session::{create_session4, exchgid4, seq4_status, ChannelAttrs},
    status::Status,
    types::Stateid,
    xdr::{Encode, XdrResult},
};
use std::time::Instant;

fn range(offset: u64, len: u64, exclusive: bool) -> Result<Range, Status> {
    let end = match len {
        0 => return Err(Status::INVAL),
        u64::MAX => u64::MAX,
        len => offset.checked_add(len).ok_or(Status::INVAL)?,
    };
    Ok(Range {
        start: offset,
        end,
        exclusive,
    })
}

/// The body of [`Status::DENIED`].
pub fn put_denied(out: &mut Out, r: Range, client: u64, owner: &[u8]) -> XdrResult {
    out.put_u64(r.start)?;
    out.put_u64(if r.end == u64::MAX {
        u64::MAX
    } else {
        r.end - r.start
    })?;
    out.put_u32(if r.exclusive { 2 } else { 1 })?;
    out.put_u64(client)?;
    out.data(owner)
}

fn put_channel(out: &mut Out, c: &ChannelAttrs) -> XdrResult {
    let words = [
        0,
        c.max_request_size,
        c.max_response_size,
        c.max_response_size_cached,
        c.max_ops,
        c.max_reqs,
        0,
    ];
    words.into_iter().try_for_each(|word| out.put_u32(word))
}

impl World {
    fn conflict(&self, file: u64, who: (u64, &[u8]), r: Range, out: &mut Out) -> Res {
        let Some((l, state)) = self.mem.conflict(file, who, r) else {
            return Ok(());
        };
        written(put_denied(out, l, state.client, &state.owner))?;
        Err(Status::DENIED)
    }

    fn lock(&mut self, cx: &mut Cx, args: &Args, out: &mut Out) -> Res {
        let Args::Lock {
            exclusive,
            reclaim,
            offset,
            len,
            locker,
        } = args
        else {
            return Err(Status::SERVERFAULT);
        };
        let r = range(*offset, *len, *exclusive)?;
        let file = cx.fh.ok_or(Status::NOFILEHANDLE)?;
        self.mem.check_grace(cx.client, *reclaim)?;
        let stateid = match locker {
            Locker::Known(id) => {
                let id = cx.resolve(id)?;
                let state = self.mem.find(&id, cx.client)?;
                let (What::Lock(..), true) = (&state.what, state.file == file) else {
                    return Err(Status::BAD_STATEID);
                };
                let owner = state.owner.clone();
                self.conflict(file, (cx.client, &owner), r, out)?;
                self.mem.bump(id.other)
            }
            Locker::New(open, owner) => {
                let open = cx.resolve(open)?;
                let state = self.mem.find(&open, cx.client)?;
                let (What::Open(access), true) = (&state.what, state.file == file) else {
                    return Err(Status::BAD_STATEID);
                };
                if access.0 & (if *exclusive { 2 } else { 1 }) == 0 {
                    return Err(Status::OPENMODE);
                }
                self.conflict(file, (cx.client, owner), r, out)?;
                let known = self.mem.states.iter().find(|(_, s)| {
                    matches!(s.what, What::Lock(..))
                        && (s.client, s.file) == (cx.client, file)
                        && s.owner == *owner
                });
                match known.map(|(other, _)| *other) {
                    Some(other) => self.mem.bump(other),
                    None => self.mem.add(State {
                        seqid: 1,
                        client: cx.client,
                        owner: owner.clone(),
                        file,
                        what: What::Lock(Stateid { seqid: 0, ..open }, Vec::new()),
                        revoked: None,
                    }),
                }
            }
        };
        if let What::Lock(_, ranges) = &mut self.mem.find(&stateid, cx.client)?.what {
            apply(ranges, r, true);
        }
        cx.stateid = Some(stateid);
        written(stateid.encode(out))
    }

    fn close(&mut self, cx: &mut Cx, id: &Stateid, out: &mut Out) -> Res {
        let id = cx.resolve(id)?;
        let state = self.mem.find(&id, cx.client)?;
        let (What::Open(_), true) = (&state.what, Some(state.file) == cx.fh) else {
            return Err(Status::BAD_STATEID);
        };
        let file = state.file;
        self.mem.states.remove(&id.other);
        // The locks that were got by the right of this open go with it.
        self.mem
            .states
            .retain(|_, s| !matches!(&s.what, What::Lock(open, _) if open.other == id.other));
        if !self.mem.is_open(file) {
            self.fs.forget(file);
        }
        written(Stateid::INVALID.encode(out))
    }

    fn free(&mut self, cx: &Cx, id: &Stateid) -> Res {
        let revoked = |s: &State| s.client == cx.client && s.revoked.is_some();
        // That it was taken away is what the client confirms.
        if !self.mem.states.get(&id.other).is_some_and(revoked) {
            match &self.mem.find(id, cx.client)?.what {
                What::Lock(_, ranges) if ranges.is_empty() => (),
                _ => return Err(Status::LOCKS_HELD),
            }
        }
        self.mem.states.remove(&id.other);
        Ok(())
    }

    fn exchange_id(&mut self, args: &Args, out: &mut Out) -> Res {
        let Args::ExchangeId {
            verifier,
            owner,
            flags,
            protect,
        } = args
        else {
            return Err(Status::SERVERFAULT);
        };
        if *protect != 0 {
            return Err(Status::NOTSUPP);
        }
        if flags & exchgid4::UPD_CONFIRMED_REC_A != 0 {
            return Err(Status::NOENT);
        }
        let (id, seqid, confirmed) = self.mem.exchange_id(owner, *verifier);
        written(out.put_u64(id.0))?;
        written(out.put_u32(seqid))?;
        let flag = if confirmed { exchgid4::CONFIRMED_R } else { 0 };
        written(out.put_u32(exchgid4::USE_NON_PNFS | flag))?;
        // No protection; minor id, major id, scope; no implementation.
        written(out.put_u32(0).and_then(|()| out.put_u64(0)))?;
        written(out.data(b"scripted").and_then(|()| out.data(b"scripted")))?;
        written(out.put_u32(0))
    }

    fn create_session(&mut self, args: &Args, out: &mut Out) -> Res {
        let Args::CreateSession {
            clientid,
            seqid,
            flags,
            fore,
            back,
        } = args
        else {
            return Err(Status::SERVERFAULT);
        };
        let (max_slots, max_ops) = self.limits;
        let client = self
            .mem
            .clients
            .get_mut(&clientid.0)
            .ok_or(Status::STALE_CLIENTID)?;
        if *seqid == client.seqid.wrapping_sub(1) {
            // The same once more: what was said before.
            let reply = client.reply.clone().ok_or(Status::SEQ_MISORDERED)?;
            out.0.extend(reply);
            return Ok(());
        }
        if *seqid != client.seqid {
            return Err(Status::SEQ_MISORDERED);
        }
        client.seqid = seqid.wrapping_add(1);
        let fore = ChannelAttrs {
            max_ops: fore.max_ops.min(max_ops),
            max_reqs: fore.max_reqs.min(max_slots),
            ..*fore
        };
        if fore.max_reqs == 0 || fore.max_ops == 0 {
            return Err(Status::TOOSMALL);
        }
        self.mem.confirm(clientid.0);
        let session = self
            .mem
            .create_session(clientid.0, fore.max_reqs, fore.max_ops);
        written(session.encode(out))?;
        written(
            out.put_u32(*seqid)
                .and_then(|()| out.put_u32(flags & create_session4::CONN_BACK_CHAN)),
        )?;
        written(put_channel(out, &fore).and_then(|()| put_channel(out, back)))?;
        if let Some(client) = self.mem.clients.get_mut(&clientid.0) {
            client.reply = Some(out.0.clone());
        }
        Ok(())
    }

    /// SEQUENCE, when the slot has been looked at.
    fn sequence(&mut self, cx: &mut Cx, args: &Args, out: &mut Out) -> Res {
        let Args::Sequence {
            sessionid,
            seqid,
            slot,
            ..
        } = args
        else {
            return Err(Status::SERVERFAULT);
        };
        let session = self.mem.sessions.get(sessionid).ok_or(Status::BADSESSION)?;
        let (client, highest) = (session.client, session.slots.len() as u32 - 1);
        cx.client = client;
        if let Some(client) = self.mem.clients.get_mut(&client) {
            client.renewed = Instant::now();
        }
        let mut flags = self.flags;
        if self.mem.has_revoked(client) {
            flags |= seq4_status::ADMIN_STATE_REVOKED;
        }
        written(sessionid.encode(out))?;
        let words = [*seqid, *slot, highest, highest, flags];
        written(words.into_iter().try_for_each(|word| out.put_u32(word)))
    }

    /// Runs one operation on state.
    pub fn state_op(&mut self, cx: &mut Cx, args: &Args, out: &mut Out) -> Res {
        match args {
            Args::Sequence { .. } => self.sequence(cx, args, out),
            Args::Close(id) => self.close(cx, id, out),
            Args::Delegreturn(id) => match self.mem.find(id, cx.client)?.what {
                What::Delegation => {
                    self.mem.states.remove(&id.other);
                    Ok(())
                }
                _ => Err(Status::BAD_STATEID),
            },
            Args::Lock { .. } => self.lock(cx, args, out),
            Args::Lockt {
                exclusive,
                offset,
                len,
                owner,
            } => {
                let file = cx.fh.ok_or(Status::NOFILEHANDLE)?;
                self.conflict(
                    file,
                    (cx.client, owner),
                    range(*offset, *len, *exclusive)?,
                    out,
                )
            }
            Args::Locku {
                stateid,
                offset,
                len,
            } => {
                let id = cx.resolve(stateid)?;
                let r = range(*offset, *len, false)?;
                match &mut self.mem.find(&id, cx.client)?.what {
                    What::Lock(_, ranges) => apply(ranges, r, false),
                    _ => return Err(Status::BAD_STATEID),
                }
                written(self.mem.bump(id.other).encode(out))
            }
            Args::OpenDowngrade { stateid, access } => {
                let id = cx.resolve(stateid)?;
                match &mut self.mem.find(&id, cx.client)?.what {
                    What::Open(open) if open.covers(access.access()) && access.access().0 != 0 => {
                        *open = access.access();
                    }
                    _ => return Err(Status::INVAL),
                }
                let id = self.mem.bump(id.other);
                cx.stateid = Some(id);
                written(id.encode(out))
            }
            Args::TestStateid(ids) => {
                written(out.put_u32(ids.len() as u32))?;
                ids.iter().try_for_each(|id| {
                    let status = self.mem.find(id, cx.client).err().unwrap_or(Status::OK);
                    written(out.put_u32(status.0))
                })
            }
            Args::FreeStateid(id) => self.free(cx, id),
            Args::ExchangeId { .. } => self.exchange_id(args, out),
            Args::CreateSession { .. } => self.create_session(args, out),
            Args::DestroySession(id) => {
                self.mem.sessions.remove(id).ok_or(Status::BADSESSION)?;
                Ok(())
            }
            Args::DestroyClientid(id) => {
                let busy = self.mem.sessions.values().any(|s| s.client == id.0)
                    || self
                        .mem
                        .states
                        .values()
                        .any(|s| s.client == id.0 && s.revoked.is_none());
                if busy {
                    return Err(Status::CLIENTID_BUSY);
                }
                if !self.mem.clients.contains_key(&id.0) {
                    return Err(Status::STALE_CLIENTID);
                }
                self.mem.expire(id.0);
                Ok(())
            }
            Args::BindConn { sessionid, dir } => {
                if !self.mem.sessions.contains_key(sessionid) {
                    return Err(Status::BADSESSION);
                }
                // Both ways where that is wanted.
                let dir = if matches!(dir, 3 | 7) { 3 } else { *dir };
                written(sessionid.encode(out))?;
                written(out.put_u32(dir).and_then(|()| out.put_bool(false)))
            }
            Args::ReclaimComplete(one_fs) => match one_fs {
                true => Ok(()),
                false => self.mem.reclaim_complete(cx.client),
            },
            _ => Err(Status::NOTSUPP),
        }
    }
}
