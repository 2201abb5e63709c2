// SPDX-License-Identifier: GPL-2.0

//! ONC RPC over TCP: records, calls, replies (RFC 5531), and what the script does to these.

use crate::{
    rules::{Act, Rpc, Rules},
    wire::{get_data, Out},
    world::{Answer, World},
};
use rnfs4_proto::xdr::{Decode, Encode, SliceSource, Source, XdrResult};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::{Mutex, MutexGuard},
    thread,
    time::Duration,
};

/// NFS_PROGRAM.
const PROGRAM: u32 = 100_003;
/// The most bytes of a message.
const MESSAGE_MAX: usize = 4 << 20;
/// Not the last fragment of a record otherwise.
const LAST: u32 = 0x8000_0000;

/// The world, also when a thread has died in it: then the tests will see that.
pub fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(|dead| dead.into_inner())
}

/// What becomes of a connection.
enum Next {
    GoOn,
    Close,
    Reset,
}

/// Reads a record but for its last byte, which is only looked at: a connection that is closed with
/// something unread is reset.
fn read_record(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut record = Vec::new();
    loop {
        let mut mark = [0; 4];
        stream.read_exact(&mut mark)?;
        let mark = u32::from_be_bytes(mark);
        let (last, len) = (mark & LAST != 0, (mark & !LAST) as usize);
        let at = record.len();
        if len == 0 || at + len > MESSAGE_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        record.resize(at + len, 0);
        let (body, end) = record.split_at_mut(at + len - 1);
        stream.read_exact(body.get_mut(at..).unwrap_or(&mut []))?;
        if last {
            if stream.peek(end)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            return Ok(record);
        }
        stream.read_exact(end)?;
    }
}

fn consume(stream: &mut TcpStream) -> io::Result<()> {
    stream.read_exact(&mut [0])
}

/// Serves one connection until it ends.
pub fn serve(world: &Mutex<World>, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let record = read_record(&mut stream)?;
        let Some((message, acts)) = answer(world, &record) else {
            // Not a call, or nothing that can be answered.
            return Ok(());
        };
        match send(&mut stream, message, &acts)? {
            Next::GoOn => consume(&mut stream)?,
            Next::Close => return consume(&mut stream),
            Next::Reset => return Ok(()),
        }
    }
}

/// Sends a reply as the script wants it.
fn send(stream: &mut TcpStream, message: Vec<u8>, acts: &[Act]) -> io::Result<Next> {
    let mut next = Next::GoOn;
    let mut mark = message.len() as u32 | LAST;
    let mut silent = false;
    for act in acts {
        match act {
            Act::Delay(ms) => thread::sleep(Duration::from_millis(*ms)),
            Act::Drop => silent = true,
            Act::Close => (silent, next) = (true, Next::Close),
            Act::Reset => (silent, next) = (true, Next::Reset),
            Act::Xid => next = Next::Close,
            Act::Mark => (mark, next) = (mark + 4096, Next::Close),
            _ => (),
        }
    }
    if !silent {
        let mut record = mark.to_be_bytes().to_vec();
        record.extend(message);
        stream.write_all(&record)?;
    }
    Ok(next)
}

/// The head of a reply: accepted, with this `accept_stat`.
fn accepted(xid: u32, stat: u32) -> XdrResult<Out> {
    let mut out = Out::default();
    // A reply; accepted; no verifier.
    [xid, 1, 0, 0, 0, stat]
        .into_iter()
        .try_for_each(|word| out.put_u32(word))?;
    Ok(out)
}

fn refused(xid: u32, how: Rpc) -> XdrResult<Out> {
    let mut out = Out::default();
    let words: &[u32] = match how {
        Rpc::NoReply => &[0, 2, PROGRAM, 4, 1],
        Rpc::Version => &[1, 1, 0, 2, 2],
        Rpc::Auth(stat) => &[1, 1, 1, stat],
        // A mismatch of program versions says which there are.
        Rpc::Accept(2) => &[1, 0, 0, 0, 2, 4, 4],
        Rpc::Accept(stat) => &[1, 0, 0, 0, stat],
    };
    out.put_u32(xid)?;
    words.iter().try_for_each(|word| out.put_u32(*word))?;
    Ok(out)
}

/// The caller's user and group from an AUTH_SYS credential.
fn cred(s: &mut SliceSource<'_>) -> XdrResult<(u32, u32)> {
    let flavor = s.get_u32()?;
    let body = get_data(s, 400)?;
    if flavor != 1 {
        return Ok((65534, 65534));
    }
    let b = &mut SliceSource::new(&body);
    b.get_u32()?;
    get_data(b, 255)?;
    Ok((b.get_u32()?, b.get_u32()?))
}

/// A message with what concerns it as a whole.
type Message = (Vec<u8>, Vec<Act>);

fn answer(world: &Mutex<World>, record: &[u8]) -> Option<Message> {
    let s = &mut SliceSource::new(record);
    let (xid, kind) = (s.get_u32().ok()?, s.get_u32().ok()?);
    if kind != 0 {
        return None;
    }
    let (version, program) = (s.get_u32().ok()?, s.get_u32().ok()?);
    let (program_version, procedure) = (s.get_u32().ok()?, s.get_u32().ok()?);
    let cred = cred(s).ok()?;
    s.get_u32().ok()?;
    get_data(s, 400).ok()?;
    let plain = |out: XdrResult<Out>| Some((out.ok()?.0, Vec::new()));
    match (version, program, program_version, procedure) {
        (2, PROGRAM, 4, 0) => plain(accepted(xid, 0)),
        (2, PROGRAM, 4, 1) => {
            let call = record.get(record.len() - s.remaining()..)?;
            let mut world = lock(world);
            match world.compound(call, cred) {
                Some(answer) => finish(xid, answer, &mut world.rules),
                None => plain(refused(xid, Rpc::Accept(4))),
            }
        }
        (2, PROGRAM, 4, _) => plain(refused(xid, Rpc::Accept(3))),
        (2, PROGRAM, _, _) => plain(refused(xid, Rpc::Accept(2))),
        (2, _, _, _) => plain(refused(xid, Rpc::Accept(1))),
        _ => plain(refused(xid, Rpc::Version)),
    }
}

/// Puts the head in front of a result, and does to the whole what the script says.
fn finish(xid: u32, answer: Answer, rules: &mut Rules) -> Option<Message> {
    let Answer { mut body, acts } = answer;
    let mut head = accepted(xid, 0).ok()?.0;
    for act in &acts {
        match act {
            Act::Junk(n) => body = rules.junk(*n),
            Act::Rpc(how) => {
                head = refused(xid, *how).ok()?.0;
                body.clear();
            }
            _ => (),
        }
    }
    let mut message = head;
    message.extend(body);
    for act in &acts {
        match act {
            Act::Truncate(n) => message.truncate(*n),
            Act::Trail(n) => message.resize(message.len() + n, 0),
            // Not in what says which answer it is, and that it is one: an answer that nobody can tell is none, and may be waited for.
            Act::Noise(n) => rules.noise(*n, message.get_mut(8..).unwrap_or(&mut [])),
            Act::Xid => message
                .get_mut(..4)?
                .copy_from_slice(&(xid ^ 0x5555).to_be_bytes()),
            _ => (),
        }
    }
    Some((message, acts))
}
