//! Counts refused calls by address, and limits how many of them are logged.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::failures::Failures;
use crate::source::Source;

/// How long refused calls are counted, from the first one on.
const WINDOW: Duration = Duration::from_secs(60);

/// The delay of each call from an address with too many refusals. An attacker there gets one guess a second on each
/// connection, and an administrator there is answered a second later.
pub(crate) const WAIT: Duration = Duration::from_secs(1);

/// How many refused calls are logged in one [`LOG_WINDOW`].
const LOGGED_MAX: u32 = 50;

const LOG_WINDOW: Duration = Duration::from_secs(10);

/// The calls that were refused recently.
#[derive(Debug)]
pub struct Refusals {
    /// `None` if the settings have no limit.
    counts: Option<Failures<Source>>,
    clock: Arc<dyn Clock>,
    logged: Mutex<Logged>,
}

#[derive(Debug, Default)]
struct Logged {
    /// The time when the window began.
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

/// Whether a refused call is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Yes, with the number of calls before it that were not logged.
    Line { left_out: u64 },
    /// Too many were logged in a short time.
    LeftOut,
}

impl Refusals {
    /// `max` is the limit of refused calls in a minute from one address; 0 is no limit.
    pub fn new(per_minute: u32, clock: Arc<dyn Clock>) -> Self {
        Self {
            counts: (per_minute > 0).then(|| Failures::new(per_minute, WINDOW)),
            clock,
            logged: Mutex::default(),
        }
    }

    /// Counts a refused call.
    pub(crate) fn add(&self, source: Source) -> Telling {
        let now = self.clock.monotonic();
        if let Some(counts) = &self.counts {
            counts.add(&source.subscriber(), now);
        }
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= LOG_WINDOW)
        {
            logged.since = Some(now);
            logged.lines = 0;
        }
        if logged.lines >= LOGGED_MAX {
            logged.left_out += 1;
            return Telling::LeftOut;
        }
        logged.lines += 1;
        Telling::Line {
            left_out: std::mem::take(&mut logged.left_out),
        }
    }

    /// Whether calls from this address have to wait. It costs next to nothing while no call is refused.
    pub(crate) fn are_too_many(&self, source: Source) -> bool {
        let counts = self.counts.as_ref().filter(|counts| counts.is_watching());
        counts.is_some_and(|counts| counts.wait(&source.subscriber(), self.clock.monotonic()).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::AdvancedClock;

    fn source(last: u8) -> Source {
        Source::new([192, 0, 2, last].into())
    }

    fn refusals(per_minute: u32) -> (Refusals, Arc<AdvancedClock>) {
        let clock = Arc::<AdvancedClock>::default();
        (Refusals::new(per_minute, Arc::clone(&clock) as Arc<dyn Clock>), clock)
    }

    #[test]
    fn calls_from_an_address_with_many_refusals_wait_for_a_minute() {
        let (some, clock) = refusals(20);
        for n in 0..20 {
            assert!(!some.are_too_many(source(1)), "{n}");
            some.add(source(1));
        }
        assert!(some.are_too_many(source(1)));
        assert!(!some.are_too_many(source(2)));
        clock.advance(Duration::from_secs(50));
        assert!(some.are_too_many(source(1)));
        clock.advance(Duration::from_secs(10));
        assert!(!some.are_too_many(source(1)));

        let (unlimited, _) = refusals(0);
        for _ in 0..100 {
            unlimited.add(source(1));
        }
        assert!(!unlimited.are_too_many(source(1)));
    }

    #[test]
    fn some_are_logged_and_the_others_counted() {
        let (refusals, clock) = refusals(20);
        for _ in 0..LOGGED_MAX {
            assert_eq!(refusals.add(source(1)), Telling::Line { left_out: 0 });
        }
        for _ in 0..1000 {
            assert_eq!(refusals.add(source(1)), Telling::LeftOut);
        }
        clock.advance(LOG_WINDOW);
        assert_eq!(refusals.add(source(1)), Telling::Line { left_out: 1000 });
        assert_eq!(refusals.add(source(1)), Telling::Line { left_out: 0 });
    }
}
