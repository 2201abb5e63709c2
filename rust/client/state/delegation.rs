// SPDX-License-Identifier: GPL-2.0

//! Delegations. We ask for none yet; a server that gives one all the same gets it back at once.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use rnfs4_proto::{
    compound::Ops,
    ops::{
        fh::Putfh,
        open::Delegation,
        state::{
            Delegreturn,
            FreeStateid, //
        },
    },
    recovery::table::{
        decide,
        Action,
        OpClass,
        StateKind, //
    },
    types::{
        Fh,
        Stateid, //
    },
};

use super::lock::FreeBody;
use crate::{
    client::{
        call::exchange::{
            Body,
            How, //
        },
        nfs_client::Client,
    },
    sys::sunrpc::Flags,
};

/// What is left to be done when the server has answered. If that fails, the lease will end the delegation.
#[derive(Clone, Copy)]
enum Rest {
    Nothing,
    /// The server has a newer version of it: it is meant whatever the version, which a seqid of zero says (RFC 8881 8.2.2).
    AnyVersion,
    /// The server has revoked it, and keeps that in mind until it is freed (RFC 8881 18.38.3).
    Free,
}

/// A DELEGRETURN. What is left to be done goes out with the call's end, where one may sleep.
struct Return {
    client: Arc<Client>,
    cred: ARef<Credential>,
    fh: Fh,
    stateid: Stateid,
    rest: Rest,
}

impl Body for Return {
    type Ops = (Putfh<Fh>, Delegreturn);

    fn class(&self) -> OpClass {
        OpClass::Delegreturn
    }

    fn finish(&mut self, res: Result<<Self::Ops as Ops>::Res>) {
        let Ok((_, Err(status))) = res else {
            return;
        };
        self.rest = match decide(status, OpClass::Delegreturn, StateKind::Delegation) {
            Action::Refresh if self.stateid.seqid != 0 => Rest::AnyVersion,
            Action::Free => Rest::Free,
            _ => Rest::Nothing,
        };
    }
}

impl Drop for Return {
    fn drop(&mut self) {
        match self.rest {
            Rest::Nothing => {}
            Rest::AnyVersion => {
                let stateid = Stateid {
                    seqid: 0,
                    ..self.stateid
                };
                self.client.return_delegation(&self.cred, &self.fh, stateid);
            }
            Rest::Free => {
                let how = self.client.how_returned(&self.cred);
                let _ = self
                    .client
                    .start(how, (FreeStateid(self.stateid),), FreeBody);
            }
        }
    }
}

impl Client {
    /// Gives back what came with an open, if anything did. Does not wait for it; may sleep to allocate.
    pub(in crate::client) fn decline_delegation(
        self: &Arc<Self>,
        cred: &Credential,
        fh: &Fh,
        given: &Delegation,
    ) {
        if let Delegation::Given { stateid, .. } = *given {
            self.return_delegation(cred, fh, stateid);
        }
    }

    fn return_delegation(self: &Arc<Self>, cred: &Credential, fh: &Fh, stateid: Stateid) {
        let body = Return {
            client: self.clone(),
            cred: ARef::from(cred),
            fh: *fh,
            stateid,
            rest: Rest::Nothing,
        };
        let ops = (Putfh(*fh), Delegreturn(stateid));
        let _ = self.start(self.how_returned(cred), ops, body);
    }

    /// How calls are made that nobody waits for, and no mount answers for.
    fn how_returned<'a>(&'a self, cred: &'a Credential) -> How<'a> {
        How {
            cred,
            privileged: false,
            flags: Flags::Hard,
            ..self.how_privileged()
        }
    }
}
