//! Many records, one commit: a disk syncs a few thousand times a second at best, and disclosures are more.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, yield_now};

use super::work::{Disclosure, End, Flush, Single, Start, Work, commit};
use super::{Entry, Error, Outcome, Reason};
use crate::clock::Clock;
use crate::database::{self, Connection, Database};

/// So many records begin a commit, whoever waits for them; it takes less than twice as many.
const BATCH_MAX: usize = 1024;

/// Of the records that are being made beside something else, the part whose coming begins a commit.
const PART: usize = 2;

/// How long an outcome that nobody waits for may wait for others to share a commit with.
const OUTCOME_DELAY: Duration = Duration::from_millis(100);

/// How long an outcome that could not be committed waits before it is tried again, unless another commit takes it along.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// Makes audit records durable, many at a time. Cloning is cheap: all clones share the one committer.
#[derive(Clone)]
pub struct Audit {
    committer: UnboundedSender<Message>,
    begun: Arc<AtomicUsize>,
    clock: Arc<dyn Clock>,
}

enum Message {
    /// Somebody waits for it.
    Now(Box<dyn Work>),
    /// Nobody waits for it yet.
    Begun(Box<dyn Work>),
    /// Somebody waits for what was begun.
    Hurry,
    /// Nobody will wait for it: the outcome of an attempt.
    Later(Box<dyn Work>),
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl Audit {
    /// Starts the committer, a task of the running runtime that ends with the last clone.
    #[must_use]
    pub fn start(database: Database, clock: Arc<dyn Clock>) -> Self {
        let (sender, receiver) = unbounded_channel();
        let audit = Self {
            committer: sender,
            begun: Arc::default(),
            clock,
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

    /// Makes a record of an operation that is over. It is on the disk when this returns.
    ///
    /// # Errors
    /// It is not, and what it was to allow must not happen.
    pub async fn record(&self, entry: Entry, outcome: Outcome) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Now(Box::new(Single { entry, outcome, answer })))?;
        answered.await.map_err(|_| Error::abandoned())?
    }

    /// Makes the record of an operation that failed. If it cannot be made, the log says so: nothing was disclosed.
    pub async fn failed(&self, entry: Entry, error: &(impl Reason + Sync)) {
        let (action, outcome) = (entry.action.name(), Outcome::Failed(error.reason()));
        if let Err(error) = self.record(entry, outcome).await {
            tracing::error!(action, %error, "a failed operation could not be recorded");
        }
    }

    /// Reads what is to be disclosed, and makes the record of it in the same transaction: one for both, and for the
    /// disclosures beside it. `read` may add to the entry what it learns; it shall not write. The record is on the disk
    /// when this returns: `succeeded`, or `failed` after an error of `read`.
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
        self.send(Message::Now(Box::new(Disclosure::new(entry, read, answer))))?;
        answered.await.map_err(|_| Error::abandoned())?
    }

    /// Waits until everything that was handed over before is on the disk, or could not be written.
    pub async fn flush(&self) {
        let (answer, answered) = oneshot::channel();
        if self.send(Message::Now(Box::new(Flush(answer)))).is_ok() {
            let _ = answered.await;
        }
    }

    /// Has the record of an attempt made, which nobody waits for yet.
    pub(super) fn begun(&self, start: Start) -> Result<(), Error> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.send(Message::Begun(Box::new(start)))
    }

    /// Somebody waits for the record of an attempt by now.
    pub(super) fn hurry(&self) -> Result<(), Error> {
        self.send(Message::Hurry)
    }

    /// Has the outcome of an attempt recorded, which nobody waits for.
    pub(super) fn ended(&self, end: End) -> Result<(), Error> {
        self.begun.fetch_sub(1, Ordering::Relaxed);
        self.send(Message::Later(Box::new(end)))
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn send(&self, message: Message) -> Result<(), Error> {
        self.committer.send(message).map_err(|_| Error::abandoned())
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
            let written = spawn_blocking(move || {
                let result = database.write_blocking(|connection| commit(connection, &mut batch));
                (batch, result)
            });
            let Ok((done, result)) = written.await else {
                // A part of it panicked; those who wait learn of it as their parts are dropped.
                tracing::error!("a commit of audit records ended abnormally");
                batch = Vec::new();
                continue;
            };
            let committed = match result {
                Ok(ids) => {
                    for (attempt, id) in ids {
                        attempt.set(id);
                    }
                    Ok(())
                }
                Err(error) => {
                    let error: database::Error = error;
                    tracing::error!(records = done.len(), %error, "audit records could not be committed");
                    Err(Error(Arc::new(error)))
                }
            };
            batch = done.into_iter().filter_map(|work| work.answer(&committed)).collect();
            if !batch.is_empty() && self.receiver.is_closed() && self.receiver.is_empty() {
                tracing::error!(
                    records = batch.len(),
                    "the service ends, and outcomes could not be recorded"
                );
                return;
            }
        }
    }

    /// Fills `batch` with what is to be committed next; with nothing at the end.
    ///
    /// What nobody waits for yet waits for more of its kind, until a good part of what is under way has come: many calls
    /// to an identity provider take long, so that few commits do for all of them, and a single one has its own at once.
    /// Outcomes that nobody waits for go with the next commit, or have one after a while.
    async fn gather(&mut self, batch: &mut Vec<Box<dyn Work>>) {
        let (mut awaited, mut begun) = (false, 0);
        // What could not be committed before is still there.
        let mut delay = (!batch.is_empty()).then_some(RETRY_DELAY);
        loop {
            let came = self.receiver.recv_many(&mut self.messages, BATCH_MAX);
            let came = match delay {
                Some(delay) => tokio::time::timeout(delay, came).await,
                None => Ok(came.await),
            };
            let Ok(1..) = came else { return };
            // Requests that are about to record something come first: they then share this commit.
            yield_now().await;
            while self.messages.len() < BATCH_MAX
                && let Ok(message) = self.receiver.try_recv()
            {
                self.messages.push(message);
            }
            for message in self.messages.drain(..) {
                let work = match message {
                    Message::Now(work) => {
                        awaited = true;
                        work
                    }
                    Message::Hurry => {
                        awaited = true;
                        continue;
                    }
                    Message::Begun(work) => {
                        begun += 1;
                        work
                    }
                    Message::Later(work) => {
                        delay.get_or_insert(OUTCOME_DELAY);
                        work
                    }
                };
                batch.push(work);
            }
            let enough = begun > 0 && begun * PART >= self.begun.load(Ordering::Relaxed);
            if batch.is_empty() {
                // What was waited for came with the commit before.
                awaited = false;
            } else if awaited || enough || batch.len() >= BATCH_MAX {
                return;
            }
        }
    }
}
