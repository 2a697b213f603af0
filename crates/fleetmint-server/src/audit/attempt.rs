//! An operation that is recorded in two parts: that it began, and how it ended.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::job::{AttemptId, Job};
use super::{Audit, Entry, Error, Outcome};
use crate::database::UnderWay;

/// An operation that has begun. Dropped without [`Attempt::ended`], as when the caller hangs up, it was canceled.
#[derive(Debug)]
#[must_use = "nothing may be disclosed before the record is durable"]
pub struct Attempt {
    audit: Audit,
    /// `None` after the end.
    begun: Option<Begun>,
    recorded: oneshot::Receiver<Result<(), Error>>,
}

#[derive(Debug)]
struct Begun {
    entry: Entry,
    id: Arc<AttemptId>,
    _under_way: UnderWay,
}

impl Audit {
    /// Begins to record an attempt while the operation goes on, for example with the call whose answer it will
    /// disclose. The record is on the disk when [`Attempt::durable`] returns.
    ///
    /// # Errors
    /// It will not be recorded.
    pub fn begin(&self, entry: Entry) -> Result<Attempt, Error> {
        let (durable, recorded) = oneshot::channel();
        let id = Arc::new(AttemptId::default());
        let under_way = self.commits.submit_ahead(Job::Start {
            entry: entry.clone(),
            attempt: Arc::clone(&id),
            written: None,
            durable,
        })?;
        Ok(Attempt {
            audit: self.clone(),
            begun: Some(Begun {
                entry,
                id,
                _under_way: under_way,
            }),
            recorded,
        })
    }
}

impl Attempt {
    /// Waits until the record is on the disk. Calling it once is enough.
    ///
    /// # Errors
    /// It is not on the disk: the operation must not go on.
    pub async fn durable(&mut self) -> Result<(), Error> {
        match self.recorded.try_recv() {
            Ok(result) => result,
            Err(oneshot::error::TryRecvError::Empty) => {
                self.audit.commits.hurry()?;
                (&mut self.recorded).await.map_err(|_| Error::abandoned())?
            }
            Err(oneshot::error::TryRecvError::Closed) => Err(Error::abandoned()),
        }
    }

    /// Records the outcome soon.
    pub fn ended(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: Outcome) {
        let Some(Begun { entry, id, .. }) = self.begun.take() else {
            return;
        };
        let end = Job::End {
            entry,
            outcome,
            at: self.audit.clock.now(),
            attempt: id,
        };
        if self.audit.commits.submit_late(end).is_err() {
            tracing::error!("the outcome of an operation could not be recorded");
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.end(Outcome::Failed("canceled"));
    }
}
