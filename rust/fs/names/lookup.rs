// SPDX-License-Identifier: GPL-2.0

//! Names: looked up at the server, remembered in dentries, and verified by their directory's change attribute.
//!
//! A dentry carries the mark (`d_time`) that its directory's names had when it was last known to be right. As long as the
//! directory has that mark still, and its attributes are believed, the name is taken for right without asking.

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};
use rnfs4_proto::{
    attrs::{
        request,
        Attrs, //
    },
    ops::{
        attr::{
            Access as AccessOp,
            Getattr, //
        },
        fh::{
            Getfh,
            Lookup,
            Putfh, //
        },
    },
    status::Status,
    types::{
        Fh,
        NfsType, //
    },
};

use super::silly::SillyUnlink;
use crate::{
    client::{
        status_error,
        IoEvent,
        LookupCache, //
    },
    fs::{
        access::DIR_ACCESS,
        inode::{
            fhget,
            getattr,
            note_error,
            refresh,
            revalidate, //
        },
        ChildDentry,
        Dentry,
        Inode,
        InodeInfo,
        Origin,
        Rnfs4Fs,
        Stamp, //
    },
    sys::{
        cred::current_cred,
        fs::{
            DentryOperations,
            LookupFlags, //
        },
    },
};

/// The mark of a name that is never taken for right.
const NO_MARK: u64 = 0;

/// A directory whose entries come with all that a lookup would bring.
pub(super) struct Primed<'a> {
    /// It is locked, if only shared.
    pub(super) dir: &'a Inode,
    /// What its entries are put under.
    pub(super) dentry: &'a Dentry,
    /// The mark of its names as they were before the server read the entries.
    pub(super) names: u64,
    /// Before they were asked for.
    pub(super) sent: Stamp,
}

impl Primed<'_> {
    /// Takes note of an entry (`nfs_prime_dcache`). What goes wrong is left to the lookup. May sleep.
    pub(super) fn entry(&self, name: &[u8], fh: &Fh, attrs: &Attrs) {
        let origin = Origin::Fetched(self.sent);
        // What was there before may be something else.
        for _ in 0..2 {
            let Ok(dentry) = self.dentry.begin_child(name) else {
                return;
            };
            if dentry.is_in_lookup() {
                let Ok(inode) = fhget(self.dir.sb(), fh, attrs, origin) else {
                    return;
                };
                dentry.set_time(self.names);
                if let Ok(Some(other)) = dentry.d_splice_alias(Some(inode)) {
                    other.set_time(self.names);
                }
                return;
            }
            match dentry.inode() {
                Some(inode) if inode.fh() == fh && !inode.info().attrs.is_stale() => {
                    if refresh(inode, attrs, origin).is_ok() {
                        dentry.set_time(self.names);
                    }
                    return;
                }
                _ => dentry.d_invalidate(),
            }
        }
    }
}

/// What a name stands for, as the server has it.
pub(super) struct Found {
    /// The object's handle.
    pub(super) fh: Fh,
    /// Its attributes.
    pub(super) attrs: Attrs,
    /// ACCESS4_* that the caller has, if the server told: who looks up a directory goes on into it.
    pub(super) access: Option<u32>,
    /// Before it was asked for.
    pub(super) sent: Stamp,
}

impl Found {
    /// Takes note of what the caller may do.
    pub(super) fn set_access(&self, inode: &Inode) {
        if let Some(access) = self.access {
            inode.info().access.set(&current_cred(), access);
        }
    }
}

/// Asks the server for a name: what it stands for, or `None` where there is nothing. The directory's own attributes come along, as they
/// were before that, where they are not believed any more: what is found is of that time or later. May sleep; killable.
pub(super) fn ask(dir: &Inode, name: &[u8]) -> Result<Option<Found>> {
    let sent = Stamp::now();
    let doubted = dir.info().attrs.names_if_fresh().is_none();
    let ops = (
        Putfh(dir.fh()),
        doubted.then_some(Getattr(request::CHANGED)),
        Lookup(name),
        Getfh,
        Getattr(request::INODE),
        AccessOp(DIR_ACCESS),
    );
    let (putfh, dir_attrs, lookup, fh, attrs, access) = dir.server().call(&current_cred(), ops)?;
    if let Err(status) = putfh.and(dir_attrs.transpose()) {
        let e = status_error(status);
        note_error(dir, e);
        return Err(e);
    }
    if let Some(Ok(attrs)) = dir_attrs {
        refresh(dir, &attrs, Origin::Fetched(sent))?;
    }
    match (lookup, fh, attrs) {
        (Err(Status::NOENT), ..) => Ok(None),
        (Ok(()), Ok(fh), Ok(attrs)) => Ok(Some(Found {
            fh,
            attrs,
            // Of the others it is not all that may be asked about.
            access: access
                .ok()
                .map(|it| it.access)
                .filter(|_| attrs.typ == NfsType::Dir),
            sent,
        })),
        (lookup, fh, attrs) => {
            let status = lookup.and(fh.map(drop)).and(attrs.map(drop)).err();
            Err(status_error(status.unwrap_or(Status::SERVERFAULT)))
        }
    }
}

/// Notes that the name is right as of what is known of its directory: what is known now, for who has changed it himself, or what was known
/// before the server was asked for the name. What others have asked for meanwhile may be about a later change, which the name may have
/// been part of.
pub(super) fn mark(dir: &Inode, dentry: &Dentry, positive: bool, before: Option<u64>) {
    let remember = match dir.server().params().lookupcache {
        // Where it is made in another case, it is there in this one.
        LookupCache::All => positive || !dir.server().file_flags().case_insensitive,
        LookupCache::Positive => positive,
        LookupCache::None => false,
    };
    let names = match remember {
        // Where it was not known, the answer has told.
        true => before.or_else(|| dir.info().attrs.names_if_fresh()),
        false => None,
    };
    dentry.set_time(names.unwrap_or(NO_MARK));
}

/// Tells whether the name is right because nothing in its directory has changed since it was. Asks for the directory's
/// attributes where they are too old to tell. May sleep; killable.
fn is_unchanged(dir: &Inode, dentry: &Dentry) -> Result<bool> {
    let time = dentry.time();
    if time == NO_MARK || time != dir.info().attrs.lock().names {
        return Ok(false);
    }
    revalidate(dir)?;
    Ok(time == dir.info().attrs.lock().names)
}

/// Answers `->lookup()`.
pub(super) fn lookup(
    dir: &Inode,
    dentry: &ChildDentry,
    flags: LookupFlags,
) -> Result<Option<ARef<Dentry>>> {
    dir.info().listing.name_used();
    if dentry.name().len() > dir.server().name_max() as usize {
        return Err(ENAMETOOLONG);
    }
    // Whether the name is there the operation itself will tell: nothing is put into the hash.
    if flags.is_rename_target() || (flags.is_create() && flags.is_excl()) {
        return Ok(None);
    }
    let before = dir.info().attrs.names_if_fresh();
    match ask(dir, dentry.name())? {
        None => {
            mark(dir, dentry, false, before);
            dentry.d_splice_alias(None)
        }
        Some(found) => {
            let origin = Origin::Fetched(found.sent);
            let inode = fhget(dir.sb(), &found.fh, &found.attrs, origin)?;
            found.set_access(&inode);
            splice(dir, dentry, inode, before)
        }
    }
}

/// Ties a name to the inode that it was found to stand for; `before` is as for [`mark`].
pub(super) fn splice(
    dir: &Inode,
    dentry: &ChildDentry,
    inode: ARef<Inode>,
    before: Option<u64>,
) -> Result<Option<ARef<Dentry>>> {
    mark(dir, dentry, true, before);
    let other = dentry.d_splice_alias(Some(inode))?;
    if let Some(other) = &other {
        mark(dir, other, true, before);
    }
    Ok(other)
}

/// A name that was not there: is it still not?
fn revalidate_negative(dir: &Inode, dentry: &Dentry, flags: LookupFlags) -> Result<bool> {
    if flags.is_create() || flags.is_rename_target() {
        // The operation itself will tell.
        return Ok(true);
    }
    if flags.is_reval() {
        return Ok(false);
    }
    is_unchanged(dir, dentry)
}

/// Looks a name up again to see whether it still stands for its inode.
fn revalidate_by_name(dir: &Inode, name: &[u8], dentry: &Dentry, inode: &Inode) -> Result<bool> {
    let before = dir.info().attrs.names_if_fresh();
    match ask(dir, name) {
        Ok(Some(found)) => {
            let origin = Origin::Fetched(found.sent);
            if found.fh != *inode.fh() || refresh(inode, &found.attrs, origin).is_err() {
                return Ok(false);
            }
            found.set_access(inode);
            mark(dir, dentry, true, before);
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(e) if e == ESTALE => Ok(false),
        Err(e) => Err(e),
    }
}

#[vtable]
impl DentryOperations for Rnfs4Fs {
    fn d_revalidate(dir: &Inode, name: &[u8], dentry: &Dentry, flags: LookupFlags) -> Result<bool> {
        dir.server().io().event(IoEvent::DentryRevalidate);
        dir.info().listing.name_used();
        let Some(inode) = dentry.inode() else {
            return revalidate_negative(dir, dentry, flags);
        };
        if dentry.is_root() {
            // The root of a mount has no name.
            return Ok(!inode.info().attrs.is_stale());
        }
        if inode.info().attrs.is_stale() {
            return Ok(false);
        }
        if flags.is_excl() || flags.is_reval() || !is_unchanged(dir, dentry)? {
            return revalidate_by_name(dir, name, dentry, inode);
        }
        let is_listed = inode.is_dir() && !inode.is_automount();
        if flags.is_open() && is_listed && !dir.server().params().nocto {
            // Close-to-open consistency for those that OPEN is not for.
            return match getattr(inode, &current_cred()) {
                Ok(()) => Ok(true),
                Err(e) if e == ESTALE => Ok(false),
                Err(e) => Err(e),
            };
        }
        Ok(inode.nlink() > 0)
    }

    fn d_revalidate_rcu(
        dir: &InodeInfo,
        inode: Option<&InodeInfo>,
        time: u64,
        flags: LookupFlags,
    ) -> Option<bool> {
        if flags.is_reval() || flags.is_open() || flags.is_create() || flags.is_rename_target() {
            return None;
        }
        if inode.is_some_and(|info| info.attrs.is_stale()) {
            return None;
        }
        if time == NO_MARK || dir.attrs.names_if_fresh() != Some(time) {
            return None;
        }
        dir.listing.name_used();
        Some(true)
    }

    fn d_weak_revalidate(inode: &Inode) -> Result<bool> {
        match revalidate(inode) {
            Ok(()) => Ok(true),
            Err(e) if e == ESTALE => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn d_delete(inode: Option<&InodeInfo>) -> bool {
        inode.is_some_and(|info| info.attrs.is_stale())
    }

    fn d_prune(dir: &InodeInfo) {
        dir.listing.name_pruned();
    }

    fn d_iput_renamed(unlink: Pin<KBox<SillyUnlink>>, inode: &Inode) {
        SillyUnlink::complete(unlink, inode);
    }
}
