// SPDX-License-Identifier: GPL-2.0

//! Attributes, read and set.

#![allow(missing_docs)]

mod common;

use common::{VecSink, Watched, X};
use proptest::prelude::*;
use rnfs4_proto::{
    attrs::{fattr4, request, Attrs, FsAttrs, FATTR_MAX},
    names::Owner,
    setattrs::{SetAttrs, SetTime},
    types::{Bitmap, Fsid, NfsTime, NfsType},
    xdr::{Source, XdrError, XdrResult},
};

/// A `fattr4`: these words, then these values with their length.
fn fattr(words: &[u32], values: X) -> X {
    let map = words
        .iter()
        .fold(X::new().u32(words.len() as u32), |x, w| x.u32(*w));
    map.opaque(&values.0)
}

fn attrs(x: &X, asked: Bitmap) -> XdrResult<Attrs> {
    let mut s = Watched::new(&x.0);
    let res = Attrs::decode(&mut s, asked);
    assert!(res.is_err() || s.remaining() == 0);
    res
}

fn fs_attrs(x: &X, asked: Bitmap) -> XdrResult<FsAttrs> {
    FsAttrs::decode(&mut Watched::new(&x.0), asked)
}

/// The values of all of [`request::INODE`].
fn inode_values(owner: &[u8], group: &[u8]) -> X {
    X::new()
        .u32(2)
        .u64(0x1111)
        .u64(4096)
        .u64(7)
        .u64(8)
        .u64(42)
        .u32(0o100_4755)
        .u32(3)
        .opaque(owner)
        .opaque(group)
        .u32(8)
        .u32(1)
        .u64(8192)
        .u64(100)
        .u32(1)
        .u64(101)
        .u32(2)
        .u64(102)
        .u32(3)
        .u64(103)
        .u32(4)
        .u64(43)
}

#[test]
fn an_inode_in_full() {
    let x = fattr(
        &request::INODE.0[..2],
        inode_values(b"1000", b"wheel@example.org"),
    );
    let a = attrs(&x, request::INODE).unwrap();
    assert_eq!(a.mask, request::INODE);
    assert_eq!(a.typ, NfsType::Dir);
    assert_eq!(
        (a.change, a.size, a.fileid, a.mounted_on_fileid),
        (0x1111, 4096, 42, 43)
    );
    assert_eq!(a.fsid, Fsid { major: 7, minor: 8 });
    assert_eq!(
        (a.mode, a.nlink),
        (0o4755, 3),
        "the type is no part of the mode"
    );
    assert_eq!(a.owner, Owner::Id(1000));
    assert_eq!(a.group, Owner::Name(0));
    assert_eq!((a.rdev, a.space_used), ((8, 1), 8192));
    let at = |sec, nsec| NfsTime { sec, nsec };
    assert_eq!(
        (a.atime, a.btime, a.ctime, a.mtime),
        (at(100, 1), at(101, 2), at(102, 3), at(103, 4))
    );
    assert!(a.has(fattr4::OWNER) && !a.has(fattr4::LEASE_TIME));
}

#[test]
fn every_cut_and_every_surplus_is_refused() {
    let values = inode_values(b"0", b"0");
    let whole = fattr(&request::INODE.0[..2], values.clone());
    for n in (0..whole.0.len()).step_by(4) {
        let cut = X(whole.0[..n].to_vec());
        assert!(attrs(&cut, request::INODE).is_err(), "cut at {n}");
    }
    // The length says less or more than the values have.
    for n in (0..values.0.len()).step_by(4) {
        let short = fattr(&request::INODE.0[..2], X(values.0[..n].to_vec()));
        assert_eq!(
            attrs(&short, request::INODE),
            Err(XdrError::Invalid),
            "{n} bytes"
        );
    }
    let long = fattr(&request::INODE.0[..2], values.u32(0));
    assert_eq!(attrs(&long, request::INODE), Err(XdrError::Invalid));
    let odd = X::new().u32(1).u32(2).u32(3).u32(1);
    assert_eq!(
        attrs(&odd, request::INODE),
        Err(XdrError::Invalid),
        "no multiple of four"
    );
}

#[test]
fn what_was_not_asked_is_refused() {
    let x = fattr(&[1 << fattr4::SIZE], X::new().u64(1));
    assert!(
        attrs(&x, Bitmap::of(&[fattr4::SIZE, fattr4::TYPE])).is_ok(),
        "fewer is in order"
    );
    assert_eq!(
        attrs(&x, Bitmap::of(&[fattr4::TYPE])),
        Err(XdrError::Invalid)
    );
    // Bit 96, behind all that can be asked for.
    let x = fattr(&[0, 0, 0, 1], X::new().u32(0));
    assert_eq!(attrs(&x, request::INODE), Err(XdrError::Invalid));
    // Asked for, but no attribute that we can read: nobody knows where its value ends.
    let x = fattr(&[1 << 12], X::new().u32(0));
    assert_eq!(attrs(&x, Bitmap::of(&[12])), Err(XdrError::Invalid));
    assert_eq!(fs_attrs(&x, Bitmap::of(&[12])), Err(XdrError::Invalid));
}

#[test]
fn values_are_checked() {
    let one = |bit: u32, v| fattr(&[1 << bit], X::new().u32(v));
    for bad in [0, 10, u32::MAX] {
        assert_eq!(
            attrs(&one(fattr4::TYPE, bad), request::INODE),
            Err(XdrError::Invalid)
        );
    }
    for good in 1..=9 {
        assert_eq!(
            attrs(&one(fattr4::TYPE, good), request::INODE).unwrap().typ as u32,
            good
        );
    }
    assert_eq!(
        fs_attrs(&one(fattr4::LINK_SUPPORT, 2), request::FSINFO),
        Err(XdrError::Invalid)
    );
}

#[test]
fn owners_are_numbers_names_or_nobody() {
    let owner = |name: &[u8]| {
        let x = fattr(&[0, 1 << (fattr4::OWNER - 32)], X::new().opaque(name));
        attrs(&x, request::INODE).unwrap().owner
    };
    assert_eq!(owner(b"0"), Owner::Id(0));
    assert_eq!(owner(b"4294967294"), Owner::Id(4_294_967_294));
    for name in [
        &b"4294967295"[..],
        b"4294967296",
        b"99999999999999999999",
        b"007",
        b"+5",
        b"-1",
        b"12 ",
        b"1000@example.org",
        b"",
        &[b'n'; 1024],
    ] {
        assert_eq!(owner(name), Owner::Name(0), "{name:?}");
    }
    let x = fattr(
        &[0, 1 << (fattr4::OWNER - 32)],
        X::new().opaque(&[b'n'; 1025]),
    );
    assert_eq!(attrs(&x, request::INODE), Err(XdrError::Invalid));
}

#[test]
fn a_file_system_in_full() {
    let values = X::new()
        .u32(3)
        .u32(1)
        .u32(2)
        .u32(3)
        .u32(0)
        .u32(1)
        .u32(1)
        .u32(1)
        .u32(90)
        .u32(3)
        .u32(1)
        .u32(0)
        .u32(1)
        .u64(u64::MAX)
        .u32(255)
        .u32(255)
        .u64(1 << 20)
        .u64(1 << 19)
        .u64(0)
        .u32(1)
        .u32(2)
        .u32(4)
        .u32(5)
        .u32(4096)
        .u32(1)
        .u32(1);
    let a = fs_attrs(&fattr(&request::FSINFO.0, values), request::FSINFO).unwrap();
    assert_eq!(a.mask, request::FSINFO);
    assert_eq!(a.supported, Bitmap([1, 2, 3]));
    assert_eq!(a.suppattr_exclcreat, Bitmap([4, 5, 0]));
    assert!(a.link_support && a.symlink_support && a.unique_handles && a.cansettime);
    assert!(!a.case_insensitive && a.case_preserving && a.xattr_support);
    assert_eq!((a.lease_time, a.aclsupport, a.fh_expire_type), (90, 3, 0));
    assert_eq!((a.maxfilesize, a.maxlink, a.maxname), (u64::MAX, 255, 255));
    assert_eq!((a.maxread, a.maxwrite), (1 << 20, 1 << 19));
    assert_eq!((a.clone_blksize, a.change_attr_type), (4096, 1));
    assert_eq!(a.time_delta, NfsTime { sec: 0, nsec: 1 });

    let values = X::new().u64(1).u64(2).u64(3).u32(255).u64(4).u64(5).u64(6);
    let a = fs_attrs(&fattr(&request::STATFS.0[..2], values), request::STATFS).unwrap();
    assert_eq!((a.files_avail, a.files_free, a.files_total), (1, 2, 3));
    assert_eq!((a.space_avail, a.space_free, a.space_total), (4, 5, 6));
}

fn set(a: &SetAttrs) -> X {
    let mut s = VecSink::default();
    a.encode(&mut s).unwrap();
    assert!(s.0.len() <= SetAttrs::XDR_MAX);
    X(s.0)
}

#[test]
fn attributes_to_be_set() {
    assert_eq!(set(&SetAttrs::default()), X::new().u32(0).u32(0));
    assert!(SetAttrs::default().is_empty());
    let all = SetAttrs {
        size: Some(5),
        mode: Some(0o644),
        umask: None,
        uid: Some(0),
        gid: Some(u32::MAX),
        atime: Some(SetTime::Server),
        mtime: Some(SetTime::Client(NfsTime { sec: -7, nsec: 9 })),
    };
    let values = X::new()
        .u64(5)
        .u32(0o644)
        .opaque(b"0")
        .opaque(b"4294967295")
        .u32(0)
        .u32(1)
        .u64(-7i64 as u64)
        .u32(9);
    assert_eq!(set(&all), fattr(&[1 << 4, 0x0041_0032], values));
    assert!(!all.is_empty());
}

#[test]
fn an_exclusive_create_sets_what_the_server_takes() {
    let plain = SetAttrs {
        mode: Some(0o666),
        ..SetAttrs::default()
    };
    let masked = SetAttrs {
        umask: Some(0o27),
        ..plain
    };
    let reduced = SetAttrs {
        mode: Some(0o640),
        ..SetAttrs::default()
    };
    let none = SetAttrs::default();
    let takes = |attrs: &[u32]| Bitmap::of(attrs);
    for (attrs, takes, want) in [
        (plain, takes(&[33]), (plain, none)),
        (plain, takes(&[81]), (none, plain)),
        (plain, takes(&[]), (none, plain)),
        (masked, takes(&[33, 81]), (masked, none)),
        (masked, takes(&[33]), (reduced, none)),
        (masked, takes(&[]), (none, reduced)),
        (none, takes(&[]), (none, none)),
    ] {
        assert_eq!(attrs.for_exclusive(takes), want, "{attrs:?} {takes:?}");
    }
}

#[test]
fn a_mode_with_its_umask() {
    let a = SetAttrs {
        mode: Some(0o666),
        umask: Some(0o22),
        ..Default::default()
    };
    assert_eq!(
        set(&a),
        fattr(&[0, 0, 1 << 17], X::new().u32(0o666).u32(0o22))
    );
}

prop_compose! {
    fn any_set_attrs()(
        size: Option<u64>, mode: Option<u32>, umask: Option<u32>, uid: Option<u32>, gid: Option<u32>,
        atime: Option<Option<(i64, u32)>>, mtime: Option<Option<(i64, u32)>>,
    ) -> SetAttrs {
        let time = |t: Option<(i64, u32)>| match t {
            None => SetTime::Server,
            Some((sec, nsec)) => SetTime::Client(NfsTime { sec, nsec: nsec % 1_000_000_000 }),
        };
        SetAttrs { size, mode, umask, uid, gid, atime: atime.map(time), mtime: mtime.map(time) }
    }
}

proptest! {
    /// A reader of the RFC's words gets the same attributes back.
    #[test]
    fn what_is_to_be_set_is_what_is_written(a in any_set_attrs()) {
        let bytes = set(&a).0;
        let mut at = 0;
        let mut u32_ = || { at += 4; u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) };
        let words: Vec<u32> = (0..u32_()).map(|_| u32_()).collect();
        let has = |bit: usize| words.get(bit / 32).is_some_and(|w| w & (1 << (bit % 32)) != 0);
        let len = u32_() as usize;
        let u64_ = |u: &mut dyn FnMut() -> u32| (u64::from(u()) << 32) | u64::from(u());
        let mut left = len as i64;
        if has(4) { prop_assert_eq!(Some(u64_(&mut u32_)), a.size); left -= 8; }
        if has(33) { prop_assert_eq!(Some(u32_()), a.mode); left -= 4; }
        for (bit, id) in [(36, a.uid), (37, a.gid)] {
            if has(bit) {
                let n = u32_() as usize;
                let words = n.div_ceil(4);
                let text: Vec<u8> = (0..words).flat_map(|_| u32_().to_be_bytes()).collect();
                let text = std::str::from_utf8(&text[..n]).unwrap();
                prop_assert_eq!(Some(text.to_string()), id.map(|i| i.to_string()));
                left -= 4 + 4 * words as i64;
            }
        }
        for (bit, time) in [(48, a.atime), (54, a.mtime)] {
            if has(bit) {
                let how = u32_();
                left -= 4;
                if how == 1 {
                    let (sec, nsec) = (u64_(&mut u32_) as i64, u32_());
                    prop_assert_eq!(Some(SetTime::Client(NfsTime { sec, nsec })), time);
                    left -= 12;
                } else {
                    prop_assert_eq!((how, Some(SetTime::Server)), (0, time));
                }
            }
        }
        if has(81) { prop_assert_eq!((Some(u32_()), Some(u32_())), (a.mode, a.umask)); left -= 8; }
        prop_assert_eq!(left, 0);
        let given = [(4, a.size.is_some()), (36, a.uid.is_some()), (37, a.gid.is_some()), (48, a.atime.is_some()),
            (54, a.mtime.is_some()), (33, a.mode.is_some() && a.umask.is_none()), (81, a.mode.is_some() && a.umask.is_some())];
        for (bit, given) in given { prop_assert_eq!(has(bit), given, "bit {}", bit); }
    }

    /// Any bytes: an error or attributes that were asked for; never more read than announced.
    #[test]
    fn any_bytes_as_attributes(bytes in proptest::collection::vec(any::<u8>(), 0..200), asked: [u32; 3]) {
        let asked = Bitmap(asked);
        if let Ok(a) = Attrs::decode(&mut Watched::new(&bytes), asked) {
            prop_assert!(a.mask.without(asked).is_empty());
        }
        if let Ok(a) = FsAttrs::decode(&mut Watched::new(&bytes), asked) {
            prop_assert!(a.mask.without(asked).is_empty());
        }
    }

    /// The same with a head that is in order, so that the values are reached.
    #[test]
    fn any_values_of_attributes(
        words: [u32; 3], len in 0u32..300, bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let x = X::new().u32(3).u32(words[0]).u32(words[1]).u32(words[2]).u32(len & !3).fixed(&bytes);
        for asked in [request::INODE, request::FSINFO, request::STATFS, request::DIRENT] {
            let x = X(x.0.clone());
            let words = asked.and(Bitmap(words)).0;
            let x = X::new().u32(3).u32(words[0]).u32(words[1]).u32(words[2]).with(X(x.0[16..].to_vec()));
            let _ = Attrs::decode(&mut Watched::new(&x.0), asked);
            let _ = FsAttrs::decode(&mut Watched::new(&x.0), asked);
        }
    }
}

#[test]
fn the_announced_maximum_is_enough() {
    let values = inode_values(&[b'u'; 1024], &[b'g'; 1024]);
    let x = fattr(&request::INODE.0, values);
    assert!(x.0.len() <= FATTR_MAX);
    assert!(attrs(&x, request::INODE).is_ok());
}
