//! Many records, one commit: a disk syncs a few thousand times a second at best, and disclosures are more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, yield_now};

use super::{Entry, Error, insert};
use crate::database::{self, Connection, Database};

/// So many records begin a commit, whoever waits for them; it takes less than twice as many.
const BATCH_MAX: usize = 1024;

/// Of the records that are being made beside something else, the part whose coming begins a commit.
const PART: usize = 2;

/// Makes audit records durable, many at a time. Cloning is cheap: all clones share the one committer.
#[derive(Clone)]
pub struct Audit {
    committer: UnboundedSender<Message>,
    begun: Arc<AtomicUsize>,
}

enum Message {
    /// Somebody waits for it.
    Now(Box<dyn Work>),
    /// Nobody waits for it yet.
    Begun(Box<dyn Work>),
    /// Somebody waits for what was begun.
    Hurry,
}

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
        let audit = Self {
            committer: sender,
            begun: Arc::default(),
        };
        let committer = Committer {
            database,
            receiver,
            begun: Arc::clone(&audit.begun),
            messages: Vec::new(),
        };
        tokio::spawn(committer.run());
        audit
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
        let (work, answered) = work(entry, read);
        self.committer.send(Message::Now(work)).map_err(|_| abandoned())?;
        answered.await.map_err(|_| abandoned())?
    }

    /// Begins to make a record while something else is done, such as the call whose answer it allows to disclose.
    /// It is on the disk when [`Pending::durable`] returns.
    ///
    /// # Errors
    /// It will not be made.
    pub fn begin(&self, entry: Entry) -> Result<Pending, Error> {
        let (work, durable) = work(entry, |_| Ok(()));
        let pending = Pending {
            audit: self.clone(),
            durable,
        };
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.committer.send(Message::Begun(work)).map_err(|_| abandoned())?;
        Ok(pending)
    }
}

/// A record on its way to the disk.
#[derive(Debug)]
#[must_use = "nothing may be disclosed before the record is durable"]
pub struct Pending {
    audit: Audit,
    durable: oneshot::Receiver<Result<(), Error>>,
}

impl Pending {
    /// Waits until the record is on the disk.
    ///
    /// # Errors
    /// It is not, and what it was to allow must not happen.
    pub async fn durable(mut self) -> Result<(), Error> {
        match self.durable.try_recv() {
            Ok(result) => result,
            Err(oneshot::error::TryRecvError::Empty) => {
                self.audit.committer.send(Message::Hurry).map_err(|_| abandoned())?;
                (&mut self.durable).await.map_err(|_| abandoned())?
            }
            Err(oneshot::error::TryRecvError::Closed) => Err(abandoned()),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.audit.begun.fetch_sub(1, Ordering::Relaxed);
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

fn work<T, E, R>(entry: Entry, read: R) -> (Box<dyn Work>, oneshot::Receiver<Result<T, E>>)
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
    R: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let disclosure = Disclosure {
        entry,
        read: Some(read),
        outcome: None,
        answer,
    };
    (Box::new(disclosure), answered)
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
struct Committer {
    database: Database,
    receiver: UnboundedReceiver<Message>,
    /// How many records are being made beside something else, those included that are on the disk by now.
    begun: Arc<AtomicUsize>,
    messages: Vec<Message>,
}

impl Committer {
    async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            self.gather(&mut batch).await;
            if batch.is_empty() {
                return;
            }
            let database = self.database.clone();
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

    /// Fills `batch` with what is to be committed next; with nothing at the end.
    ///
    /// What nobody waits for yet waits for more of its kind, until a good part of what is under way has come: many calls
    /// to an identity provider take long, so that few commits do for all of them, and a single one has its own at once.
    async fn gather(&mut self, batch: &mut Vec<Box<dyn Work>>) {
        let mut awaited = false;
        while self.receiver.recv_many(&mut self.messages, BATCH_MAX).await > 0 {
            // Requests that are about to record something come first: they then share this commit.
            yield_now().await;
            while self.messages.len() < BATCH_MAX
                && let Ok(message) = self.receiver.try_recv()
            {
                self.messages.push(message);
            }
            for message in self.messages.drain(..) {
                let (work, waits) = match message {
                    Message::Now(work) => (Some(work), true),
                    Message::Begun(work) => (Some(work), false),
                    Message::Hurry => (None, true),
                };
                batch.extend(work);
                awaited |= waits;
            }
            if batch.is_empty() {
                // What was waited for came with the commit before.
                awaited = false;
            } else if awaited || batch.len() >= BATCH_MAX || batch.len() * PART >= self.begun.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

    async fn until_recorded(database: &Database, devices: &[i64]) {
        for _ in 0..1000 {
            if recorded(database) == devices {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("there are records of {:?}, not of {devices:?}", recorded(database));
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

    #[tokio::test]
    async fn what_nobody_waits_for_waits_for_more_of_its_kind() {
        let root = tempfile::tempdir().unwrap();
        let database = Database::open(&root.path().join("database")).unwrap();
        let audit = Audit::start(database.clone());
        // One alone, and a good part of what is under way, are committed though nobody waits.
        let one = audit.begin(entry(1)).unwrap();
        until_recorded(&database, &[1]).await;
        let others: Vec<Pending> = (2..6).map(|device| audit.begin(entry(device)).unwrap()).collect();
        until_recorded(&database, &[1, 2, 3, 4, 5]).await;

        // A small part waits, until somebody does.
        let last = audit.begin(entry(6)).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(recorded(&database), [1, 2, 3, 4, 5]);
        last.durable().await.unwrap();
        assert_eq!(recorded(&database), [1, 2, 3, 4, 5, 6]);

        // Waiting for what has long been made hurries nothing; another's record takes along what was begun.
        let beside = audit.begin(entry(7)).unwrap();
        one.durable().await.unwrap();
        for other in others {
            other.durable().await.unwrap();
        }
        let hung_up = audit.begin(entry(8)).unwrap();
        drop(hung_up);
        audit.record(entry(9)).await.unwrap();
        assert_eq!(recorded(&database), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        beside.durable().await.unwrap();
    }

    #[tokio::test]
    async fn what_was_begun_is_made_when_the_service_ends() {
        let root = tempfile::tempdir().unwrap();
        let database = Database::open(&root.path().join("database")).unwrap();
        let audit = Audit::start(database.clone());
        let made: Vec<Pending> = (0..4).map(|device| audit.begin(entry(device)).unwrap()).collect();
        until_recorded(&database, &[0, 1, 2, 3]).await;
        drop(audit.begin(entry(4)).unwrap());
        drop((audit, made));
        until_recorded(&database, &[0, 1, 2, 3, 4]).await;
    }
}
