// SPDX-License-Identifier: GPL-2.0

//! Open regular files: open and close, read and write through the page cache or past it, fsync.

use core::ops::{
    Range,
    RangeInclusive, //
};

use kernel::{
    cred::Credential,
    fs::File,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use rnfs4_proto::{
    attrs::Attrs,
    types::access, //
};

use super::{
    address_space::{
        self,
        context, //
    },
    beginning::Beginning,
    direct,
    inode::{
        check_ghost,
        drop_stale_data,
        revalidate_mapping, //
    },
    lock,
    making,
    mapped,
    refresh,
    revalidate,
    space,
    write,
    Inode,
    Origin,
    Rnfs4Fs,
    Stamp, //
};
use crate::{
    client::{
        IoBytes,
        IoEvent,
        OpenContext,
        OpenRequest,
        OpenTarget,
        Server, //
    },
    sys::{
        fs::{
            open_flags,
            FileOperations,
            Iocb,
            LockCall,
            LockRequest,
            MkWrite,
            RegularFile, //
        },
        mm::{
            Locked,
            NofsScope,
            Pieces, //
        },
    },
};

/// What open() wants to do with the data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode {
    /// Read it.
    pub(super) read: bool,
    /// Change it.
    pub(super) write: bool,
    /// Run it.
    exec: bool,
}

impl Mode {
    /// Takes the mode from the `O_*` flags. Who opens for ioctl() alone must be allowed both, as everywhere (open(2)), though the
    /// VFS will let him do neither.
    pub(super) fn from_flags(flags: u32) -> Self {
        use kernel::fs::file::flags;
        let access = flags & flags::O_ACCMODE;
        Self {
            read: access != flags::O_WRONLY,
            write: access != flags::O_RDONLY,
            exec: flags & open_flags::EXEC != 0,
        }
    }

    /// Whether these ACCESS4_* are all that is wanted, and the server need not be asked by an OPEN.
    fn is_granted(self, granted: Option<u32>) -> bool {
        let write = match self.write {
            true => access::MODIFY | access::EXTEND,
            false => 0,
        };
        granted.is_some_and(|granted| granted & write == write && self.check(Some(granted)).is_ok())
    }

    /// Compares what is wanted of a file that was there with the ACCESS4_* that came with its OPEN. Servers let whoever may run a file
    /// open it for reading, because they cannot tell the two apart: that is for the client to do (`nfs4_opendata_access()`).
    pub(super) fn check(self, granted: Option<u32>) -> Result {
        let needed = match self {
            Self { exec: true, .. } => access::EXECUTE,
            Self { read: true, .. } => access::READ,
            _ => 0,
        };
        match granted {
            Some(granted) if granted & needed != needed => Err(EACCES),
            _ => Ok(()),
        }
    }
}

/// How large the page cache's folios may be: no larger than what one READ and one WRITE carry. The parts of a larger one would have to
/// follow each other, a round trip each.
pub(super) fn folio_max(server: &Server) -> usize {
    server.rsize().min(server.wsize()) as usize
}

/// Tells whether an open with these flags is for reading the page cache and nothing else.
pub(super) fn reads_only(flags: u32) -> bool {
    use kernel::fs::file::flags;
    let others = flags::O_ACCMODE | flags::O_CREAT | flags::O_TRUNC | flags::O_DIRECT;
    flags & others == flags::O_RDONLY
}

/// Opens an inode that is known already by its file handle (CLAIM_FH).
fn open_inode(inode: &Inode, file: &File) -> Result<Arc<OpenContext>> {
    let mode = Mode::from_flags(file.flags());
    making::in_use(inode)?;
    let sent = Stamp::now();
    let cred = ARef::from(file.cred());
    let unknown = reads_only(file.flags()) && inode.mapping_empty();
    let beginning = match unknown {
        true => Beginning::cached(inode),
        false => None,
    };
    if beginning.is_none() {
        if let Some(ctx) = share_open(inode, mode, unknown, &cred)? {
            return Ok(ctx);
        }
    }
    let request = OpenRequest {
        target: OpenTarget::File { fh: inode.fh() },
        read: mode.read,
        write: mode.write,
        create: None,
        truncate: false,
        cred: cred.clone(),
    };
    // While folios are locked for it, memory is not to be had by waiting for some.
    let nofs = beginning.is_some().then(NofsScope::enter);
    let mut opened = inode.server().open(request, beginning)?;
    drop(nofs);
    if let Some((beginning, read)) = opened.beginning.take() {
        beginning.came(inode, &read);
    }
    mode.check(opened.access)?;
    let access = opened.access.map(|access| (&*cred, access));
    self::opened(
        inode,
        opened.ctx.clone(),
        unknown,
        &opened.attrs,
        access,
        sent,
    )
}

/// Opens an inode by an open that there is already. `None` where that does not do.
fn share_open(
    inode: &Inode,
    mode: Mode,
    unknown: bool,
    cred: &ARef<Credential>,
) -> Result<Option<Arc<OpenContext>>> {
    let (info, sent) = (inode.info(), Stamp::now());
    // What is known of that goes when the file has changed.
    let asked = info.access.get(cred).is_none();
    let shared = inode
        .server()
        .share_open(inode.fh(), mode.read, mode.write, cred, asked);
    let Some((ctx, attrs, access)) = shared else {
        return Ok(None);
    };
    let access = access.map(|access| (&**cred, access));
    let ctx = opened(inode, ctx, unknown, &attrs, access, sent)?;
    Ok(mode.is_granted(info.access.get(cred)).then_some(ctx))
}

/// Takes note of what an open has said of the inode.
fn opened(
    inode: &Inode,
    ctx: Arc<OpenContext>,
    unknown: bool,
    attrs: &Attrs,
    access: Option<(&Credential, u32)>,
    sent: Stamp,
) -> Result<Arc<OpenContext>> {
    ctx.bind(inode.as_vfs());
    if unknown {
        ctx.set_unread();
        inode.server().learn_size(attrs.size);
    }
    check_ghost(inode, attrs, 1)?;
    // Close-to-open: the attributes of the open decide whether what is cached may be used.
    refresh(inode, attrs, Origin::Fetched(sent))?;
    if let Some((cred, access)) = access {
        inode.info().access.set(cred, access);
    }
    Ok(ctx)
}

impl FileOperations for Rnfs4Fs {
    fn open(inode: &Inode, file: &File) -> Result<Arc<OpenContext>> {
        inode.server().io().event(IoEvent::VfsOpen);
        open_inode(inode, file)
    }

    fn release(inode: &Inode, ctx: Arc<OpenContext>) {
        inode.server().io().event(IoEvent::VfsRelease);
        if ctx.can_write() {
            // A mapping may have made pages dirty since the last close(). Errors are for those who have the file open
            // still; an interrupted flush leaves the rest to writeback, which then closes the file.
            let _ = making::close(inode, None);
        }
        let sent = Stamp::now();
        if let Some(attrs) = OpenContext::close(ctx) {
            // Our own writes have told what they changed: if there is more, others did it. Attributes of something else
            // (ESTALE) have been taken note of.
            let _ = refresh(inode, &attrs, Origin::Fetched(sent));
        }
    }

    fn flush(file: &RegularFile<Self>) -> Result {
        file.inode().server().io().event(IoEvent::VfsFlush);
        if !file.can_write() {
            return Ok(());
        }
        let ctx = context(file);
        let res = making::close(file.inode(), file.is_last().then_some(&ctx));
        // Told, and left to be told by fsync(): a descriptor that a child inherited is closed as well.
        file.check_wb_err()?;
        res
    }

    fn fsync(file: &RegularFile<Self>, range: RangeInclusive<u64>, _datasync: bool) -> Result {
        file.inode().server().io().event(IoEvent::VfsFsync);
        let res =
            making::settle(file.inode()).and_then(|()| write::flush_range(file.inode(), range));
        file.check_and_advance_wb_err()?;
        res
    }

    fn revalidate_mapping(file: &RegularFile<Self>) -> Result {
        file.info().set_read();
        lock::check_locks(file)?;
        making::in_use(file.inode())?;
        revalidate_mapping(file.inode())
    }

    fn map(file: &RegularFile<Self>) -> Result {
        mapped::map(file)
    }

    fn is_map_due(file: &RegularFile<Self>) -> bool {
        mapped::is_due(file.inode())
    }

    fn look_at_map(file: &RegularFile<Self>) {
        mapped::look(file)
    }

    fn revalidate_size(inode: &Inode) -> Result {
        revalidate(inode)
    }

    fn seek(file: &RegularFile<Self>, offset: u64, hole: bool) -> Result<Option<u64>> {
        space::seek(file, offset, hole)
    }

    fn reserve(file: &RegularFile<Self>, part: Range<u64>, hole: bool, room: bool) -> Result {
        space::reserve(file, part, hole, room)
    }

    fn read_iter(mut iocb: Iocb<'_, Self>, iter: &mut IovIterDest<'_>) -> Result<usize> {
        if iocb.is_direct() {
            if let Some(pieces) = Pieces::of_dest(iter, iocb.is_async()) {
                return direct::read(iocb, pieces);
            }
            iocb.clear_direct();
        }
        Self::revalidate_mapping(iocb.file())?;
        let server = iocb.file().inode().server().clone();
        let n = iocb.generic_file_read_iter(iter)?;
        server.io().add(IoBytes::NormalRead, n as u64);
        Ok(n)
    }

    fn write_iter(mut iocb: Iocb<'_, Self>, iter: &mut IovIterSource<'_>) -> Result<usize> {
        making::settle(iocb.file().inode())?;
        if direct::suits_write(&iocb, iter) {
            return direct::write(iocb, iter);
        }
        let file = iocb.file();
        let inode = file.inode();
        context(file).check()?;
        lock::check_locks(file)?;
        // Where a write beyond the end goes, and what lies before it, depends on where the end is.
        if iocb.is_append() || iocb.pos() > inode.i_size() {
            revalidate(inode)?;
        }
        // A page that is older than the file must not be merged with what is written now.
        drop_stale_data(inode)?;
        let since = inode.mapping().sample_wb_err();
        let res = perform_write(&mut iocb, inode, iter);
        if let Ok(n) = res {
            inode.server().io().add(IoBytes::NormalWritten, n as u64);
        }
        let res = match res {
            Ok(n) if n > 0 => iocb.generic_write_sync(n),
            res => res,
        };
        // A server that is full says so in writeback: better now than at the end of the program. And where data has just been lost, more
        // of it is not taken on trust.
        let full = |e: Error| e == ENOSPC || e == EDQUOT || e == EFBIG;
        let ctx = context(file);
        if ctx.is_failing() || inode.mapping().check_wb_err(since).is_err_and(full) {
            // What fails from here on notes it anew.
            ctx.set_failing(false);
            write::flush(inode).inspect_err(|_| ctx.set_failing(true))?;
            file.check_and_advance_wb_err()?;
        }
        res
    }

    fn lock(file: &RegularFile<Self>, call: LockCall, req: LockRequest<'_, Self>) -> Result {
        file.inode().server().io().event(IoEvent::VfsLock);
        lock::lock(file, call, req)
    }

    fn page_mkwrite(file: &RegularFile<Self>, folio: &Locked<Self>) -> Result<MkWrite> {
        address_space::page_mkwrite(file, folio)
    }

    fn wait_mkwrite(file: &RegularFile<Self>) {
        file.inode().info().write.wait_cut();
    }
}

/// Writes into the page cache, the inode being locked. Returns how many bytes.
fn perform_write(
    iocb: &mut Iocb<'_, Rnfs4Fs>,
    inode: &Inode,
    iter: &mut IovIterSource<'_>,
) -> Result<usize> {
    let lock = inode.inode_lock_killable()?;
    inode.info().direct.wait()?;
    match iocb.generic_write_checks(iter, &lock)? {
        0 => Ok(0),
        _ => iocb.generic_perform_write(iter, &lock),
    }
}
