// SPDX-License-Identifier: GPL-2.0

//! Writeback: dirty folios become WRITEs.
//!
//! Folios that follow each other and were written through one open context are sent together, up to `wsize` in a WRITE,
//! from where they lie in the page cache; many WRITEs may be under way for a file. They are UNSTABLE, and a COMMIT makes
//! them safe (see [`super::commit`]); only the WRITE that is all that a synchronous flush has to send asks for FILE_SYNC,
//! which saves the COMMIT. With that one may go what was to follow it ([`super::rider`]).

use kernel::{
    pr_warn_once,
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    together::LastWrite,
    types::StableHow, //
};

use super::{
    books::{
        Conflict,
        Start, //
    },
    call::WriteCall,
    commit,
    outcome::report,
    request::Writer,
    rider::Rider, //
};
use crate::{
    fs::{
        Inode,
        Rnfs4Fs, //
    },
    sys::{
        mm::{
            Locked,
            NofsScope,
            WritebackControl, //
        },
        wait::msleep_killable, //
    },
};

/// Collects folios into calls, and sends each call when the next one begins.
pub(super) struct Sender<'a> {
    inode: &'a Inode,
    wsize: usize,
    call: Option<KBox<WriteCall>>,
    /// A call has been sent already.
    several: bool,
}

impl<'a> Sender<'a> {
    pub(super) fn new(inode: &'a Inode) -> Self {
        Self {
            inode,
            wsize: inode.server().wsize() as usize,
            call: None,
            several: false,
        }
    }

    /// Begins to write a locked folio whose dirty bit was just cleared.
    pub(super) fn add(&mut self, folio: &Locked<Rnfs4Fs>) -> Result {
        let write = &self.inode.info().write;
        let begun = match write.begin(self.inode, folio) {
            Ok(Some(begun)) => begun,
            Ok(None) => return Ok(()),
            Err(e) => {
                pr_warn_once!("a page was changed that no open file answers for\n");
                report(self.inode, e);
                return Ok(());
            }
        };
        let mut call = match self.call.take() {
            Some(call) if call.takes(&begun, self.wsize) => call,
            other => {
                if let Some(call) = other {
                    self.send(call, false, None);
                }
                match WriteCall::new(self.inode, begun.piece.by(), begun.piece.pos()) {
                    Ok(call) => call,
                    Err(e) => {
                        write.put_back(self.inode, begun);
                        return Err(e);
                    }
                }
            }
        };
        let res = call.push(begun);
        self.call = (!call.batch.is_empty()).then_some(call);
        res.map_err(|(e, begun)| {
            write.put_back(self.inode, begun);
            e
        })
    }

    fn send(&mut self, mut call: KBox<WriteCall>, sync_and_last: bool, rider: Option<&Arc<Rider>>) {
        let write = &self.inode.info().write;
        let (start, others) = write.start_write(call.batch.pieces.len());
        let alone = start == Start::Alone && sync_and_last && !self.several;
        if alone || start == Start::Distrusted {
            call.stable = StableHow::FileSync;
        }
        let last = LastWrite {
            alone,
            fits: call.pages.rest() <= self.wsize,
            others,
            locked: call.by.lock.is_some(),
        };
        call.rider = rider
            .filter(|rider| rider.may_go(&last, &call.by.ctx))
            .cloned();
        if !self.several {
            // An inode of which only pages are dirty is clean as soon as they are under way, and sync(2) would go by it.
            self.inode.mark_dirty_datasync();
        }
        self.several = true;
        call.send();
    }

    /// Sends what is left; `sync` when somebody is going to wait for it. If that is all, `rider` goes along.
    pub(super) fn finish(mut self, sync: bool, rider: Option<&Arc<Rider>>) {
        if let Some(call) = self.call.take() {
            self.send(call, sync, rider);
        }
    }
}

/// Answers `->writepages()`.
pub(in crate::fs) fn writepages(inode: &Inode, wbc: &mut WritebackControl<'_>) -> Result {
    let _nofs = NofsScope::enter();
    let mut writer = Sender::new(inode);
    let sync = wbc.is_sync();
    let res = wbc.for_each_folio(inode.mapping(), |_, folio| writer.add(&folio));
    writer.finish(sync, None);
    // Nobody is going to ask for the COMMIT soon, and until then the pages count as being written: enough of them stop all writers.
    if !sync && inode.info().write.commit_soon() {
        commit::start(inode);
    }
    res
}

/// Writes one locked folio, and waits until it is not under writeback: its data may be on stable storage or wait for
/// COMMIT then, or be lost, which the mapping's error tells. `EINTR` when the task is being killed.
fn write_folio(inode: &Inode, folio: &Locked<Rnfs4Fs>) -> Result {
    let _nofs = NofsScope::enter();
    folio.wait_writeback_killable()?;
    if folio.clear_dirty_for_io() {
        let mut writer = Sender::new(inode);
        let res = writer.add(folio);
        writer.finish(true, None);
        res?;
    }
    folio.wait_writeback_killable()
}

/// Makes a locked folio free of requests: what is dirty is written, what is written is committed. Sleeps; killable.
pub(in crate::fs) fn clean_folio(inode: &Inode, folio: &Locked<Rnfs4Fs>) -> Result {
    let mut losses = 0;
    while folio.has_private() {
        if folio.is_dirty() || folio.is_writeback() {
            write_folio(inode, folio)?;
        }
        if folio.has_private() && !folio.is_dirty() {
            commit::commit(inode)?;
        }
        back_off(&mut losses, folio.has_private())?;
    }
    Ok(())
}

/// Sees to it that `range` of a locked folio may be made dirty by the right of `by`. Sleeps; killable.
pub(in crate::fs) fn resolve_conflict(
    inode: &Inode,
    folio: &Locked<Rnfs4Fs>,
    by: &Writer,
    range: &core::ops::Range<usize>,
) -> Result {
    let write = &inode.info().write;
    let mut losses = 0;
    loop {
        folio.wait_writeback_killable()?;
        match write.conflict(inode, folio, by, range) {
            Conflict::None => return Ok(()),
            Conflict::Dirty => write_folio(inode, folio)?,
            Conflict::Unstable => commit::commit(inode)?,
        }
        back_off(&mut losses, false)?;
    }
}

/// Sleeps before a loop goes on that a server can keep going by losing what it was given. The first rounds are free.
pub(super) fn back_off(rounds: &mut u32, again: bool) -> Result {
    *rounds += u32::from(again) + 1;
    if *rounds > 4 {
        msleep_killable(1 << (*rounds).min(10))?;
    }
    Ok(())
}
