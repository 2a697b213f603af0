//! What one commit is made of: disclosures, which read in its transaction, records, and attempts with their outcomes.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::attempt::AttemptId;
use super::store::{self, Row};
use super::{Entry, Error, Outcome, Reason};
use crate::database::{self, Connection};

/// One part of a commit.
pub(super) trait Work: Send {
    /// Reads, in the transaction of all.
    fn read(&mut self, connection: &mut Connection);

    /// What is to be recorded.
    fn record(&self) -> What<'_>;

    /// Tells who waits for it, once it is known how the transaction ended. Gives what is to be tried again.
    fn answer(self: Box<Self>, committed: &Result<(), Error>) -> Option<Box<dyn Work>>;
}

pub(super) enum What<'a> {
    Nothing,
    Whole(Row<'a>),
    Start(Row<'a>, &'a Arc<AttemptId>),
    End(Row<'a>, &'a Arc<AttemptId>),
}

pub(super) struct Disclosure<T, E, R> {
    entry: Entry,
    read: Option<R>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, R> Disclosure<T, E, R> {
    pub(super) const fn new(entry: Entry, read: R, answer: oneshot::Sender<Result<T, E>>) -> Self {
        Self {
            entry,
            read: Some(read),
            result: None,
            answer,
        }
    }
}

impl<T, E, R> Work for Disclosure<T, E, R>
where
    T: Send,
    E: Reason + From<Error> + Send,
    R: FnOnce(&mut Connection, &mut Entry) -> Result<T, E> + Send,
{
    fn read(&mut self, connection: &mut Connection) {
        if let Some(read) = self.read.take() {
            self.result = Some(read(connection, &mut self.entry));
        }
    }

    fn record(&self) -> What<'_> {
        let outcome = self.result.as_ref().map(Outcome::of);
        outcome.map_or(What::Nothing, |outcome| What::Whole(row(&self.entry, outcome)))
    }

    fn answer(self: Box<Self>, committed: &Result<(), Error>) -> Option<Box<dyn Work>> {
        let answer = match (self.result, committed) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) => Err(error.clone().into()),
            (None, Ok(())) => Err(Error::abandoned().into()),
        };
        // A caller that has hung up does not wait any more.
        let _ = self.answer.send(answer);
        None
    }
}

pub(super) struct Single {
    pub(super) entry: Entry,
    pub(super) outcome: Outcome,
    pub(super) answer: oneshot::Sender<Result<(), Error>>,
}

impl Work for Single {
    fn read(&mut self, _: &mut Connection) {}

    fn record(&self) -> What<'_> {
        What::Whole(row(&self.entry, self.outcome))
    }

    fn answer(self: Box<Self>, committed: &Result<(), Error>) -> Option<Box<dyn Work>> {
        let _ = self.answer.send(committed.clone());
        None
    }
}

pub(super) struct Start {
    pub(super) entry: Entry,
    pub(super) id: Arc<AttemptId>,
    pub(super) answer: oneshot::Sender<Result<(), Error>>,
}

impl Work for Start {
    fn read(&mut self, _: &mut Connection) {}

    fn record(&self) -> What<'_> {
        What::Start(row(&self.entry, Outcome::Started), &self.id)
    }

    fn answer(self: Box<Self>, committed: &Result<(), Error>) -> Option<Box<dyn Work>> {
        let _ = self.answer.send(committed.clone());
        None
    }
}

pub(super) struct End {
    pub(super) entry: Entry,
    pub(super) outcome: Outcome,
    /// When the outcome was known; it may be on the disk much later.
    pub(super) at: Timestamp,
    pub(super) attempt: Arc<AttemptId>,
}

impl Work for End {
    fn read(&mut self, _: &mut Connection) {}

    fn record(&self) -> What<'_> {
        let row = Row {
            at: self.at,
            ..row(&self.entry, self.outcome)
        };
        What::End(row, &self.attempt)
    }

    /// The attempt stands in the trail, and so must its outcome.
    fn answer(self: Box<Self>, committed: &Result<(), Error>) -> Option<Box<dyn Work>> {
        (committed.is_err() && self.attempt.get().is_some()).then_some(self as Box<dyn Work>)
    }
}

pub(super) struct Flush(pub(super) oneshot::Sender<()>);

impl Work for Flush {
    fn read(&mut self, _: &mut Connection) {}

    fn record(&self) -> What<'_> {
        What::Nothing
    }

    fn answer(self: Box<Self>, _: &Result<(), Error>) -> Option<Box<dyn Work>> {
        let _ = self.0.send(());
        None
    }
}

fn row(entry: &Entry, outcome: Outcome) -> Row<'_> {
    Row {
        entry,
        at: entry.at,
        outcome,
        attempt: None,
    }
}

/// Reads and records, in one transaction; gives the ids of the attempts that began.
pub(super) fn commit(
    connection: &mut Connection,
    batch: &mut [Box<dyn Work>],
) -> Result<Vec<(Arc<AttemptId>, i64)>, database::Error> {
    for work in &mut *batch {
        work.read(connection);
    }
    let mut rows = Vec::with_capacity(batch.len());
    let (mut started, mut canceled) = (Vec::new(), Vec::new());
    for work in &*batch {
        match work.record() {
            What::Nothing => {}
            What::Whole(row) => rows.push(row),
            What::Start(row, id) => {
                started.push((rows.len(), id));
                rows.push(row);
            }
            What::End(row, id) => match id.get() {
                Some(attempt) => rows.push(Row {
                    attempt: Some(attempt),
                    ..row
                }),
                // It ended before its beginning was on the disk: that is in this commit, or could not be recorded.
                None => canceled.push((row, id)),
            },
        }
    }
    store::insert_all(connection, &rows)?;
    if started.is_empty() {
        return Ok(Vec::new());
    }
    let last = store::last_id(connection)?;
    let ids: Vec<(Arc<AttemptId>, i64)> = (last - (rows.len() as i64 - 1)..=last)
        .enumerate()
        .filter_map(|(index, id)| {
            let at = started.binary_search_by_key(&index, |(index, _)| *index).ok()?;
            Some((Arc::clone(started.get(at)?.1), id))
        })
        .collect();
    let ends = canceled.into_iter().filter_map(|(row, attempt)| {
        let (_, id) = ids.iter().find(|(started, _)| Arc::ptr_eq(started, attempt))?;
        Some(Row {
            attempt: Some(*id),
            ..row
        })
    });
    store::insert_all(connection, &ends.collect::<Vec<_>>())?;
    Ok(ids)
}
