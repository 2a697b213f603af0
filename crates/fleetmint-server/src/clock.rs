//! Where the time comes from.

use jiff::Timestamp;

/// A source of the current time. Operations take it as a parameter, so that tests can set the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time in whole microseconds, as the database stores it.
    fn now(&self) -> Timestamp;
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
}
