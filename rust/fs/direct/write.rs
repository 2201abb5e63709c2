// SPDX-License-Identifier: GPL-2.0

//! Direct writes. They are safe when they have ended: a single WRITE is asked to be stable, several are followed by a COMMIT.
//!
//! When the COMMIT finds that the server has forgotten something, it is written again, from the program's memory, this time stable.

use core::mem;

use kernel::{
    cred::Credential,
    impl_has_work,
    iov::IovIterSource,
    new_spinlock, new_work,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    },
    workqueue::{
        Work,
        WorkItem, //
    },
};
use rnfs4_proto::{
    attrs::{
        request::CHANGED,
        Attrs, //
    },
    compound::Ops,
    ops::{
        attr::Getattr,
        fh::Putfh,
        io::{
            Commit,
            Write,
            WriteRes, //
        },
    },
    recovery::table::OpClass,
    status::Status,
    types::{
        Fh,
        StableHow,
        Stateid,
        Verifier, //
    },
};

use super::{
    buffered,
    drop_cached,
    write_out,
    Transfer, //
};
use crate::{
    client::{
        AsyncOps,
        IoBytes,
        IoEvent,
        LockState,
        OpenState,
        StatusExt, //
    },
    fs::{
        address_space::writer,
        lock,
        revalidate,
        Rnfs4Fs, //
    },
    sys::{
        fs::Iocb,
        mm::{
            PageVec,
            Pieces, //
        },
    },
};

/// The attributes come with a WRITE that appends: where the next one goes depends on them.
type WriteOps = (Putfh<Fh>, Write, Option<Getattr>);
type CommitOps = (Putfh<Fh>, Commit, Getattr);

/// In which life of the server a part was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// That does not matter: it is on stable storage, or was not written at all.
    Any,
    /// In this one.
    Of(Verifier),
    /// In more than one: some of it is lost.
    Several,
}

/// A part of a transfer.
struct Part {
    /// Where it begins in the file.
    start: u64,
    /// Bytes that the server has taken.
    done: usize,
    /// The bytes it has not.
    pages: PageVec,
    life: Life,
    next: Option<KBox<Part>>,
}

impl Part {
    /// Where the next byte goes.
    fn offset(&self) -> u64 {
        self.start + self.done as u64
    }

    /// What was written is to be written again.
    fn rewind(&mut self) {
        self.pages.rewind_to(mem::take(&mut self.done));
        self.life = Life::Any;
    }
}

/// A stack of parts.
#[derive(Default)]
struct Parts(Option<KBox<Part>>);

impl Parts {
    fn push(&mut self, mut part: KBox<Part>) {
        part.next = self.0.take();
        self.0 = Some(part);
    }

    fn pop(&mut self) -> Option<KBox<Part>> {
        let mut part = self.0.take()?;
        self.0 = part.next.take();
        Some(part)
    }
}

impl Drop for Parts {
    /// One by one: the stack may be long, and the kernel's is not.
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

/// A direct write().
#[pin_data]
struct DirectWrite {
    #[pin]
    transfer: Transfer,
    len: usize,
    /// What a WRITE asks for that no COMMIT follows.
    stable: StableHow,
    append: bool,
    /// What waits for COMMIT.
    #[pin]
    written: SpinLock<Parts>,
    /// The last reply has brought the file's attributes.
    fresh: Atomic<bool>,
    #[pin]
    work: Work<DirectWrite>,
}

impl_has_work! {
    impl HasWork<Self> for DirectWrite { self.work }
}

impl WorkItem for DirectWrite {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        drop_cached(this.transfer.inode(), this.transfer.start, this.len);
        this.finish();
    }
}

impl DirectWrite {
    /// Sends a part, or what is left of it.
    fn send(self: &Arc<Self>, mut part: KBox<Part>, stable: StableHow) {
        let server = self.transfer.by.ctx.server().clone();
        part.pages.limit(server.wsize() as usize);
        server.start(Sent {
            write: self.clone(),
            part: Some(part),
            stable,
            reply: Err(EIO),
        });
    }

    /// Whether a WRITE that was answered so needs no COMMIT.
    fn is_safe(&self, res: &WriteRes) -> bool {
        res.committed >= self.stable
    }

    /// A part has ended, with an error if the server has not taken all of it; or everything was sent.
    fn part_ends(self: &Arc<Self>, part: Option<KBox<Part>>, error: Option<Error>) {
        if let Some(part) = part {
            if let Some(e) = error {
                let error = self.transfer.by.ctx.write_error(e);
                self.transfer.stop_at(part.offset(), Some(error));
            }
            if part.life != Life::Any {
                self.written.lock().push(part);
            }
        }
        if self.transfer.part_ends() {
            let parts = mem::take(&mut *self.written.lock());
            match parts.0 {
                Some(_) => self.commit(parts),
                None => self.all_safe(),
            }
        }
    }

    fn commit(self: &Arc<Self>, parts: Parts) {
        self.transfer.part_begins();
        self.transfer.by.ctx.server().start(CommitCall {
            write: self.clone(),
            parts,
        });
    }

    /// The server has committed what was written in this life.
    fn committed(self: &Arc<Self>, mut parts: Parts, verifier: Verifier) {
        while let Some(mut part) = parts.pop() {
            if part.life != Life::Of(verifier) {
                part.rewind();
                self.transfer.part_begins();
                self.send(part, self.stable);
            }
        }
        self.part_ends(None, None);
    }

    /// What was written may be lost, and there is no finding out.
    fn commit_failed(self: &Arc<Self>, mut parts: Parts, error: Error) {
        let error = self.transfer.by.ctx.write_error(error);
        while let Some(part) = parts.pop() {
            self.transfer.stop_at(part.start, Some(error));
        }
        self.part_ends(None, None);
    }

    /// What has been written is safe. Reads may have brought older data into the page cache meanwhile.
    fn all_safe(self: &Arc<Self>) {
        if self.transfer.inode().mapping_empty() {
            return self.finish();
        }
        let server = self.transfer.by.ctx.server();
        // It is queued just once.
        let _ = server.client().registry().queue().enqueue(self.clone());
    }

    fn finish(&self) {
        let inode = self.transfer.inode();
        let end = self.transfer.end();
        if end > self.transfer.start {
            let mut attrs = inode.lock_attrs();
            if end > attrs.i_size() {
                attrs.i_size_write(end);
                inode.server().io().event(IoEvent::ExtendWrite);
            }
        }
        if !self.fresh.load(Relaxed) {
            inode.info().attrs.barrier();
        }
        inode.info().direct.end();
        self.transfer.finish(IoBytes::DirectWritten);
    }
}

/// A part while sunrpc has it.
struct Sent {
    write: Arc<DirectWrite>,
    /// Kept to the end of the task: the request may be on its way from the pages until then, even if the server has answered it.
    part: Option<KBox<Part>>,
    stable: StableHow,
    reply: Result<Reply>,
}

/// What the server has said of a WRITE, and of the file.
type Reply = (WriteRes, Option<core::result::Result<Attrs, Status>>);

impl Sent {
    /// Takes note of a reply, and sends what it has left over.
    fn replied(&self, mut part: KBox<Part>, (write, attrs): Reply) {
        let this = &self.write;
        if write.count == 0 {
            // A server that writes nothing and calls that success would be asked for ever.
            return this.part_ends(Some(part), Some(EIO));
        }
        let io = this.transfer.by.ctx.server().io();
        io.add(IoBytes::ServerWritten, u64::from(write.count));
        if (write.count as usize) < part.pages.len() {
            io.event(IoEvent::ShortWrite);
        }
        if !this.is_safe(&write) {
            let now = Life::Of(write.verifier);
            part.life = match part.life {
                Life::Any => now,
                same if same == now => now,
                _ => Life::Several,
            };
        }
        part.done += write.count as usize;
        part.pages.advance(write.count as usize);
        if let Some(Ok(attrs)) = attrs {
            buffered::wrote(this.transfer.inode(), &attrs);
        }
        this.fresh.store(matches!(attrs, Some(Ok(_))), Relaxed);
        if part.pages.rest() == 0 {
            this.part_ends(Some(part), None);
        } else {
            this.send(part, self.stable);
        }
    }
}

impl AsyncOps for Sent {
    type Ops = WriteOps;
    const CLASS: OpClass = OpClass::Io;

    fn cred(&self) -> &Credential {
        self.write.transfer.by.ctx.cred()
    }

    fn state(&self) -> Option<&Arc<OpenState>> {
        Some(self.write.transfer.by.ctx.state())
    }

    fn lock(&self) -> Option<&Arc<LockState>> {
        self.write.transfer.by.lock.as_ref()
    }

    fn pages(&self) -> Option<&PageVec> {
        self.part.as_ref().map(|part| &part.pages)
    }

    fn build(&mut self, stateid: Stateid) -> Result<WriteOps> {
        let part = self.part.as_ref().ok_or(EIO)?;
        Ok((
            Putfh(*self.write.transfer.by.ctx.fh()),
            Write {
                stateid,
                offset: part.offset(),
                stable: self.stable,
                len: part.pages.len() as u32,
            },
            self.write.append.then_some(Getattr(CHANGED)),
        ))
    }

    fn finish(&mut self, res: Result<<WriteOps as Ops>::Res>) {
        self.reply = res.and_then(|(_, write, attrs)| Ok((write.errno()?, attrs)));
    }
}

impl Drop for Sent {
    /// The task is gone.
    fn drop(&mut self) {
        let Some(part) = self.part.take() else {
            return;
        };
        match mem::replace(&mut self.reply, Err(EIO)) {
            Ok(reply) => self.replied(part, reply),
            Err(e) => self.write.part_ends(Some(part), Some(e)),
        }
    }
}

/// The COMMIT of a transfer.
struct CommitCall {
    write: Arc<DirectWrite>,
    parts: Parts,
}

impl AsyncOps for CommitCall {
    type Ops = CommitOps;
    const CLASS: OpClass = OpClass::Commit;

    fn cred(&self) -> &Credential {
        self.write.transfer.by.ctx.cred()
    }

    fn state(&self) -> Option<&Arc<OpenState>> {
        None
    }

    fn pages(&self) -> Option<&PageVec> {
        None
    }

    fn build(&mut self, _stateid: Stateid) -> Result<CommitOps> {
        let write = &self.write;
        Ok((
            Putfh(*write.transfer.by.ctx.fh()),
            Commit {
                offset: write.transfer.start,
                // 0 is all to the end of the file.
                count: u32::try_from(write.len).unwrap_or(0),
            },
            Getattr(CHANGED),
        ))
    }

    fn finish(&mut self, res: Result<<CommitOps as Ops>::Res>) {
        let parts = mem::take(&mut self.parts);
        let reply = res.and_then(|(_, verifier, attrs)| Ok((verifier.errno()?, attrs)));
        match reply {
            Ok((verifier, attrs)) => {
                if let Ok(attrs) = &attrs {
                    buffered::wrote(self.write.transfer.inode(), attrs);
                }
                self.write.fresh.store(attrs.is_ok(), Relaxed);
                self.write.committed(parts, verifier);
            }
            Err(e) => self.write.commit_failed(parts, e),
        }
    }
}

/// Whether the call ends when the transfer does. One that appends is waited for: where the next one goes is known when it has ended.
fn outlives(iocb: &Iocb<'_, Rnfs4Fs>) -> bool {
    iocb.is_async() && !iocb.is_append()
}

/// Whether a write can go past the page cache: not from the kernel's own memory.
pub(in crate::fs) fn suits(iocb: &Iocb<'_, Rnfs4Fs>, iter: &mut IovIterSource<'_>) -> bool {
    iocb.is_direct() && Pieces::has_source(iter, outlives(iocb))
}

/// Answers `->write_iter()`. `EBADF` on a context gone bad, `EFAULT`, `EIOCBQUEUED` for an asynchronous call that is
/// under way. May sleep; killable.
pub(in crate::fs) fn write(
    mut iocb: Iocb<'_, Rnfs4Fs>,
    iter: &mut IovIterSource<'_>,
) -> Result<usize> {
    let file = iocb.file();
    let inode = file.inode();
    writer(file).ctx.check()?;
    lock::check_locks(file)?;
    if iocb.is_append() {
        let lock = inode.inode_lock_killable()?;
        inode.info().direct.wait()?;
        revalidate(inode)?;
        return match iocb.generic_write_checks(iter, &lock)? {
            0 => Ok(0),
            _ => begin(iocb, iter, true)?.wait(),
        };
    }
    let lock = inode.inode_lock_shared_killable()?;
    if iocb.generic_write_checks(iter, &lock)? == 0 {
        return Ok(0);
    }
    let begun = begin(iocb, iter, false)?;
    drop(lock);
    begun.wait()
}

/// A direct write all of which was sent, and that whoever made the call waits for.
struct Begun<'a, 'b> {
    write: Arc<DirectWrite>,
    iocb: Iocb<'a, Rnfs4Fs>,
    pieces: Pieces<'b>,
}

impl Begun<'_, '_> {
    fn wait(mut self) -> Result<usize> {
        let res = self.write.transfer.wait();
        let n = res.unwrap_or(0);
        self.pieces.give_back(self.pieces.taken() - n);
        self.iocb.set_pos(self.write.transfer.start + n as u64);
        res
    }
}

/// Sends everything. The inode is locked, for an `append` alone. `EIOCBQUEUED` when an asynchronous call is under way.
fn begin<'a, 'b>(
    iocb: Iocb<'a, Rnfs4Fs>,
    iter: &'b mut IovIterSource<'_>,
    append: bool,
) -> Result<Begun<'a, 'b>> {
    let (file, start, len) = (iocb.file(), iocb.pos(), iter.len());
    let (inode, by) = (file.inode(), writer(file));
    let outlives = outlives(&iocb);
    let mut pieces = Pieces::of_source(iter, outlives).ok_or(EFAULT)?;
    write_out(inode, start..=start + (len as u64 - 1))?;
    drop_cached(inode, start, len);
    let wsize = by.ctx.server().wsize() as usize;
    let stable = if iocb.is_sync() {
        StableHow::FileSync
    } else {
        StableHow::DataSync
    };
    let mut next = Some(take(&mut pieces, start, wsize)?);
    let write = Arc::pin_init(
        pin_init!(DirectWrite {
            transfer <- Transfer::new(inode, by, start, len),
            len,
            stable,
            append,
            written <- new_spinlock!(Parts::default(), "rnfs4_direct_written"),
            fresh: Atomic::new(false),
            work <- new_work!("rnfs4_direct"),
        }),
        GFP_KERNEL,
    )?;
    let how = if pieces.is_empty() {
        stable
    } else {
        StableHow::Unstable
    };
    inode.info().direct.begin();
    while let Some(part) = next.take() {
        write.transfer.part_begins();
        write.send(part, how);
        if pieces.is_empty() {
            break;
        }
        let offset = start + pieces.taken() as u64;
        match take(&mut pieces, start, wsize) {
            Ok(part) => next = Some(part),
            Err(e) => write.transfer.stop_at(offset, Some(e)),
        }
    }
    if outlives {
        write.transfer.queue(iocb);
        write.part_ends(None, None);
        return Err(EIOCBQUEUED);
    }
    write.part_ends(None, None);
    Ok(Begun {
        write,
        iocb,
        pieces,
    })
}

/// Makes a part of the next piece.
fn take(pieces: &mut Pieces<'_>, start: u64, wsize: usize) -> Result<KBox<Part>> {
    let start = start + pieces.taken() as u64;
    Ok(KBox::new(
        Part {
            start,
            done: 0,
            pages: pieces.take(wsize)?,
            life: Life::Any,
            next: None,
        },
        GFP_KERNEL,
    )?)
}
