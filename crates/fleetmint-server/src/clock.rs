//! The source of the time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A source of the current time. Operations take it as a parameter, so that tests can set the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time in whole microseconds, as the database stores it.
    fn now(&self) -> Timestamp;

    /// A time that is never set back, to measure how long something lasts in this process.
    fn monotonic(&self) -> Instant;
}

/// The computer's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where the program reads the time"
    )]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// A clock for tests: the computer's time plus an offset that a test sets.
///
/// It also advances with the computer's clock, so that real sockets and files can be used beside it.
#[derive(Debug, Default)]
pub struct AdvancedClock(Mutex<Duration>);

impl AdvancedClock {
    /// Advances the clock by this much at once.
    pub fn advance(&self, time: Duration) {
        let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead = ahead.saturating_add(time);
    }

    fn ahead(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for AdvancedClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now();
        now.saturating_add(self.ahead()).unwrap_or(now)
    }

    fn monotonic(&self) -> Instant {
        let now = SystemClock.monotonic();
        now.checked_add(self.ahead()).unwrap_or(now)
    }
}
