// SPDX-License-Identifier: GPL-2.0

//! OPEN: how open contexts come to be.
//!
//! OPEN is sent as an asynchronous call. The reply is acted on in the call itself, before its slot is given back: so the state
//! exists by the time recovery has drained the session, and a caller who was killed while he waited leaves no open file
//! behind on the server: the context that nobody took is closed.

use core::mem::MaybeUninit;

use kernel::{
    cred::Credential,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use rnfs4_proto::{
    attrs::{
        request,
        Attrs, //
    },
    compound::Ops,
    ops::{
        attr::{
            Access as AccessOp,
            Getattr,
            Setattr, //
        },
        fh::{
            Getfh,
            Putfh,
            Restorefh,
            Savefh, //
        },
        io::{
            Read,
            ReadRes, //
        },
        open::{
            Delegation,
            Open,
            OpenClaim,
            OpenHow,
            Owner, //
        },
    },
    recovery::table::OpClass,
    setattrs::{
        SetAttrs,
        SetTime, //
    },
    status::Status,
    types::{
        access,
        Bitmap,
        ChangeInfo,
        Fh,
        NfsTime,
        Opaque,
        ShareAccess,
        Stateid,
        Verifier, //
    },
};

use super::{
    open_context::{
        ContextReservation,
        OpenContext, //
    },
    open_state::{
        Access,
        StateReservation, //
    },
    owner::{
        NodeReservation,
        OpenOwner,
        OwnerRef, //
    },
};
use crate::{
    client::{
        call::{
            errno::StatusExt,
            exchange::Body, //
        },
        server::Server,
    },
    sys::{
        mm::PageVec,
        time::{
            random_u64,
            wall_seconds, //
        },
    },
};

/// Which file is to be opened.
pub(crate) enum OpenTarget<'a> {
    /// A name in a directory: it may be made, and who holds it now is the server's to say.
    Name {
        /// The directory.
        dir: &'a Fh,
        /// The name.
        name: &'a [u8],
    },
    /// A file that is known already.
    File {
        /// The file.
        fh: &'a Fh,
    },
}

/// O_CREAT.
pub(crate) struct Create {
    /// O_EXCL.
    pub(crate) exclusive: bool,
    /// What a new file gets; a size cuts an old one.
    pub(crate) attrs: SetAttrs,
}

/// What open(2) asks for.
pub(crate) struct OpenRequest<'a> {
    /// Which file.
    pub(crate) target: OpenTarget<'a>,
    /// For reading.
    pub(crate) read: bool,
    /// For writing.
    pub(crate) write: bool,
    /// Make it if it is not there.
    pub(crate) create: Option<Create>,
    /// O_TRUNC.
    pub(crate) truncate: bool,
    /// Who opens.
    pub(crate) cred: ARef<Credential>,
}

/// Where the beginning of a file goes that is read along with its OPEN.
pub(crate) trait Bulk: Send + 'static {
    /// As much as is to be read.
    fn pages(&self) -> &PageVec;
}

/// An open file.
pub(crate) struct Opened<B> {
    /// The context; dropping it closes the file.
    pub(crate) ctx: Arc<OpenContext>,
    /// The file.
    pub(crate) fh: Fh,
    /// Its attributes.
    pub(crate) attrs: Attrs,
    /// What became of the directory, if the file was opened by name.
    pub(crate) dir_change: Option<ChangeInfo>,
    /// The directory's attributes after that, of an open that may make the file.
    pub(crate) dir_attrs: Option<core::result::Result<Attrs, Status>>,
    /// The beginning of the file, if it was asked for and came.
    pub(crate) beginning: Option<(B, ReadRes)>,
    /// ACCESS4_* that the caller has, if the server told.
    pub(crate) access: Option<u32>,
}

/// What may be asked about a regular file.
pub(super) const FILE_ACCESS: u32 =
    access::READ | access::MODIFY | access::EXTEND | access::EXECUTE;

/// Nanoseconds in a second.
const NSEC_PER_SEC: u64 = 1_000_000_000;

/// A time of access by which its maker knows again what he has made: now, by our clock, and a fraction of a second by chance.
pub(crate) fn mark() -> NfsTime {
    NfsTime {
        sec: wall_seconds(),
        nsec: (random_u64() % NSEC_PER_SEC) as u32,
    }
}

/// OPEN, and what is to be known of the file. Then the file's beginning, or the directory's attributes: what these two say of the
/// directory is one thing if nobody else changes it, and OPEN's own word tells whether that is so.
type OpenOps = (
    Putfh<Fh>,
    Option<Savefh>,
    Open,
    Getfh,
    Option<Setattr>,
    AccessOp,
    Getattr,
    Option<Read>,
    Option<(Restorefh, Getattr)>,
);

/// Memory for all that an OPEN may bring.
struct Room<B> {
    node: NodeReservation,
    state: StateReservation,
    context: ContextReservation,
    /// What it comes to is no small thing.
    opened: KBox<MaybeUninit<Opened<B>>>,
}

impl<B> Room<B> {
    fn new() -> Result<Self> {
        Ok(Self {
            node: NodeReservation::new()?,
            state: StateReservation::new()?,
            context: ContextReservation::new()?,
            opened: KBox::new_uninit(GFP_KERNEL)?,
        })
    }
}

/// An OPEN in flight.
pub(in crate::client) struct OpenBody<B> {
    server: Arc<Server>,
    owner: OwnerRef,
    cred: ARef<Credential>,
    access: Access,
    by_name: bool,
    /// How many requests it took so far.
    requests: u32,
    /// The file is open, but what was to be set behind that was refused.
    unset: bool,
    room: Option<Room<B>>,
    /// A delegation that nobody asked for.
    given: Option<(Fh, Delegation)>,
    /// Where the file's beginning goes.
    beginning: Option<B>,
    opened: Result<KBox<Opened<B>>>,
}

impl<B: Bulk> OpenBody<B> {
    fn opened(&mut self, res: <OpenOps as Ops>::Res) -> Result<KBox<Opened<B>>> {
        let (putfh, _, open, getfh, setattr, access, getattr, read, dir) = res;
        putfh.errno()?;
        let open = open.errno()?;
        let fh = getfh.errno()?;
        let room = self.room.take().ok_or(EIO)?;
        let fresh = room.state.state(self.owner.clone(), fh)?;
        let state = self.owner.get_state(fresh, room.node);
        state.opened(open.stateid, self.access);
        self.given = Some((fh, open.delegation));
        let ctx = room
            .context
            .context(&self.server, state, self.access, self.cred.clone())?;
        // From here on an error closes the file again.
        self.unset = matches!(setattr, Some(Err(_)));
        setattr.transpose().errno()?;
        let opened = Opened {
            ctx,
            fh,
            attrs: getattr.errno()?,
            dir_change: self.by_name.then_some(open.change),
            dir_attrs: dir.map(|(restorefh, getattr)| restorefh.and(getattr)),
            beginning: self
                .beginning
                .take()
                .zip(read.and_then(core::result::Result::ok)),
            access: access.ok().map(|a| a.access),
        };
        Ok(KBox::write(room.opened, opened))
    }
}

impl<B: Bulk> Body for OpenBody<B> {
    type Ops = OpenOps;

    fn class(&self) -> OpClass {
        OpClass::Open
    }

    fn pages(&self) -> Option<&PageVec> {
        self.beginning.as_ref().map(Bulk::pages)
    }

    fn refresh(&mut self, _ops: &mut OpenOps) -> Result {
        self.requests = self.requests.saturating_add(1);
        Ok(())
    }

    fn is_answered(
        &self,
        (_, _, open, getfh, setattr, _, getattr, ..): &<OpenOps as Ops>::Res,
    ) -> bool {
        let set = !matches!(setattr, Some(Err(_)));
        // Who wants to read, or to know the directory, asks again.
        open.is_ok() && getfh.is_ok() && set && getattr.is_ok()
    }

    fn finish(&mut self, res: Result<<OpenOps as Ops>::Res>) {
        self.opened = res.and_then(|res| self.opened(res));
    }
}

impl<B> Drop for OpenBody<B> {
    fn drop(&mut self) {
        // Here one may sleep.
        if let Some((fh, delegation)) = &self.given {
            let client = self.server.client();
            client.decline_delegation(&self.cred, fh, delegation);
        }
    }
}

impl Server {
    /// Opens a file, and reads `beginning` along with that, which is not for one that may be made. Waits for recovery, grace and
    /// whatever else delays the server. May sleep; killable.
    pub(crate) fn open<B: Bulk>(
        self: &Arc<Self>,
        req: OpenRequest<'_>,
        beginning: Option<B>,
    ) -> Result<KBox<Opened<B>>> {
        let owner = self
            .owners()
            .get(&req.cred, || self.client().next_owner_id())?;
        self.owners().collect(self.client().lease_ms());
        let way = Way::new(&req, self.exclusive());
        let mut sent = self.send_open(&req, owner.clone(), way, beginning)?;
        let Some(mark) = way.mark else {
            return sent.opened;
        };
        if sent.unset {
            // Where files are not their makers', these may set no time but the present.
            sent = self.send_open(&req, owner.clone(), way.unmarked(), None)?;
        }
        match sent.opened {
            // Perhaps it was made by an earlier request whose answer went with its session.
            Err(e) if e == EEXIST && sent.requests > 1 => self
                .send_open(&req, owner, Way::FOUND, None)?
                .opened
                .ok()
                .filter(|found| found.attrs.size == 0 && found.attrs.atime == mark)
                .ok_or(EEXIST),
            opened => opened,
        }
    }

    /// Sends an OPEN and waits for what comes of it.
    fn send_open<B: Bulk>(
        self: &Arc<Self>,
        req: &OpenRequest<'_>,
        owner: OwnerRef,
        way: Way,
        beginning: Option<B>,
    ) -> Result<Sent<B>> {
        let access = Access::new(req.read, req.write);
        let (fh, claim) = match req.target {
            OpenTarget::Name { dir, name } => (
                *dir,
                OpenClaim::Null(Opaque::new(name).ok_or(ENAMETOOLONG)?),
            ),
            OpenTarget::File { fh } => (*fh, OpenClaim::Fh),
        };
        let makes = req.create.is_some();
        let beginning = beginning.filter(|_| !makes);
        let ops = (
            Putfh(fh),
            makes.then_some(Savefh),
            Open {
                access: ShareAccess(access.0).with(ShareAccess::WANT_NO_DELEG),
                deny: 0,
                owner: wire_owner(&owner)?,
                how: way.how,
                claim,
            },
            Getfh,
            way.set.map(|attrs| Setattr {
                stateid: Stateid::CURRENT,
                attrs,
            }),
            AccessOp(FILE_ACCESS),
            Getattr(request::INODE),
            beginning.as_ref().map(|beginning| Read {
                stateid: Stateid::CURRENT,
                offset: 0,
                count: beginning.pages().len() as u32,
            }),
            makes.then_some((Restorefh, Getattr(request::CHANGED))),
        );
        let body = OpenBody {
            server: self.clone(),
            owner,
            cred: req.cred.clone(),
            access,
            by_name: matches!(claim, OpenClaim::Null(_)),
            requests: 0,
            unset: false,
            room: Some(Room::new()?),
            given: None,
            beginning,
            opened: Err(EIO),
        };
        let mut call = self
            .client()
            .start(self.how(&req.cred), ops, body)?
            .wait()?;
        let body = call.body_mut();
        Ok(Sent {
            opened: core::mem::replace(&mut body.opened, Err(EIO)),
            requests: body.requests,
            unset: body.unset,
        })
    }
}

/// What came of an OPEN.
struct Sent<B> {
    opened: Result<KBox<Opened<B>>>,
    requests: u32,
    unset: bool,
}

/// How a file is opened.
#[derive(Clone, Copy)]
struct Way {
    how: OpenHow,
    /// What is set behind that.
    set: Option<SetAttrs>,
    /// The time of access that nobody else's file has, if it is made as the only one.
    mark: Option<NfsTime>,
}

impl Way {
    /// An exclusive create keeps its verifier in the times, so these are set behind it (`nfs4_exclusive_attrset()`); truncation of a
    /// file that is not made is an operation of its own.
    ///
    /// Once the times are set the server does not know the verifier any more: who asks again, because the answer was lost with its
    /// session, finds the file there. So one of the times that are set takes the place of the verifier: now, by our clock, and a
    /// fraction of a second by chance.
    fn new(req: &OpenRequest<'_>, exclusive: Bitmap) -> Self {
        let (how, set, mark) = match &req.create {
            Some(create) if create.exclusive => {
                let verifier = Verifier(random_u64().to_be_bytes());
                let (now, behind) = create.attrs.for_exclusive(exclusive);
                let mark = mark();
                let behind = SetAttrs {
                    atime: Some(SetTime::Client(mark)),
                    mtime: Some(SetTime::Server),
                    ..behind
                };
                (
                    OpenHow::Exclusive41(verifier, now),
                    Some(behind),
                    Some(mark),
                )
            }
            Some(create) => (OpenHow::Unchecked(create.attrs), None, None),
            None => {
                let cut = SetAttrs {
                    size: Some(0),
                    ..SetAttrs::default()
                };
                (OpenHow::NoCreate, req.truncate.then_some(cut), None)
            }
        };
        Self { how, set, mark }
    }

    /// The same by the server's clock alone.
    fn unmarked(self) -> Self {
        let set = self.set.map(|set| SetAttrs {
            atime: Some(SetTime::Server),
            ..set
        });
        Self {
            set,
            mark: None,
            ..self
        }
    }

    /// What is there.
    const FOUND: Self = Self {
        how: OpenHow::NoCreate,
        set: None,
        mark: None,
    };
}

/// The owner as the protocol writes it. The client id has no meaning since sessions tell the client.
pub(in crate::client) fn wire_owner(owner: &OpenOwner) -> Result<Owner> {
    Ok(Owner {
        clientid: rnfs4_proto::types::ClientId(0),
        name: Opaque::new(&owner.name()).ok_or(EINVAL)?,
    })
}
