// SPDX-License-Identifier: GPL-2.0

//! The basic types, the small types, and the bounds of parts.

#![allow(missing_docs)]

mod common;

use common::{VecSink, Watched, X};
use proptest::prelude::*;
use rnfs4_proto::{
    types::{Bitmap, ChangeInfo, Fh, NfsTime, Opaque, ShareAccess, Stateid, FH_MAX},
    xdr::{
        align, opaque_max, Decode, Encode, Limited, Sink, SliceSink, SliceSource, Source, XdrError,
    },
};

#[test]
fn basic_types_are_big_endian_and_padded() {
    let mut s = VecSink::default();
    s.put_u32(0x0102_0304).unwrap();
    s.put_u64(0x0102_0304_0506_0708).unwrap();
    s.put_i64(-2).unwrap();
    s.put_bool(true).unwrap();
    s.put_opaque(b"abcde", 5).unwrap();
    s.put_fixed(b"xyz").unwrap();
    assert_eq!(
        s.0,
        [
            &[1, 2, 3, 4][..],
            &[1, 2, 3, 4, 5, 6, 7, 8],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe],
            &[0, 0, 0, 1],
            &[0, 0, 0, 5, b'a', b'b', b'c', b'd', b'e', 0, 0, 0],
            b"xyz\0",
        ]
        .concat()
    );
    let mut r = Watched::new(&s.0);
    assert_eq!(r.get_u32(), Ok(0x0102_0304));
    assert_eq!(r.get_u64(), Ok(0x0102_0304_0506_0708));
    assert_eq!(r.get_i64(), Ok(-2));
    assert_eq!(r.get_bool(), Ok(true));
    assert_eq!(r.get_opaque(5), Ok(&b"abcde"[..]));
    assert_eq!(r.get_fixed(), Ok(*b"xyz"));
    assert_eq!(r.remaining(), 0);
    assert_eq!(r.get_u32(), Err(XdrError::Short));
}

#[test]
fn a_boolean_is_zero_or_one() {
    for v in [2, 256, u32::MAX] {
        assert_eq!(
            SliceSource::new(&v.to_be_bytes()).get_bool(),
            Err(XdrError::Invalid)
        );
    }
}

#[test]
fn lengths_are_checked_before_anything_is_taken() {
    let long = X::new().u32(6).fixed(b"abcdef").0;
    assert_eq!(Watched::new(&long).get_opaque(5), Err(XdrError::Invalid));
    let huge = X::new().u32(u32::MAX).0;
    assert_eq!(
        Watched::new(&huge).get_opaque(usize::MAX),
        Err(XdrError::Invalid)
    );
    assert_eq!(
        Watched::new(&huge).skip_opaque(usize::MAX),
        Err(XdrError::Short)
    );
    assert_eq!(
        VecSink::default().put_opaque(b"abcdef", 5),
        Err(XdrError::NoSpace)
    );
}

#[test]
fn a_slice_is_a_sink_until_it_is_full() {
    let mut buf = [0xaa; 12];
    let mut s = SliceSink::new(&mut buf);
    s.put_u32(7).unwrap();
    s.pages(3).unwrap();
    assert_eq!(s.written(), [0, 0, 0, 7, 0, 0, 0, 0]);
    assert_eq!(s.put_u64(1), Err(XdrError::NoSpace));
    s.put_u32(9).unwrap();
    assert_eq!(s.put_u32(1), Err(XdrError::NoSpace));
    assert_eq!(s.reserve(usize::MAX & !3).err(), Some(XdrError::NoSpace));
    assert_eq!(s.written().len(), 12);
}

#[test]
fn a_part_ends_where_it_was_announced() {
    let data = X::new().u32(1).u32(2).u32(3).0;
    let mut s = Watched::new(&data);
    let mut part = Limited::new(&mut s, 8).unwrap();
    assert_eq!(part.get_u32(), Ok(1));
    assert_eq!(
        part.get_u64(),
        Err(XdrError::Invalid),
        "reaches behind the end"
    );
    let mut part = Limited::new(&mut s, 8).unwrap();
    assert_eq!(part.get_u32(), Ok(2));
    assert_eq!(part.finish(), Err(XdrError::Invalid), "not read to its end");
    assert_eq!(Limited::new(&mut s, 8).err(), Some(XdrError::Short));
    assert_eq!(Limited::new(&mut s, 3).err(), Some(XdrError::Invalid));
    let mut part = Limited::new(&mut s, 4).unwrap();
    assert_eq!(part.pages(4), Err(XdrError::Invalid));
    assert_eq!(part.get_u32(), Ok(3));
    assert_eq!(part.finish(), Ok(()));
}

#[test]
fn handles_have_limits() {
    let mut s = VecSink::default();
    let fh = Fh::new(&[7; FH_MAX]).unwrap();
    fh.encode(&mut s).unwrap();
    assert_eq!(s.0.len(), Fh::XDR_MAX);
    assert_eq!(Fh::decode(&mut SliceSource::new(&s.0)), Ok(fh));
    assert!(Fh::new(&[7; FH_MAX + 1]).is_none());
    for bad in [X::new().opaque(b""), X::new().opaque(&[1; FH_MAX + 1])] {
        assert_eq!(
            Fh::decode(&mut SliceSource::new(&bad.0)),
            Err(XdrError::Invalid)
        );
    }
    assert_ne!(Fh::new(b"a").unwrap(), Fh::new(b"a\0").unwrap());
    assert_ne!(Fh::new(b"a").unwrap().hash(), Fh::new(b"b").unwrap().hash());
    assert_eq!(format!("{:?}", Fh::new(&[0xab, 1]).unwrap()), "fh:ab01");
}

#[test]
fn stateids_know_their_age() {
    let id = |seqid| Stateid {
        seqid,
        other: [9; 12],
    };
    assert!(id(2).is_newer(&id(1)));
    assert!(!id(1).is_newer(&id(1)));
    assert!(!id(1).is_newer(&id(2)));
    assert!(id(1).is_newer(&id(u32::MAX)), "numbers wrap");
    assert!(!id(2).is_newer(&Stateid {
        seqid: 1,
        other: [8; 12]
    }));
    assert!(!id(1).is_special());
    for special in [
        Stateid::ANONYMOUS,
        Stateid::READ_BYPASS,
        Stateid::CURRENT,
        Stateid::INVALID,
    ] {
        assert!(special.is_special());
    }
}

#[test]
fn times_have_nanoseconds() {
    let at = |nsec| X::new().u64(-1i64 as u64).u32(nsec).0;
    assert_eq!(
        NfsTime::decode(&mut SliceSource::new(&at(999_999_999))),
        Ok(NfsTime {
            sec: -1,
            nsec: 999_999_999
        })
    );
    assert_eq!(
        NfsTime::decode(&mut SliceSource::new(&at(1_000_000_000))),
        Err(XdrError::Invalid)
    );
}

#[test]
fn bitmaps_are_as_short_as_they_can_be() {
    let bytes = |map: Bitmap| {
        let mut s = VecSink::default();
        map.encode(&mut s).unwrap();
        s.0
    };
    assert_eq!(bytes(Bitmap::EMPTY), X::new().u32(0).0);
    assert_eq!(bytes(Bitmap::of(&[1])), X::new().u32(1).u32(2).0);
    assert_eq!(bytes(Bitmap::of(&[33])), X::new().u32(2).u32(0).u32(2).0);
    assert_eq!(
        bytes(Bitmap::of(&[64, 95])),
        X::new().u32(3).u32(0).u32(0).u32(0x8000_0001).0
    );
    let mut map = Bitmap::EMPTY;
    map.set(96);
    assert!(map.is_empty() && !map.has(96) && !map.has(u32::MAX));
}

#[test]
fn bitmaps_beyond_what_is_known() {
    let four = |last| X::new().u32(4).u32(1).u32(2).u32(3).u32(last).0;
    let decode = |b: &[u8]| Bitmap::decode(&mut SliceSource::new(b));
    let exact = |b: &[u8]| Bitmap::decode_exact(&mut SliceSource::new(b));
    assert_eq!(decode(&four(0)), Ok(Bitmap([1, 2, 3])));
    assert_eq!(exact(&four(0)), Ok(Bitmap([1, 2, 3])));
    assert_eq!(decode(&four(8)), Ok(Bitmap([1, 2, 3])));
    assert_eq!(exact(&four(8)), Err(XdrError::Invalid));
    assert_eq!(
        decode(&X::new().u32(9).fixed(&[0; 36]).0),
        Err(XdrError::Invalid)
    );
    assert_eq!(decode(&X::new().u32(2).u32(0).0), Err(XdrError::Short));
}

#[test]
fn share_access_is_made_of_bits() {
    assert_eq!(ShareAccess::new(true, false), ShareAccess::READ);
    assert_eq!(ShareAccess::new(false, true), ShareAccess::WRITE);
    assert_eq!(ShareAccess::new(true, true), ShareAccess::BOTH);
    let wish = ShareAccess::READ.with(ShareAccess::WANT_NO_DELEG);
    assert_eq!(wish.0, 0x401);
    assert_eq!(wish.access(), ShareAccess::READ);
    assert!(ShareAccess::BOTH.covers(ShareAccess::READ));
    assert!(!ShareAccess::READ.covers(ShareAccess::BOTH));
}

#[test]
fn an_opaque_keeps_what_it_has_room_for() {
    let mut o = Opaque::<4>::empty();
    o.set(b"abcdef");
    assert_eq!(o.as_slice(), b"abcd");
    o.set(b"x");
    assert_eq!(o.as_slice(), b"x");
    let mut same = Opaque::<4>::empty();
    same.set(b"x");
    assert_eq!(o, same);
}

proptest! {
    #[test]
    fn what_is_written_is_read(a: u32, b: u64, c: i64, d: bool, e: Vec<u8>, f: [u8; 7]) {
        let mut s = VecSink::default();
        s.put_u32(a).unwrap();
        s.put_u64(b).unwrap();
        s.put_i64(c).unwrap();
        s.put_bool(d).unwrap();
        s.put_opaque(&e, e.len()).unwrap();
        s.put_fixed(&f).unwrap();
        prop_assert_eq!(s.0.len(), 4 + 8 + 8 + 4 + opaque_max(e.len()) + align(7));
        let mut r = Watched::new(&s.0);
        prop_assert_eq!(r.get_u32(), Ok(a));
        prop_assert_eq!(r.get_u64(), Ok(b));
        prop_assert_eq!(r.get_i64(), Ok(c));
        prop_assert_eq!(r.get_bool(), Ok(d));
        prop_assert_eq!(r.get_opaque(4096), Ok(&e[..]));
        prop_assert_eq!(r.get_fixed(), Ok(f));
        prop_assert_eq!(r.remaining(), 0);
    }

    #[test]
    fn small_types_come_back(seqid: u32, other: [u8; 12], words: [u32; 3], fh in proptest::collection::vec(any::<u8>(), 1..=FH_MAX)) {
        let mut s = VecSink::default();
        let (id, map, fh) = (Stateid { seqid, other }, Bitmap(words), Fh::new(&fh).unwrap());
        id.encode(&mut s).unwrap();
        map.encode(&mut s).unwrap();
        fh.encode(&mut s).unwrap();
        let mut r = Watched::new(&s.0);
        prop_assert_eq!(Stateid::decode(&mut r), Ok(id));
        prop_assert_eq!(Bitmap::decode_exact(&mut r), Ok(map));
        prop_assert_eq!(Fh::decode(&mut r), Ok(fh));
    }

    #[test]
    fn sets_of_attributes_are_sets(a: [u32; 3], b: [u32; 3], bit in 0u32..96) {
        let (x, y) = (Bitmap(a), Bitmap(b));
        prop_assert_eq!(x.and(y).has(bit), x.has(bit) && y.has(bit));
        prop_assert_eq!(x.or(y).has(bit), x.has(bit) || y.has(bit));
        prop_assert_eq!(x.without(y).has(bit), x.has(bit) && !y.has(bit));
        prop_assert_eq!(Bitmap::of(&[bit]).and(x).is_empty(), !x.has(bit));
    }

    #[test]
    fn change_info_needs_a_boolean(atomic: u32, before: u64, after: u64) {
        let data = X::new().u32(atomic).u64(before).u64(after).0;
        let info = ChangeInfo::decode(&mut SliceSource::new(&data));
        prop_assert_eq!(info.ok(), (atomic < 2).then_some(ChangeInfo { atomic: atomic == 1, before, after }));
    }
}

/// What the kernel has on its stack.
#[test]
fn nothing_is_larger_than_it_must_be() {
    use core::mem::size_of;
    assert!(size_of::<Fh>() <= 132);
    assert!(size_of::<rnfs4_proto::attrs::Attrs>() <= 512);
    assert!(size_of::<rnfs4_proto::attrs::FsAttrs>() <= 256);
    assert!(size_of::<rnfs4_proto::ops::open::Open>() <= 512);
    assert!(size_of::<rnfs4_proto::ops::open::OpenRes>() <= 128);
    assert!(size_of::<rnfs4_proto::session::SlotTable>() <= 640);
    assert!(size_of::<rnfs4_proto::recovery::machine::Machine>() <= 80);
}
