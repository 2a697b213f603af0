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

/// How many refused calls are logged within one [`LOG_WINDOW`].
const LOGGED_MAX: u32 = 50;

const LOG_WINDOW: Duration = Duration::from_secs(10);

/// The calls that were refused recently.
#[derive(Debug)]
pub struct Refusals {
    /// `None` if the settings have no limit.
    counts: Option<Failures<Source>>,
    clock: Arc<dyn Clock>,
    log: Mutex<LogWindow>,
}

#[derive(Debug, Default)]
struct LogWindow {
    since: Option<Instant>,
    logged: u32,
    /// How many calls were not logged since the last one that was.
    skipped: u64,
}

/// Whether a refused call is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogDecision {
    /// It is, with the number of calls before it that were not.
    Log { skipped: u64 },
    /// It is not: too many were logged within a short time.
    Skip,
}

impl Refusals {
    /// From `per_minute` refused calls within a minute, an address has too many; 0 is no limit.
    pub fn new(per_minute: u32, clock: Arc<dyn Clock>) -> Self {
        Self {
            counts: (per_minute > 0).then(|| Failures::new(per_minute, WINDOW)),
            clock,
            log: Mutex::default(),
        }
    }

    /// Counts a refused call, and decides whether it is logged.
    pub(crate) fn add(&self, source: Source) -> LogDecision {
        let now = self.clock.monotonic();
        if let Some(counts) = &self.counts {
            counts.add(&source.subscriber(), now);
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= LOG_WINDOW)
        {
            log.since = Some(now);
            log.logged = 0;
        }
        if log.logged >= LOGGED_MAX {
            log.skipped += 1;
            return LogDecision::Skip;
        }
        log.logged += 1;
        LogDecision::Log {
            skipped: std::mem::take(&mut log.skipped),
        }
    }

    /// Whether calls from this address must wait. While no call is refused, this takes no lock.
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
            assert_eq!(refusals.add(source(1)), LogDecision::Log { skipped: 0 });
        }
        for _ in 0..1000 {
            assert_eq!(refusals.add(source(1)), LogDecision::Skip);
        }
        clock.advance(LOG_WINDOW);
        assert_eq!(refusals.add(source(1)), LogDecision::Log { skipped: 1000 });
        assert_eq!(refusals.add(source(1)), LogDecision::Log { skipped: 0 });
    }
}
