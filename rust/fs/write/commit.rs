// SPDX-License-Identifier: GPL-2.0

//! COMMIT: what the server has in memory becomes safe, or is found to be lost and made dirty again.
//!
//! One COMMIT at a time is under way for a file, always for all of it. Its verifier is compared with that of each WRITE
//! it covers (RFC 8881, 18.3 and 18.32): where they differ the server has restarted in between, and the data is sent
//! again from the pages, which have stayed in memory for that.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::Arc, //
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
        io::Commit, //
    },
    recovery::table::OpClass,
    types::{
        Fh,
        Stateid,
        Verifier, //
    },
};

use super::{
    books::Settled,
    outcome::{
        report,
        wrote, //
    },
    request::Batches, //
};
use crate::{
    client::{
        AsyncOps,
        OpenContext,
        OpenState,
        StatusExt, //
    },
    fs::{
        Inode,
        Rnfs4Fs, //
    },
    sys::{
        fs::Inflight,
        mm::{
            NofsScope,
            PageVec, //
        },
    },
};

type CommitOps = (Putfh<Fh>, Commit, Getattr);

/// A COMMIT under way.
struct CommitCall {
    io: Inflight<Rnfs4Fs>,
    ctx: Arc<OpenContext>,
    batches: Batches,
}

impl AsyncOps for CommitCall {
    type Ops = CommitOps;
    const CLASS: OpClass = OpClass::Commit;

    fn cred(&self) -> &Credential {
        self.ctx.cred()
    }

    fn state(&self) -> Option<&Arc<OpenState>> {
        None
    }

    fn pages(&self) -> Option<&PageVec> {
        None
    }

    fn build(&mut self, _stateid: Stateid) -> Result<CommitOps> {
        Ok((
            Putfh(*self.ctx.fh()),
            Commit {
                offset: 0,
                count: 0,
            },
            Getattr(CHANGED),
        ))
    }

    fn finish(&mut self, res: Result<<CommitOps as Ops>::Res>) {
        let inode = self.io.inode();
        let settled = match res.and_then(|(_, verifier, attrs)| Ok((verifier.errno()?, attrs.ok())))
        {
            Ok((verifier, attrs)) => committed(inode, verifier, attrs),
            Err(e) if e == ENOMEM => Settled::Again,
            Err(e) => {
                self.ctx.set_failing(true);
                report(inode, self.ctx.write_error(e));
                Settled::GivenUp
            }
        };
        let batches = core::mem::take(&mut self.batches);
        if inode.info().write.commit_done(inode, batches, settled) {
            start(inode);
        }
    }
}

fn committed(inode: &Inode, verifier: Verifier, attrs: Option<Attrs>) -> Settled {
    match attrs {
        Some(attrs) => wrote(inode, &attrs),
        // What was asked before this says nothing of the file as it is now.
        None => inode.info().attrs.barrier(),
    }
    Settled::In(verifier)
}

/// Starts a COMMIT of all that has been written, unless one is under way or nothing waits for it.
pub(in crate::fs) fn start(inode: &Inode) {
    let Some(batches) = inode.info().write.start_commit() else {
        return;
    };
    let _nofs = NofsScope::enter();
    // There is a batch, and a batch has a piece, which has a context.
    let Some(ctx) = batches.ctx().cloned() else {
        let write = &inode.info().write;
        write.commit_done(inode, batches, Settled::Again);
        return;
    };
    let server = ctx.server().clone();
    server.start(CommitCall {
        io: Inflight::new(inode),
        ctx,
        batches,
    });
}

/// Commits what has been written, and waits for that. What comes of it, each request knows; data lost for good is the
/// mapping's error. `ERESTARTSYS` when the task is being killed. Sleeps.
pub(in crate::fs) fn commit(inode: &Inode) -> Result {
    inode.info().write.wait_commit(|| start(inode))
}
