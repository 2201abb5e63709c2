// SPDX-License-Identifier: GPL-2.0

//! Operations that make and unmake client ids and sessions, and SEQUENCE.

use crate::{
    op::Op,
    types::{
        ClientId,
        NfsTime,
        Opaque,
        SessionId,
        SlotId,
        Verifier,
        OPAQUE_MAX, //
    },
    xdr::{
        opaque_max,
        Decode,
        Encode,
        Sink,
        Source,
        XdrError,
        XdrResult, //
    },
};

/// Bits of `eia_flags` and `eir_flags` (RFC 18.35).
pub mod exchgid4 {
    /// Asked: the client follows referrals.
    pub const SUPP_MOVED_REFER: u32 = 0x0000_0001;
    /// Asked: state is bound to the principal that made it.
    pub const BIND_PRINC_STATEID: u32 = 0x0000_0100;
    /// A server that is no pNFS server.
    pub const USE_NON_PNFS: u32 = 0x0001_0000;
    /// A pNFS metadata server.
    pub const USE_PNFS_MDS: u32 = 0x0002_0000;
    /// A pNFS data server.
    pub const USE_PNFS_DS: u32 = 0x0004_0000;
    /// Asked: change the properties of a confirmed client id.
    pub const UPD_CONFIRMED_REC_A: u32 = 0x4000_0000;
    /// Answered: the client id is confirmed already.
    pub const CONFIRMED_R: u32 = 0x8000_0000;
    /// The bits that an answer may have.
    pub const MASK_R: u32 = 0x8007_0107;
}

/// Bits of `csa_flags` and `csr_flags` (RFC 18.36).
pub mod create_session4 {
    /// The server keeps replies over a restart.
    pub const PERSIST: u32 = 0x1;
    /// The connection carries callbacks, too.
    pub const CONN_BACK_CHAN: u32 = 0x2;
}

/// Bits of `sr_status_flags` (RFC 18.46.3).
#[expect(missing_docs, reason = "each is named as in the RFC")]
pub mod seq4_status {
    pub const CB_PATH_DOWN: u32 = 0x001;
    pub const CB_GSS_CONTEXTS_EXPIRING: u32 = 0x002;
    pub const CB_GSS_CONTEXTS_EXPIRED: u32 = 0x004;
    pub const EXPIRED_ALL_STATE_REVOKED: u32 = 0x008;
    pub const EXPIRED_SOME_STATE_REVOKED: u32 = 0x010;
    pub const ADMIN_STATE_REVOKED: u32 = 0x020;
    pub const RECALLABLE_STATE_REVOKED: u32 = 0x040;
    pub const LEASE_MOVED: u32 = 0x080;
    pub const RESTART_RECLAIM_NEEDED: u32 = 0x100;
    pub const CB_PATH_DOWN_SESSION: u32 = 0x200;
    pub const BACKCHANNEL_FAULT: u32 = 0x400;
}

/// Who a server is (RFC 2.10.4, 2.4.1). Large: the caller of EXCHANGE_ID lends the space.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerInfo {
    /// `so_minor_id`: which of the server's ways of speaking.
    pub minor_id: u64,
    /// `so_major_id`: equal where state and sessions are shared.
    pub major_id: Opaque<OPAQUE_MAX>,
    /// Client ids, file handles and state are worth something only within one scope.
    pub scope: Opaque<OPAQUE_MAX>,
    /// `nii_domain` of the implementation, cut if it is long.
    pub impl_domain: Opaque<64>,
    /// `nii_name` of the implementation, cut if it is long.
    pub impl_name: Opaque<128>,
    /// `nii_date` of the implementation.
    pub impl_date: NfsTime,
}

impl ServerInfo {
    /// Nothing known yet.
    pub const fn empty() -> Self {
        Self {
            minor_id: 0,
            major_id: Opaque::empty(),
            scope: Opaque::empty(),
            impl_domain: Opaque::empty(),
            impl_name: Opaque::empty(),
            impl_date: NfsTime { sec: 0, nsec: 0 },
        }
    }
}

/// The client's implementation, told for the server's administrator.
#[derive(Clone, Copy, Debug)]
pub struct ImplId<'a> {
    /// A domain name.
    pub domain: &'a [u8],
    /// Name and version.
    pub name: &'a [u8],
    /// When it was made.
    pub date: NfsTime,
}

/// EXCHANGE_ID (RFC 18.35) without state protection (`SP4_NONE`).
#[derive(Debug)]
pub struct ExchangeId<'a> {
    /// `co_verifier`: changes when the client has lost its state.
    pub verifier: Verifier,
    /// `co_ownerid`: who the client is, at most [`OPAQUE_MAX`] bytes.
    pub owner: &'a [u8],
    /// Bits of [`exchgid4`].
    pub flags: u32,
    /// Who made the client, if that is to be told.
    pub impl_id: Option<ImplId<'a>>,
    /// Where the server's own names are put.
    pub server: &'a mut ServerInfo,
}

/// What EXCHANGE_ID gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExchangeIdRes {
    /// The client id.
    pub clientid: ClientId,
    /// The sequence id of the first CREATE_SESSION, if the client id is not confirmed.
    pub seqid: u32,
    /// Bits of [`exchgid4`].
    pub flags: u32,
}

impl ExchangeIdRes {
    /// The client id was confirmed before: the server remembers this instance of the client.
    pub fn confirmed(&self) -> bool {
        self.flags & exchgid4::CONFIRMED_R != 0
    }
}

impl Op for ExchangeId<'_> {
    const NUM: u32 = 42;
    type Res = ExchangeIdRes;

    fn args_max(&self) -> usize {
        let impl_id = self.impl_id.as_ref().map_or(0, |id| {
            opaque_max(id.domain.len()) + opaque_max(id.name.len()) + NfsTime::XDR
        });
        Verifier::XDR + opaque_max(self.owner.len()) + 4 + 4 + 4 + impl_id
    }

    fn res_max(&self) -> usize {
        // Client id, sequence id, flags, state protection, then server owner, scope, implementation.
        8 + 4 + 4 + 4 + 8 + 4 * opaque_max(OPAQUE_MAX) + 4 + NfsTime::XDR
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.verifier.encode(s)?;
        s.put_opaque(self.owner, OPAQUE_MAX)?;
        s.put_u32(self.flags)?;
        s.put_u32(SP4_NONE)?;
        s.put_u32(self.impl_id.is_some().into())?;
        if let Some(id) = &self.impl_id {
            s.put_opaque(id.domain, OPAQUE_MAX)?;
            s.put_opaque(id.name, OPAQUE_MAX)?;
            id.date.encode(s)?;
        }
        Ok(())
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<ExchangeIdRes> {
        let res = ExchangeIdRes {
            clientid: ClientId(s.get_u64()?),
            seqid: s.get_u32()?,
            flags: s.get_u32()?,
        };
        if res.flags & !exchgid4::MASK_R != 0 || s.get_u32()? != SP4_NONE {
            return Err(XdrError::Invalid);
        }
        let server = &mut *self.server;
        server.minor_id = s.get_u64()?;
        server.major_id.set(s.get_opaque(OPAQUE_MAX)?);
        server.scope.set(s.get_opaque(OPAQUE_MAX)?);
        if s.get_count(1)? == 1 {
            server.impl_domain.set(s.get_opaque(OPAQUE_MAX)?);
            server.impl_name.set(s.get_opaque(OPAQUE_MAX)?);
            server.impl_date = NfsTime {
                // For the administrator's eyes only: a date that is none does no harm.
                sec: s.get_i64()?,
                nsec: s.get_u32()?,
            };
        }
        Ok(res)
    }
}

/// `state_protect_how4` without protection.
const SP4_NONE: u32 = 0;

/// The limits of one channel of a session (RFC 18.36.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ChannelAttrs {
    /// Bytes of a request, RPC header included.
    pub max_request_size: u32,
    /// Bytes of a reply.
    pub max_response_size: u32,
    /// Bytes of a reply that the slot can keep.
    pub max_response_size_cached: u32,
    /// Operations in a COMPOUND, SEQUENCE included.
    pub max_ops: u32,
    /// Slots.
    pub max_reqs: u32,
}

impl ChannelAttrs {
    const XDR_MAX: usize = 6 * 4 + 8;

    /// What a server may answer to `asked`: it may lower each limit, but not to nothing, and not
    /// raise those of what it sends. `needed_ops` operations must fit into a COMPOUND.
    ///
    /// Answers to the C client's `nfs4_verify_fore_channel_attrs()`.
    pub fn acceptable(&self, asked: &Self, needed_ops: u32) -> bool {
        self.max_response_size <= asked.max_response_size
            && self.max_reqs > 0
            && self.max_ops >= needed_ops
            && self.max_request_size >= Self::MIN_SIZE
            && self.max_response_size >= Self::MIN_SIZE
    }

    /// The least size of a message, in bytes, that all that is not bulk data fits into.
    pub const MIN_SIZE: u32 = 4096;

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        // No padding before the RPC header, no RDMA.
        [
            0,
            self.max_request_size,
            self.max_response_size,
            self.max_response_size_cached,
            self.max_ops,
            self.max_reqs,
            0,
        ]
        .into_iter()
        .try_for_each(|v| s.put_u32(v))
    }

    fn decode<S: Source>(s: &mut S) -> XdrResult<Self> {
        s.get_u32()?;
        let attrs = Self {
            max_request_size: s.get_u32()?,
            max_response_size: s.get_u32()?,
            max_response_size_cached: s.get_u32()?,
            max_ops: s.get_u32()?,
            max_reqs: s.get_u32()?,
        };
        for _ in 0..s.get_count(1)? {
            s.get_u32()?;
        }
        Ok(attrs)
    }
}

/// How the server is to authenticate its callbacks (RFC 18.36.1).
#[derive(Clone, Copy, Debug)]
pub enum CallbackSec<'a> {
    /// Not at all.
    None,
    /// By AUTH_SYS, as root of this machine.
    Sys {
        /// An arbitrary number.
        stamp: u32,
        /// The machine's name, at most 255 bytes.
        machine: &'a [u8],
    },
}

/// CREATE_SESSION (RFC 18.36). Also confirms the client id.
#[derive(Clone, Copy, Debug)]
pub struct CreateSession<'a> {
    /// The client id.
    pub clientid: ClientId,
    /// The number of this CREATE_SESSION, as EXCHANGE_ID and each success count it.
    pub seqid: u32,
    /// Bits of [`create_session4`].
    pub flags: u32,
    /// The limits wanted for calls.
    pub fore: ChannelAttrs,
    /// The limits wanted for callbacks.
    pub back: ChannelAttrs,
    /// The RPC program number of callbacks.
    pub cb_program: u32,
    /// How callbacks authenticate.
    pub cb_sec: CallbackSec<'a>,
}

/// What CREATE_SESSION gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CreateSessionRes {
    /// The session.
    pub sessionid: SessionId,
    /// The number of the request, given back.
    pub seqid: u32,
    /// Bits of [`create_session4`] that the server agreed to.
    pub flags: u32,
    /// The limits for calls.
    pub fore: ChannelAttrs,
    /// The limits for callbacks.
    pub back: ChannelAttrs,
}

/// The most bytes of an AUTH_SYS machine name (RFC 5531).
const MACHINE_MAX: usize = 255;

impl Op for CreateSession<'_> {
    const NUM: u32 = 43;
    type Res = CreateSessionRes;

    fn args_max(&self) -> usize {
        8 + 4 + 4 + 2 * ChannelAttrs::XDR_MAX + 4 + 4 + 4 + 4 + opaque_max(MACHINE_MAX) + 12
    }

    fn res_max(&self) -> usize {
        SessionId::XDR + 4 + 4 + 2 * ChannelAttrs::XDR_MAX
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u64(self.clientid.0)?;
        s.put_u32(self.seqid)?;
        s.put_u32(self.flags)?;
        self.fore.encode(s)?;
        self.back.encode(s)?;
        s.put_u32(self.cb_program)?;
        s.put_u32(1)?;
        match self.cb_sec {
            CallbackSec::None => s.put_u32(0),
            CallbackSec::Sys { stamp, machine } => {
                s.put_u32(1)?;
                s.put_u32(stamp)?;
                s.put_opaque(machine, MACHINE_MAX)?;
                // uid, gid, and no further groups.
                (0..3).try_for_each(|_| s.put_u32(0))
            }
        }
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<CreateSessionRes> {
        let res = CreateSessionRes {
            sessionid: SessionId::decode(s)?,
            seqid: s.get_u32()?,
            flags: s.get_u32()?,
            fore: ChannelAttrs::decode(s)?,
            back: ChannelAttrs::decode(s)?,
        };
        // A reply to another request than this one, or an agreement to what was not asked.
        if res.seqid != self.seqid || res.flags & !self.flags != 0 {
            return Err(XdrError::Invalid);
        }
        Ok(res)
    }
}

/// SEQUENCE (RFC 18.46): the first operation of nearly every COMPOUND.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    /// The session.
    pub sessionid: SessionId,
    /// The slot's sequence id.
    pub seqid: u32,
    /// The slot.
    pub slot: SlotId,
    /// The highest slot in use.
    pub highest_slot: SlotId,
    /// The server is to keep the whole reply for a retry.
    pub cache_this: bool,
}

/// What SEQUENCE gives beside session, slot and sequence id, which have been compared already.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SequenceRes {
    /// The highest slot that the server allows.
    pub highest_slot: SlotId,
    /// The highest slot that the server would like to see used.
    pub target_highest_slot: SlotId,
    /// Bits of [`seq4_status`].
    pub status_flags: u32,
}

impl Op for Sequence {
    const NUM: u32 = 53;
    type Res = SequenceRes;

    fn args_max(&self) -> usize {
        SessionId::XDR + 16
    }

    fn res_max(&self) -> usize {
        SessionId::XDR + 20
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.sessionid.encode(s)?;
        s.put_u32(self.seqid)?;
        s.put_u32(self.slot.0)?;
        s.put_u32(self.highest_slot.0)?;
        s.put_bool(self.cache_this)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<SequenceRes> {
        let echo = (SessionId::decode(s)?, s.get_u32()?, SlotId(s.get_u32()?));
        if echo != (self.sessionid, self.seqid, self.slot) {
            return Err(XdrError::Invalid);
        }
        Ok(SequenceRes {
            highest_slot: SlotId(s.get_u32()?),
            target_highest_slot: SlotId(s.get_u32()?),
            status_flags: s.get_u32()?,
        })
    }
}

/// Which ways a connection carries calls of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum ConnDir {
    /// Calls only.
    Fore = 1,
    /// Callbacks only.
    Back = 2,
    /// Both.
    Both = 3,
}

/// What BIND_CONN_TO_SESSION asks for, `channel_dir_from_client4`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum BindDir {
    /// Calls.
    Fore = 1,
    /// Callbacks.
    Back = 2,
    /// Calls, and callbacks if the server likes.
    ForeOrBoth = 3,
    /// Callbacks, and calls if the server likes.
    BackOrBoth = 7,
}

/// BIND_CONN_TO_SESSION (RFC 18.34) without RDMA. Alone in its COMPOUND.
#[derive(Clone, Copy, Debug)]
pub struct BindConnToSession {
    /// The session.
    pub sessionid: SessionId,
    /// What this connection is to carry.
    pub dir: BindDir,
}

impl Op for BindConnToSession {
    const NUM: u32 = 41;
    type Res = ConnDir;

    fn args_max(&self) -> usize {
        SessionId::XDR + 8
    }

    fn res_max(&self) -> usize {
        SessionId::XDR + 8
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.sessionid.encode(s)?;
        s.put_u32(self.dir as u32)?;
        s.put_bool(false)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<ConnDir> {
        if SessionId::decode(s)? != self.sessionid {
            return Err(XdrError::Invalid);
        }
        let dir = match (s.get_u32()?, self.dir) {
            (1, BindDir::Fore | BindDir::ForeOrBoth) => ConnDir::Fore,
            (2, BindDir::Back | BindDir::BackOrBoth) => ConnDir::Back,
            (3, BindDir::ForeOrBoth | BindDir::BackOrBoth) => ConnDir::Both,
            _ => return Err(XdrError::Invalid),
        };
        // RDMA mode, which was not asked for.
        if s.get_bool()? {
            return Err(XdrError::Invalid);
        }
        Ok(dir)
    }
}

/// DESTROY_SESSION (RFC 18.37).
#[derive(Clone, Copy, Debug)]
pub struct DestroySession(pub SessionId);

impl Op for DestroySession {
    const NUM: u32 = 44;
    type Res = ();

    fn args_max(&self) -> usize {
        SessionId::XDR
    }

    fn res_max(&self) -> usize {
        0
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.0.encode(s)
    }

    fn decode<S: Source>(&mut self, _s: &mut S) -> XdrResult {
        Ok(())
    }
}

/// DESTROY_CLIENTID (RFC 18.50).
#[derive(Clone, Copy, Debug)]
pub struct DestroyClientid(pub ClientId);

impl Op for DestroyClientid {
    const NUM: u32 = 57;
    type Res = ();

    fn args_max(&self) -> usize {
        8
    }

    fn res_max(&self) -> usize {
        0
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u64(self.0 .0)
    }

    fn decode<S: Source>(&mut self, _s: &mut S) -> XdrResult {
        Ok(())
    }
}

/// RECLAIM_COMPLETE (RFC 18.51): nothing more will be reclaimed.
#[derive(Clone, Copy, Debug)]
pub struct ReclaimComplete {
    /// Only in the file system of the current file handle, which has moved.
    pub one_fs: bool,
}

impl Op for ReclaimComplete {
    const NUM: u32 = 58;
    type Res = ();

    fn args_max(&self) -> usize {
        4
    }

    fn res_max(&self) -> usize {
        0
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_bool(self.one_fs)
    }

    fn decode<S: Source>(&mut self, _s: &mut S) -> XdrResult {
        Ok(())
    }
}
