// SPDX-License-Identifier: GPL-2.0

//! Every decoder of a result against bytes of every kind: it ends, takes no more than there is, keeps
//! to the rules of `Source`, and never panics. The same functions serve the fuzzers.

#![allow(missing_docs)]

mod bytes;
mod common;
mod world;

use bytes::{compounds, entries, replies};
use proptest::prelude::*;

/// Everything that reads replies.
fn all(bytes: &[u8]) {
    replies::all(bytes);
    for variant in 0..6 {
        entries::run(&[&[variant][..], bytes].concat());
    }
    for shape in 0..compounds::SHAPES {
        compounds::run(&[&[shape][..], bytes].concat());
    }
}

/// Bytes as a server might send them: mostly small numbers, some bits, some of anything.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        6 => 0u32..4,
        3 => 0u32..64,
        2 => (0u32..32).prop_map(|b| 1 << b),
        1 => any::<u32>(),
        1 => Just(u32::MAX),
    ];
    proptest::collection::vec(word, 0..120)
        .prop_map(|words| words.iter().flat_map(|w| w.to_be_bytes()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        all(&bytes);
    }

    #[test]
    fn likely_words(bytes in words()) {
        all(&bytes);
    }
}

#[test]
fn the_extremes() {
    for byte in [0, 1, 0x7f, 0x80, 0xff] {
        for len in [0, 1, 3, 4, 12, 100, 5000] {
            all(&vec![byte; len]);
        }
    }
}
