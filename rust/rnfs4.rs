// SPDX-License-Identifier: GPL-2.0

//! rnfs4: an NFSv4.1/4.2 client that recovers.
//!
//! [`fs`] answers the VFS, [`client`] keeps session, lease and state and gets them back when they are lost, [`sys`] wraps what
//! the kernel offers. What goes over the wire and what an error means is decided in the crate [`rnfs4_proto`]. Calls go down
//! this list, never up. docs/architecture.md shows the whole.

mod client;
mod fs;
mod sys;

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    client::Registry,
    fs::Rnfs4Fs,
    sys::fs::Registration, //
};

module! {
    type: Rnfs4,
    name: "rnfs4",
    authors: ["The rnfs4 authors"],
    description: "NFSv4.1/4.2 client",
    license: "GPL",
    alias: ["fs-rnfs4"],
    params: {
        mountpoint_expiry_timeout: u32 {
            default: 500,
            description: "Seconds between two looks at the server's other file systems that a walk has mounted: each goes at the second since it was last used; 0: they stay",
        },
        recover_lost_locks: bool {
            default: false,
            description: "Set locks again that the server has lost or taken away, although others may have changed the data meanwhile",
        },
    },
}

/// The loaded module. Its parts go in this order: no new mounts, then nothing of ours that still runs.
#[pin_data]
struct Rnfs4 {
    #[pin]
    fs: Registration<Rnfs4Fs>,
    _quiet: Quiet,
}

/// Waits, when it goes, until no client and no work of theirs is left.
struct Quiet(Arc<Registry>);

impl Drop for Quiet {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}

impl kernel::InPlaceModule for Rnfs4 {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let registry = Registry::new()?;
            Ok(try_pin_init!(Self {
                fs <- Registration::new(module, registry.clone()),
                _quiet: Quiet(registry),
            }))
        })
    }
}
