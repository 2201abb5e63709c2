// SPDX-License-Identifier: GPL-2.0

//! SETATTR, which may need the right of an open to change a file's size.

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
        attr::{
            Getattr,
            Setattr, //
        },
        fh::Putfh, //
    },
    recovery::table::OpClass,
    setattrs::SetAttrs,
    types::{
        Fh,
        Stateid, //
    },
};

use super::open_state::OpenState;
use crate::client::{
    call::{
        errno::StatusExt,
        exchange::Body, //
    },
    server::Server,
};

type SetattrOps<'a> = (Putfh<&'a Fh>, Getattr, Setattr, Getattr);

/// A SETATTR in flight.
struct SetattrBody<'a> {
    fh: core::marker::PhantomData<&'a Fh>,
    state: Option<&'a Arc<OpenState>>,
    sent: Stateid,
    res: Result<<SetattrOps<'a> as Ops>::Res>,
}

impl<'a> Body for SetattrBody<'a> {
    type Ops = SetattrOps<'a>;

    fn class(&self) -> OpClass {
        if self.state.is_some() {
            OpClass::Setattr
        } else {
            OpClass::Plain
        }
    }

    fn state(&self) -> Option<(&Arc<OpenState>, Stateid)> {
        self.state.map(|state| (state, self.sent))
    }

    fn refresh(&mut self, ops: &mut SetattrOps<'a>) -> Result {
        if let Some(state) = self.state {
            self.sent = state.stateid()?.of_any_seqid();
            ops.2.stateid = self.sent;
        }
        Ok(())
    }

    fn is_answered(&self, (_, _, setattr, _): &<SetattrOps<'a> as Ops>::Res) -> bool {
        // Somebody may append to the file meanwhile: it must not be cut twice.
        setattr.is_ok()
    }

    fn finish(&mut self, res: Result<<SetattrOps<'a> as Ops>::Res>) {
        self.res = res;
    }
}

impl Server {
    /// Sets attributes of a file; a size by the right of `state`, if there is one. Returns what the file was before that, which is not
    /// our doing, and its attributes behind that, if the server told them. May sleep; killable.
    pub(crate) fn setattr(
        &self,
        cred: &Credential,
        fh: &Fh,
        state: Option<&Arc<OpenState>>,
        attrs: SetAttrs,
    ) -> Result<(Attrs, Option<Attrs>)> {
        let ops = (
            Putfh(fh),
            Getattr(request::CHANGED),
            Setattr {
                stateid: Stateid::ANONYMOUS,
                attrs,
            },
            Getattr(request::INODE),
        );
        let mut body = SetattrBody {
            fh: core::marker::PhantomData,
            state,
            sent: Stateid::ANONYMOUS,
            res: Err(EIO),
        };
        self.client().call_body(self.how(cred), ops, &mut body);
        let (putfh, before, setattr, behind) = body.res?;
        let before = putfh.and(before).errno()?;
        setattr.errno()?;
        Ok((before, behind.ok()))
    }
}
