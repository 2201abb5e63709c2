// SPDX-License-Identifier: GPL-2.0

//! A client that takes leave waits for its calls: for all that they hold, too.

use core::ops::Deref;

use kernel::sync::Arc;

use crate::client::nfs_client::Client;

/// A client that knows of a call, as long as this is there. It belongs at the end of what makes up the call: whatever goes with the
/// rest may begin another one.
pub(super) struct Counted(Arc<Client>);

impl Counted {
    /// A call begins. Any context that may take a spinlock.
    pub(super) fn new(client: &Arc<Client>) -> Self {
        client.call_begin();
        Self(client.clone())
    }
}

impl Deref for Counted {
    type Target = Arc<Client>;

    fn deref(&self) -> &Arc<Client> {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.call_end();
    }
}
