// SPDX-License-Identifier: GPL-2.0

//! The arithmetic beside recovery: back-off, lease, calls in flight.

#![allow(missing_docs)]

use proptest::prelude::*;
use rnfs4_proto::recovery::{
    backoff::{exponential, jitter, Backoff},
    inflight::InFlight,
    lease::Lease,
    usage::{is_stale, Usage},
};

#[test]
fn waits_double_up_to_the_cap() {
    let mut b = Backoff::default();
    let waits: Vec<_> = (0..12).map(|_| b.failed()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000]);
    assert_eq!(b.tries(), 12);
    b.reset();
    assert_eq!((b.tries(), b.failed()), (0, 1));
    assert_eq!(exponential(u32::MAX, 77), 77);
    assert_eq!(exponential(30, u32::MAX), 1 << 30);
    assert_eq!(exponential(0, 0), 0);
}

#[test]
fn a_lease_is_renewed_at_two_thirds() {
    let mut l = Lease::new(1_000_000);
    assert_eq!(l.period_ms(), 60_000, "until the server tells");
    l.set_period(90);
    assert_eq!(l.next_check_ms(1_000_000), 60_000);
    assert!(!l.is_due(1_059_000));
    assert!(l.is_due(1_060_000));
    assert!(!l.has_lapsed(1_090_000));
    assert!(l.has_lapsed(1_090_001));
    l.renewed(1_060_000);
    assert_eq!(l.next_check_ms(1_060_000), 60_000);
    assert_eq!(l.age_ms(1_061_000), 1000);
    l.renewed(1_000_000);
    assert_eq!(
        l.age_ms(1_061_000),
        1000,
        "a late reply to an early call takes nothing back"
    );
    assert_eq!(
        l.next_check_ms(9_000_000),
        1000,
        "overdue: soon, not at once and for ever"
    );
}

#[test]
fn leases_that_make_no_sense() {
    let mut l = Lease::new(0);
    l.set_period(0);
    assert_eq!(l.period_ms(), 60_000);
    l.set_period(u32::MAX);
    assert_eq!(l.period_ms(), 3_600_000);
    l.set_period(1);
    assert_eq!(l.next_check_ms(0), 1000);
}

#[test]
fn the_owner_goes_when_the_last_call_is_over() {
    let mut f = InFlight::new();
    assert!(f.begin() && f.begin());
    assert!(!f.end(), "not closed: nobody waits");
    assert!(!f.close(), "one is under way");
    assert!(!f.begin(), "no new ones");
    assert_eq!(f.count(), 1);
    assert!(f.end(), "the last wakes who waits");
    assert!(f.is_drained());
    assert!(InFlight::default().close(), "nothing to wait for");
}

proptest! {
    #[test]
    fn waits_never_shrink(n: u32, cap in 1u32..100_000) {
        let (a, b) = (exponential(n, cap), exponential(n.saturating_add(1), cap));
        prop_assert!(0 < a && a <= b && b <= cap);
    }

    #[test]
    fn jitter_adds_up_to_a_half(ms in 0u32..u32::MAX / 2, random: u32) {
        let j = jitter(ms, random);
        prop_assert!(j >= ms && j <= ms + ms / 2);
    }

    /// Looking when told to look, a client whose renewals get through never lets its lease run out.
    #[test]
    fn a_renewed_lease_does_not_lapse(period in 2u32..4000, start in 0u64..1 << 40, rtt in 0u64..300) {
        let mut l = Lease::new(start);
        l.set_period(period);
        let mut now = start;
        for _ in 0..50 {
            now += l.next_check_ms(now);
            if l.is_due(now) {
                prop_assert!(!l.has_lapsed(now + rtt));
                l.renewed(now);
                now += rtt;
            }
        }
        prop_assert!(l.age_ms(now) <= l.period_ms());
    }

    /// However calls begin and end: the one who waits is woken once, when all is over.
    #[test]
    fn drained_is_told_once(steps in proptest::collection::vec(0u8..3, 0..100)) {
        let mut f = InFlight::new();
        let (mut open, mut closed, mut woken) = (0usize, false, 0);
        for s in steps {
            match s {
                0 => {
                    let began = f.begin();
                    prop_assert_eq!(began, !closed);
                    open += usize::from(began);
                }
                1 if open > 0 => {
                    open -= 1;
                    woken += u32::from(f.end());
                }
                2 if !closed => {
                    closed = true;
                    woken += u32::from(f.close());
                }
                _ => (),
            }
            prop_assert_eq!(f.is_drained(), closed && open == 0);
            prop_assert_eq!(woken, u32::from(closed && open == 0));
        }
    }
}

#[test]
fn owners_are_kept_for_a_lease_after_their_last_user() {
    let mut usage = Usage::new();
    assert!(usage.is_used());
    assert_eq!(usage.get(), None);
    assert_eq!(usage.put(1000), None);
    assert!(usage.is_used());
    assert_eq!(usage.put(2000), Some(2000));
    assert!(!usage.is_used());
    // Nobody is left who could go.
    assert_eq!(usage.put(3000), None);
    assert!(!is_stale(2000, 11_999, 10_000));
    assert!(is_stale(2000, 12_000, 10_000));
    // A clock that is read by another processor may be behind.
    assert!(!is_stale(2000, 1999, 1));
    assert!(is_stale(2000, 1999, 0));
    // Used again: the list has it under the time of its last release.
    assert_eq!(usage.get(), Some(2000));
    assert_eq!(usage.get(), None);
    assert_eq!(usage.put(5000), None);
    assert_eq!(usage.put(6000), Some(6000));
    assert_eq!(usage.get(), Some(6000));
}
