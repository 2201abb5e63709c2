// SPDX-License-Identifier: GPL-2.0

//! What may go along with a WRITE, when it is of use to read with OPEN, and which replies the server has to keep.

#![allow(missing_docs)]

use rnfs4_proto::{
    attrs::request,
    ops::{
        attr::Getattr,
        dir::{Create, CreateType, Link, Remove, Rename},
        fh::{Getfh, Putfh},
        io::{Read, Write},
        state::Close,
    },
    session::{has_changed_names, must_keep_reply},
    setattrs::{SetAttrs, SetTime},
    together::{Foresight, LastWrite, Made},
    types::{Fh, NfsTime, StableHow, Stateid},
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

/// A new file of user 7 and group 8.
const MADE: Made = Made {
    mode: 0o600,
    uid: 7,
    gid: 8,
    mighty: false,
};
const TIME: SetTime = SetTime::Client(NfsTime { sec: 1, nsec: 2 });

fn mode(mode: u32) -> SetAttrs {
    SetAttrs {
        mode: Some(mode),
        ..SetAttrs::default()
    }
}

fn owner(uid: Option<u32>, gid: Option<u32>) -> SetAttrs {
    SetAttrs {
        uid,
        gid,
        ..SetAttrs::default()
    }
}

fn times(atime: Option<SetTime>, mtime: Option<SetTime>) -> SetAttrs {
    SetAttrs {
        atime,
        mtime,
        ..SetAttrs::default()
    }
}

#[test]
fn a_mode_waits_that_gives_and_takes_nothing() {
    for old in 0..0o10000 {
        let made = Made { mode: old, ..MADE };
        for new in [
            0, 0o400, 0o600, 0o640, 0o644, 0o755, 0o777, 0o1600, 0o2600, 0o4600, 0o4755,
        ] {
            let gives = (0..12).all(|bit| (old >> bit) & 1 <= (new >> bit) & 1);
            let special = (old | new) & 0o7000 != 0;
            assert_eq!(
                made.may_wait(&mode(new), 7),
                gives && !special,
                "{old:o} {new:o}"
            );
        }
        // What stands for a type is none of the mode's.
        let typed = Made {
            mode: old | 0o100000,
            ..MADE
        };
        assert_eq!(
            typed.may_wait(&mode(0o777), 7),
            made.may_wait(&mode(0o777), 7)
        );
    }
}

#[test]
fn only_what_is_sure_to_be_granted_waits() {
    let mighty = Made {
        mighty: true,
        ..MADE
    };
    for set in [
        mode(0o644),
        owner(Some(7), None),
        owner(Some(7), Some(8)),
        times(Some(TIME), Some(TIME)),
    ] {
        assert!(MADE.may_wait(&set, 7), "{set:?}");
        // Root may be anybody for the server, unless it has shown that he is not.
        assert!(!MADE.may_wait(&set, 0), "{set:?}");
        assert!(mighty.may_wait(&set, 0), "{set:?}");
    }
}

#[test]
fn no_change_of_owner_size_or_to_the_present_waits() {
    let size = SetAttrs {
        size: Some(0),
        ..SetAttrs::default()
    };
    let umask = SetAttrs {
        umask: Some(0),
        ..mode(0o644)
    };
    let now = Some(SetTime::Server);
    for set in [
        size,
        umask,
        owner(Some(8), None),
        owner(Some(7), Some(7)),
        times(now, None),
        times(Some(TIME), now),
    ] {
        assert!(!MADE.may_wait(&set, 7), "{set:?}");
    }
}

#[test]
fn one_after_the_other_is_as_both_together() {
    let first = times(Some(TIME), Some(SetTime::Server));
    let both = first.then(&mode(0o640)).unwrap();
    assert_eq!(
        (both.atime, both.mtime, both.mode),
        (first.atime, first.mtime, Some(0o640))
    );
    assert_eq!(both.then(&mode(0o644)).unwrap().mode, Some(0o644));
    assert_eq!(
        both.then(&times(None, Some(TIME))).unwrap().mtime,
        Some(TIME)
    );
    // A umask belongs to the mode that it came with.
    let umask = SetAttrs {
        umask: Some(0o22),
        ..mode(0o666)
    };
    assert_eq!(umask.then(&mode(0o666)).unwrap().umask, None);
    assert_eq!(umask.then(&first).unwrap().umask, Some(0o22));
}

#[test]
fn an_owner_does_not_take_the_bits_of_a_mode_that_came_behind() {
    for special in [mode(0o4755), mode(0o2755), mode(0o6755)] {
        for owned in [owner(Some(7), None), owner(None, Some(8))] {
            assert_eq!(owned.then(&special), None);
            assert_eq!(special.then(&owned), None);
            // Alone they are what they are.
            assert_eq!(SetAttrs::default().then(&special), Some(special));
            assert_eq!(owned.then(&SetAttrs::default()), Some(owned));
        }
    }
    assert!(owner(Some(7), None).then(&mode(0o1755)).is_some());
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

#[test]
fn room_is_made_where_files_are_larger() {
    let sized =
        |from: Foresight, sizes: &[u64]| sizes.iter().fold(from, |it, size| it.learn_size(*size));
    let small = Foresight::new();
    assert_eq!(small.bytes(), 16 << 10);
    let large = sized(small, &[20_000, 30_000]);
    assert_eq!(large.bytes(), 64 << 10);
    // One of ten is larger: that is worth it.
    let mut some = small;
    for n in 0..1000 {
        some = some.learn_size(if n % 10 == 0 { 40_000 } else { 4_000 });
    }
    assert_eq!(some.bytes(), 64 << 10);
    assert_eq!(sized(large, &[100; 100]).bytes(), 16 << 10, "forgotten");
    assert_eq!(sized(small, &[1 << 20; 100]).bytes(), 16 << 10, "too large");
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

#[test]
fn a_changed_name_is_an_answer() {
    let fh = Fh::empty();
    let behind = || (Getfh, Getattr(request::INODE));
    let create = Create {
        kind: CreateType::Dir,
        name: b"made",
        attrs: SetAttrs::default(),
    };
    let rename = Rename {
        old: b"old",
        new: b"new",
    };
    let made = (Putfh(fh), create, behind());
    let linked = (Putfh(fh), Some(Link(b"further")), behind());
    let renamed = (None::<Getfh>, Putfh(fh), rename, behind());
    let removed = ((Close(Stateid::ANONYMOUS), Remove(b"gone")), behind());
    for succeeded in 0..=4 {
        let changed = succeeded >= 2;
        assert_eq!(has_changed_names(&made, succeeded), changed);
        assert_eq!(has_changed_names(&linked, succeeded), changed);
        assert_eq!(has_changed_names(&renamed, succeeded), changed);
        assert_eq!(has_changed_names(&removed, succeeded), changed);
        assert!(!has_changed_names(&(Putfh(fh), behind()), succeeded));
    }
    let open = (Putfh(fh), Close(Stateid::ANONYMOUS), behind());
    assert!(!has_changed_names(&open, 4));
}
