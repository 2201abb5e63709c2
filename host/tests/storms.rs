// SPDX-License-Identifier: GPL-2.0

//! Recovery in any weather: random sequences of what may happen to a server, its replies and its clock.
//! A server that is honest gets no call that it would have to wonder at, and no file is lost with it;
//! with one that answers anything at all, all is well once it stops.

#![allow(missing_docs)]

mod world;

use proptest::prelude::*;
use rnfs4_proto::{recovery::table::Need, status::Status};
use world::{
    server::{Lapse, FILES},
    Blow, Fault, Storm, World,
};

fn blow() -> impl Strategy<Value = Blow> {
    let why = prop_oneof![Just(Status::ADMIN_REVOKED), Just(Status::EXPIRED)];
    prop_oneof![
        4 => Just(Blow::Restart),
        1 => Just(Blow::Forget),
        2 => Just(Blow::SessionLost),
        1 => Just(Blow::Unbound),
        1 => (0..FILES).prop_map(Blow::Met),
        2 => (0..FILES, why.clone()).prop_map(|(file, why)| Blow::Revoke(file, why)),
        1 => why.prop_map(Blow::RevokeAll),
        1 => (0..FILES).prop_map(Blow::Removed),
        1 => Just(Blow::Lapse(Lapse::Courtesy)),
        1 => Just(Blow::Lapse(Lapse::Revoke)),
        1 => Just(Blow::Lapse(Lapse::Forget)),
    ]
}

fn storm(
    fault: impl Strategy<Value = Fault>,
    need: impl Strategy<Value = Need>,
) -> impl Strategy<Value = Storm> {
    prop_oneof![
        6 => (1u8..8).prop_map(Storm::Turns),
        2 => blow().prop_map(Storm::Blow),
        4 => (0u8..12, blow()).prop_map(|(n, blow)| Storm::Later(n, blow)),
        4 => fault.prop_map(Storm::Fault),
        4 => (0..FILES).prop_map(Storm::Io),
        2 => any::<u16>().prop_map(|ms| Storm::Time(ms / 4)),
        1 => Just(Storm::Lapsed),
        1 => need.prop_map(Storm::Saw),
    ]
}

/// What an honest server and its network do.
fn honest() -> impl Strategy<Value = Storm> {
    let fault = prop_oneof![
        3 => Just(Fault::Status(Status::DELAY)),
        1 => Just(Fault::Lost),
        1 => Just(Fault::RunButLost(false)),
    ];
    storm(
        fault,
        prop_oneof![Just(Need::Lease), Just(Need::BindConn), Just(Need::Session)],
    )
}

fn any_at_all() -> impl Strategy<Value = Storm> {
    let status = (0..Status::ALL.len()).prop_map(|i| Fault::Status(Status::ALL[i]));
    let fault = prop_oneof![
        8 => status,
        1 => any::<u32>().prop_map(|n| Fault::Status(Status(n.max(1)))),
        2 => Just(Fault::Lost),
        2 => any::<bool>().prop_map(Fault::RunButLost),
    ];
    let need = prop_oneof![
        Just(Need::Lease),
        Just(Need::Session),
        Just(Need::BindConn),
        Just(Need::NewClient),
        Just(Need::Expired),
        Just(Need::Purge),
    ];
    storm(fault, need)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, ..ProptestConfig::default() })]

    #[test]
    fn an_honest_server_loses_nothing_and_is_asked_for_nothing_twice(
        storms in proptest::collection::vec(honest(), 0..60),
    ) {
        let mut world = World::new(true);
        for storm in storms {
            world.storm(storm);
        }
        world.settle();
    }

    #[test]
    fn whatever_a_server_says_all_is_well_once_it_is(
        storms in proptest::collection::vec(any_at_all(), 0..60),
    ) {
        let mut world = World::new(false);
        for storm in storms {
            world.storm(storm);
        }
        world.settle();
    }
}

/// Everything that may happen to the server of a client with open files.
const BLOWS: [Blow; 9] = [
    Blow::Restart,
    Blow::Forget,
    Blow::SessionLost,
    Blow::Unbound,
    Blow::Revoke(1, Status::ADMIN_REVOKED),
    Blow::Revoke(2, Status::EXPIRED),
    Blow::RevokeAll(Status::EXPIRED),
    Blow::Removed(0),
    Blow::Met(1),
];

/// In the middle of each step of each recovery, whatever was its reason.
#[test]
fn one_blow_upon_another_at_every_call() {
    for first in BLOWS {
        for second in BLOWS {
            for at in 0..24 {
                let mut world = World::new(true);
                world.storm(Storm::Blow(first));
                world.storm(Storm::Later(at, second));
                for file in 0..FILES {
                    world.io(file);
                    while world.turn() {}
                }
                world.settle();
            }
        }
    }
}

/// Three restarts, each in the middle of the recovery from the one before.
#[test]
fn a_server_that_restarts_in_every_step_of_every_recovery() {
    for first in 0..16 {
        for second in 0..16 {
            let mut world = World::new(true);
            world.storm(Storm::Blow(Blow::Restart));
            world.storm(Storm::Later(first, Blow::Restart));
            world.storm(Storm::Later(first + second, Blow::Restart));
            world.io(0);
            while world.turn() {}
            world.settle();
        }
    }
}

/// Each call of a recovery, in turn, has its reply lost, or is lost itself.
#[test]
fn a_loss_at_every_call() {
    for first in BLOWS {
        for fault in [Fault::Lost, Fault::RunButLost(false)] {
            for at in 0..24 {
                let mut world = World::new(true);
                world.storm(Storm::Blow(first));
                world.storm(Storm::Io(1));
                let began = world.calls;
                while world.calls - began < at && world.turn() {}
                world.storm(Storm::Fault(fault));
                while world.turn() {}
                world.settle();
            }
        }
    }
}

/// A server that has no time for anything: every call is made, in the end, and there are not many more
/// of them than that takes.
#[test]
fn a_flood_of_delays_is_met_with_patience() {
    for first in BLOWS {
        let mut world = World::new(true);
        world.storm(Storm::Blow(first));
        world.storm(Storm::Io(1));
        (0..200).for_each(|_| world.storm(Storm::Fault(Fault::Status(Status::DELAY))));
        let (calls, began) = (world.calls, world.server.now);
        while world.turn() {}
        let (calls, ms) = (world.calls - calls, world.server.now - began);
        assert!(
            u64::from(calls) < 40 + ms / 100,
            "{first:?}: {calls} calls in {ms} ms"
        );
        world.settle();
    }
}
