// SPDX-License-Identifier: GPL-2.0

//! Delegations. We ask for none yet; a server that gives one all the same gets it back at once.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    compound::Ops,
    ops::{
        fh::Putfh,
        open::Delegation,
        state::Delegreturn, //
    },
    recovery::table::OpClass,
    types::Fh, //
};

use super::{
    exchange::{
        Body,
        How, //
    },
    nfs_client::Client, //
};
use crate::sys::sunrpc::Flags;

/// A DELEGRETURN. Whatever comes of it: the lease would end the delegation, too.
struct Return;

impl Body for Return {
    type Ops = (Putfh<Fh>, Delegreturn);

    fn class(&self) -> OpClass {
        OpClass::Delegreturn
    }

    fn finish(&mut self, _res: Result<<Self::Ops as Ops>::Res>) {}
}

impl Client {
    /// Gives back what came with an open, if anything did. Does not wait for it; may sleep to allocate.
    pub(super) fn decline_delegation(
        self: &Arc<Self>,
        cred: &Credential,
        fh: &Fh,
        given: &Delegation,
    ) {
        let Delegation::Given { stateid, .. } = *given else {
            return;
        };
        let how = How {
            cred,
            privileged: false,
            flags: Flags::Hard,
            ..self.how_privileged()
        };
        let ops = (Putfh(*fh), Delegreturn(stateid));
        let _ = self.start(how, ops, Return);
    }
}
