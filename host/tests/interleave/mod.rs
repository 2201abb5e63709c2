// SPDX-License-Identifier: GPL-2.0

//! Every interleaving of a few threads. A thread is a program counter and what it has in hand; each of
//! its steps is what nobody can come in between: a critical section, a change of one word, a wake-up.
//! The states are visited once each, so loops end. Memory is taken for sequentially consistent: all
//! that is modelled here is done under locks, or ordered by the lock of a wait queue.
//!
//! Nobody has a clock: a wake-up that is lost stays lost, though in the kernel a time-out may help.

#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod slots;
pub mod waits;

use std::{collections::HashMap, fmt::Debug, hash::Hash};

/// What a step of a thread came to.
pub enum Ran {
    /// It was made.
    Step,
    /// It cannot be made now: a lock is held, the thread sleeps.
    Blocked,
    /// The thread has come to its end.
    Ended,
}

pub trait System: Clone + Eq + Hash + Debug {
    const THREADS: usize;

    /// Thread `t` makes its next step; where it can go several ways, the one numbered `way`, below
    /// what [`System::ways`] says. An error: what must not happen has happened.
    fn step(&mut self, t: usize, way: usize) -> Result<Ran, String>;

    /// How many ways the next step of thread `t` can go.
    fn ways(&self, _t: usize) -> usize {
        1
    }

    /// What must hold in the end, when no thread can go on. (That all have ended is looked after.)
    fn at_end(&self) -> Result<(), String> {
        Ok(())
    }
}

/// How far it went.
#[derive(Debug)]
pub struct Explored {
    pub states: usize,
    pub ends: usize,
}

/// Why it is wrong, and how it comes to that.
#[derive(Debug)]
pub struct Wrong<S> {
    pub why: String,
    pub story: Vec<S>,
}

/// Visits every state that can be reached.
pub fn explore<S: System>(start: S) -> Result<Explored, Box<Wrong<S>>> {
    let mut seen: HashMap<S, Option<S>> = HashMap::new();
    let mut todo = vec![start.clone()];
    let mut ends = 0;
    seen.insert(start, None);
    while let Some(state) = todo.pop() {
        let wrong = |why: String, last: S, seen: &HashMap<S, Option<S>>| {
            let mut story = vec![last];
            let mut at = Some(state.clone());
            while let Some(s) = at {
                at = seen.get(&s).cloned().flatten();
                story.push(s);
            }
            story.reverse();
            Err(Box::new(Wrong { why, story }))
        };
        let (mut moved, mut blocked) = (false, false);
        for t in 0..S::THREADS {
            for way in 0..state.ways(t) {
                let mut next = state.clone();
                match next.step(t, way) {
                    Err(why) => return wrong(why, next, &seen),
                    Ok(Ran::Ended) => (),
                    Ok(Ran::Blocked) => blocked = true,
                    Ok(Ran::Step) => {
                        moved = true;
                        if !seen.contains_key(&next) {
                            seen.insert(next.clone(), Some(state.clone()));
                            todo.push(next);
                        }
                    }
                }
            }
        }
        if !moved {
            ends += 1;
            if blocked {
                return wrong("somebody sleeps for ever".into(), state.clone(), &seen);
            }
            if let Err(why) = state.at_end() {
                return wrong(why, state.clone(), &seen);
            }
        }
    }
    Ok(Explored {
        states: seen.len(),
        ends,
    })
}

/// All interleavings are right.
#[track_caller]
pub fn right<S: System>(start: S) -> Explored {
    match explore(start) {
        Ok(explored) => explored,
        Err(wrong) => panic!("{}:\n{}", wrong.why, told(&wrong.story)),
    }
}

/// Some interleaving goes wrong in this way: the model would notice.
#[track_caller]
pub fn wrong<S: System>(start: S, why: &str) {
    match explore(start) {
        Ok(explored) => panic!("nothing wrong in {} states", explored.states),
        Err(wrong) => assert!(
            wrong.why.contains(why),
            "{} instead:\n{}",
            wrong.why,
            told(&wrong.story)
        ),
    }
}

fn told<S: Debug>(story: &[S]) -> String {
    let lines: Vec<_> = story.iter().map(|s| format!("{s:?}")).collect();
    lines.join("\n")
}

/// A lock: who holds it.
pub type Lock = Option<usize>;

/// Takes a lock, or cannot.
pub fn take(lock: &mut Lock, t: usize) -> bool {
    match lock {
        None => {
            *lock = Some(t);
            true
        }
        Some(_) => false,
    }
}
