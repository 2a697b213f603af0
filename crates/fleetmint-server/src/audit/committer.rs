//! Many records, one commit: a disk syncs a few thousand times a second at best, and disclosures are more.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::{Entry, Error, insert};
use crate::database::{self, Database};

/// The most records of one commit.
const BATCH_MAX: usize = 1024;

type Done = oneshot::Sender<Result<(), Error>>;

/// Makes audit records durable, many at a time. Cloning is cheap: all clones share the one committer.
#[derive(Clone, Debug)]
pub struct Audit(UnboundedSender<(Entry, Done)>);

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
        let (done, durable) = oneshot::channel();
        self.0.send((entry, done)).map_err(|_| gone())?;
        durable.await.map_err(|_| gone())?
    }
}

fn gone() -> Error {
    Error(Arc::new(database::Error::Other(
        "the audit's committer is gone".to_owned(),
    )))
}

/// Commits what has come, until nothing can come any more. What comes during a commit makes the next.
///
/// It is a task among the requests rather than a thread beside them: handing over a record wakes no thread, and the
/// answers of a whole commit are released with one wake-up.
async fn commit_all(database: Database, mut receiver: UnboundedReceiver<(Entry, Done)>) {
    let mut records = Vec::new();
    while receiver.recv_many(&mut records, BATCH_MAX).await > 0 {
        // Requests that are about to record something come first: they then share this commit.
        yield_now().await;
        while records.len() < BATCH_MAX
            && let Ok(record) = receiver.try_recv()
        {
            records.push(record);
        }
        let (entries, waiting): (Vec<Entry>, Vec<Done>) = records.drain(..).unzip();
        let count = entries.len();
        let result = database
            .write(move |connection| entries.iter().try_for_each(|entry| insert(connection, entry)))
            .await;
        let result = result.map_err(|error: database::Error| {
            tracing::error!(records = count, %error, "audit records could not be committed");
            Error(Arc::new(error))
        });
        for done in waiting {
            // A caller that has hung up does not wait for its record any more.
            let _ = done.send(result.clone());
        }
    }
}
