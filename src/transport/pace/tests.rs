//! What the pace does, on a clock of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

const ROUND_TRIP: Duration = Duration::from_millis(20);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A service that refuses what is over its limit, on a clock of its own: all times are since
/// the start.
struct Service {
    limit: Limit,
    /// How long an edit takes: from, to.
    edit: (f64, f64),
    says_retry_after: bool,
}

enum Limit {
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
    fn rate(rate: f64, burst: f64) -> Self {
        Self::Rate {
            rate,
            burst,
            left: burst,
            at: Duration::ZERO,
        }
    }

    fn window(seconds: u64, most: u32) -> Self {
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
struct Played {
    made: u32,
    failed: u32,
    refusals: u32,
    took: Duration,
}

/// Plays threads that make so many calls, as [`SharedPace`] lets them.
struct Play {
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
    fn run(service: Service, calls: u32, threads: usize, seed: u64) -> Played {
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

/// A row of the table: a limit, what is to be made, and what that may cost.
struct Row {
    name: &'static str,
    limit: fn() -> Limit,
    /// In seconds: from, to.
    edit: (f64, f64),
    says_retry_after: bool,
    calls: u32,
    threads: usize,
    /// In seconds: as fast as the limit allows.
    ideal: f64,
    /// How often the ideal time it may take.
    times_ideal: f64,
    /// How many refusals there may be for each call.
    refusals: f64,
}

impl Row {
    fn play(&self, seed: u64) -> Played {
        let service = Service {
            limit: (self.limit)(),
            edit: self.edit,
            says_retry_after: self.says_retry_after,
        };
        Play::run(service, self.calls, self.threads, seed)
    }
}

fn rows() -> Vec<Row> {
    let four_a_second = Row {
        name: "4 a second, 4 threads",
        limit: || Limit::rate(4.0, 4.0),
        edit: (0.5, 0.5),
        says_retry_after: false,
        calls: 60,
        threads: 4,
        ideal: 14.0,
        times_ideal: 1.3,
        refusals: 0.5,
    };
    let by_the_window = Row {
        name: "40 in each window of 10 s",
        limit: || Limit::window(10, 40),
        calls: 80,
        threads: 8,
        ideal: 10.0,
        times_ideal: 1.5,
        refusals: 0.7,
        ..four_a_second
    };
    vec![
        Row {
            name: "4 a second, 16 threads",
            threads: 16,
            times_ideal: 1.4,
            refusals: 0.7,
            ..four_a_second
        },
        Row {
            name: "4 a second, with Retry-After",
            says_retry_after: true,
            threads: 16,
            times_ideal: 1.4,
            refusals: 0.7,
            ..four_a_second
        },
        Row {
            name: "8 a second, 64 threads",
            limit: || Limit::rate(8.0, 8.0),
            edit: (1.0, 1.0),
            calls: 200,
            threads: 64,
            ideal: 24.0,
            times_ideal: 1.45,
            refusals: 0.7,
            ..four_a_second
        },
        Row {
            name: "1 a second, with Retry-After",
            limit: || Limit::rate(1.0, 1.0),
            says_retry_after: true,
            calls: 30,
            threads: 16,
            ideal: 29.0,
            times_ideal: 1.9,
            refusals: 1.4,
            ..four_a_second
        },
        Row {
            name: "60 in each minute",
            limit: || Limit::window(60, 60),
            ideal: 60.0,
            ..by_the_window
        },
        Row {
            name: "40 quick calls in each window of 10 s",
            edit: (0.02, 0.02),
            ..by_the_window
        },
        Row {
            name: "60 quick calls in each minute",
            limit: || Limit::window(60, 60),
            edit: (0.02, 0.02),
            ideal: 60.0,
            ..by_the_window
        },
        Row {
            name: "2 at a time",
            limit: || Limit::AtATime {
                most: 2,
                running: 0,
            },
            edit: (120.0, 300.0),
            calls: 40,
            threads: 16,
            ideal: 40.0 * 210.0 / 2.0,
            times_ideal: 1.2,
            refusals: 8.0,
            ..four_a_second
        },
        four_a_second,
        by_the_window,
    ]
}

#[test]
fn every_call_is_made_soon_under_every_limit() {
    for row in rows() {
        for seed in 0..20 {
            let name = row.name;
            let played = row.play(seed);
            assert_eq!(played.made, row.calls, "{name}, seed {seed}: {played:?}");
            let times_ideal = played.took.as_secs_f64() / row.ideal;
            assert!(
                times_ideal <= row.times_ideal,
                "{name}, seed {seed}: {times_ideal:.2} times the ideal time, {played:?}"
            );
            let refusals = f64::from(played.refusals) / f64::from(row.calls);
            assert!(refusals <= row.refusals, "{name}, seed {seed}: {played:?}");
        }
    }
}

#[test]
fn a_quota_that_is_used_up_ends_it_within_15_minutes() {
    let quota = Service {
        limit: Limit::Quota { left: 100 },
        edit: (0.5, 0.5),
        says_retry_after: false,
    };
    let played = Play::run(quota, 1_000, 16, 1);
    assert_eq!(played.made, 100);
    assert_eq!(played.failed, 900);
    assert!(played.took <= Duration::from_secs(15 * 60), "{played:?}");
    assert!(played.refusals < 100, "{played:?}");
}

/// A pace and its clock, for what happens between two calls.
struct Clock {
    pace: Pace,
    now: Instant,
}

impl Clock {
    fn new() -> Self {
        Self {
            pace: Pace::new(Duration::from_secs(600)),
            now: Instant::now(),
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Lets a call go that asks no one.
    fn at_once(&self) -> Slot {
        Slot {
            ticket: None,
            sent: self.now,
        }
    }

    fn turn(&mut self, ticket: Ticket) -> Turn {
        self.pace.turn(ticket, self.now)
    }

    #[track_caller]
    fn goes(&mut self, ticket: Ticket) -> Slot {
        match self.turn(ticket) {
            Turn::Go(slot) => slot,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn waits(&mut self, ticket: Ticket) -> Duration {
        match self.turn(ticket) {
            Turn::Wait(wait) => wait,
            other => panic!("{other:?}"),
        }
    }

    fn refuse(&mut self, slot: Slot, asked: Option<u64>) {
        let asked = asked.map(Duration::from_secs);
        self.pace.refused(slot, asked, 0.0, self.now);
    }
}

#[test]
fn refusals_of_calls_that_were_sent_before_the_pause_count_once() {
    let mut clock = Clock::new();
    let slots = [clock.at_once(), clock.at_once(), clock.at_once()];
    clock.pass(10);
    for slot in slots {
        clock.refuse(slot, None);
    }
    assert_eq!(clock.pace.refusals, 1);
    assert_eq!(clock.pace.gap, FIRST_GAP);
    let ticket = clock.pace.join();
    assert_eq!(clock.waits(ticket), SHORTEST_PAUSE);
}

#[test]
fn after_the_first_refusal_one_call_goes_until_it_is_accepted() {
    let mut clock = Clock::new();
    let slot = clock.at_once();
    clock.pass(10);
    clock.refuse(slot, None);
    let first = clock.pace.join();
    let second = clock.pace.join();
    clock.pass(100);
    // First come, first served.
    clock.waits(second);
    clock.goes(first);
    clock.pass(500);
    // The gap is over, and the first is neither answered nor refused.
    assert_eq!(clock.waits(second), Duration::from_millis(500));
    clock.pass(500);
    clock.goes(second);
}

#[test]
fn an_answer_lets_the_next_call_go_at_once() {
    let mut clock = Clock::new();
    let slot = clock.at_once();
    clock.refuse(slot, None);
    let first = clock.pace.join();
    let second = clock.pace.join();
    clock.pass(100);
    let slot = clock.goes(first);
    clock.pass(60);
    clock.pace.answered(slot, clock.now);
    clock.goes(second);
    assert_eq!(clock.pace.refusals, 0);
}

#[test]
fn a_connection_that_broke_is_no_accepted_call() {
    let mut clock = Clock::new();
    let slot = clock.at_once();
    clock.refuse(slot, None);
    let first = clock.pace.join();
    clock.pass(100);
    let slot = clock.goes(first);
    clock.pass(60);
    clock.pace.unanswered(slot, clock.now);
    assert_eq!(clock.pace.refusals, 1);
    // It holds up nobody either.
    let second = clock.pace.join();
    clock.goes(second);
}

#[test]
fn the_gap_grows_only_if_a_call_was_accepted_since_it_last_grew() {
    let mut clock = Clock::new();
    let slot = clock.at_once();
    clock.refuse(slot, None);
    for refusals in 2..6 {
        let ticket = clock.pace.join();
        clock.pass(60_000);
        let slot = clock.goes(ticket);
        clock.pass(10);
        clock.refuse(slot, None);
        assert_eq!(clock.pace.refusals, refusals);
        assert_eq!(clock.pace.gap, FIRST_GAP);
    }
    let ticket = clock.pace.join();
    clock.pass(60_000);
    let slot = clock.goes(ticket);
    clock.pace.answered(slot, clock.now);
    let shrunk = FIRST_GAP.mul_f64(SHRINKAGE);
    assert_eq!(clock.pace.gap, shrunk);
    let ticket = clock.pace.join();
    clock.pass(60_000);
    let slot = clock.goes(ticket);
    clock.refuse(slot, None);
    assert_eq!(clock.pace.gap, shrunk.mul_f64(GROWTH));
}

#[test]
fn a_retry_after_is_waited_for_and_zero_counts_as_none() {
    let mut clock = Clock::new();
    let slot = clock.at_once();
    clock.refuse(slot, Some(7));
    let ticket = clock.pace.join();
    assert_eq!(clock.waits(ticket), Duration::from_secs(7));

    let mut clock = Clock::new();
    let slot = clock.at_once();
    clock.refuse(slot, Some(0));
    let ticket = clock.pace.join();
    assert_eq!(clock.waits(ticket), SHORTEST_PAUSE);
}

#[test]
fn at_most_a_quarter_is_added_at_random() {
    let mut clock = Clock::new();
    let slot = clock.at_once();
    let asked = Some(Duration::from_secs(8));
    clock.pace.refused(slot, asked, 1.0, clock.now);
    let ticket = clock.pace.join();
    assert_eq!(clock.waits(ticket), Duration::from_secs(10));
}

#[test]
fn a_retry_after_that_is_too_long_ends_all_calls_until_it_is_over() {
    let mut clock = Clock::new();
    let waiting = clock.pace.join();
    let slot = clock.at_once();
    clock.refuse(slot, Some(601));
    let left = Some(Duration::from_secs(601));
    assert_eq!(clock.turn(waiting), Turn::GiveUp(Throttled { left }));
    clock.pass(600_000);
    let late = clock.pace.join();
    let left = Some(Duration::from_secs(1));
    assert_eq!(clock.turn(late), Turn::GiveUp(Throttled { left }));
    clock.pass(1_000);
    let later = clock.pace.join();
    clock.goes(later);
}

#[test]
fn calls_give_up_when_none_was_accepted_for_too_long() {
    let mut clock = Clock::new();
    let slot = clock.at_once();
    clock.refuse(slot, None);
    let waiting = clock.pace.join();
    let last = clock.pace.join();
    clock.pass(590_000);
    let slot = clock.goes(waiting);
    // Its answer may still end it.
    clock.waits(last);
    clock.refuse(slot, Some(20));
    let left = Some(Duration::from_secs(20));
    assert_eq!(clock.turn(last), Turn::GiveUp(Throttled { left }));
    // Later, one call at a time may find out whether the limit is over.
    clock.pass(30_000);
    let probe = clock.pace.join();
    let other = clock.pace.join();
    let slot = clock.goes(probe);
    clock.waits(other);
    clock.pace.answered(slot, clock.now);
    clock.pass(60);
    clock.goes(other);
}

#[test]
fn chance_makes_no_retry_after_too_long() {
    let mut clock = Clock::new();
    let slot = clock.at_once();
    let asked = Some(Duration::from_secs(590));
    clock.pace.refused(slot, asked, 1.0, clock.now);
    let ticket = clock.pace.join();
    assert_eq!(clock.waits(ticket), Duration::from_secs(600));
    clock.pass(600_000);
    clock.goes(ticket);
}

#[test]
fn an_endless_retry_after_is_no_reason_to_panic() {
    let mut clock = Clock::new();
    let slot = clock.at_once();
    clock.refuse(slot, Some(u64::MAX));
    let ticket = clock.pace.join();
    assert!(matches!(clock.turn(ticket), Turn::GiveUp(_)));
    let mut patient = Pace::new(Duration::MAX);
    patient.refused(slot, Some(Duration::MAX), 1.0, clock.now);
    let ticket = patient.join();
    assert!(matches!(patient.turn(ticket, clock.now), Turn::Wait(_)));
}

#[test]
fn a_pace_that_nothing_limits_any_more_is_forgotten() {
    let mut clock = Clock::new();
    let slot = clock.at_once();
    clock.refuse(slot, None);
    assert!(!clock.pace.forget_if_unlimited(clock.now));
    for _ in 0..200 {
        clock.pass(1_000);
        let ticket = clock.pace.join();
        let slot = clock.goes(ticket);
        clock.pace.answered(slot, clock.now);
    }
    assert!(clock.pace.forget_if_unlimited(clock.now));
}
