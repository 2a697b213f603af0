//! Whether the database can be written. A check costs a commit, so its result is shared by all callers for a moment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Moment};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::database::{self, Database};
use crate::instance;

/// How long a result is valid.
const REMEMBERED: Duration = Duration::from_secs(1);

/// The time limit of a write. A write that hangs is not a database error, and may never end.
const LIMIT: Duration = Duration::from_secs(2);

/// The last or the current check.
#[derive(Debug)]
pub struct Readiness {
    clock: Arc<dyn Clock>,
    last: Mutex<Option<Probe>>,
}

/// One attempt to write. While it runs there is no other: a disk that hangs blocks one thread, however many callers
/// ask.
#[derive(Clone, Debug)]
struct Probe {
    began: Instant,
    /// `None` while it runs.
    outcome: watch::Receiver<Option<WriteOutcome>>,
}

/// How it ended, and when.
type WriteOutcome = (Moment, Result<(), database::Error>);

impl Probe {
    fn start(write: impl FnOnce() -> Result<(), database::Error> + Send + 'static, clock: Arc<dyn Clock>) -> Self {
        let (ended, outcome) = watch::channel(None);
        spawn_blocking(move || ended.send_replace(Some((clock.monotonic(), write()))));
        Self {
            began: Instant::now(),
            outcome,
        }
    }

    /// Whether its result is still valid.
    fn holds(&self, now: Moment) -> bool {
        match &*self.outcome.borrow() {
            Some((at, _)) => now.saturating_duration_since(*at) < REMEMBERED,
            // If the sender was dropped, the write ended abnormally.
            None => self.outcome.has_changed().is_ok(),
        }
    }

    /// Waits until it has ended or has taken too long, whichever comes first.
    async fn outcome(mut self, limit: Duration) -> Result<(), database::Error> {
        match timeout_at(self.began + limit, self.outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone().map_or(Ok(()), |(_, outcome)| outcome),
            Ok(Err(_)) => Err(database::Error::Other("the write ended abnormally".to_owned())),
            Err(_) => Err(database::Error::Other(format!(
                "a write has not ended within {} s",
                limit.as_secs_f64()
            ))),
        }
    }
}

impl Readiness {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            last: Mutex::default(),
        }
    }

    /// Whether the database can be written and is still in its place. Callers that ask in the meantime wait for the
    /// same result, and no longer than [`LIMIT`].
    pub(crate) async fn check(&self, database: &Database) -> Result<(), database::Error> {
        let database = database.clone();
        let write = move || {
            database.write_blocking(instance::write_probe)?;
            database.check_files()
        };
        self.probe(write).outcome(LIMIT).await
    }

    /// The probe that is running or has just ended, else a new one.
    fn probe(&self, write: impl FnOnce() -> Result<(), database::Error> + Send + 'static) -> Probe {
        let mut known = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(probe) if probe.holds(self.clock.monotonic()) => probe.clone(),
            _ => known.insert(Probe::start(write, Arc::clone(&self.clock))).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;
    use crate::clock::SystemClock;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn all_callers_wait_for_one_write_that_hangs() {
        let (readiness, writes) = (Readiness::new(Arc::new(SystemClock)), Arc::new(AtomicUsize::new(0)));
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let ask = || {
            let (writes, released) = (Arc::clone(&writes), Arc::clone(&released));
            readiness.probe(move || {
                writes.fetch_add(1, Ordering::Relaxed);
                let _ = released.lock().unwrap().recv();
                Ok(())
            })
        };
        for _ in 0..3 {
            for outcome in join_all((0..100).map(|_| ask().outcome(SHORT))).await {
                let error = outcome.unwrap_err().to_string();
                assert_eq!(error, "a write has not ended within 0.05 s");
            }
        }
        // Once it is known to hang, nobody waits any more.
        let began = Instant::now();
        ask().outcome(SHORT).await.unwrap_err();
        assert!(began.elapsed() < SHORT);
        assert_eq!(writes.load(Ordering::Relaxed), 1);

        // It ends after all, and its result is returned.
        release.send(()).unwrap();
        ask().outcome(Duration::from_secs(60)).await.unwrap();
        assert_eq!(writes.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_write_that_panics_is_an_error_and_the_next_check_writes_again() {
        let readiness = Readiness::new(Arc::new(SystemClock));
        let probe = readiness.probe(|| panic!("as the test wants it"));
        let error = probe.outcome(Duration::from_secs(60)).await.unwrap_err().to_string();
        assert_eq!(error, "the write ended abnormally");
        readiness
            .probe(|| Ok(()))
            .outcome(Duration::from_secs(60))
            .await
            .unwrap();
    }
}
