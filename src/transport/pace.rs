//! When a call may be sent, by what the service said of its limit.
//!
//! [`Pace`] decides and never sleeps: it is told the time. [`SharedPace`] is what the threads of a
//! client share, and sleeps until it is a call's turn.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A call that is not refused for so long counts as accepted. A limit refuses within a round trip,
/// and a Copilot edit that was accepted is answered after minutes.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

/// The gap after the first refusal, and the longest: limits of 20 a second to 12 a minute.
const FIRST_GAP: Duration = Duration::from_millis(50);
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// How much the gap grows with a refusal and shrinks with an accepted call. With these, a gap that
/// fits a limit meets one refusal for some eight calls.
const GROWTH: f64 = 1.5;
const SHRINKAGE: f64 = 0.95;

/// A shorter gap is none: a round trip takes longer.
const NO_GAP: Duration = Duration::from_millis(1);

/// The pause after a refusal without a `Retry-After`, which doubles with each one in a row.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A pause is no longer than the largest of 2 s, six gaps, and a third of the time since the first
/// refusal. Doubled without end, pauses would miss the end of a limit by the minute by as long as
/// the minute.
const LATE_PAUSE: Duration = Duration::from_secs(2);
const LATE_GAPS: u32 = 6;
const LATE_PART: u32 = 3;

/// How much is added to a pause at random, so that several clients do not come back together.
const JITTER: f64 = 0.25;

/// The longest `Retry-After` that is kept. A longer one would overflow the clock.
const LONGEST_ASKED: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How soon a call looks again that is not the first of the queue.
const NEXT_LOOK: Duration = Duration::from_millis(100);

/// A call's place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// A call that was let go, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// `None` if there was no limit and so no queue.
    ticket: Option<Ticket>,
    sent: Instant,
}

/// What a call that waits for its turn is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Be sent now.
    Go(Slot),
    /// Ask again after so long, or when anything has changed.
    Wait(Duration),
    /// Fail, unsent.
    GiveUp(Throttled),
}

/// No call will be accepted for longer than calls wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Throttled {
    /// What is left of the wait that the service asked for, if it did.
    pub(super) left: Option<Duration>,
}

/// The pace of a client's calls.
///
/// A call is *accepted* when it is answered by anything but 429, or is not refused within 1 s of
/// being sent. It is *refused* by a 429.
///
/// Invariants: a ticket is in `waiting` or in `in_flight` and never in both. While `gap`,
/// `refusals` and `pause_until` are nothing, every call may go at once.
#[derive(Debug)]
pub(super) struct Pace {
    max_throttled: Duration,
    /// The least time between the starts of two calls.
    gap: Duration,
    /// Whether a call was accepted since the gap last grew.
    may_grow: bool,
    /// How many refusals were counted since a call was last accepted.
    refusals: u32,
    /// Whether one call goes at a time, until one is accepted.
    one_at_a_time: bool,
    /// No call is sent before.
    pause_until: Option<Instant>,
    /// Until when the service asked to be left alone.
    asked_until: Option<Instant>,
    /// The same, if that was longer than calls wait. A call that is accepted meanwhile was sent
    /// before, and does not end it.
    barred_until: Option<Instant>,
    /// When the last refusal that counted came.
    refused_at: Option<Instant>,
    /// When the first refusal after the last accepted call came.
    throttled_since: Option<Instant>,
    /// When the last call was sent.
    last_sent: Option<Instant>,
    /// The calls that wait for their turn, first come, first served.
    waiting: VecDeque<Ticket>,
    /// The calls that were sent within the last second and not answered yet.
    in_flight: Vec<(Ticket, Instant)>,
    next_ticket: u64,
}

impl Pace {
    pub(super) fn new(max_throttled: Duration) -> Self {
        Self {
            max_throttled,
            gap: Duration::ZERO,
            may_grow: true,
            refusals: 0,
            one_at_a_time: false,
            pause_until: None,
            asked_until: None,
            barred_until: None,
            refused_at: None,
            throttled_since: None,
            last_sent: None,
            waiting: VecDeque::new(),
            in_flight: Vec::new(),
            next_ticket: 0,
        }
    }

    /// Whether no call has to wait, now or later. If so, nobody will be asked about the calls in
    /// flight.
    fn forget_if_unlimited(&mut self, now: Instant) -> bool {
        let is_paused = self.pause_until.is_some_and(|until| now < until);
        let is_limited = is_paused || !self.gap.is_zero() || self.refusals > 0;
        if is_limited || !self.waiting.is_empty() {
            return false;
        }
        self.in_flight.clear();
        true
    }

    /// Puts a call at the end of the queue.
    pub(super) fn join(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.waiting.push_back(ticket);
        ticket
    }

    /// Decides what a call in the queue does now. A call that goes or gives up has left the queue.
    pub(super) fn turn(&mut self, ticket: Ticket, now: Instant) -> Turn {
        self.settle(now);
        let earliest = self.earliest(now);
        if earliest <= now && self.waiting.front() == Some(&ticket) {
            self.waiting.pop_front();
            self.in_flight.push((ticket, now));
            self.last_sent = Some(now);
            return Turn::Go(Slot {
                ticket: Some(ticket),
                sent: now,
            });
        }
        if self.is_hopeless(earliest, now) {
            self.waiting.retain(|waiting| *waiting != ticket);
            let asked_until = self.asked_until.filter(|until| now < *until);
            let left = asked_until.map(|until| until - now);
            return Turn::GiveUp(Throttled { left });
        }
        let wait = earliest.saturating_duration_since(now);
        if self.waiting.front() == Some(&ticket) {
            return Turn::Wait(wait);
        }
        // `changed` wakes it when the first call goes.
        Turn::Wait(wait.max(NEXT_LOOK))
    }

    /// Returns when the first call of the queue may go.
    fn earliest(&self, now: Instant) -> Instant {
        let mut earliest = self.pause_until.map_or(now, |until| until.max(now));
        if let Some(last_sent) = self.last_sent {
            earliest = earliest.max(last_sent + self.gap);
        }
        if self.one_at_a_time
            && let Some(probe) = self.probe()
        {
            earliest = earliest.max(probe + REFUSED_WITHIN);
        }
        earliest
    }

    /// Returns when the call was sent that is to find out whether the limit is over.
    fn probe(&self) -> Option<Instant> {
        let refused_at = self.refused_at?;
        let sent = self.in_flight.iter().map(|(_, sent)| *sent);
        sent.filter(|sent| *sent > refused_at).max()
    }

    /// Whether no call was accepted for too long, or will be.
    fn is_hopeless(&self, earliest: Instant, now: Instant) -> bool {
        if self.barred_until.is_some_and(|until| now < until) {
            return true;
        }
        let Some(since) = self.throttled_since else {
            return false;
        };
        // The answer to the probe may end the limit.
        if self.one_at_a_time && self.probe().is_some() {
            return false;
        }
        let until = self.hopeless_from(since);
        earliest > until || now >= until
    }

    /// Returns until when calls wait, if the service accepts none since then.
    fn hopeless_from(&self, since: Instant) -> Instant {
        since + self.max_throttled.min(LONGEST_ASKED)
    }

    /// Takes note that a call was answered by anything but 429.
    pub(super) fn answered(&mut self, slot: Slot, now: Instant) {
        self.settle(now);
        let is_news = match slot.ticket {
            Some(_) => self.take(slot),
            // It was never in flight, since there was no limit when it was sent.
            None => now < slot.sent + REFUSED_WITHIN,
        };
        if is_news {
            self.accept();
        }
    }

    /// Takes note that a call got no answer.
    pub(super) fn unanswered(&mut self, slot: Slot, now: Instant) {
        self.settle(now);
        self.take(slot);
    }

    /// Takes note of a refusal, with the wait that the service asked for. `random` is from 0 to 1.
    pub(super) fn refused(
        &mut self,
        slot: Slot,
        asked: Option<Duration>,
        random: f64,
        now: Instant,
    ) {
        self.settle(now);
        self.take(slot);
        let asked = asked.filter(|asked| !asked.is_zero());
        let asked = asked.map(|asked| asked.min(LONGEST_ASKED));
        if let Some(asked) = asked {
            let until = now + asked;
            self.asked_until = self.asked_until.max(Some(until));
            if until > self.hopeless_from(now) {
                self.barred_until = self.barred_until.max(Some(until));
            }
        }
        let is_of_last_pause = self.refused_at.is_some_and(|at| slot.sent <= at);
        if is_of_last_pause {
            self.pause(now + asked.unwrap_or_default());
            return;
        }

        self.refusals += 1;
        self.one_at_a_time |= self.gap.is_zero() || self.refusals >= 2;
        if self.may_grow {
            self.gap = self.gap.mul_f64(GROWTH).clamp(FIRST_GAP, LONGEST_GAP);
            self.may_grow = false;
        }
        self.refused_at = Some(now);
        let since = *self.throttled_since.get_or_insert(now);
        let pause = asked.unwrap_or_else(|| self.own_pause(since, now));
        let plain = now + pause;
        let jittered = now + pause.mul_f64(1.0 + JITTER * random);
        // What is added at random alone must not make calls give up.
        let latest = plain.max(self.hopeless_from(since));
        self.pause(jittered.min(latest));
    }

    /// Returns the pause after a refusal that came without one.
    fn own_pause(&self, since: Instant, now: Instant) -> Duration {
        let doubled = 1_u32.checked_shl(self.refusals.saturating_sub(1));
        let pause = self.gap.max(SHORTEST_PAUSE);
        let pause = pause.saturating_mul(doubled.unwrap_or(u32::MAX));
        let throttled = now.saturating_duration_since(since);
        let longest = LATE_PAUSE
            .max(self.gap * LATE_GAPS)
            .max(throttled / LATE_PART);
        pause.min(longest).min(LONGEST_PAUSE)
    }

    /// Lets no call be sent before.
    pub(super) fn pause(&mut self, until: Instant) {
        self.pause_until = self.pause_until.max(Some(until));
    }

    /// Accepts the calls that were not refused in time.
    fn settle(&mut self, now: Instant) {
        let before = self.in_flight.len();
        self.in_flight
            .retain(|(_, sent)| now < *sent + REFUSED_WITHIN);
        for _ in self.in_flight.len()..before {
            self.accept();
        }
    }

    fn accept(&mut self) {
        self.may_grow = true;
        self.refusals = 0;
        self.one_at_a_time = false;
        self.throttled_since = None;
        self.gap = self.gap.mul_f64(SHRINKAGE);
        if self.gap < NO_GAP {
            self.gap = Duration::ZERO;
        }
    }

    /// Takes a call out of those in flight. It is not there if it was accepted already.
    fn take(&mut self, slot: Slot) -> bool {
        let before = self.in_flight.len();
        self.in_flight
            .retain(|(ticket, _)| Some(*ticket) != slot.ticket);
        self.in_flight.len() < before
    }
}

/// The pace of a client, as its threads share it.
pub(super) struct SharedPace {
    /// Whether a call has to ask `pace`. It is changed under the lock and read without it, so that
    /// threads do not meet at the lock when there is no limit. A call that reads `false` while a
    /// refusal is noted counts as sent before it.
    is_limited: AtomicBool,
    pace: Mutex<Pace>,
    /// Told of every change of `pace`.
    changed: Condvar,
}

impl SharedPace {
    pub(super) fn new(max_throttled: Duration) -> Self {
        Self {
            is_limited: AtomicBool::new(false),
            pace: Mutex::new(Pace::new(max_throttled)),
            changed: Condvar::new(),
        }
    }

    /// Lets a call go that does not keep the pace.
    fn slot_at_once(&self) -> Slot {
        Slot {
            ticket: None,
            sent: Instant::now(),
        }
    }

    /// Waits until a call may be sent.
    pub(super) fn wait_for_slot(&self) -> Result<Slot, Throttled> {
        if !self.is_limited.load(Ordering::Acquire) {
            return Ok(self.slot_at_once());
        }
        let mut pace = self.lock();
        let ticket = pace.join();
        loop {
            match pace.turn(ticket, Instant::now()) {
                Turn::Go(slot) => {
                    self.tell(&mut pace);
                    return Ok(slot);
                }
                Turn::GiveUp(throttled) => {
                    self.tell(&mut pace);
                    return Err(throttled);
                }
                Turn::Wait(wait) => {
                    let waited = self.changed.wait_timeout(pace, wait);
                    pace = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    /// Takes note that a call was answered by anything but 429.
    pub(super) fn answered(&self, slot: Slot) {
        if self.is_limited.load(Ordering::Acquire) {
            let mut pace = self.lock();
            pace.answered(slot, Instant::now());
            self.tell(&mut pace);
        }
    }

    /// Takes note that a call got no answer.
    pub(super) fn unanswered(&self, slot: Slot) {
        if self.is_limited.load(Ordering::Acquire) {
            let mut pace = self.lock();
            pace.unanswered(slot, Instant::now());
            self.tell(&mut pace);
        }
    }

    /// Takes note of a refusal, with the wait that the service asked for.
    pub(super) fn refused(&self, slot: Slot, asked: Option<Duration>) {
        let mut pace = self.lock();
        pace.refused(slot, asked, random(), Instant::now());
        self.tell(&mut pace);
    }

    /// Whether a call would give up.
    pub(super) fn is_hopeless(&self) -> bool {
        let now = Instant::now();
        let pace = self.lock();
        pace.is_hopeless(pace.earliest(now), now)
    }

    /// Lets no call be sent for so long.
    pub(super) fn pause(&self, pause: Duration) {
        let mut pace = self.lock();
        pace.pause(Instant::now() + pause.min(LONGEST_ASKED));
        self.tell(&mut pace);
    }

    fn lock(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the calls that wait look at the changed pace.
    fn tell(&self, pace: &mut Pace) {
        let is_unlimited = pace.forget_if_unlimited(Instant::now());
        self.is_limited.store(!is_unlimited, Ordering::Release);
        self.changed.notify_all();
    }
}

/// Returns a random number from 0 to 1. The seed of a hash map is random enough to spread clients
/// out, and needs no dependency.
pub(super) fn random() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

#[cfg(test)]
mod play;
#[cfg(test)]
mod tests;
