//! What the pace makes of limits and of single answers, on a clock of its own.

use super::play::{Limit, Play, Played, Service};
use super::*;

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

#[expect(clippy::too_many_lines, reason = "a table")]
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
        for seed in 0..10 {
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
fn an_answer_to_a_call_that_was_sent_before_ends_no_retry_after_that_is_too_long() {
    let mut clock = Clock::new();
    let first = clock.at_once();
    let second = clock.at_once();
    clock.refuse(first, Some(3600));
    clock.pace.answered(second, clock.now);
    let ticket = clock.pace.join();
    let left = Some(Duration::from_secs(3600));
    assert_eq!(clock.turn(ticket), Turn::GiveUp(Throttled { left }));
    clock.pass(3_599_000);
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
