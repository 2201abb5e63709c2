// SPDX-License-Identifier: GPL-2.0

//! What may go along with a WRITE, when it is of use to read with OPEN, and which replies the server has to keep.

#![allow(missing_docs)]

use rnfs4_proto::{
    attrs::request,
    ops::{
        attr::Getattr,
        fh::Putfh,
        io::{Read, Write},
        state::Close,
    },
    session::must_keep_reply,
    together::{Foresight, LastWrite},
    types::{Fh, StableHow, Stateid},
};

#[test]
fn only_the_write_that_is_all_takes_something_along() {
    for bits in 0..16 {
        let last = LastWrite {
            alone: bits & 1 != 0,
            fits: bits & 2 != 0,
            others: usize::from(bits & 4 != 0),
            locked: bits & 8 != 0,
        };
        assert_eq!(last.takes_setattr(), bits & 7 == 3, "{last:?}");
        assert_eq!(last.takes_close(), bits == 3, "{last:?}");
    }
}

#[test]
fn files_that_are_read_are_read_with_open() {
    let mut foresight = Foresight::new();
    for n in 0..1000 {
        assert_ne!(foresight.bytes(), 0, "after {n} files");
        // One of six is not read.
        foresight = foresight.learn(n % 6 != 0);
    }
}

#[test]
fn files_that_are_not_read_are_soon_left_alone() {
    for known in [Foresight::new(), read(Foresight::new(), 1000)] {
        let wasted = (0..)
            .scan(known, |foresight, _| {
                *foresight = foresight.learn(false);
                Some(foresight.bytes())
            })
            .take_while(|bytes| *bytes != 0)
            .count();
        assert!(wasted < 8, "{wasted} files");
    }
}

#[test]
fn and_read_again_when_that_has_changed() {
    let never = (0..1000).fold(Foresight::new(), |foresight, _| foresight.learn(false));
    assert_eq!(never.bytes(), 0);
    assert_ne!(read(never, 10).bytes(), 0);
}

#[test]
fn half_of_the_files_is_not_enough() {
    let half = (0..1000).fold(Foresight::new(), |foresight, n| foresight.learn(n % 2 == 0));
    assert_eq!(half.bytes(), 0);
}

fn read(foresight: Foresight, files: u32) -> Foresight {
    (0..files).fold(foresight, |foresight, _| foresight.learn(true))
}

#[test]
fn a_close_that_comes_along_is_kept() {
    let fh = Fh::empty();
    let write = Write {
        stateid: Stateid::ANONYMOUS,
        offset: 0,
        stable: StableHow::FileSync,
        len: 4096,
    };
    let attrs = Some(Getattr(request::INODE));
    assert!(!must_keep_reply(&(Putfh(fh), write, attrs, None::<Close>)));
    assert!(must_keep_reply(&(
        Putfh(fh),
        write,
        attrs,
        Some(Close(Stateid::ANONYMOUS))
    )));
    let read = Read {
        stateid: Stateid::CURRENT,
        offset: 0,
        count: 4096,
    };
    // What is too large for the server's cache.
    assert!(!must_keep_reply(&(Close(Stateid::ANONYMOUS), read)));
}
