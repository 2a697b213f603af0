//! Calls that were refused: how many from which address, and how many of them are logged.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::failures::Failures;
use crate::source::Source;

/// How long refused calls count, from the first on.
const WINDOW: Duration = Duration::from_secs(60);

/// How long each call waits that comes from an address with too many refusals. Whoever guesses from there gets one guess
/// a second from each connection, and the administrator there is answered a second late.
pub(crate) const WAIT: Duration = Duration::from_secs(1);

/// How many refused calls are logged in one [`LOG_WINDOW`].
const LOGGED_MAX: u32 = 50;

const LOG_WINDOW: Duration = Duration::from_secs(10);

/// The calls that were refused lately.
#[derive(Debug)]
pub struct Refusals {
    /// `None` where the settings want no limit.
    counts: Option<Failures<Source>>,
    logged: Mutex<Logged>,
}

#[derive(Debug, Default)]
struct Logged {
    /// When the window began.
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

/// Whether a refused call is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Yes, and how many before it were left out.
    Line { left_out: u64 },
    /// Too many were logged in a short time.
    LeftOut,
}

impl Refusals {
    /// So many refused calls a minute are too many from one address; with 0 any number is fine.
    pub fn new(per_minute: u32) -> Self {
        Self {
            counts: (per_minute > 0).then(|| Failures::new(per_minute, WINDOW)),
            logged: Mutex::default(),
        }
    }

    /// Counts a refused call.
    pub(crate) fn add(&self, source: Source, now: Instant) -> Telling {
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
        counts.is_some_and(|counts| counts.wait(&source.subscriber(), Instant::now()).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::new([192, 0, 2, last].into())
    }

    #[test]
    fn calls_from_an_address_with_many_refusals_wait() {
        let refusals = Refusals::new(20);
        for n in 0..20 {
            assert!(!refusals.are_too_many(source(1)), "{n}");
            refusals.add(source(1), Instant::now());
        }
        assert!(refusals.are_too_many(source(1)));
        assert!(!refusals.are_too_many(source(2)));
        let unlimited = Refusals::new(0);
        for _ in 0..100 {
            unlimited.add(source(1), Instant::now());
        }
        assert!(!unlimited.are_too_many(source(1)));
    }

    #[test]
    fn some_are_logged_and_the_number_of_others() {
        let (refusals, start) = (Refusals::new(20), Instant::now());
        let told = |n: u32| refusals.add(source(1), start + Duration::from_millis(n.into()));
        for n in 0..LOGGED_MAX {
            assert_eq!(told(n), Telling::Line { left_out: 0 });
        }
        for n in 0..1000 {
            assert_eq!(told(LOGGED_MAX + n), Telling::LeftOut);
        }
        assert_eq!(told(10_000), Telling::Line { left_out: 1000 });
        assert_eq!(told(10_001), Telling::Line { left_out: 0 });
    }
}
