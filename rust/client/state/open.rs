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
        time::random_u64, //
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
const FILE_ACCESS: u32 = access::READ | access::MODIFY | access::EXTEND | access::EXECUTE;

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
        let client = self.client();
        let owner = self.owners().get(&req.cred, || client.next_owner_id())?;
        self.owners().collect(client.lease_ms());
        let access = Access::new(req.read, req.write);
        let (fh, claim) = match req.target {
            OpenTarget::Name { dir, name } => (
                *dir,
                OpenClaim::Null(Opaque::new(name).ok_or(ENAMETOOLONG)?),
            ),
            OpenTarget::File { fh } => (*fh, OpenClaim::Fh),
        };
        let (how, setattr) = open_how(&req, self.exclusive());
        let makes = req.create.is_some();
        let beginning = beginning.filter(|_| !makes);
        let ops = (
            Putfh(fh),
            makes.then_some(Savefh),
            Open {
                access: ShareAccess(access.0).with(ShareAccess::WANT_NO_DELEG),
                deny: 0,
                owner: wire_owner(&owner)?,
                how,
                claim,
            },
            Getfh,
            setattr,
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
            room: Some(Room::new()?),
            given: None,
            beginning,
            opened: Err(EIO),
        };
        let mut call = client.start(self.how(&req.cred), ops, body)?.wait()?;
        core::mem::replace(&mut call.body_mut().opened, Err(EIO))
    }
}

/// How the file is made, and what is set behind that: an exclusive create keeps its verifier in the times, and truncation of a
/// file that is not made is an operation of its own.
fn open_how(req: &OpenRequest<'_>, exclusive: Bitmap) -> (OpenHow, Option<Setattr>) {
    let set = |attrs| {
        Some(Setattr {
            stateid: Stateid::CURRENT,
            attrs,
        })
    };
    match &req.create {
        Some(create) if create.exclusive => {
            let verifier = Verifier(random_u64().to_be_bytes());
            let (now, behind) = create.attrs.for_exclusive(exclusive);
            let behind = SetAttrs {
                atime: Some(SetTime::Server),
                mtime: Some(SetTime::Server),
                ..behind
            };
            (OpenHow::Exclusive41(verifier, now), set(behind))
        }
        Some(create) => (OpenHow::Unchecked(create.attrs), None),
        None if req.truncate => (
            OpenHow::NoCreate,
            set(SetAttrs {
                size: Some(0),
                ..SetAttrs::default()
            }),
        ),
        None => (OpenHow::NoCreate, None),
    }
}

/// The owner as the protocol writes it. The client id has no meaning since sessions tell the client.
pub(in crate::client) fn wire_owner(owner: &OpenOwner) -> Result<Owner> {
    Ok(Owner {
        clientid: rnfs4_proto::types::ClientId(0),
        name: Opaque::new(&owner.name()).ok_or(EINVAL)?,
    })
}
