// SPDX-License-Identifier: GPL-2.0

//! REMOVE, and in front of it the CLOSE of what is [kept open](super::late_close) of the file: some servers do not remove what is open, and
//! others keep its room.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    attrs::{
        request,
        Attrs, //
    },
    compound::Ops,
    ops::{
        attr::Getattr,
        dir::Remove,
        fh::Putfh,
        state::Close, //
    },
    recovery::table::OpClass,
    status::Status,
    types::{
        ChangeInfo,
        Fh,
        Stateid, //
    },
};

use super::open_state::{
    Access,
    OpenState,
    Reduction, //
};
use crate::client::{
    call::{
        errno::StatusExt,
        exchange::Body, //
    },
    server::Server,
};

/// What became of the directory, and its attributes after that, if the server told.
type Removed = (ChangeInfo, core::result::Result<Attrs, Status>);

type RemoveOps<'a> = (
    Option<(Putfh<&'a Fh>, Close)>,
    Putfh<&'a Fh>,
    Remove<'a>,
    Getattr,
);

struct RemoveBody<'a> {
    /// What is kept open of the file.
    kept: Option<&'a Arc<OpenState>>,
    sent: Stateid,
    res: Result<<RemoveOps<'a> as Ops>::Res>,
}

impl<'a> Body for RemoveBody<'a> {
    type Ops = RemoveOps<'a>;

    fn class(&self) -> OpClass {
        OpClass::Plain
    }

    fn refresh(&mut self, ops: &mut RemoveOps<'a>) -> Result {
        let Some(state) = self.kept else {
            return Ok(());
        };
        ops.0 = match state.reduction() {
            Reduction::Close(stateid) if !state.needs_recovery() => {
                self.sent = stateid;
                Some((Putfh(state.fh()), Close(stateid)))
            }
            _ => None,
        };
        Ok(())
    }

    fn is_answered(&self, (close, ..): &<RemoveOps<'a> as Ops>::Res) -> bool {
        // The file has not been removed yet: what is in the way is.
        matches!(close, Some((putfh, close)) if putfh.is_err() || close.is_err())
    }

    fn finish(&mut self, res: Result<<RemoveOps<'a> as Ops>::Res>) {
        if let (Some(state), Ok((Some((_, Ok(()))), ..))) = (self.kept, &res) {
            state.reduced(&self.sent, Stateid::ANONYMOUS, Access::NONE);
        }
        self.res = res;
    }
}

impl Server {
    /// Removes a name of a directory. If it is that of `file`, which nobody uses any more, what is kept open of that by `cred` is closed
    /// before. May sleep; killable.
    pub(crate) fn remove(
        self: &Arc<Self>,
        cred: &Credential,
        dir: &Fh,
        name: &[u8],
        file: Option<&Fh>,
    ) -> Result<Removed> {
        let kept = file.and_then(|fh| self.kept_open(fh, cred));
        let res = self.send_remove(cred, dir, name, kept.as_ref());
        let Some(state) = kept else {
            return removed(res?);
        };
        let failed =
            matches!(&res, Ok((Some((putfh, close)), ..)) if putfh.is_err() || close.is_err());
        if failed {
            self.reduce(&state);
        }
        state.owner().put_state(&state);
        match failed {
            true => removed(self.send_remove(cred, dir, name, None)?),
            false => removed(res?),
        }
    }

    fn send_remove<'a>(
        self: &Arc<Self>,
        cred: &Credential,
        dir: &'a Fh,
        name: &'a [u8],
        kept: Option<&'a Arc<OpenState>>,
    ) -> Result<<RemoveOps<'a> as Ops>::Res> {
        let ops = (
            kept.map(|state| (Putfh(state.fh()), Close(Stateid::ANONYMOUS))),
            Putfh(dir),
            Remove(name),
            Getattr(request::CHANGED),
        );
        let mut body = RemoveBody {
            kept,
            sent: Stateid::ANONYMOUS,
            res: Err(EIO),
        };
        self.client().call_body(self.how(cred), ops, &mut body);
        body.res
    }
}

fn removed((_, putfh, remove, attrs): <RemoveOps<'_> as Ops>::Res) -> Result<Removed> {
    Ok((putfh.and(remove).errno()?, attrs))
}
