//! What a connection is doing, and since when: what the choice of the one to close is made by.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

/// What the times of all connections are counted from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long a connection must have rested between requests, the head of the next included, before it can be closed for
/// another.
const IDLE_MIN: Duration = Duration::from_millis(250);

/// How long its peer must not have read its answer.
const STALLED_MIN: Duration = Duration::from_secs(1);

/// How long the body of its request must have been late, by [`BODY_RATE`].
const BODY_MIN: Duration = Duration::from_secs(1);

/// Bytes of a body in a second that are progress enough: a slower body is late, be it that a byte comes now and then.
const BODY_RATE: u64 = 16 << 10;

/// How long its request must have been under way.
const BUSY_MIN: Duration = Duration::from_secs(10);

/// Milliseconds since [`START`].
fn now() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The activity of one connection, written by its task and read by the one that accepts.
#[derive(Debug)]
pub(crate) struct Activity {
    /// Milliseconds since [`START`]: of the last byte that went, or of the beginning of the request. While its body
    /// arrives, later by as much as [`BODY_RATE`] grants its bytes.
    since: AtomicU64,
    busy: AtomicBool,
    awaits_body: AtomicBool,
    stalled: AtomicBool,
    ending: AtomicBool,
    /// Bytes of answers that the kernel has taken.
    sent: AtomicU64,
    task: OnceLock<AbortHandle>,
}

impl Default for Activity {
    fn default() -> Self {
        let activity = Self {
            since: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            awaits_body: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            task: OnceLock::new(),
        };
        activity.touch();
        activity
    }
}

impl Activity {
    fn touch(&self) {
        self.since.store(now(), Ordering::Relaxed);
    }

    /// Bytes of an answer went. Bytes that come are no progress: a request begins when its head has come whole, else a head
    /// that trickles in would be a connection in use.
    pub(crate) fn progress(&self) {
        if !self.busy.load(Ordering::Relaxed) {
            self.touch();
        }
    }

    /// A request begins or is answered.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.touch();
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// The request's handler wants more of its body than has come.
    pub(crate) fn await_body(&self) {
        self.awaits_body.store(true, Ordering::Relaxed);
    }

    /// So many bytes of the body came.
    pub(crate) fn body_came(&self, bytes: usize) {
        self.awaits_body.store(false, Ordering::Relaxed);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let granted = bytes.saturating_mul(1000) / BODY_RATE;
        let since = self.since.load(Ordering::Relaxed).saturating_add(granted);
        self.since.store(since.min(now()), Ordering::Relaxed);
    }

    /// The body has come, or is given up: what follows is the handler's own time.
    pub(crate) fn body_ended(&self) {
        self.touch();
        self.awaits_body.store(false, Ordering::Relaxed);
    }

    /// The peer has no room for more of its answer, or has again.
    pub(crate) fn set_stalled(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Relaxed);
    }

    /// So many more bytes of answers went out.
    pub(crate) fn count_sent(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many bytes of answers went out.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Names the connection's task, which may have ended already.
    pub(crate) fn runs(&self, task: AbortHandle) {
        // It has only one.
        let _ = self.task.set(task);
    }

    /// Ends the connection at once.
    pub(crate) fn close(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// The connection is to end with its next answer.
    pub(crate) fn set_ending(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// How long the connection has been at rest, if it may be closed for another.
    pub(crate) fn rests_for(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        let rests = START.elapsed().saturating_sub(since);
        // Behind an answer that is not read, the next request may have been taken already.
        let least = if self.stalled.load(Ordering::Relaxed) {
            STALLED_MIN
        } else if self.awaits_body.load(Ordering::Relaxed) {
            BODY_MIN
        } else if self.busy.load(Ordering::Relaxed) {
            BUSY_MIN
        } else {
            IDLE_MIN
        };
        (rests >= least).then_some(rests)
    }
}
