//! Writes audit records, many with one commit.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::oneshot;

use super::job::{Disclosure, Job};
use super::{Entry, Error, Outcome, Reason};
use crate::clock::Clock;
use crate::database::{Connection, Database, GroupCommit};

/// Writes audit records, many at a time. Cloning is cheap: all clones share the one committer.
#[derive(Clone)]
pub struct Audit {
    pub(super) commits: GroupCommit<Job>,
    pub(super) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl Audit {
    /// Starts the committer, a task on the current runtime that ends when the last clone is dropped.
    #[must_use]
    pub fn start(database: &Database, clock: Arc<dyn Clock>) -> Self {
        Self {
            commits: database.group_commit(),
            clock,
        }
    }

    /// Records an operation that has ended. The record is on the disk when this returns.
    ///
    /// # Errors
    /// It is not on the disk: the operation must not go on.
    pub async fn record(&self, entry: Entry, outcome: Outcome) -> Result<(), Error> {
        let (durable, recorded) = oneshot::channel();
        self.commits.submit(Job::Record {
            entry,
            outcome,
            durable,
        })?;
        recorded.await.map_err(|_| Error::abandoned())?
    }

    /// Records an operation that failed. If that fails too, the log says so: nothing was disclosed.
    pub async fn failed(&self, entry: Entry, error: &(impl Reason + Sync)) {
        let (action, outcome) = (entry.action.name(), Outcome::Failed(error.reason()));
        if let Err(error) = self.record(entry, outcome).await {
            tracing::error!(action, %error, "a failed operation could not be recorded");
        }
    }

    /// Reads the data to disclose, and records the disclosure: `succeeded`, or `failed` after an error of `read`.
    /// SQLite does both in one transaction, together with other disclosures. `read` may add to the entry what it
    /// learns; it must not write. The record is on the disk when this returns.
    ///
    /// # Errors
    /// What `read` returns, or that the record is not on the disk.
    pub async fn disclose<T, E>(
        &self,
        entry: Entry,
        read: impl FnOnce(&mut Connection, &mut Entry) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Reason + From<Error> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let disclosure = Disclosure::new(entry, read, answer);
        self.commits.submit(Job::Disclosure(disclosure)).map_err(Error::from)?;
        answered.await.map_err(|_| Error::abandoned())?
    }

    /// Waits until all records submitted before are on the disk, or could not be written.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.commits.submit(Job::Flush(done)).is_ok() {
            let _ = flushed.await;
        }
    }
}
