// SPDX-License-Identifier: GPL-2.0

//! The state machine against a model of a server: whatever happens, once the server stops failing the
//! client has a session, all state is recovered or given up, and RECLAIM_COMPLETE was sent once.

#![allow(missing_docs)]

mod model;

use model::{Client, Fault};
use proptest::prelude::*;
use rnfs4_proto::{
    ops::session::seq4_status,
    recovery::{
        bits::Bits,
        machine::{Event, Failure, Machine, Mark, Step},
        table::Need,
    },
    status::Status,
};

fn settled() -> Client {
    let mut c = Client::new();
    c.settle();
    c.now += 100_000;
    c
}

#[test]
fn a_mount() {
    let mut c = Client::new();
    assert_eq!(
        c.story(),
        [
            Step::ExchangeId,
            Step::CreateSession,
            Step::ReclaimReboot,
            Step::ReclaimComplete
        ]
    );
    c.settle();
}

#[test]
fn a_restart_of_the_server_as_the_seed_tells_it() {
    let mut c = settled();
    c.server.restart();
    let began = c.now;
    assert!(!c.program_opens(), "BADSESSION");
    assert_eq!(
        c.story(),
        [
            Step::DestroySession,
            Step::CreateSession,
            Step::ExchangeId,
            Step::CreateSession,
            Step::ReclaimReboot,
            Step::ReclaimComplete,
        ]
    );
    assert!(c.now - began < 20, "{} ms", c.now - began);
    c.settle();
}

#[test]
fn a_server_that_has_forgotten_us_refuses_reclaim_and_files_are_reopened() {
    let mut c = settled();
    c.server.forget();
    assert!(!c.program_opens());
    let story = c.story();
    assert_eq!(
        story[4..],
        [
            Step::ReclaimReboot,
            Step::ReclaimComplete,
            Step::ReclaimNograce
        ],
        "{story:?}"
    );
    c.settle();
}

#[test]
fn a_lost_session_costs_a_session() {
    let mut c = settled();
    c.server.session = None;
    assert!(!c.program_opens());
    assert_eq!(c.story(), [Step::DestroySession, Step::CreateSession]);
    c.settle();
}

/// A program marks a state while the pass has gone by it already.
#[test]
fn a_state_marked_during_a_pass_is_not_left_behind() {
    let mut c = settled();
    c.mark_nograce(2);
    c.mark_later = Some((0, 0));
    assert_eq!(c.story(), [Step::ReclaimNograce, Step::ReclaimNograce]);
    c.settle();
}

#[test]
fn a_new_session_answers_all_doubts() {
    let mut c = settled();
    c.server.session = None;
    for need in [Need::Lease, Need::BindConn, Need::Session] {
        c.event(Event::Saw(need));
    }
    assert_eq!(c.story(), [Step::DestroySession, Step::CreateSession]);
    c.settle();
}

/// Measured with the C client: the session goes while RECLAIM_COMPLETE is under way, and every open
/// waits for ever.
#[test]
fn reclaim_complete_survives_the_loss_of_its_session() {
    for status in [
        Status::BADSESSION,
        Status::DEADSESSION,
        Status::DELAY,
        Status::SERVERFAULT,
        Status::INVAL,
    ] {
        let mut c = settled();
        c.server.restart();
        assert!(!c.program_opens());
        while c.machine.todo() != Step::ReclaimComplete {
            assert!(c.turn());
        }
        c.faults.push_back(Some(Fault::Status(status)));
        if status == Status::BADSESSION {
            c.server.session = None;
        }
        c.settle();
    }
}

#[test]
fn a_second_restart_in_the_middle_of_reclaim() {
    let mut c = settled();
    c.server.restart();
    assert!(!c.program_opens());
    while c.machine.todo() != Step::ReclaimReboot {
        c.turn();
    }
    c.server.restart();
    c.settle();
}

#[test]
fn many_calls_that_meet_the_same_trouble_are_one_trouble() {
    let mut c = settled();
    c.server.session = None;
    let began = c.now;
    for _ in 0..64 {
        c.event(Event::Saw(Need::Session));
    }
    c.settle();
    assert!(c.now - began < 20, "{} ms", c.now - began);
}

#[test]
fn twenty_restarts_in_a_row_are_each_recovered_from_at_once() {
    let mut c = settled();
    for i in 0..20 {
        c.server.restart();
        c.now += 3000;
        let began = c.now;
        assert!(!c.program_opens());
        c.settle();
        assert!(c.now - began < 50, "restart {i} took {} ms", c.now - began);
    }
}

#[test]
fn a_purge_is_one_exchange_id_and_one_session() {
    let mut c = settled();
    c.event(Event::Saw(Need::Purge));
    assert_eq!(
        c.story(),
        [
            Step::PurgeState,
            Step::ExchangeId,
            Step::CreateSession,
            Step::ReclaimComplete,
            Step::ReclaimNograce,
        ]
    );
    c.settle();
}

#[test]
fn another_server_with_the_same_address() {
    let mut c = settled();
    c.server.restart();
    c.event(Event::Saw(Need::NewClient));
    while c.machine.todo() != Step::ExchangeId {
        c.turn();
    }
    c.now += 10_000;
    let (id, confirmed) = c.server.exchange_id(c.verifier);
    c.id = id;
    c.event(Event::ClientId {
        confirmed,
        scope_changed: true,
    });
    assert_eq!(
        c.states,
        [Mark::Nograce; 3],
        "its handles mean nothing here: nothing to reclaim"
    );
    assert_eq!(
        c.story(),
        [
            Step::CreateSession,
            Step::ReclaimComplete,
            Step::ReclaimNograce
        ]
    );
    c.settle();
}

#[test]
fn flags_are_heard_when_they_rise() {
    let mut c = settled();
    let flags = |f| Event::SequenceFlags(f);
    c.event(flags(seq4_status::ADMIN_STATE_REVOKED));
    assert_eq!(c.states, [Mark::Nograce; 3]);
    assert_eq!(c.story(), [Step::ReclaimNograce]);
    c.event(flags(seq4_status::ADMIN_STATE_REVOKED));
    assert!(c.machine.is_idle(), "still up, and dealt with");
    c.now += 300;
    c.event(flags(seq4_status::ADMIN_STATE_REVOKED));
    assert_eq!(
        c.story(),
        [Step::ReclaimNograce],
        "what was up then has been freed: this is something else"
    );
    for _ in 0..50 {
        c.now += 10;
        c.event(flags(seq4_status::ADMIN_STATE_REVOKED));
    }
    assert!(c.machine.is_idle(), "or nothing: not as soon again");
    c.event(flags(0));
    c.event(flags(seq4_status::EXPIRED_SOME_STATE_REVOKED));
    assert_eq!(c.story(), [Step::ReclaimNograce]);
    c.event(flags(seq4_status::CB_PATH_DOWN));
    assert_eq!(c.story(), [Step::BindConn]);
    c.event(flags(seq4_status::BACKCHANNEL_FAULT));
    assert_eq!(c.story(), [Step::DestroySession, Step::CreateSession]);
    c.event(flags(seq4_status::BACKCHANNEL_FAULT));
    assert!(!c.machine.is_idle(), "a new session speaks anew");
    c.settle();
    c.event(flags(
        seq4_status::LEASE_MOVED | seq4_status::CB_GSS_CONTEXTS_EXPIRING,
    ));
    assert!(c.machine.is_idle(), "not ours");

    let mut plain = Machine::new(false);
    plain.event(
        0,
        Event::ClientId {
            confirmed: true,
            scope_changed: false,
        },
    );
    plain.event(0, Event::Done(Step::CreateSession));
    plain.event(
        9999,
        flags(seq4_status::CB_PATH_DOWN | seq4_status::BACKCHANNEL_FAULT),
    );
    assert!(plain.is_idle(), "no callbacks wanted, none missed");
}

#[test]
fn a_session_that_outlives_the_server() {
    let mut c = settled();
    (c.server.grace, c.server.completes) = (true, 0);
    c.server.record.as_mut().unwrap().complete = false;
    c.event(Event::SequenceFlags(seq4_status::RESTART_RECLAIM_NEEDED));
    assert_eq!(c.states, [Mark::Reboot; 3]);
    assert!(!c.machine.may_open());
    assert_eq!(c.story(), [Step::ReclaimReboot, Step::ReclaimComplete]);
    c.settle();
}

#[test]
fn a_connection_that_is_back_ends_the_wait() {
    let mut c = settled();
    c.event(Event::LeaseLapsed);
    for _ in 0..14 {
        c.faults.push_back(Some(Fault::Lost));
    }
    while !c.faults.is_empty() {
        c.turn();
    }
    assert!(matches!(c.machine.step(c.now), Step::Wait(ms) if ms > 1000));
    c.event(Event::Done(Step::Probe));
    assert_eq!(c.machine.step(c.now), Step::CheckLease);
    c.settle();
}

/// Trouble after trouble, each settled, half a second apart; `works`: with a program's call that goes through in between. Returns
/// the longest wait.
fn troubles_in_a_row(c: &mut Client, count: u32, works: bool) -> u32 {
    let mut longest = 0;
    for _ in 0..count {
        c.event(Event::Saw(Need::Session));
        if let Step::Wait(ms) = c.machine.step(c.now) {
            longest = longest.max(ms);
        }
        c.story();
        if works {
            c.event(Event::SequenceFlags(0));
        }
        c.now += 500;
    }
    longest
}

#[test]
fn a_call_that_goes_through_is_worth_another_quick_try() {
    let mut c = settled();
    let longest = troubles_in_a_row(&mut c, 30, true);
    assert!((32..=64).contains(&longest), "{longest} ms");
    let longest = troubles_in_a_row(&mut c, 30, false);
    assert!(longest >= 4000, "nothing works: {longest} ms");
    assert!(c.machine.is_uneasy());
    c.event(Event::Saw(Need::Session));
    c.event(Event::SequenceFlags(0));
    assert!(
        c.machine.is_uneasy(),
        "that call is from before the trouble"
    );
    c.story();
    c.event(Event::SequenceFlags(0));
    assert!(!c.machine.is_uneasy());
    assert!(troubles_in_a_row(&mut c, 1, true) <= 64);
    c.settle();
}

#[test]
fn a_server_that_asks_for_patience_is_asked_every_second() {
    let mut c = settled();
    c.event(Event::Saw(Need::Session));
    c.turn();
    for _ in 0..30 {
        c.faults.push_back(Some(Fault::Status(Status::DELAY)));
    }
    let mut longest = 0;
    while !c.faults.is_empty() {
        if let Step::Wait(ms) = c.machine.step(c.now) {
            longest = longest.max(ms);
        }
        c.turn();
    }
    assert!((512..=1000).contains(&longest), "{longest} ms");
    c.settle();
}

#[test]
fn a_client_without_a_connection_tries_until_there_is_one() {
    let mut c = settled();
    c.down_until = c.now + 60_000;
    c.event(Event::Disconnected);
    assert!(!c.machine.may_resend());
    assert_eq!(c.machine.step(c.now), Step::Probe, "at once");
    c.event(Event::Saw(Need::Session));
    assert_eq!(c.machine.step(c.now), Step::Probe, "before all else");
    let (down, up) = (c.now, c.down_until);
    while c.now < up {
        c.turn();
        c.event(Event::Disconnected);
    }
    assert!(
        c.now - up <= 400,
        "noticed {} ms after the return",
        c.now - up
    );
    let gaps: Vec<_> = c.probes.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(gaps[..5], [50, 100, 200, 400, 400]);
    assert!(gaps.iter().all(|gap| *gap <= 400), "{down}: {gaps:?}");
    assert_eq!(
        c.story(),
        [Step::Probe, Step::DestroySession, Step::CreateSession]
    );
    c.settle();
}

#[test]
fn a_new_connection_checks_the_lease_before_calls_are_repeated() {
    let mut c = settled();
    c.event(Event::Disconnected);
    c.turn();
    assert_eq!(c.machine.step(c.now), Step::CheckLease);
    assert!(!c.machine.may_resend());
    c.turn();
    assert!(c.machine.may_resend());
    c.settle();
}

#[test]
fn a_connection_that_never_lasts_is_made_ever_less_often() {
    let mut c = settled();
    let began = c.now;
    for _ in 0..50 {
        c.event(Event::Disconnected);
        c.story();
    }
    assert!(c.now - began > 15_000, "{} ms", c.now - began);
    c.now += 10_000;
    c.event(Event::Disconnected);
    assert_eq!(c.machine.step(c.now), Step::Probe, "that was long ago");
    c.settle();
}

#[test]
fn what_refuses_a_mount_is_told() {
    for status in [
        Status::MINOR_VERS_MISMATCH,
        Status::CLID_INUSE,
        Status::ACCESS,
    ] {
        let mut c = Client::new();
        c.faults.push_back(Some(Fault::Status(status)));
        c.turn();
        assert_eq!(c.machine.refused(), Some(Failure::Status(status)));
        assert!(
            matches!(c.machine.step(c.now), Step::Wait(ms) if ms >= 1000),
            "no hurry"
        );
        c.settle();
    }
    let mut c = Client::new();
    c.faults.push_back(Some(Fault::Status(Status::DELAY)));
    c.turn();
    assert_eq!(c.machine.refused(), None);
    c.settle();
}

#[test]
fn bits_have_names() {
    let bits = Bits::LEASE_EXPIRED.or(Bits::RECLAIM_COMPLETE);
    assert_eq!(bits.to_string(), "LEASE_EXPIRED RECLAIM_COMPLETE");
    assert_eq!(format!("{:?}", Bits::NONE), "[]");
}

/// Whatever a server answers to one step for ever: the machine tries on, and ever more slowly.
#[test]
fn no_error_makes_the_machine_spin_or_give_up() {
    let steps = [
        Step::ExchangeId,
        Step::DestroySession,
        Step::CreateSession,
        Step::BindConn,
        Step::CheckLease,
        Step::ReclaimComplete,
        Step::ReclaimReboot,
        Step::ReclaimNograce,
    ];
    let failures = Status::ALL.iter().map(|s| Failure::Status(*s));
    for failure in failures.chain([Failure::NoReply, Failure::Malformed]) {
        for step in steps {
            let mut c = settled();
            c.server.restart();
            c.event(Event::Saw(Need::Session));
            c.event(Event::Saw(Need::BindConn));
            c.event(Event::Saw(Need::Lease));
            c.event(Event::MarkedNograce);
            let (began, before) = (c.now, c.steps);
            while c.now - began < 600_000 {
                let here = c.machine.step(c.now) == step;
                let passes = matches!(step, Step::ReclaimReboot | Step::ReclaimNograce);
                if here && passes {
                    c.states = [if step == Step::ReclaimReboot {
                        Mark::Reboot
                    } else {
                        Mark::Nograce
                    }; 3];
                }
                if here {
                    c.faults.push_back(Some(match failure {
                        Failure::Status(s) => Fault::Status(s),
                        Failure::NoReply => Fault::Lost,
                        Failure::Malformed => Fault::RunButLost(true),
                    }));
                }
                if !c.turn() {
                    break;
                }
                c.faults.clear();
            }
            let done = c.steps - before;
            // Ten minutes at five seconds each, and what a round has of steps; a pass that the shell
            // takes up again by itself waits there.
            assert!(done < 6100, "{step:?} {failure:?}: {done} steps");
            if !matches!(step, Step::ReclaimReboot | Step::ReclaimNograce) {
                assert!(done < 1100, "{step:?} {failure:?}: {done} steps");
            }
            c.faults.clear();
            c.settle();
        }
    }
}

/// A server that gives a session and never knows it.
#[test]
fn success_in_between_does_not_make_it_spin() {
    let mut c = settled();
    let (began, before) = (c.now, c.steps);
    while c.now - began < 600_000 {
        c.event(Event::Saw(Need::Session));
        while c.turn() {}
        c.now += 1;
    }
    assert!(c.steps - before < 1100, "{} steps", c.steps - before);
    c.settle();
}

#[derive(Clone, Copy, Debug)]
enum Chaos {
    Turns(u8),
    Restart,
    Forget,
    SessionLost,
    Fault(Fault),
    Saw(Need),
    Flags(u32),
    Marked(usize),
    MarkLater(u8, usize),
    Lapsed,
    Disconnected(u16),
    Time(u16),
}

fn chaos() -> impl Strategy<Value = Chaos> {
    let status = (0..Status::ALL.len()).prop_map(|i| Fault::Status(Status::ALL[i]));
    let fault = prop_oneof![
        6 => status,
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
    prop_oneof![
        6 => (1u8..8).prop_map(Chaos::Turns),
        2 => Just(Chaos::Restart),
        1 => Just(Chaos::Forget),
        1 => Just(Chaos::SessionLost),
        4 => fault.prop_map(Chaos::Fault),
        1 => need.prop_map(Chaos::Saw),
        1 => (0u32..0x800).prop_map(|f| Chaos::Flags(f & !seq4_status::RESTART_RECLAIM_NEEDED)),
        1 => (0usize..3).prop_map(Chaos::Marked),
        1 => (0u8..6, 0usize..3).prop_map(|(n, state)| Chaos::MarkLater(n, state)),
        1 => Just(Chaos::Lapsed),
        1 => (0u16..20_000).prop_map(Chaos::Disconnected),
        2 => any::<u16>().prop_map(Chaos::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn after_any_chaos_all_is_well(events in proptest::collection::vec(chaos(), 0..80)) {
        let mut c = Client::new();
        for event in events {
            match event {
                Chaos::Turns(n) => {
                    for _ in 0..n {
                        c.turn();
                    }
                }
                Chaos::Restart => c.server.restart(),
                Chaos::Forget => c.server.forget(),
                Chaos::SessionLost => c.server.session = None,
                Chaos::Fault(fault) => c.faults.push_back(Some(fault)),
                Chaos::Saw(need) => c.event(Event::Saw(need)),
                Chaos::Flags(flags) => c.event(Event::SequenceFlags(flags)),
                Chaos::Marked(state) => c.mark_nograce(state),
                Chaos::MarkLater(n, state) => c.mark_later = Some((n, state)),
                Chaos::Lapsed => c.event(Event::LeaseLapsed),
                Chaos::Disconnected(ms) => {
                    c.down_until = c.now + u64::from(ms);
                    c.event(Event::Disconnected);
                }
                Chaos::Time(ms) => c.now += u64::from(ms),
            }
        }
        c.faults.clear();
        c.settle();
    }
}
