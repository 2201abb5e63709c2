// SPDX-License-Identifier: GPL-2.0

//! Names of owners and groups, for servers that do not call them by number (`nfs4idmap.c`).
//!
//! A name that was read is kept in a table, and who wants its number asks the program that request-key.conf(5) names for keys of the
//! type `rnfs4_idmap`, as nfsidmap(8) is one: with `uid:`, `gid:` and a name, or `user:`, `group:` and a number. The program is run by
//! work of our own, so that whoever waits for it can be killed.

use kernel::{
    new_spinlock,
    prelude::*,
    str::CString,
    sync::{
        atomic::Relaxed,
        Arc,
        SpinLock, //
    },
    workqueue::Queue, //
};
use rnfs4_proto::{
    attrs::{
        fattr4,
        Attrs, //
    },
    names::{
        parse_id,
        Entry,
        Kind,
        Names,
        Owner,
        Table, //
    },
    ops::attr::{
        Setattr,
        SetattrByName, //
    },
    setattrs::SetAttrs,
    types::OPAQUE_MAX, //
};

use super::server::Server;
use crate::sys::{
    keys::Resolver,
    mm::current_is_nofs,
    time::now_ms,
    wait::WaitQueue, //
};

/// How many names are kept.
const NAMES: usize = 1024;
/// For how long a number is believed, in milliseconds. The key that it came from has a time of its own.
const BELIEVED_MS: u64 = 60_000;
/// What a question has beside a name.
const QUESTION_MAX: usize = 8;

/// Who owns what the server gives a name that nobody knows.
pub(crate) const NOBODY: u32 = 65534;

/// Where names are kept.
type Places = KVec<Option<Entry<KVec<u8>>>>;

/// The names, of all servers.
#[pin_data]
pub(crate) struct Idmap {
    resolver: Resolver,
    #[pin]
    names: SpinLock<Table<Places>>,
}

impl Names for Idmap {
    fn token(&self, kind: Kind, name: &[u8]) -> u32 {
        let keep = || {
            let mut kept = KVec::new();
            kept.extend_from_slice(name, GFP_NOWAIT).ok()?;
            Some(kept)
        };
        self.names.lock().token(kind, name, keep)
    }
}

impl Idmap {
    /// No names yet. May sleep.
    pub(super) fn new() -> Result<Arc<Self>> {
        let resolver = Resolver::new()?;
        let mut places: Places = KVec::with_capacity(NAMES, GFP_KERNEL)?;
        for _ in 0..NAMES {
            places.push(None, GFP_KERNEL)?;
        }
        Arc::pin_init(
            pin_init!(Self {
                resolver,
                names <- new_spinlock!(Table::new(places), "rnfs4_names"),
            }),
            GFP_KERNEL,
        )
    }

    /// The number of a name that was read; `None` if it is not to be known now. May sleep; who is killed does not get to know it, nor
    /// who allocates for writeback.
    fn number(self: &Arc<Self>, queue: &Queue, token: u32) -> Option<u32> {
        let known = self.names.lock().known(token, now_ms());
        if known.is_some() || current_is_nofs() {
            return known;
        }
        let id = match self.ask_number(queue, token) {
            Ok(id) => id,
            Err(e) if e == ERESTARTSYS || e == ENOMEM || e == EAGAIN => return None,
            Err(_) => NOBODY,
        };
        let until_ms = now_ms().saturating_add(BELIEVED_MS);
        self.names.lock().learn(token, id, until_ms);
        Some(id)
    }

    fn ask_number(self: &Arc<Self>, queue: &Queue, token: u32) -> Result<u32> {
        let mut question = KVec::<u8>::with_capacity(OPAQUE_MAX + QUESTION_MAX, GFP_KERNEL)?;
        {
            let mut names = self.names.lock();
            // It had to make room for others, and comes again.
            let (kind, name) = names.name(token).ok_or(EAGAIN)?;
            let kind: &[u8] = match kind {
                Kind::User => b"uid:",
                Kind::Group => b"gid:",
            };
            // There is room.
            question.extend_from_slice(kind, GFP_NOWAIT)?;
            question.extend_from_slice(name, GFP_NOWAIT)?;
            question.push(0, GFP_NOWAIT)?;
        }
        // A name with a zero in it is nobody's.
        let question = CStr::from_bytes_with_nul(&question).map_err(|_| EINVAL)?;
        let text = self.ask(queue, question.try_into()?)?;
        parse_id(&text).ok_or(EINVAL)
    }

    /// What user space calls this number. May sleep; killable.
    fn name(self: &Arc<Self>, queue: &Queue, kind: Kind, id: u32) -> Result<KVec<u8>> {
        let kind = match kind {
            Kind::User => "user",
            Kind::Group => "group",
        };
        self.ask(queue, CString::try_from_fmt(fmt!("{kind}:{id}"))?)
    }

    /// Asks user space. May sleep; killable.
    fn ask(self: &Arc<Self>, queue: &Queue, question: CString) -> Result<KVec<u8>> {
        let answer = Arc::pin_init(
            pin_init!(Answer {
                text <- new_spinlock!(None, "rnfs4_answer"),
                came <- WaitQueue::new(),
            }),
            GFP_KERNEL,
        )?;
        let (this, promised) = (self.clone(), answer.clone());
        queue.try_spawn(GFP_KERNEL, move || {
            let text = this.ask_here(&question);
            *promised.text.lock() = Some(text);
            promised.came.wake_all();
        })?;
        answer.came.wait_killable(|| answer.text.lock().is_some())?;
        let text = answer.text.lock().take();
        text.unwrap_or(Err(EIO))
    }

    fn ask_here(&self, question: &CStr) -> Result<KVec<u8>> {
        let mut text = KVec::from_elem(0, OPAQUE_MAX, GFP_KERNEL)?;
        let len = self.resolver.ask(question, &mut text)?;
        text.truncate(len);
        // nfsidmap(8) counts the end of a number.
        if text.last() == Some(&0) {
            text.truncate(len - 1);
        }
        Ok(text)
    }
}

/// What somebody waits for.
#[pin_data]
struct Answer {
    #[pin]
    text: SpinLock<Option<Result<KVec<u8>>>>,
    #[pin]
    came: WaitQueue,
}

/// A SETATTR as the server wants it.
pub(super) enum Worded {
    /// By number.
    Plain,
    /// By these names for owner and group.
    ByName(KVec<u8>, KVec<u8>),
}

impl Worded {
    /// The operation: one of the two.
    pub(super) fn op(&self, setattr: Setattr) -> (Option<Setattr>, Option<SetattrByName<'_>>) {
        match self {
            Self::Plain => (Some(setattr), None),
            Self::ByName(owner, group) => {
                let by_name = SetattrByName {
                    setattr,
                    owner,
                    group,
                };
                (None, Some(by_name))
            }
        }
    }
}

impl Server {
    /// Whether the server has called an owner by name, so that [`Server::number`] is to be called.
    pub(crate) fn is_named(attrs: &Attrs) -> bool {
        let named =
            |attr, owner| attrs.has(attr) && matches!(owner, Owner::Name(token) if token != 0);
        named(fattr4::OWNER, attrs.owner) || named(fattr4::OWNER_GROUP, attrs.group)
    }

    /// The attributes with numbers for names, where these are known; [`NOBODY`]'s for what user space does not know. May sleep.
    pub(crate) fn number(&self, attrs: &Attrs) -> Attrs {
        let registry = self.client().registry();
        let number = |owner| match owner {
            Owner::Id(_) => owner,
            Owner::Name(token) => registry
                .idmap()
                .number(registry.patient(), token)
                .map_or(Owner::Name(0), Owner::Id),
        };
        Attrs {
            owner: number(attrs.owner),
            group: number(attrs.group),
            ..*attrs
        }
    }

    /// Whether the server takes owners by number.
    pub(crate) fn takes_numbers(&self) -> bool {
        !self.wants_names.load(Relaxed)
    }

    /// The server does not take owners by number (`NFS4ERR_BADOWNER`).
    pub(super) fn want_names(&self) {
        if !self.wants_names.xchg(true, Relaxed) {
            pr_warn!(
                "{}: the server takes no numbers for owners: they get names\n",
                self.client().name()
            );
        }
    }

    /// How to word a SETATTR of these. `EINVAL` for an owner without name. May sleep; killable.
    pub(super) fn word(&self, attrs: &SetAttrs) -> Result<Worded> {
        if self.takes_numbers() || (attrs.uid.is_none() && attrs.gid.is_none()) {
            return Ok(Worded::Plain);
        }
        let registry = self.client().registry();
        let name = |kind, id: Option<u32>| match id {
            Some(id) => registry
                .idmap()
                .name(registry.patient(), kind, id)
                .map_err(|e| if e == ERESTARTSYS { e } else { EINVAL }),
            None => Ok(KVec::new()),
        };
        Ok(Worded::ByName(
            name(Kind::User, attrs.uid)?,
            name(Kind::Group, attrs.gid)?,
        ))
    }
}
