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
            Setattr,
            SetattrByName, //
        },
        fh::Putfh, //
    },
    recovery::table::OpClass,
    setattrs::SetAttrs,
    status::Status,
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
    idmap::Worded,
    server::Server,
};

/// One of the two in the middle.
type SetattrOps<'a> = (
    Putfh<&'a Fh>,
    Getattr,
    Option<Setattr>,
    Option<SetattrByName<'a>>,
    Getattr,
);

/// A SETATTR in flight.
struct SetattrBody<'a> {
    args: core::marker::PhantomData<&'a Fh>,
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
            let by_name = ops.3.as_mut().map(|it| &mut it.setattr);
            if let Some(setattr) = ops.2.as_mut().or(by_name) {
                setattr.stateid = self.sent;
            }
        }
        Ok(())
    }

    fn is_answered(&self, (_, _, setattr, by_name, _): &<SetattrOps<'a> as Ops>::Res) -> bool {
        // Somebody may append to the file meanwhile: it must not be cut twice.
        matches!(setattr.as_ref().or(by_name.as_ref()), Some(Ok(_)))
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
        let send = || {
            let worded = self.word(&attrs)?;
            self.send_setattr(cred, fh, state, attrs, &worded)
        };
        let mut sent = send()?;
        if sent.1 == Err(Status::BADOWNER) && self.takes_numbers() {
            self.want_names();
            sent = send()?;
        }
        let (before, set, behind) = sent;
        set.errno()?;
        Ok((before, behind))
    }

    /// Returns what the file was before that, what came of it, and the attributes behind that.
    fn send_setattr(
        &self,
        cred: &Credential,
        fh: &Fh,
        state: Option<&Arc<OpenState>>,
        attrs: SetAttrs,
        worded: &Worded,
    ) -> Result<(Attrs, core::result::Result<(), Status>, Option<Attrs>)> {
        let (setattr, by_name) = worded.op(Setattr {
            stateid: Stateid::ANONYMOUS,
            attrs,
        });
        let ops = (
            Putfh(fh),
            Getattr(request::CHANGED),
            setattr,
            by_name,
            Getattr(request::INODE),
        );
        let mut body = SetattrBody {
            args: core::marker::PhantomData,
            state,
            sent: Stateid::ANONYMOUS,
            res: Err(EIO),
        };
        self.client().call_body(self.how(cred), ops, &mut body);
        let (putfh, before, setattr, by_name, behind) = body.res?;
        let before = putfh.and(before).errno()?;
        let set = setattr.or(by_name).transpose().map(drop);
        Ok((before, set, behind.ok()))
    }
}
