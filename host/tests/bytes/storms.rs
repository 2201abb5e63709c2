// SPDX-License-Identifier: GPL-2.0

//! Recovery in a storm that the bytes tell of; see `crate::world`. The first byte says how honest the
//! server is.

use crate::world::{server::Lapse, Blow, Fault, Storm, World};
use rnfs4_proto::{recovery::table::Need, status::Status};

fn blow(n: u8) -> Blow {
    let file = usize::from(n / 16);
    let why = match n & 8 {
        0 => Status::ADMIN_REVOKED,
        _ => Status::EXPIRED,
    };
    match n % 8 {
        0 | 1 => Blow::Restart,
        2 => Blow::SessionLost,
        3 => Blow::Revoke(file, why),
        4 if n & 16 == 0 => Blow::RevokeAll(why),
        4 => Blow::Removed(file / 2),
        5 if n & 16 == 0 => Blow::Met(file / 2),
        5 => Blow::Unbound,
        6 => Blow::Forget,
        _ => Blow::Lapse(match file % 3 {
            0 => Lapse::Courtesy,
            1 => Lapse::Revoke,
            _ => Lapse::Forget,
        }),
    }
}

fn storm(what: u8, n: u8, honest: bool) -> Storm {
    let needs = [
        Need::Lease,
        Need::Session,
        Need::BindConn,
        Need::NewClient,
        Need::Expired,
        Need::Purge,
    ];
    let some_needs = &needs[..if honest { 3 } else { 6 }];
    match what % 8 {
        0 => Storm::Turns(1 + n % 8),
        1 => Storm::Blow(blow(n)),
        2 => Storm::Later(what / 8 % 16, blow(n)),
        3 => Storm::Fault(match n % 4 {
            0 => Fault::Lost,
            1 => Fault::RunButLost(!honest && n & 4 != 0),
            _ if honest => Fault::Status(Status::DELAY),
            _ => Fault::Status(Status::ALL[usize::from(n) % Status::ALL.len()]),
        }),
        4 => Storm::Io(n.into()),
        5 => Storm::Time(u16::from(n) << (what / 8 % 8)),
        6 => Storm::Lapsed,
        _ => Storm::Saw(some_needs[usize::from(n) % some_needs.len()]),
    }
}

pub fn run(bytes: &[u8]) {
    let Some((head, events)) = bytes.split_first() else {
        return;
    };
    let honest = head & 1 == 0;
    let mut world = World::new(honest);
    for event in events.chunks_exact(2).take(100) {
        world.storm(storm(event[0], event[1], honest));
    }
    world.settle();
}
