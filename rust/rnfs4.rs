// SPDX-License-Identifier: GPL-2.0

//! rnfs4: an NFSv4.1/4.2 client.

mod client;
mod sys;

use kernel::prelude::*;

module! {
    type: Rnfs4,
    name: "rnfs4",
    authors: ["The rnfs4 authors"],
    description: "NFSv4.1/4.2 client",
    license: "GPL",
    alias: ["fs-rnfs4"],
}

struct Rnfs4;

impl kernel::Module for Rnfs4 {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
