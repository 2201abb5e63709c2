// SPDX-License-Identifier: GPL-2.0

//! What runs at the same time in the module, in all its interleavings: the protocol of locks and wake-ups
//! as the code has it, and, so that it is known that the models would notice, as it must not be.

#![allow(missing_docs)]

mod interleave;

use interleave::{
    right,
    slots::{Slip, Slots},
    waits::{Calls, Leaving, ParkSlip, Parked, Recovered},
    wrong,
};

#[test]
fn slots_go_from_call_to_call() {
    for limit in 1..=3 {
        let explored = right(Slots::new(limit, false, false, Slip::No));
        assert!(explored.states > 100, "{explored:?}");
    }
}

#[test]
fn recovery_begins_when_all_is_drained_and_lets_everybody_go_on() {
    for limit in 1..=3 {
        let explored = right(Slots::new(limit, true, false, Slip::No));
        assert!(explored.states > 1000, "{explored:?}");
    }
}

#[test]
fn a_killed_call_takes_no_wake_up_with_it() {
    for (limit, recovery) in [(1, false), (2, false), (1, true), (2, true)] {
        right(Slots::new(limit, recovery, true, Slip::No));
        wrong(
            Slots::new(1, recovery, true, Slip::KilledKeepsWake),
            "lies idle",
        );
    }
}

#[test]
fn a_growing_table_is_used_at_once() {
    for recovery in [false, true] {
        right(Slots::new(1, recovery, false, Slip::No).growing());
        wrong(
            Slots::new(1, recovery, false, Slip::GrowthWakesOne).growing(),
            "lies idle",
        );
    }
}

#[test]
fn slips_in_the_hand_off_would_be_noticed() {
    for slip in [Slip::SleepUnlocked, Slip::WakeFirst, Slip::SilentRelease] {
        wrong(Slots::new(1, false, false, slip), "lies idle");
    }
}

#[test]
fn slips_in_the_drain_would_be_noticed() {
    let slots = |slip| Slots::new(1, true, false, slip);
    wrong(slots(Slip::NoFinishing), "before a reply was acted on");
    wrong(slots(Slip::WakeBeforeEnd), "lies idle");
    wrong(slots(Slip::DrainedFirst), "sleeps for ever");
}

#[test]
fn nobody_sleeps_through_the_recovery_of_his_state() {
    right(Recovered::new(false, false));
    wrong(Recovered::new(true, false), "sleeps for ever");
    wrong(Recovered::new(false, true), "");
}

#[test]
fn nobody_touches_a_client_that_is_gone() {
    right(Calls::new(false));
    wrong(Calls::new(true), "used after it was freed");
}

#[test]
fn umount_sees_the_client_go_whoever_mounts_meanwhile() {
    right(Leaving::new(false, false));
    wrong(Leaving::new(false, true), "sleeps for ever");
    wrong(Leaving::new(true, false), "sleeps for ever");
}

#[test]
fn recovery_does_not_wait_for_calls_that_wait_for_it() {
    for breaks in 1..=3 {
        let explored = right(Parked::new(breaks, ParkSlip::No));
        assert!(explored.states > 50, "{explored:?}");
    }
    wrong(Parked::new(2, ParkSlip::Silent), "sleeps for ever");
    wrong(Parked::new(2, ParkSlip::TellsFirst), "sleeps for ever");
}
