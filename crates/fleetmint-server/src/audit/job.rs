//! The audit trail's jobs in a group's commit: disclosures, which read in its transaction, and records.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::store::{self, Row};
use super::{Entry, Error, Outcome, Reason};
use crate::database::{self, Connection};

/// One part of a commit.
pub(super) enum Job {
    Disclosure(Disclosure),
    /// The record of an operation that has ended.
    Record {
        entry: Entry,
        outcome: Outcome,
        durable: Durable,
    },
    /// The record of an attempt.
    Start {
        entry: Entry,
        attempt: Arc<AttemptId>,
        /// The record's id, as long as its transaction may still fail.
        written: Option<i64>,
        durable: Durable,
    },
    /// The record of an attempt's outcome.
    End {
        entry: Entry,
        outcome: Outcome,
        /// The time of the outcome; the record may be on the disk much later.
        at: Timestamp,
        attempt: Arc<AttemptId>,
    },
    /// All jobs that were submitted before.
    Flush(oneshot::Sender<()>),
}

/// The callers that wait until a record is on the disk.
pub(super) type Durable = oneshot::Sender<Result<(), Error>>;

/// The id of an attempt's record, once that is on the disk.
#[derive(Debug, Default)]
pub(super) struct AttemptId(AtomicI64);

impl AttemptId {
    fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Acquire)).filter(|id| *id != 0)
    }

    fn set(&self, id: i64) {
        self.0.store(id, Ordering::Release);
    }
}

/// The function that reads the disclosed data, and its result.
type Read = Box<dyn FnOnce(&mut Connection, &mut Entry) -> (Outcome, Reply) + Send>;

/// The function that passes the data to the caller, if the record is on the disk.
type Reply = Box<dyn FnOnce(&Result<(), Error>) + Send>;

pub(super) struct Disclosure {
    entry: Entry,
    progress: Progress,
}

enum Progress {
    Unread(Read),
    Read(Outcome, Reply),
    /// Between the two, or after reading panicked.
    Reading,
}

impl Disclosure {
    pub(super) fn new<T, E>(
        entry: Entry,
        read: impl FnOnce(&mut Connection, &mut Entry) -> Result<T, E> + Send + 'static,
        answer: oneshot::Sender<Result<T, E>>,
    ) -> Self
    where
        T: Send + 'static,
        E: Reason + From<Error> + Send + 'static,
    {
        let read: Read = Box::new(move |connection, entry| {
            let result = read(connection, entry);
            let outcome = Outcome::of(&result);
            let reply: Reply = Box::new(move |committed| {
                // A failed read discloses nothing, so its own error is returned, not the missing record.
                let result = result.and_then(|value| match committed {
                    Ok(()) => Ok(value),
                    Err(error) => Err(error.clone().into()),
                });
                // A caller that disconnected no longer waits.
                let _ = answer.send(result);
            });
            (outcome, reply)
        });
        Self {
            entry,
            progress: Progress::Unread(read),
        }
    }

    fn read(&mut self, connection: &mut Connection) {
        if let Progress::Unread(read) = std::mem::replace(&mut self.progress, Progress::Reading) {
            let (outcome, reply) = read(connection, &mut self.entry);
            self.progress = Progress::Read(outcome, reply);
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        match self.progress {
            Progress::Read(outcome, _) => Some(outcome),
            Progress::Unread(_) | Progress::Reading => None,
        }
    }

    fn reply(self, committed: &Result<(), Error>) {
        if let Progress::Read(_, reply) = self.progress {
            reply(committed);
        }
    }
}

impl database::Job for Job {
    const NAME: &'static str = "audit records";

    fn read(&mut self, connection: &mut Connection) {
        if let Self::Disclosure(disclosure) = self {
            disclosure.read(connection);
        }
    }

    /// In the order of submission, except for the outcomes of attempts that are in the same group.
    fn write(group: &mut [Self], connection: &mut Connection) -> Result<(), database::Error> {
        let (indexes, rows): (Vec<usize>, Vec<Row<'_>>) = group
            .iter()
            .enumerate()
            .filter_map(|(index, job)| Some((index, job.row()?)))
            .unzip();
        if !group.iter().any(|job| matches!(job, Self::Start { .. })) {
            return store::insert_all(connection, &rows);
        }
        let ids = store::insert_all_with_ids(connection, &rows)?;
        for (index, id) in indexes.into_iter().zip(ids) {
            if let Some(Self::Start { written, .. }) = group.get_mut(index) {
                *written = Some(id);
            }
        }
        let rows: Vec<Row<'_>> = group.iter().filter_map(|job| job.row_within(group)).collect();
        store::insert_all(connection, &rows)
    }

    fn finish(self, committed: &Result<(), database::Error>) -> Option<Self> {
        let recorded = committed.clone().map_err(|error| Error(Arc::new(error)));
        match self {
            Self::Disclosure(disclosure) => disclosure.reply(&recorded),
            Self::Record { durable, .. } => {
                let _ = durable.send(recorded);
            }
            Self::Start {
                attempt,
                written,
                durable,
                ..
            } => {
                if let (Some(id), Ok(())) = (written, &recorded) {
                    attempt.set(id);
                }
                let _ = durable.send(recorded);
            }
            // The attempt is in the trail, so its outcome must be too.
            Self::End { ref attempt, .. } if recorded.is_err() && attempt.get().is_some() => return Some(self),
            Self::End { .. } => {}
            Self::Flush(done) => {
                let _ = done.send(());
            }
        }
        None
    }
}

impl Job {
    /// The record to write, unless it is the outcome of an attempt that is not on the disk.
    fn row(&self) -> Option<Row<'_>> {
        match self {
            Self::Disclosure(disclosure) => Some(Row::of(&disclosure.entry, disclosure.outcome()?)),
            Self::Record { entry, outcome, .. } => Some(Row::of(entry, *outcome)),
            Self::Start { entry, .. } => Some(Row::of(entry, Outcome::Started)),
            Self::End { attempt, .. } => self.end_of(attempt.get()?),
            Self::Flush(_) => None,
        }
    }

    /// The outcome of an attempt that has just been written, with this group.
    fn row_within(&self, group: &[Self]) -> Option<Row<'_>> {
        let Self::End { attempt, .. } = self else { return None };
        let begun = group.iter().find_map(|job| match job {
            Self::Start {
                attempt: other,
                written,
                ..
            } if Arc::ptr_eq(attempt, other) => *written,
            _ => None,
        });
        // An attempt that could not be recorded has no outcome.
        self.end_of(begun?)
    }

    fn end_of(&self, attempt: i64) -> Option<Row<'_>> {
        let Self::End { entry, outcome, at, .. } = self else {
            return None;
        };
        Some(Row {
            entry,
            at: *at,
            outcome: *outcome,
            attempt: Some(attempt),
        })
    }
}
