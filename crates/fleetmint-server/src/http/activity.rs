//! What a connection is doing, and since when: what the choice of the one to close is made by.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the times of all connections are counted from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long a connection must have rested between requests before it can be closed for another.
const IDLE_MIN: Duration = Duration::from_millis(250);

/// How long its peer must not have read its answer.
const STALLED_MIN: Duration = Duration::from_secs(1);

/// How long its request must have been under way.
const BUSY_MIN: Duration = Duration::from_secs(10);

/// The activity of one connection, written by its task and read by the one that accepts.
#[derive(Debug)]
pub(super) struct Activity {
    /// Milliseconds since [`START`]: of the last byte that came or went, or of the beginning of the request.
    since: AtomicU64,
    busy: AtomicBool,
    stalled: AtomicBool,
}

impl Default for Activity {
    fn default() -> Self {
        let activity = Self {
            since: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
        };
        activity.touch();
        activity
    }
}

impl Activity {
    fn touch(&self) {
        let since = u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Relaxed);
    }

    /// Bytes came or went. While a request is under way its beginning counts: else a body that trickles in would always
    /// look like progress.
    pub(super) fn progress(&self) {
        if !self.busy.load(Ordering::Relaxed) {
            self.touch();
        }
    }

    /// A request begins or is answered.
    pub(super) fn set_busy(&self, busy: bool) {
        self.touch();
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// The peer has no room for more of its answer, or has again.
    pub(super) fn set_stalled(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Relaxed);
    }

    /// How long the connection has been at rest, if it may be closed for another.
    pub(super) fn rests_for(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        let rests = START.elapsed().saturating_sub(since);
        // Behind an answer that is not read, the next request may have been taken already.
        let least = if self.stalled.load(Ordering::Relaxed) {
            STALLED_MIN
        } else if self.busy.load(Ordering::Relaxed) {
            BUSY_MIN
        } else {
            IDLE_MIN
        };
        (rests >= least).then_some(rests)
    }
}
