// SPDX-License-Identifier: GPL-2.0

//! Inodes: found or made by their file handle, kept in step with what the server says of them.

use kernel::{
    cred::Credential,
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef, //
};
use rnfs4_proto::{
    attrs::{
        fattr4,
        request,
        Attrs, //
    },
    names::Owner,
    ops::{
        attr::Getattr,
        fh::Putfh,
        io::ReadRes, //
    },
    types::{
        Fh,
        NfsTime,
        NfsType, //
    },
};

use super::{
    attrs::{
        Bounds,
        Verdict, //
    },
    beginning::Beginning,
    file,
    making,
    mount,
    names,
    setattr,
    symlink,
    Inode,
    InodeInfo,
    Origin,
    Rnfs4Fs,
    Stamp,
    SuperBlock, //
};
use crate::{
    client::{
        IoEvent,
        Server,
        StatusExt,
        NOBODY, //
    },
    sys::{
        cred::current_cred,
        fs::{
            address_space_ops,
            dir_ops,
            file_ops,
            inode_ops,
            mode,
            IGet,
            INodeKey,
            KStat,
            NewINode,
            Timespec, //
        },
    },
};

/// What a program's memory is best aligned to for `O_DIRECT`, in bytes; the offset is, to a page. It is no must: the C client gives
/// the same.
const DIO_MEM_ALIGN: u32 = 4;

/// `statx()` flags and masks that matter here.
const AT_STATX_FORCE_SYNC: u32 = 0x2000;
const AT_STATX_DONT_SYNC: u32 = 0x4000;
const STATX_TIMES: u32 = 0x40 | 0x80 | 0x4000_0000;
const STATX_DIO: u32 = 0x2000 | 0x2_0000;
const STATX_VOLATILE: u32 = 0x07fe & !0x100 | 0x800 | 0x4000_0000;

impl Inode {
    /// The server.
    pub(crate) fn server(&self) -> &kernel::sync::Arc<Server> {
        &self.sb().info().server
    }

    /// The file handle.
    pub(crate) fn fh(&self) -> &Fh {
        self.info().fh()
    }
}

/// Identity of an inode: its handle and its type. The type is part of it because a server may give a handle to another
/// object, and the VFS cannot change the type of an inode.
struct Key<'a> {
    fh: &'a Fh,
    typ: NfsType,
}

impl INodeKey<Rnfs4Fs> for Key<'_> {
    fn hash(&self) -> u64 {
        self.fh.hash().into()
    }

    fn test(&self, info: &InodeInfo, file_type: u16) -> bool {
        info.fh.as_ref() == Some(self.fh)
            && !info.attrs.is_stale()
            && (file_type == 0 || Some(file_type) == type_bits(self.typ))
    }

    fn set(&self, info: &InodeInfo) {
        info.fh.populate(*self.fh);
    }
}

/// `S_IFMT` bits of a type. Named attributes are none of the VFS's.
fn type_bits(typ: NfsType) -> Option<u16> {
    Some(match typ {
        NfsType::Reg => mode::S_IFREG,
        NfsType::Dir => mode::S_IFDIR,
        NfsType::Blk => mode::S_IFBLK,
        NfsType::Chr => mode::S_IFCHR,
        NfsType::Lnk => mode::S_IFLNK,
        NfsType::Sock => mode::S_IFSOCK,
        NfsType::Fifo => mode::S_IFIFO,
        NfsType::AttrDir | NfsType::NamedAttr => return None,
    })
}

/// A time as the VFS has it.
pub(super) fn timespec(t: NfsTime) -> Timespec {
    Timespec {
        sec: t.sec,
        nsec: t.nsec,
    }
}

/// The inode of `fh`, which has just been looked up: found or made, and brought up to date (`nfs_fhget`). May sleep.
pub(super) fn fhget(
    sb: &SuperBlock,
    fh: &Fh,
    attrs: &Attrs,
    origin: Origin,
) -> Result<ARef<Inode>> {
    fhget_with(sb, fh, attrs, origin, None)
}

/// The same, with the beginning of a file, which was read after its attributes: it is kept if nothing was known of the file.
pub(super) fn fhget_with(
    sb: &SuperBlock,
    fh: &Fh,
    attrs: &Attrs,
    origin: Origin,
    beginning: Option<(Beginning, ReadRes)>,
) -> Result<ARef<Inode>> {
    if !attrs.has(fattr4::TYPE) {
        return Err(EIO);
    }
    let bits = type_bits(attrs.typ).ok_or(EIO)?;
    if Server::is_named(attrs) {
        return fhget_named(sb, fh, attrs, origin, beginning);
    }
    match sb.iget5_locked(&Key { fh, typ: attrs.typ })? {
        IGet::Cached(inode) => {
            refresh(&inode, attrs, origin)?;
            Ok(inode)
        }
        IGet::New(new) => fill(new, bits, attrs, origin, beginning),
    }
}

/// Before the inode is there, for which others may wait.
#[cold]
fn fhget_named(
    sb: &SuperBlock,
    fh: &Fh,
    attrs: &Attrs,
    origin: Origin,
    beginning: Option<(Beginning, ReadRes)>,
) -> Result<ARef<Inode>> {
    let attrs = sb.info().server.number(attrs);
    fhget_with(sb, fh, &attrs, origin, beginning)
}

/// The directory of this handle, if it is cached. May sleep.
pub(super) fn find_dir(sb: &SuperBlock, fh: &Fh) -> Option<ARef<Inode>> {
    sb.ilookup5(&Key {
        fh,
        typ: NfsType::Dir,
    })
}

fn fill(
    mut new: NewINode<Rnfs4Fs>,
    bits: u16,
    attrs: &Attrs,
    origin: Origin,
    beginning: Option<(Beginning, ReadRes)>,
) -> Result<ARef<Inode>> {
    if attrs.has(fattr4::FSID) {
        new.info().attrs.set_fsid(attrs.fsid, new.server().fsid());
    }
    let is_point = mount::is_point(new.server(), attrs);
    let ino = if is_point && attrs.has(fattr4::MOUNTED_ON_FILEID) {
        attrs.mounted_on_fileid
    } else if attrs.has(fattr4::FILEID) {
        new.info().attrs.ino(attrs.fileid)
    } else {
        u64::from(new.fh().hash())
    };
    new.set_ino(ino);
    new.set_mode(bits);
    new.set_server_times();
    match attrs.typ {
        NfsType::Reg => {
            new.set_inode_ops(inode_ops::<setattr::FileInode>());
            new.set_file_ops(file_ops::<Rnfs4Fs>());
            let folio_max = file::folio_max(new.server());
            new.set_mapping_ops(address_space_ops::<Rnfs4Fs>(), folio_max);
        }
        NfsType::Dir if is_point => {
            new.set_inode_ops(inode_ops::<mount::MountPoint>());
            new.set_automount();
        }
        NfsType::Dir => {
            new.set_inode_ops(inode_ops::<names::Dir>());
            new.set_file_ops(dir_ops::<names::Dir>());
        }
        NfsType::Lnk => new.set_inode_ops(inode_ops::<symlink::Link>()),
        _ => {
            let (major, minor) = attrs.rdev;
            new.set_inode_ops(inode_ops::<setattr::FileInode>());
            new.init_special(bits, major, minor);
        }
    }
    let mut owned = new.lock_attrs();
    owned.set_uid(NOBODY);
    owned.set_gid(NOBODY);
    drop(owned);
    refresh(&new, attrs, origin)?;
    // Nothing of a new inode is cached yet.
    let mut known = new.info().attrs.lock();
    known.data_dropped = known.data_stale;
    drop(known);
    if let Some((beginning, read)) = beginning.filter(|_| attrs.typ == NfsType::Reg) {
        beginning.came(&new, &read);
    }
    Ok(new.unlock_new_inode())
}

/// Tells whether the attributes can be of this inode at all.
fn same_object(inode: &Inode, a: &Attrs) -> bool {
    let typ = !a.has(fattr4::TYPE) || type_bits(a.typ) == Some(inode.file_type());
    let fileid = !a.has(fattr4::FILEID)
        || inode.info().attrs.ino(a.fileid) == inode.ino()
        // The handle of a mount point may be that of what is mounted there.
        || (a.has(fattr4::MOUNTED_ON_FILEID) && a.mounted_on_fileid == inode.ino());
    typ && fileid
}

/// A file that has lost its last name is stale, like any other, unless it is in use: but for `ours` contexts that are about to be. Does not
/// sleep.
pub(super) fn check_ghost(inode: &Inode, a: &Attrs, ours: u32) -> Result {
    let nameless = a.has(fattr4::NUMLINKS) && a.nlink == 0 && inode.is_reg();
    if nameless && inode.server().is_ghost(inode.fh(), ours) {
        inode.info().attrs.set_stale();
        return Err(ESTALE);
    }
    Ok(())
}

/// Brings the inode up to date with attributes that came from the server (`nfs_refresh_inode`). `ESTALE` when they are of
/// another object. Does not sleep but where the server calls owners by name, and not in writeback then.
///
/// Where others have changed a file, what is cached of its data is no longer believed: see [`revalidate_mapping`].
pub(crate) fn refresh(inode: &Inode, a: &Attrs, origin: Origin) -> Result {
    if Server::is_named(a) {
        return refresh_named(inode, a, origin);
    }
    let info = inode.info();
    if !same_object(inode, a) {
        info.attrs.set_stale();
        return Err(ESTALE);
    }
    check_ghost(inode, a, 0)?;
    let bounds = Bounds::of(inode.server().params(), inode.is_dir());
    let change = a.has(fattr4::CHANGE).then_some(a.change);

    // As long as there are writes, it is most likely they that show in changes. None may begin and end behind the end of the file before
    // its size is set here.
    let writes = info.write.hold();
    let has_writes = writes.has_writes();
    let mut known = info.attrs.lock();
    let verdict = known.weigh(change, a.has(fattr4::MODE), origin, bounds);
    if matches!(verdict, Verdict::Overtaken) {
        return Ok(());
    }
    if matches!(verdict, Verdict::Moved) {
        if inode.is_dir() {
            known.forget_names();
        }
        if !has_writes {
            known.doubt_data();
        }
    }
    known.blurred |= matches!(verdict, Verdict::Ours);
    if origin == Origin::OwnWrite && !a.has(fattr4::MODE) && inode.mode() & 0o6000 != 0 {
        // Who writes to such a file takes these bits from it.
        known.doubt();
    }
    if a.has(fattr4::TIME_CREATE) {
        known.btime = Some(timespec(a.btime));
    }
    if a.has(fattr4::MOUNTED_ON_FILEID) {
        known.mounted_on_fileid = a.mounted_on_fileid;
    }
    let mut new = inode.lock_attrs();
    let mut access_changed = matches!(verdict, Verdict::Moved);
    if a.has(fattr4::SIZE)
        && a.size != new.i_size()
        && (inode.is_reg() || inode.file_type() == mode::S_IFLNK || inode.is_dir())
    {
        // A size that does not know of our own writes does not undo them. Any other is not what we have made it, even where it comes
        // with a change of ours: others have written or cut, and what is cached behind either end is not the file's.
        if !has_writes || a.size > new.i_size() {
            new.i_size_write(a.size.min(i64::MAX as u64));
            known.doubt_data();
        }
    }
    if a.has(fattr4::MODE) {
        let perm = a.mode as u16 & 0o7777;
        if new.mode() & 0o7777 != perm {
            let bits = new.file_type();
            new.set_mode(bits | perm);
            access_changed = true;
        }
    }
    if a.has(fattr4::OWNER) {
        if let Some(uid) = another(a.owner, new.uid(), &mut known.unnamed) {
            new.set_uid(uid);
            access_changed = true;
        }
    }
    if a.has(fattr4::OWNER_GROUP) {
        if let Some(gid) = another(a.group, new.gid(), &mut known.unnamed) {
            new.set_gid(gid);
            access_changed = true;
        }
    }
    if a.has(fattr4::NUMLINKS) && new.nlink() != a.nlink {
        new.set_nlink(a.nlink);
    }
    if a.has(fattr4::SPACE_USED) {
        new.set_blocks(a.space_used.div_ceil(512));
    }
    if a.has(fattr4::TIME_ACCESS) {
        new.set_atime(timespec(a.atime));
    }
    if a.has(fattr4::TIME_METADATA) {
        new.set_ctime(timespec(a.ctime));
    }
    if a.has(fattr4::TIME_MODIFY) {
        new.set_mtime(timespec(a.mtime));
    }
    drop(new);
    drop(known);
    drop(writes);
    if access_changed {
        info.access.forget();
    }
    Ok(())
}

/// The number of an owner or group if it is another than `known`. One that has a name alone leaves what is known, and is noted.
fn another(owner: Owner, known: u32, unnamed: &mut bool) -> Option<u32> {
    match owner {
        Owner::Id(id) => (id != known).then_some(id),
        Owner::Name(_) => {
            *unnamed = true;
            None
        }
    }
}

#[cold]
fn refresh_named(inode: &Inode, a: &Attrs, origin: Origin) -> Result {
    refresh(inode, &inode.server().number(a), origin)
}

/// Asks the server for the attributes (`__nfs_revalidate_inode`). May sleep; killable.
pub(super) fn getattr(inode: &Inode, cred: &Credential) -> Result {
    if inode.info().attrs.is_stale() {
        return Err(ESTALE);
    }
    let sent = Stamp::now();
    let (putfh, getattr) = inode
        .server()
        .call(cred, (Putfh(inode.fh()), Getattr(request::INODE)))?;
    let attrs = putfh
        .errno()
        .and_then(|()| getattr.errno())
        .inspect_err(|e| note_error(inode, *e))?;
    refresh(inode, &attrs, Origin::Fetched(sent))
}

/// Takes note of an error that says something of the inode itself.
pub(super) fn note_error(inode: &Inode, e: Error) {
    if e == ESTALE {
        inode.info().attrs.set_stale();
    }
}

/// Makes sure that the attributes are such as may be believed. May sleep; killable.
pub(crate) fn revalidate(inode: &Inode) -> Result {
    if inode.info().attrs.is_stale() {
        return Err(ESTALE);
    }
    inode.server().io().event(IoEvent::InodeRevalidate);
    if inode.info().attrs.expired() {
        getattr(inode, &current_cred())?;
    }
    Ok(())
}

/// The same, and drops cached data that is older than the file: to be called before data is read from the cache. May
/// sleep; killable.
pub(crate) fn revalidate_mapping(inode: &Inode) -> Result {
    revalidate(inode)?;
    drop_stale_data(inode)
}

/// Drops cached data that is older than the file. Does not ask the server. May sleep.
///
/// Who comes while another one is at it does the same, and does not take what is still cached for the file's.
pub(crate) fn drop_stale_data(inode: &Inode) -> Result {
    let known = inode.info().attrs.lock();
    let (stale, dropped) = (known.data_stale, known.data_dropped);
    drop(known);
    if stale == dropped {
        return Ok(());
    }
    match inode.file_type() {
        mode::S_IFREG if !inode.mapping_empty() => {
            inode.server().io().event(IoEvent::DataInvalidate);
            super::write::flush(inode)?;
            inode.info().attrs.lock().blurred = false;
            inode.mapping().invalidate_pages2()?;
        }
        mode::S_IFLNK => inode.info().link.forget(),
        _ => {}
    }
    let mut known = inode.info().attrs.lock();
    known.data_dropped = known.data_dropped.max(stale);
    Ok(())
}

/// Answers `stat()`.
pub(super) fn stat(inode: &Inode, mut stat: KStat<'_>, request_mask: u32, flags: u32) -> Result {
    making::settle(inode)?;
    let force = flags & AT_STATX_FORCE_SYNC != 0;
    if force || flags & AT_STATX_DONT_SYNC == 0 {
        // Times and the change attribute are what the server makes them when it has all of our data.
        if request_mask & STATX_TIMES != 0 && inode.is_reg() && inode.info().write.has_writes() {
            // Its error is for those who have the file open.
            let _ = super::write::flush(inode);
        }
        if force {
            getattr(inode, &current_cred())?;
        } else if request_mask & STATX_VOLATILE != 0 {
            revalidate(inode)?;
        }
    }
    stat.generic_fillattr(inode, request_mask);
    let known = inode.info().attrs.lock();
    stat.set_change_cookie(known.change, inode.server().change_grows());
    if let Some(btime) = known.btime {
        stat.set_btime(btime);
    }
    drop(known);
    if request_mask & STATX_DIO != 0 && inode.is_reg() {
        stat.set_dio_align(DIO_MEM_ALIGN, PAGE_SIZE as u32);
    }
    let server = inode.server();
    stat.set_blksize(if inode.is_dir() {
        server.dtsize()
    } else {
        server.wsize()
    });
    Ok(())
}
