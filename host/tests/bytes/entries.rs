// SPDX-License-Identifier: GPL-2.0

//! What READDIR leaves in the pages. The first byte chooses the attributes asked for.

use super::replies::attr_map;
use crate::common::Watched;
use rnfs4_proto::{ops::readdir::DirEntries, types::NAME_MAX};

pub fn run(bytes: &[u8]) {
    let Some((variant, bytes)) = bytes.split_first() else {
        return;
    };
    let mut entries = DirEntries::new(Watched::new(bytes), attr_map(variant % 6));
    let mut room = bytes.len();
    let failed = loop {
        match entries.next_entry() {
            Ok(Some(entry)) => {
                let name = entry.name;
                assert!((1..=NAME_MAX).contains(&name.len()));
                assert!(
                    !name.iter().any(|c| matches!(c, 0 | b'/')) && name != b"." && name != b".."
                );
                // "Follows", cookie, length, name, bitmap and length of the attributes.
                let size = 4 + 8 + 4 + name.len() + 4 + 4;
                room = room.checked_sub(size).expect("more entries than bytes");
            }
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    for _ in 0..3 {
        assert!(
            matches!(entries.next_entry(), Ok(None)),
            "more behind the end"
        );
    }
    assert!(
        !(failed && entries.eof()),
        "the end of the directory after an error"
    );
}
