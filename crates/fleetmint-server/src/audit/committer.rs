//! Many records, one commit: a disk syncs a few thousand times a second at best, and disclosures are more.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, yield_now};

use super::{Entry, Error, insert};
use crate::database::{self, Connection, Database};

/// The most records of one commit.
const BATCH_MAX: usize = 1024;

/// Makes audit records durable, many at a time. Cloning is cheap: all clones share the one committer.
#[derive(Clone)]
pub struct Audit(UnboundedSender<Box<dyn Work>>);

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl Audit {
    /// Starts the committer, a task of the running runtime that ends with the last clone.
    #[must_use]
    pub fn start(database: Database) -> Self {
        let (sender, receiver) = unbounded_channel();
        tokio::spawn(commit_all(database, receiver));
        Self(sender)
    }

    /// Makes a record. It is on the disk when this returns.
    ///
    /// # Errors
    /// It is not, and what it was to allow must not happen.
    pub async fn record(&self, entry: Entry) -> Result<(), Error> {
        self.disclose(entry, |_| Ok(())).await
    }

    /// Reads what is to be disclosed, and makes the record of it in the same transaction: one for both, and for the
    /// disclosures beside it. The record is on the disk when this returns a value; after an error of `read` there is
    /// none. `read` shall not write.
    ///
    /// # Errors
    /// What `read` returns, or that the record is not on the disk.
    pub async fn disclose<T, E>(
        &self,
        entry: Entry,
        read: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work = Disclosure {
            entry,
            read: Some(read),
            outcome: None,
            answer,
        };
        self.0.send(Box::new(work)).map_err(|_| abandoned())?;
        answered.await.map_err(|_| abandoned())?
    }
}

fn abandoned() -> Error {
    Error(Arc::new(database::Error::Other(
        "the audit's committer ended abnormally".to_owned(),
    )))
}

/// One part of a commit.
trait Work: Send {
    /// Reads, in the transaction of all, and returns the record to be made.
    fn read(&mut self, connection: &mut Connection) -> Option<&Entry>;

    /// Tells who waits for it, once it is known how the transaction ended.
    fn answer(self: Box<Self>, committed: &Result<(), Error>);
}

struct Disclosure<T, E, R> {
    entry: Entry,
    read: Option<R>,
    outcome: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, R> Work for Disclosure<T, E, R>
where
    T: Send,
    E: From<Error> + Send,
    R: FnOnce(&mut Connection) -> Result<T, E> + Send,
{
    fn read(&mut self, connection: &mut Connection) -> Option<&Entry> {
        let read = self.read.take()?;
        self.outcome.insert(read(connection)).is_ok().then_some(&self.entry)
    }

    fn answer(self: Box<Self>, committed: &Result<(), Error>) {
        let answer = match (self.outcome, committed) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) => Err(error.clone().into()),
            (None, Ok(())) => Err(abandoned().into()),
        };
        // A caller that has hung up does not wait any more.
        let _ = self.answer.send(answer);
    }
}

/// Commits what has come, until nothing can come any more. What comes during a commit makes the next.
///
/// It is a task among the requests rather than a thread beside them: handing over a record wakes no thread, and the
/// answers of a whole commit are released with one wake-up.
async fn commit_all(database: Database, mut receiver: UnboundedReceiver<Box<dyn Work>>) {
    let mut batch = Vec::new();
    while receiver.recv_many(&mut batch, BATCH_MAX).await > 0 {
        // Requests that are about to record something come first: they then share this commit.
        yield_now().await;
        while batch.len() < BATCH_MAX
            && let Ok(work) = receiver.try_recv()
        {
            batch.push(work);
        }
        let database = database.clone();
        let commit = spawn_blocking(move || {
            let result = database.write_blocking(|connection| {
                for work in &mut batch {
                    if let Some(entry) = work.read(connection) {
                        insert(connection, entry)?;
                    }
                }
                Ok(())
            });
            (batch, result)
        });
        let Ok((done, result)) = commit.await else {
            // A part of it panicked; those who wait learn of it as their parts are dropped.
            tracing::error!("a commit of audit records ended abnormally");
            batch = Vec::new();
            continue;
        };
        let committed = result.map_err(|error: database::Error| {
            tracing::error!(records = done.len(), %error, "audit records could not be committed");
            Error(Arc::new(error))
        });
        batch = done;
        for work in batch.drain(..) {
            work.answer(&committed);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use jiff::Timestamp;

    use super::super::{Filter, store};
    use super::*;
    use crate::operation::Operation;

    fn entry(device: i64) -> Entry {
        Entry {
            at: Timestamp::UNIX_EPOCH,
            actor: "administrator".to_owned(),
            action: Operation::GetProvisioning,
            device_id: Some(device),
            source: "127.0.0.1".to_owned(),
        }
    }

    /// The devices that there are records of.
    fn recorded(database: &Database) -> Vec<i64> {
        let records = database.read(|connection| store::list(connection, &Filter::default(), 100));
        let mut devices: Vec<i64> = records.unwrap().iter().filter_map(|record| record.device_id).collect();
        devices.sort_unstable();
        devices
    }

    #[tokio::test]
    async fn what_could_not_be_read_has_no_record_and_spoils_no_others() {
        let root = tempfile::tempdir().unwrap();
        let database = Database::open(&root.path().join("database")).unwrap();
        let audit = Audit::start(database.clone());
        let all = (0..20).map(|device| {
            audit.disclose(entry(device), move |_| match device % 3 {
                0 => Err(Error(Arc::new(database::Error::Other(device.to_string())))),
                _ => Ok(device * 10),
            })
        });
        for (device, answer) in (0..20).zip(join_all(all).await) {
            match answer {
                Ok(value) => assert_eq!(value, device * 10),
                Err(Error(error)) => assert_eq!((device % 3, error.to_string()), (0, device.to_string())),
            }
        }
        let expected: Vec<i64> = (0..20).filter(|device| device % 3 != 0).collect();
        assert_eq!(recorded(&database), expected);
    }

    #[tokio::test]
    async fn a_panic_ends_one_commit_and_not_the_committer() {
        let root = tempfile::tempdir().unwrap();
        let database = Database::open(&root.path().join("database")).unwrap();
        let audit = Audit::start(database.clone());
        let panics = audit.disclose(entry(1), |_| -> Result<(), Error> { panic!("as the test wants it") });
        let (beside, panicked) = tokio::join!(audit.record(entry(2)), panics);
        assert!(panicked.is_err());
        // It was part of the same commit.
        assert!(beside.is_err());
        assert!(recorded(&database).is_empty());

        audit.record(entry(3)).await.unwrap();
        assert_eq!(recorded(&database), [3]);
    }
}
