//! The activity of a connection, and its start. The connection to close is chosen by it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How long a connection must be idle between requests, the head of the next one included, before it can be closed in
/// favour of another.
const IDLE_MIN: Duration = Duration::from_millis(250);

/// The same for a connection whose peer does not read its answer.
const STALLED_MIN: Duration = Duration::from_secs(1);

/// The same for a connection on which the body of a request is late, by [`BODY_RATE`].
const BODY_MIN: Duration = Duration::from_secs(1);

/// Bytes per second below which a body is late, even if some bytes keep arriving.
const BODY_RATE: u64 = 16 << 10;

/// The same for a connection whose request is in progress.
const BUSY_MIN: Duration = Duration::from_secs(10);

/// The activity of one connection, written by its task and read by the one that accepts.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Milliseconds since the connection was opened: of the last byte sent, or of the start of the request. While its body arrives, plus
    /// the time that [`BODY_RATE`] allows for the bytes received.
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
        Self {
            opened: Instant::now(),
            since: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            awaits_body: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            task: OnceLock::new(),
        }
    }
}

impl Activity {
    /// Milliseconds since the connection was opened.
    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn touch(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
    }

    /// Bytes of an answer were sent. Received bytes do not count as progress: a request starts when its whole head has
    /// arrived. Otherwise a head that trickles in would count as a connection in use.
    pub(crate) fn progress(&self) {
        if !self.busy.load(Ordering::Relaxed) {
            self.touch();
        }
    }

    /// A request starts, or is answered.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.touch();
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// The request's handler waits for more of the body than has arrived.
    pub(crate) fn await_body(&self) {
        self.awaits_body.store(true, Ordering::Relaxed);
    }

    /// This many bytes of the body arrived.
    pub(crate) fn body_came(&self, bytes: usize) {
        self.awaits_body.store(false, Ordering::Relaxed);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let granted = bytes.saturating_mul(1000) / BODY_RATE;
        let since = self.since.load(Ordering::Relaxed).saturating_add(granted);
        self.since.store(since.min(self.now()), Ordering::Relaxed);
    }

    /// The body is complete, or is no longer read: what follows is the handler's own time.
    pub(crate) fn body_ended(&self) {
        self.touch();
        self.awaits_body.store(false, Ordering::Relaxed);
    }

    /// Whether the peer has no room for more of its answer.
    pub(crate) fn set_stalled(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Relaxed);
    }

    /// This many more bytes of answers were sent.
    pub(crate) fn count_sent(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many bytes of answers were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sets the connection's task, which may have ended already.
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

    /// The connection closes after its next answer.
    pub(crate) fn set_ending(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether it closes after its next answer.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// How long the connection has been idle, if it may be closed in favour of another.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        let idle = self.opened.elapsed().saturating_sub(since);
        // While an answer is not read, the next request may have been accepted already.
        let least = if self.stalled.load(Ordering::Relaxed) {
            STALLED_MIN
        } else if self.awaits_body.load(Ordering::Relaxed) {
            BODY_MIN
        } else if self.busy.load(Ordering::Relaxed) {
            BUSY_MIN
        } else {
            IDLE_MIN
        };
        (idle >= least).then_some(idle)
    }
}
