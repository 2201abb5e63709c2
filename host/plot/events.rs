// SPDX-License-Identifier: GPL-2.0

//! The events of a time line, as the guest wrote them down.
//!
//! A line for each: seconds (any origin), who, what, and more words:
//!
//! ```text
//! 12.345 server down|grace|up
//! 12.345 CLIENT ack [N]               so many records of the writer became safe (one)
//! 12.345 CLIENT call NAME             a call was answered, by its main operation
//! 12.345 CLIENT begin|end STEP ...    of the state manager
//! 12.345 CLIENT reclaimed N           opens, in one pass
//! 12.345 CLIENT bad [N]               so many open contexts went bad (one)
//! 12.345 CLIENT error ERRNO           the program was told
//! # TITLE
//! ```

use std::error::Error;

/// What the server was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Server {
    /// In service.
    Up,
    /// Not there.
    Down,
    /// Only reclaims are granted.
    Grace,
}

/// A span of time, in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Span<T> {
    /// It begins.
    pub(crate) from: f64,
    /// It ends.
    pub(crate) to: f64,
    /// What it is.
    pub(crate) what: T,
}

/// What one client went through.
#[derive(Default, Debug)]
pub(crate) struct Client {
    /// Its name.
    pub(crate) name: String,
    /// Records that became safe.
    pub(crate) acks: Vec<(f64, f64)>,
    /// Calls, by their main operation.
    pub(crate) calls: Vec<(f64, String)>,
    /// Steps of the state manager.
    pub(crate) steps: Vec<Span<String>>,
    /// Passes that reclaimed opens.
    pub(crate) reclaimed: Vec<(f64, u64)>,
    /// Contexts gone bad.
    pub(crate) bad: Vec<(f64, u64)>,
    /// Errors that the program was told.
    pub(crate) errors: Vec<(f64, String)>,
    open_step: Option<(f64, String)>,
}

/// All of it, with times from the first event on.
#[derive(Default, Debug)]
pub(crate) struct Story {
    /// What stands above it.
    pub(crate) title: String,
    /// How long it is.
    pub(crate) length: f64,
    /// The server, without a gap.
    pub(crate) server: Vec<Span<Server>>,
    /// The clients, ours above.
    pub(crate) clients: Vec<Client>,
}

impl Story {
    /// Reads the lines, which may come in any order.
    pub(crate) fn parse(text: &str) -> Result<Self, Box<dyn Error>> {
        let mut story = Story::default();
        let mut lines = Vec::new();
        for (n, line) in text.lines().enumerate() {
            if let Some(title) = line.strip_prefix('#') {
                story.title = title.trim().to_owned();
                continue;
            }
            let mut words = line.split_whitespace();
            let Some(time) = words.next() else { continue };
            let time: f64 = time
                .parse()
                .map_err(|e| format!("line {}: {time}: {e}", n + 1))?;
            let words: Vec<&str> = words.collect();
            let [who, what, ..] = words[..] else {
                return Err(format!("line {}: who, and what?", n + 1).into());
            };
            lines.push((time, who, what, words[2..].to_vec()));
        }
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
            return Err("nothing has happened".into());
        };
        let origin = first.0;
        story.length = last.0 - origin;
        for (time, who, what, rest) in &lines {
            story.event(time - origin, who, what, rest)?;
        }
        story.end();
        Ok(story)
    }

    fn event(&mut self, at: f64, who: &str, what: &str, rest: &[&str]) -> Result<(), String> {
        if who == "server" {
            let what = match what {
                "up" => Server::Up,
                "down" => Server::Down,
                "grace" => Server::Grace,
                _ => return Err(format!("server {what}?")),
            };
            if let Some(last) = self.server.last_mut() {
                last.to = at;
            }
            self.server.push(Span {
                from: at,
                to: at,
                what,
            });
            return Ok(());
        }
        let number = || rest.first().and_then(|word| word.parse().ok()).unwrap_or(1);
        let words = rest.join(" ");
        let client = self.client(who);
        match what {
            "ack" => client.acks.push((at, number() as f64)),
            "call" => client.calls.push((at, words)),
            "begin" => client.open_step = Some((at, words)),
            "end" => client.end_step(at),
            "reclaimed" => client.reclaimed.push((at, number())),
            "bad" => client.bad.push((at, number())),
            "error" => client.errors.push((at, words)),
            _ => return Err(format!("{who} {what}?")),
        }
        Ok(())
    }

    fn client(&mut self, name: &str) -> &mut Client {
        let at = match self.clients.iter().position(|client| client.name == name) {
            Some(at) => at,
            None => {
                self.clients.push(Client {
                    name: name.to_owned(),
                    ..Client::default()
                });
                self.clients.len() - 1
            }
        };
        &mut self.clients[at]
    }

    fn end(&mut self) {
        if let Some(last) = self.server.last_mut() {
            last.to = self.length;
        }
        self.clients.sort_by_key(|client| client.name != "rnfs4");
        for client in &mut self.clients {
            client.end_step(self.length);
        }
    }

    /// When the server came back the last time before `at`.
    pub(crate) fn back_before(&self, at: f64) -> Option<f64> {
        let down = self
            .server
            .iter()
            .rev()
            .find(|span| span.what == Server::Down && span.to <= at)?;
        Some(down.to)
    }
}

impl Client {
    fn end_step(&mut self, at: f64) {
        if let Some((from, what)) = self.open_step.take() {
            self.steps.push(Span { from, to: at, what });
        }
    }

    /// The first record that became safe after `at`.
    pub(crate) fn resumed_after(&self, at: f64) -> Option<f64> {
        self.acks.iter().map(|ack| ack.0).find(|time| *time > at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_read_in_the_order_of_time() {
        let story = Story::parse(
            "# a test\n12 server down\n10 server up\n10.5 rnfs4 ack\n13 server grace\n13.5 rnfs4 begin ReclaimReboot\n\
             13.75 rnfs4 end ReclaimReboot OK\n14 rnfs4 ack 3\n15 server up\n16 rnfs4 bad 2\n",
        )
        .unwrap();
        assert_eq!(story.title, "a test");
        assert_eq!(story.length, 6.0);
        let server: Vec<_> = story
            .server
            .iter()
            .map(|s| (s.from, s.to, s.what))
            .collect();
        assert_eq!(
            server,
            [
                (0.0, 2.0, Server::Up),
                (2.0, 3.0, Server::Down),
                (3.0, 5.0, Server::Grace),
                (5.0, 6.0, Server::Up)
            ]
        );
        let client = &story.clients[0];
        assert_eq!(client.acks, [(0.5, 1.0), (4.0, 3.0)]);
        assert_eq!(client.steps[0].what, "ReclaimReboot");
        assert_eq!(client.bad, [(6.0, 2)]);
        assert_eq!(story.back_before(4.0), Some(3.0));
        assert_eq!(client.resumed_after(3.0), Some(4.0));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for text in [
            "",
            "x server up",
            "1 server",
            "1 server sideways",
            "1 rnfs4 dances",
        ] {
            assert!(Story::parse(text).is_err(), "{text}");
        }
    }
}
