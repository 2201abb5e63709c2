// SPDX-License-Identifier: GPL-2.0

//! Operations on handles, attributes, names and data against the XDR of RFC 5662.

#![allow(missing_docs)]

mod common;

use common::{all_short, args, args_with_data, err, res, Watched, X};
use proptest::prelude::*;
use rnfs4_proto::{
    attrs::{fattr4, request},
    op::Op,
    ops::{
        attr::{Access, AccessRes, GetFsattr, Getattr, Setattr},
        dir::{Create, CreateRes, CreateType, Link, Readlink, Remove, Rename, RenameRes},
        fh::{Getfh, Lookup, Lookupp, Putfh, Putrootfh, Restorefh, Savefh},
        io::{Commit, Read, ReadRes, Write, WriteRes},
        readdir::{DirEntries, Readdir, ReaddirRes},
        secinfo::SecinfoNoName,
        space::{Allocate, Deallocate, Part, Seek, SeekRes},
    },
    setattrs::SetAttrs,
    status::Status,
    types::{Bitmap, ChangeInfo, Fh, StableHow, Stateid, Verifier},
    xdr::{Source, XdrError},
};

const ID: Stateid = Stateid {
    seqid: 3,
    other: [7; 12],
};

fn change(atomic: u32) -> X {
    X::new().u32(atomic).u64(10).u64(11)
}

const CHANGE: ChangeInfo = ChangeInfo {
    atomic: true,
    before: 10,
    after: 11,
};

/// The operation has neither arguments nor a body of a result.
fn plain<O: Op<Res = ()>>(mut op: O, num: u32) {
    assert_eq!(O::NUM, num);
    assert_eq!(args(&op), X::new());
    assert_eq!(res(&mut op, X::new()), Ok(()));
    assert_eq!(Op::res_max(&op), 0);
}

#[test]
fn operations_on_handles() {
    plain(Putrootfh, 24);
    plain(Savefh, 32);
    plain(Restorefh, 31);
    plain(Lookupp, 16);
    let fh = Fh::new(b"abcde").unwrap();
    assert_eq!(args(&Putfh(fh)), X::new().opaque(b"abcde"));
    assert_eq!(args(&Putfh(&fh)), args(&Putfh(fh)));
    assert_eq!(<Putfh<Fh> as Op>::NUM, 22);
    assert_eq!(args(&Getfh), X::new());
    assert_eq!(res(&mut Getfh, X::new().opaque(b"abcde")), Ok(fh));
    assert_eq!(
        res(&mut Getfh, X::new().opaque(b"")),
        Err(XdrError::Invalid)
    );
    all_short(&mut Getfh, &X::new().opaque(b"abcde"));
    assert_eq!(args(&Lookup(b"name")), X::new().opaque(b"name"));
    assert_eq!(<Lookup<'_> as Op>::NUM, 15);
}

#[test]
fn names_that_are_too_long_are_not_sent() {
    let mut s = common::VecSink::default();
    assert_eq!(
        Op::encode(&Lookup(&[b'n'; 256]), &mut s),
        Err(XdrError::NoSpace)
    );
    assert_eq!(
        Op::encode(&Remove(&[b'n'; 256]), &mut s),
        Err(XdrError::NoSpace)
    );
    assert_eq!(Op::encode(&Lookup(&[b'n'; 255]), &mut s), Ok(()));
}

#[test]
fn getattr() {
    let mut op = Getattr(Bitmap::of(&[fattr4::SIZE, fattr4::MODE]));
    assert_eq!(<Getattr as Op>::NUM, 9);
    assert_eq!(args(&op), X::new().u32(2).u32(1 << 4).u32(1 << 1));
    let body = X::new().u32(1).u32(1 << 4).u32(8).u64(77);
    all_short(&mut op, &body);
    assert_eq!(res(&mut op, body).unwrap().size, 77);
    let mut op = GetFsattr(request::LEASE);
    assert_eq!(<GetFsattr as Op>::NUM, 9);
    assert_eq!(args(&op), X::new().u32(1).u32(1 << 10));
    assert_eq!(
        res(&mut op, X::new().u32(1).u32(1 << 10).u32(4).u32(90))
            .unwrap()
            .lease_time,
        90
    );
}

#[test]
fn setattr() {
    let attrs = SetAttrs {
        size: Some(5),
        ..Default::default()
    };
    let mut op = Setattr { stateid: ID, attrs };
    assert_eq!(<Setattr as Op>::NUM, 34);
    assert_eq!(
        args(&op),
        X::new().stateid(3, 7).u32(1).u32(1 << 4).u32(8).u64(5)
    );
    let set = X::new().u32(1).u32(1 << 4);
    assert_eq!(res(&mut op, set.clone()), Ok(Bitmap::of(&[fattr4::SIZE])));
    all_short(&mut op, &set);
    assert_eq!(res(&mut op, X::new().u32(0)), Ok(Bitmap::EMPTY));
    assert_eq!(err(&mut op, Status::NOSPC, set), Ok(()));
    let other = X::new().u32(1).u32(1 << 5);
    assert_eq!(
        res(&mut op, other.clone()),
        Err(XdrError::Invalid),
        "set what was not asked for"
    );
    assert_eq!(err(&mut op, Status::NOSPC, other), Err(XdrError::Invalid));
}

#[test]
fn access() {
    let mut op = Access(0x1f);
    assert_eq!(<Access as Op>::NUM, 3);
    assert_eq!(args(&op), X::new().u32(0x1f));
    let body = X::new().u32(0x1f).u32(0x01);
    all_short(&mut op, &body);
    assert_eq!(
        res(&mut op, body),
        Ok(AccessRes {
            supported: 0x1f,
            access: 1
        })
    );
    assert_eq!(
        res(&mut op, X::new().u32(0x3f).u32(1)),
        Err(XdrError::Invalid)
    );
    assert_eq!(
        res(&mut op, X::new().u32(0x01).u32(2)),
        Err(XdrError::Invalid)
    );
}

#[test]
fn secinfo_no_name() {
    let mut op = SecinfoNoName { parent: false };
    assert_eq!(<SecinfoNoName as Op>::NUM, 52);
    assert_eq!(args(&op), X::new().u32(0));
    assert_eq!(args(&SecinfoNoName { parent: true }), X::new().u32(1));
    let body = X::new()
        .u32(3)
        .u32(1)
        .u32(6)
        .opaque(b"oid")
        .u32(0)
        .u32(1)
        .u32(0);
    all_short(&mut op, &body);
    assert_eq!(res(&mut op, body).unwrap().as_slice(), [1, 6, 0]);
    assert_eq!(res(&mut op, X::new().u32(65)), Err(XdrError::Invalid));
    let many = (0..64).fold(X::new().u32(64), |x, i| x.u32(100 + i));
    assert_eq!(res(&mut op, many).unwrap().as_slice().len(), 8);
}

#[test]
fn read() {
    let mut op = Read {
        stateid: ID,
        offset: 1 << 40,
        count: 10,
    };
    assert_eq!(<Read as Op>::NUM, 25);
    assert_eq!(args(&op), X::new().stateid(3, 7).u64(1 << 40).u32(10));
    let body = X::new().u32(1).opaque(b"0123456789");
    all_short(&mut op, &body);
    assert_eq!(
        res(&mut op, body),
        Ok(ReadRes {
            eof: true,
            count: 10
        })
    );
    assert_eq!(
        res(&mut op, X::new().u32(0).u32(0)),
        Ok(ReadRes {
            eof: false,
            count: 0
        })
    );
    assert_eq!(res(&mut op, X::new().u32(2).u32(0)), Err(XdrError::Invalid));
    let more = X::new().u32(0).opaque(b"0123456789a");
    assert_eq!(
        res(&mut op, more),
        Err(XdrError::Invalid),
        "more than asked for"
    );
}

#[test]
fn write() {
    let mut op = Write {
        stateid: ID,
        offset: 9,
        stable: StableHow::DataSync,
        len: 5,
    };
    assert_eq!(<Write as Op>::NUM, 38);
    let x = X::new().stateid(3, 7).u64(9).u32(1).opaque(&[0xdd; 5]);
    assert_eq!(args_with_data(&op, 8), x);
    let verifier = Verifier(*b"verifier");
    let body = |count, committed| X::new().u32(count).u32(committed).fixed(b"verifier");
    all_short(&mut op, &body(5, 2));
    let good = |count, committed| {
        Ok(WriteRes {
            count,
            committed,
            verifier,
        })
    };
    assert_eq!(res(&mut op, body(5, 2)), good(5, StableHow::FileSync));
    assert_eq!(res(&mut op, body(4, 1)), good(4, StableHow::DataSync));
    assert_eq!(
        res(&mut op, body(6, 2)),
        Err(XdrError::Invalid),
        "more than sent"
    );
    assert_eq!(
        res(&mut op, body(5, 0)),
        Err(XdrError::Invalid),
        "less stable than asked for"
    );
    assert_eq!(res(&mut op, body(5, 3)), Err(XdrError::Invalid));
}

#[test]
fn commit() {
    let mut op = Commit {
        offset: 0,
        count: 0,
    };
    assert_eq!(<Commit as Op>::NUM, 5);
    assert_eq!(args(&op), X::new().u64(0).u32(0));
    all_short(&mut op, &X::new().fixed(b"verifier"));
    assert_eq!(
        res(&mut op, X::new().fixed(b"verifier")),
        Ok(Verifier(*b"verifier"))
    );
}

#[test]
fn seek() {
    let mut op = Seek {
        stateid: ID,
        offset: 1 << 40,
        hole: true,
    };
    assert_eq!(<Seek as Op>::NUM, 69);
    assert_eq!(args(&op), X::new().stateid(3, 7).u64(1 << 40).u32(1));
    all_short(&mut op, &X::new().u32(0).u64(5));
    for (eof, word) in [(false, 0), (true, 1)] {
        let found = SeekRes { eof, offset: 5 };
        assert_eq!(res(&mut op, X::new().u32(word).u64(5)), Ok(found));
    }
    op.hole = false;
    assert_eq!(args(&op), X::new().stateid(3, 7).u64(1 << 40).u32(0));
    assert_eq!(
        res(&mut op, X::new().u32(2).u64(5)),
        Err(XdrError::Invalid),
        "neither true nor false"
    );
}

#[test]
fn allocate_and_deallocate() {
    let part = Part {
        stateid: ID,
        offset: 1 << 40,
        len: 4096,
    };
    let bytes = X::new().stateid(3, 7).u64(1 << 40).u64(4096);
    assert_eq!(<Allocate as Op>::NUM, 59);
    assert_eq!(<Deallocate as Op>::NUM, 62);
    assert_eq!(args(&Allocate(part)), bytes);
    assert_eq!(args(&Deallocate(part)), bytes);
    assert_eq!(res(&mut Allocate(part), X::new()), Ok(()));
    assert_eq!(res(&mut Deallocate(part), X::new()), Ok(()));
}

#[test]
fn create() {
    let attrs = SetAttrs {
        mode: Some(0o755),
        ..Default::default()
    };
    let mode = || X::new().u32(2).u32(0).u32(2).u32(4).u32(0o755);
    let kinds = [
        (CreateType::Dir, X::new().u32(2)),
        (CreateType::Link(b"a/b"), X::new().u32(5).opaque(b"a/b")),
        (CreateType::Blk(8, 1), X::new().u32(3).u32(8).u32(1)),
        (CreateType::Chr(1, 3), X::new().u32(4).u32(1).u32(3)),
        (CreateType::Sock, X::new().u32(6)),
        (CreateType::Fifo, X::new().u32(7)),
    ];
    assert_eq!(<Create<'_> as Op>::NUM, 6);
    for (kind, x) in kinds {
        let mut op = Create {
            kind,
            name: b"new",
            attrs,
        };
        assert_eq!(args(&op), x.opaque(b"new").with(mode()));
        let body = change(1).u32(2).u32(0).u32(2);
        all_short(&mut op, &body);
        let attrset = Bitmap::of(&[fattr4::MODE]);
        assert_eq!(
            res(&mut op, body),
            Ok(CreateRes {
                change: CHANGE,
                attrset
            })
        );
    }
    let long = Create {
        kind: CreateType::Link(&[b'x'; 4096]),
        name: b"l",
        attrs,
    };
    let mut s = common::VecSink::default();
    assert_eq!(Op::encode(&long, &mut s), Err(XdrError::NoSpace));
}

#[test]
fn remove_link_rename() {
    assert_eq!(<Remove<'_> as Op>::NUM, 28);
    assert_eq!(args(&Remove(b"old")), X::new().opaque(b"old"));
    all_short(&mut Remove(b"old"), &change(1));
    assert_eq!(res(&mut Remove(b"old"), change(1)), Ok(CHANGE));
    assert_eq!(res(&mut Remove(b"old"), change(2)), Err(XdrError::Invalid));
    assert_eq!(<Link<'_> as Op>::NUM, 11);
    assert_eq!(args(&Link(b"new")), X::new().opaque(b"new"));
    assert_eq!(res(&mut Link(b"new"), change(1)), Ok(CHANGE));
    let mut op = Rename {
        old: b"a",
        new: b"b",
    };
    assert_eq!(<Rename<'_> as Op>::NUM, 29);
    assert_eq!(args(&op), X::new().opaque(b"a").opaque(b"b"));
    let body = change(1).with(change(0));
    all_short(&mut op, &body);
    let target = ChangeInfo {
        atomic: false,
        ..CHANGE
    };
    assert_eq!(
        res(&mut op, body),
        Ok(RenameRes {
            source: CHANGE,
            target
        })
    );
}

#[test]
fn readlink() {
    let mut op = Readlink;
    assert_eq!(<Readlink as Op>::NUM, 27);
    assert_eq!(args(&op), X::new());
    assert_eq!(res(&mut op, X::new().opaque(b"target")), Ok(6));
    all_short(&mut op, &X::new().opaque(b"targ"));
    assert_eq!(res(&mut op, X::new().opaque(b"")), Err(XdrError::Invalid));
    assert_eq!(res(&mut op, X::new().opaque(&[b'x'; 4095])), Ok(4095));
    assert_eq!(
        res(&mut op, X::new().opaque(&[b'x'; 4096])),
        Err(XdrError::Invalid)
    );
}

#[test]
fn readdir() {
    let mut op = Readdir {
        cookie: 5,
        verifier: Verifier(*b"verifier"),
        dircount: 100,
        maxcount: 4096,
        attrs: Bitmap::of(&[fattr4::TYPE]),
    };
    assert_eq!(<Readdir as Op>::NUM, 26);
    let x = X::new()
        .u64(5)
        .fixed(b"verifier")
        .u32(100)
        .u32(4096)
        .u32(1)
        .u32(2);
    assert_eq!(args(&op), x);
    let body = X::new().fixed(b"new-veri").u32(0).u32(1);
    assert_eq!(
        res(&mut op, body),
        Ok(ReaddirRes {
            verifier: Verifier(*b"new-veri"),
            len: 8
        })
    );
}

fn entry(x: X, cookie: u64, name: &[u8], kind: u32) -> X {
    x.u32(1)
        .u64(cookie)
        .opaque(name)
        .u32(1)
        .u32(1 << 1)
        .u32(4)
        .u32(kind)
}

/// Cookie, name and type.
type Entry = (u64, Vec<u8>, u32);

/// All entries, how it ended, and whether that was the directory's end.
fn entries(x: &X) -> (Vec<Entry>, Option<XdrError>, bool) {
    let mut source = Watched::new(&x.0);
    let mut list = Vec::new();
    let mut it = DirEntries::new(&mut source, request::DIRENT);
    let error = loop {
        match it.next_entry() {
            Ok(Some(e)) => list.push((e.cookie, e.name.to_vec(), e.attrs.typ as u32)),
            Ok(None) => break None,
            Err(e) => break Some(e),
        }
    };
    assert!(
        matches!(it.next_entry(), Ok(None)),
        "nothing comes behind the end"
    );
    let eof = it.eof();
    (list, error, eof)
}

#[test]
fn entries_of_a_directory() {
    let two = entry(entry(X::new(), 3, b"file", 1), 4, b"dir", 2);
    let list = vec![(3, b"file".to_vec(), 1), (4, b"dir".to_vec(), 2)];
    assert_eq!(
        entries(&two.clone().u32(0).u32(1)),
        (list.clone(), None, true)
    );
    assert_eq!(
        entries(&two.clone().u32(0).u32(0)),
        (list.clone(), None, false)
    );
    assert_eq!(entries(&X::new().u32(0).u32(1)), (vec![], None, true));
    assert_eq!(
        entries(&two.clone().u32(0).u32(2)),
        (list.clone(), Some(XdrError::Invalid), false)
    );
    assert_eq!(
        entries(&two),
        (list, Some(XdrError::Short), false),
        "cut between two entries"
    );
}

#[test]
fn entries_with_handles() {
    let attrs = |x: X, mask: u32, values: X| {
        let x = x.u32(1).u32(mask).u32(values.0.len() as u32);
        x.fixed(&values.0)
    };
    let both = (1 << fattr4::TYPE) | (1 << fattr4::FILEHANDLE);
    let x = X::new().u32(1).u64(3).opaque(b"one");
    let x = attrs(x, both, X::new().u32(1).opaque(b"handle-1"));
    let x = x.u32(1).u64(4).opaque(b"two");
    let x = attrs(x, 1 << fattr4::TYPE, X::new().u32(2));
    let x = x.u32(1).u64(5).opaque(b"three");
    let mut x = attrs(x, both, X::new().u32(1).opaque(b"handle-3"));
    let end = x.clone().u32(0).u32(1);

    let mut source = Watched::new(&end.0);
    let mut it = DirEntries::new(&mut source, request::DIRENT_PLUS);
    let mut next = || {
        let entry = it.next_entry().unwrap()?;
        Some((
            entry.name.to_vec(),
            entry.fh.map(|fh| fh.as_slice().to_vec()),
        ))
    };
    assert_eq!(next(), Some((b"one".to_vec(), Some(b"handle-1".to_vec()))));
    assert_eq!(
        next(),
        Some((b"two".to_vec(), None)),
        "not the handle of another"
    );
    assert_eq!(
        next(),
        Some((b"three".to_vec(), Some(b"handle-3".to_vec())))
    );
    assert_eq!(next(), None);

    for handle in [&b""[..], &[7; 129]] {
        x = attrs(
            X::new().u32(1).u64(3).opaque(b"one"),
            1 << fattr4::FILEHANDLE,
            X::new().opaque(handle),
        );
        let mut source = Watched::new(&x.0);
        let mut it = DirEntries::new(&mut source, request::DIRENT_PLUS);
        assert!(
            it.next_entry().is_err(),
            "a handle of {} bytes",
            handle.len()
        );
    }
}

#[test]
fn names_that_no_directory_has() {
    for name in [&b""[..], b"a/b", b"/", b"a\0b", &[b'n'; 256]] {
        let x = entry(entry(X::new(), 3, b"ok", 1), 4, name, 1)
            .u32(0)
            .u32(1);
        assert_eq!(
            entries(&x),
            (vec![(3, b"ok".to_vec(), 1)], Some(XdrError::Invalid), false)
        );
    }
    for name in [&b"..."[..], b" ", b"\\", b"\xff\xfe", &[b'n'; 255]] {
        let x = entry(X::new(), 3, name, 1).u32(0).u32(1);
        assert_eq!(entries(&x), (vec![(3, name.to_vec(), 1)], None, true));
    }
    let dots = entry(entry(entry(X::new(), 1, b".", 2), 2, b"..", 2), 3, b"x", 1)
        .u32(0)
        .u32(1);
    assert_eq!(entries(&dots), (vec![(3, b"x".to_vec(), 1)], None, true));
}

proptest! {
    /// Whatever the pages hold: entries, then an end; and no name that could hurt.
    #[test]
    fn any_bytes_as_a_directory(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let (list, ..) = entries(&X(bytes));
        for (_, name, _) in list {
            prop_assert!(!name.is_empty() && name.len() <= 255);
            prop_assert!(!name.contains(&0) && !name.contains(&b'/') && name != b"." && name != b"..");
        }
    }

    /// Good entries with some bytes changed.
    #[test]
    fn a_spoiled_directory(names in proptest::collection::vec("[a-z./]{0,9}", 1..6), at: usize, byte: u8) {
        let x = names.iter().fold(X::new(), |x, n| entry(x, 9, n.as_bytes(), 1)).u32(0).u32(1);
        let mut bytes = x.0;
        let at = at % bytes.len();
        bytes[at] = byte;
        let (list, ..) = entries(&X(bytes));
        prop_assert!(list.len() <= names.len());
        for (_, name, _) in list {
            prop_assert!(!name.contains(&b'/') && name != b"." && name != b"..");
        }
    }

    /// What READ announces is compared with what is there and what was asked for.
    #[test]
    fn read_never_gives_more_than_there_is(count: u32, announced: u32, there in 0usize..64) {
        let mut op = Read { stateid: ID, offset: 0, count };
        let body = X::new().u32(0).u32(announced).fixed(&vec![1; there]);
        let mut s = Watched::new(&body.0);
        match Op::decode(&mut op, &mut s) {
            Ok(r) => prop_assert!(r.count <= count && r.count as usize <= there.div_ceil(4) * 4),
            Err(e) => prop_assert_eq!(e, if announced > count { XdrError::Invalid } else { XdrError::Short }),
        }
        prop_assert!(s.remaining() <= body.0.len());
    }
}
