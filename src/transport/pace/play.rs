//! A service with a limit and the threads of a client, on a clock of their own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::{Pace, Slot, Ticket, Turn};

const ROUND_TRIP: Duration = Duration::from_millis(20);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A service that refuses what is over its limit, on a clock of its own: all times are since
/// the start.
pub(super) struct Service {
    pub(super) limit: Limit,
    /// How long an edit takes, in seconds: from, to.
    pub(super) edit: (f64, f64),
    pub(super) says_retry_after: bool,
}

pub(super) enum Limit {
    /// So many a second, and so many at once; what is left of those, and when that was.
    Rate {
        rate: f64,
        burst: f64,
        left: f64,
        at: Duration,
    },
    /// So many in each window.
    Window {
        length: Duration,
        most: u32,
        used: u32,
        window: u128,
    },
    /// So many at a time.
    AtATime { most: u32, running: u32 },
    /// So many, and then none.
    Quota { left: u32 },
}

impl Limit {
    pub(super) fn rate(rate: f64, burst: f64) -> Self {
        Self::Rate {
            rate,
            burst,
            left: burst,
            at: Duration::ZERO,
        }
    }

    pub(super) fn window(seconds: u64, most: u32) -> Self {
        let length = Duration::from_secs(seconds);
        Self::Window {
            length,
            most,
            used: 0,
            window: 0,
        }
    }

    /// Takes a call, or says how long to wait until one can be taken.
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        match self {
            Self::Rate {
                rate,
                burst,
                left,
                at,
            } => {
                *left = (*left + (now - *at).as_secs_f64() * *rate).min(*burst);
                *at = now;
                if *left < 1.0 {
                    return Err(seconds((1.0 - *left) / *rate));
                }
                *left -= 1.0;
                Ok(())
            }
            Self::Window {
                length,
                most,
                used,
                window,
            } => {
                let this = now.as_nanos() / length.as_nanos();
                if this != *window {
                    *window = this;
                    *used = 0;
                }
                if used == most {
                    let end = length.mul_f64(this as f64 + 1.0);
                    return Err(end.saturating_sub(now));
                }
                *used += 1;
                Ok(())
            }
            Self::AtATime { most, running } if *running < *most => {
                *running += 1;
                Ok(())
            }
            Self::Quota { left } if *left > 0 => {
                *left -= 1;
                Ok(())
            }
            Self::AtATime { .. } | Self::Quota { .. } => Err(Duration::from_secs(60)),
        }
    }

    fn done(&mut self) {
        if let Self::AtATime { running, .. } = self {
            *running -= 1;
        }
    }
}

/// What a thread hears.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Look,
    Accepted(usize),
    Refused(usize, Option<Duration>),
}

struct Thread {
    ticket: Option<Ticket>,
    slot: Option<Slot>,
}

#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) made: u32,
    pub(super) failed: u32,
    pub(super) refusals: u32,
    /// When the last call was over.
    pub(super) took: Duration,
}

/// Plays threads that make so many calls, as [`SharedPace`] lets them.
pub(super) struct Play {
    service: Service,
    pace: Pace,
    start: Instant,
    now: Duration,
    events: BinaryHeap<Reverse<(Duration, Event)>>,
    threads: Vec<Thread>,
    calls_left: u32,
    is_limited: bool,
    /// When a waiting thread is to look next.
    next_look: Option<Duration>,
    random: u64,
    played: Played,
}

impl Play {
    pub(super) fn run(service: Service, calls: u32, threads: usize, seed: u64) -> Played {
        let mut play = Self {
            service,
            pace: Pace::new(Duration::from_secs(600)),
            start: Instant::now(),
            now: Duration::ZERO,
            events: BinaryHeap::new(),
            threads: Vec::new(),
            calls_left: calls,
            is_limited: false,
            next_look: None,
            random: seed * 2 + 1,
            played: Played::default(),
        };
        for thread in 0..threads {
            play.threads.push(Thread {
                ticket: None,
                slot: None,
            });
            play.next_call(thread);
        }
        play.look();
        while let Some(Reverse((at, event))) = play.events.pop() {
            play.now = at;
            play.hear(event);
            play.look();
        }
        play.played
    }

    fn random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random as f64 / u64::MAX as f64
    }

    fn at(&self) -> Instant {
        self.start + self.now
    }

    fn next_call(&mut self, thread: usize) {
        if self.calls_left > 0 {
            self.calls_left -= 1;
            self.wait(thread);
        }
    }

    /// As [`SharedPace::wait_for_slot`].
    fn wait(&mut self, thread: usize) {
        if self.is_limited {
            self.threads[thread].ticket = Some(self.pace.join());
        } else {
            let slot = Slot {
                ticket: None,
                sent: self.at(),
            };
            self.send(thread, slot);
        }
    }

    fn send(&mut self, thread: usize, slot: Slot) {
        self.threads[thread].slot = Some(slot);
        let answer = match self.service.limit.take(self.now) {
            Ok(()) => {
                let (from, to) = self.service.edit;
                let takes = seconds(from + (to - from) * self.random());
                (self.now + ROUND_TRIP + takes, Event::Accepted(thread))
            }
            Err(left) => {
                self.played.refusals += 1;
                let whole = Duration::from_secs(left.as_secs_f64().ceil() as u64);
                let asked = self.service.says_retry_after.then_some(whole);
                (self.now + ROUND_TRIP, Event::Refused(thread, asked))
            }
        };
        self.events.push(Reverse(answer));
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Look => self.next_look = None,
            Event::Accepted(thread) => {
                self.service.limit.done();
                self.played.made += 1;
                self.played.took = self.now;
                let slot = self.threads[thread].slot.take().unwrap();
                if self.is_limited {
                    self.pace.answered(slot, self.at());
                    self.tell();
                }
                self.next_call(thread);
            }
            Event::Refused(thread, asked) => {
                let slot = self.threads[thread].slot.take().unwrap();
                let random = self.random();
                self.pace.refused(slot, asked, random, self.at());
                self.tell();
                self.wait(thread);
            }
        }
    }

    fn tell(&mut self) {
        self.is_limited = !self.pace.forget_if_unlimited(self.at());
    }

    /// Lets all threads look that wait for their turn, until none of them goes.
    fn look(&mut self) {
        let mut thread = 0;
        while thread < self.threads.len() {
            let Some(ticket) = self.threads[thread].ticket else {
                thread += 1;
                continue;
            };
            match self.pace.turn(ticket, self.at()) {
                Turn::Wait(wait) => {
                    // Only the first one looks by itself: the others are told.
                    let at = self.now + wait;
                    let is_first = self.pace.waiting.front() == Some(&ticket);
                    if is_first && self.next_look.is_none_or(|next| at < next) {
                        self.next_look = Some(at);
                        self.events.push(Reverse((at, Event::Look)));
                    }
                    thread += 1;
                }
                Turn::Go(slot) => {
                    self.threads[thread].ticket = None;
                    self.tell();
                    self.send(thread, slot);
                    thread = 0;
                }
                Turn::GiveUp(_) => {
                    self.threads[thread].ticket = None;
                    self.played.failed += 1;
                    self.played.took = self.now;
                    self.tell();
                    self.next_call(thread);
                    thread = 0;
                }
            }
        }
    }
}
