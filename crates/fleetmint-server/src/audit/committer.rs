//! Many records, one commit: a disk syncs a few thousand times a second at best, and disclosures are more.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Entry, Error, insert};
use crate::database::{self, Database};

/// The most records of one commit.
const BATCH_MAX: usize = 1024;

/// How long a commit waits for the records that will come, judged by the commit before.
const GATHERING: Duration = Duration::from_micros(300);

/// Fewer records than this in the last commit, and the next does not wait for more.
const CROWD: usize = 8;

struct Pending {
    entry: Entry,
    done: oneshot::Sender<Result<(), Error>>,
}

/// Makes audit records durable, many at a time. Cloning is cheap: all clones share the one committer.
#[derive(Clone, Debug)]
pub struct Audit(Sender<Pending>);

impl Audit {
    /// Starts the committer, a thread that ends with the last clone.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(database: Database) -> io::Result<Self> {
        let (sender, receiver) = channel();
        thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || commit_all(&database, &receiver))?;
        Ok(Self(sender))
    }

    /// Makes a record. It is on the disk when this returns.
    ///
    /// # Errors
    /// It is not, and what it was to allow must not happen.
    pub async fn record(&self, entry: Entry) -> Result<(), Error> {
        let (done, durable) = oneshot::channel();
        let gone = || {
            Error(Arc::new(database::Error::Other(
                "the audit's thread is gone".to_owned(),
            )))
        };
        self.0.send(Pending { entry, done }).map_err(|_| gone())?;
        durable.await.map_err(|_| gone())?
    }
}

/// Commits what has come, until nothing can come any more. A record alone is committed at once. What comes during a
/// commit makes the next; when that is a crowd, as many are awaited for the one after, up to [`GATHERING`].
fn commit_all(database: &Database, receiver: &Receiver<Pending>) {
    let mut batch: Vec<Pending> = Vec::new();
    let mut crowd = 0;
    while let Ok(first) = receiver.recv() {
        batch.push(first);
        batch.extend(receiver.try_iter().take(BATCH_MAX - 1));
        if crowd >= CROWD {
            let deadline = Instant::now() + GATHERING;
            while batch.len() < crowd {
                match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(pending) => batch.push(pending),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
        }
        crowd = batch.len();
        let result = database
            .write_blocking(|connection| batch.iter().try_for_each(|pending| insert(connection, &pending.entry)));
        let result = result.map_err(|error: database::Error| {
            tracing::error!(records = batch.len(), %error, "audit records could not be committed");
            Error(Arc::new(error))
        });
        for pending in batch.drain(..) {
            // A caller that has hung up does not wait for its record any more.
            let _ = pending.done.send(result.clone());
        }
    }
}
