// SPDX-License-Identifier: GPL-2.0

//! What is kept open for a while: against a model without a ring.

use std::collections::VecDeque;

use proptest::prelude::*;
use rnfs4_proto::late_close::{
    keep_ms,
    Late, //
};

type Ring = Late<Vec<Option<(u64, u32)>>>;

fn ring(places: usize) -> Ring {
    Late::new(vec![None; places])
}

#[test]
fn no_longer_than_a_third_of_the_lease() {
    assert_eq!(keep_ms(90_000), 10_000);
    assert_eq!(keep_ms(10_000), 3_333);
    assert_eq!(keep_ms(0), 0);
}

#[test]
fn the_oldest_is_due_first() {
    let mut late = ring(4);
    assert_eq!(late.due_ms(100), None);
    late.push(1000, 1).unwrap();
    late.push(1050, 2).unwrap();
    assert_eq!(late.due_ms(100), Some(1100));
    assert_eq!(late.pop(1099, 100, false), None);
    assert_eq!(late.pop(1100, 100, false), Some(1));
    assert_eq!(late.pop(1100, 100, false), None, "not yet");
    assert_eq!(late.due_ms(100), Some(1150));
}

#[test]
fn a_crowd_goes_before_its_time() {
    let mut late = ring(8);
    for n in 0..8 {
        assert!(late.has_room());
        assert_eq!(late.is_crowded(), n > 6, "{n}");
        late.push(0, n).unwrap();
    }
    assert!(!late.has_room());
    assert_eq!(late.push(0, 8), Err(8));
    for n in 0..4 {
        assert_eq!(late.pop(0, 100, true), Some(n));
    }
    assert_eq!(late.pop(0, 100, true), None, "half of the places are free");
    assert_eq!(late.len(), 4);
}

#[test]
fn at_the_end_all_are_due() {
    let mut late = ring(4);
    late.push(1000, 1).unwrap();
    late.close();
    assert_eq!(late.push(1000, 2), Err(2));
    assert_eq!(late.due_ms(100), Some(0));
    assert_eq!(late.pop(0, 100, false), Some(1));
    assert!(late.is_empty());
}

#[test]
fn without_places_nothing_is_kept() {
    let mut late = ring(0);
    assert!(!late.has_room() && !late.is_crowded());
    assert_eq!(late.push(0, 1), Err(1));
    assert_eq!(late.pop(u64::MAX, 0, true), None);
}

proptest! {
    #[test]
    fn nothing_is_lost_or_overtaken(
        places in 1usize..9,
        acts in prop::collection::vec((0u8..4, 0u64..50), 0..200),
    ) {
        let (mut late, mut model) = (ring(places), VecDeque::new());
        let (mut now, mut next) = (0, 0);
        for (act, ms) in acts {
            now += ms;
            if act == 0 {
                let (len, crowd) = (model.len(), ms % 2 == 0);
                let due = model.front().is_some_and(|&(since, _)| since + 40 <= now);
                let wanted = if due || (crowd && len > places / 2) {
                    model.pop_front().map(|(_, item)| item)
                } else {
                    None
                };
                prop_assert_eq!(late.pop(now, 40, crowd), wanted);
            } else {
                next += 1;
                let taken = late.push(now, next).is_ok();
                prop_assert_eq!(taken, model.len() < places);
                if taken {
                    model.push_back((now, next));
                }
            }
            prop_assert_eq!(late.len(), model.len());
        }
    }
}
