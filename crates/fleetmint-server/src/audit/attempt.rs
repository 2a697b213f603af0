//! An operation whose record is made in two parts: that it began, and how it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::oneshot;

use super::work::{End, Start};
use super::{Audit, Entry, Error, Outcome};

/// The id of an attempt's record, once that is on the disk.
#[derive(Debug, Default)]
pub(super) struct AttemptId(AtomicI64);

impl AttemptId {
    pub(super) fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Acquire)).filter(|id| *id != 0)
    }

    pub(super) fn set(&self, id: i64) {
        self.0.store(id, Ordering::Release);
    }
}

/// An operation that has begun. Dropped without [`Attempt::ended`], as when the caller hangs up, it was canceled.
#[derive(Debug)]
#[must_use = "nothing may be disclosed before the record is durable"]
pub struct Attempt {
    audit: Audit,
    /// `None` after the end.
    entry: Option<Entry>,
    id: Arc<AttemptId>,
    durable: oneshot::Receiver<Result<(), Error>>,
}

impl Audit {
    /// Begins to make the record of an attempt while something else is done, such as the call whose answer it allows to
    /// disclose. It is on the disk when [`Attempt::durable`] returns.
    ///
    /// # Errors
    /// It will not be made.
    pub fn begin(&self, entry: Entry) -> Result<Attempt, Error> {
        let (answer, durable) = oneshot::channel();
        let id = Arc::new(AttemptId::default());
        let start = Start {
            entry: entry.clone(),
            id: Arc::clone(&id),
            answer,
        };
        let attempt = Attempt {
            audit: self.clone(),
            entry: Some(entry),
            id,
            durable,
        };
        self.begun(start)?;
        Ok(attempt)
    }
}

impl Attempt {
    /// Waits until the record is on the disk. Once is enough.
    ///
    /// # Errors
    /// It is not, and what it was to allow must not happen.
    pub async fn durable(&mut self) -> Result<(), Error> {
        match self.durable.try_recv() {
            Ok(result) => result,
            Err(oneshot::error::TryRecvError::Empty) => {
                self.audit.hurry()?;
                (&mut self.durable).await.map_err(|_| Error::abandoned())?
            }
            Err(oneshot::error::TryRecvError::Closed) => Err(Error::abandoned()),
        }
    }

    /// Has the record of the outcome made, soon.
    pub fn ended(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: Outcome) {
        let Some(entry) = self.entry.take() else { return };
        let end = End {
            entry,
            outcome,
            at: self.audit.clock().now(),
            attempt: Arc::clone(&self.id),
        };
        if self.audit.ended(end).is_err() {
            tracing::error!("the outcome of an operation could not be recorded");
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.end(Outcome::Failed("canceled"));
    }
}
