//! Many records, one commit: a disk syncs a few thousand times a second at best, and disclosures are more.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, yield_now};

use super::store::{self, Row};
use super::{Entry, Error, Outcome, Reason};
use crate::app::Clock;
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
        answered.await.map_err(|_| abandoned())?
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
        let disclosure = Disclosure {
            entry,
            read: Some(read),
            result: None,
            answer,
        };
        self.send(Message::Now(Box::new(disclosure)))?;
        answered.await.map_err(|_| abandoned())?
    }

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
        self.begun.fetch_add(1, Ordering::Relaxed);
        let attempt = Attempt {
            audit: self.clone(),
            entry: Some(entry),
            id,
            durable,
        };
        self.send(Message::Begun(Box::new(start)))?;
        Ok(attempt)
    }

    /// Waits until everything that was handed over before is on the disk, or could not be written.
    pub async fn flush(&self) {
        let (answer, answered) = oneshot::channel();
        if self.send(Message::Now(Box::new(Flush(answer)))).is_ok() {
            let _ = answered.await;
        }
    }

    fn send(&self, message: Message) -> Result<(), Error> {
        self.committer.send(message).map_err(|_| abandoned())
    }
}

/// The id of an attempt's record, once that is on the disk.
#[derive(Debug, Default)]
struct AttemptId(AtomicI64);

impl AttemptId {
    fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Acquire)).filter(|id| *id != 0)
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

impl Attempt {
    /// Waits until the record is on the disk. Once is enough.
    ///
    /// # Errors
    /// It is not, and what it was to allow must not happen.
    pub async fn durable(&mut self) -> Result<(), Error> {
        match self.durable.try_recv() {
            Ok(result) => result,
            Err(oneshot::error::TryRecvError::Empty) => {
                self.audit.send(Message::Hurry)?;
                (&mut self.durable).await.map_err(|_| abandoned())?
            }
            Err(oneshot::error::TryRecvError::Closed) => Err(abandoned()),
        }
    }

    /// Has the record of the outcome made, soon.
    pub fn ended(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: Outcome) {
        let Some(entry) = self.entry.take() else { return };
        self.audit.begun.fetch_sub(1, Ordering::Relaxed);
        let end = End {
            entry,
            outcome,
            at: self.audit.clock.now(),
            attempt: Arc::clone(&self.id),
        };
        if self.audit.send(Message::Later(Box::new(end))).is_err() {
            tracing::error!("the outcome of an operation could not be recorded");
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.end(Outcome::Failed("canceled"));
    }
}

fn abandoned() -> Error {
    Error(Arc::new(database::Error::Other(
        "the audit's committer ended abnormally".to_owned(),
    )))
}

/// One part of a commit.
trait Work: Send {
    /// Reads, in the transaction of all.
    fn read(&mut self, connection: &mut Connection);

    /// What is to be recorded.
    fn record(&self) -> What<'_>;

    /// Tells who waits for it, once it is known how the transaction ended. Gives what is to be tried again.
    fn answer(self: Box<Self>, committed: &Result<(), Error>) -> Option<Box<dyn Work>>;
}

enum What<'a> {
    Nothing,
    Whole(Row<'a>),
    Start(Row<'a>, &'a Arc<AttemptId>),
    End(Row<'a>, &'a Arc<AttemptId>),
}

struct Disclosure<T, E, R> {
    entry: Entry,
    read: Option<R>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
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
            (None, Ok(())) => Err(abandoned().into()),
        };
        // A caller that has hung up does not wait any more.
        let _ = self.answer.send(answer);
        None
    }
}

struct Single {
    entry: Entry,
    outcome: Outcome,
    answer: oneshot::Sender<Result<(), Error>>,
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

struct Start {
    entry: Entry,
    id: Arc<AttemptId>,
    answer: oneshot::Sender<Result<(), Error>>,
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

struct End {
    entry: Entry,
    outcome: Outcome,
    /// When the outcome was known; it may be on the disk much later.
    at: Timestamp,
    attempt: Arc<AttemptId>,
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

struct Flush(oneshot::Sender<()>);

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
fn commit(
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
                        attempt.0.store(id, Ordering::Release);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::super::{Filter, Record};
    use super::*;
    use crate::app::SystemClock;
    use crate::operation::Operation;

    fn entry(device: i64) -> Entry {
        Entry {
            at: Timestamp::UNIX_EPOCH,
            actor: "administrator".into(),
            action: Operation::GetProvisioning,
            device_id: Some(device),
            model_id: None,
            source: "127.0.0.1".into(),
        }
    }

    fn database() -> (tempfile::TempDir, Database) {
        let root = tempfile::tempdir().unwrap();
        let database = Database::open(&root.path().join("database")).unwrap();
        (root, database)
    }

    /// All records, oldest first.
    fn records(database: &Database) -> Vec<Record> {
        let records = database.read(|connection| store::list(connection, &Filter::default(), 10_000));
        let mut records: Vec<Record> = records.unwrap();
        records.reverse();
        records
    }

    /// The devices that there are records of with this outcome.
    fn recorded(database: &Database, outcome: &str) -> Vec<i64> {
        let mut devices: Vec<i64> = records(database)
            .iter()
            .filter(|record| record.outcome == outcome)
            .filter_map(|record| record.device_id)
            .collect();
        devices.sort_unstable();
        devices
    }

    async fn until_recorded(database: &Database, outcome: &str, devices: &[i64]) {
        for _ in 0..1000 {
            if recorded(database, outcome) == devices {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "there are records of {:?}, not of {devices:?}",
            recorded(database, outcome)
        );
    }

    fn execute(database: &Database, sql: &str) {
        use diesel::connection::SimpleConnection as _;
        let write = |connection: &mut Connection| Ok(connection.batch_execute(sql)?);
        database.write_blocking::<_, database::Error>(write).unwrap();
    }

    async fn done(audit: &Audit, device: i64) {
        audit.record(entry(device), Outcome::Succeeded).await.unwrap();
    }

    #[tokio::test]
    async fn what_could_not_be_read_is_recorded_as_failed_and_spoils_no_others() {
        let (_root, database) = database();
        let audit = Audit::start(database.clone(), Arc::new(SystemClock));
        let all = (0..20).map(|device| {
            audit.disclose(entry(device), move |_, entry| {
                entry.model_id = Some(device + 100);
                match device % 3 {
                    0 => Err(Error(Arc::new(database::Error::Other(device.to_string())))),
                    _ => Ok(device * 10),
                }
            })
        });
        for (device, answer) in (0..20).zip(join_all(all).await) {
            match answer {
                Ok(value) => assert_eq!(value, device * 10),
                Err(Error(error)) => assert_eq!((device % 3, error.to_string()), (0, device.to_string())),
            }
        }
        let (failed, read): (Vec<i64>, Vec<i64>) = (0..20).partition(|device| device % 3 == 0);
        assert_eq!(recorded(&database, "succeeded"), read);
        assert_eq!(recorded(&database, "failed"), failed);
        for record in records(&database) {
            assert_eq!(record.model_id, record.device_id.map(|device| device + 100));
            let reason = (record.outcome == "failed").then_some("unavailable");
            assert_eq!((record.reason.as_deref(), record.attempt), (reason, None));
        }
    }

    #[tokio::test]
    async fn a_panic_ends_one_commit_and_not_the_committer() {
        let (_root, database) = database();
        let audit = Audit::start(database.clone(), Arc::new(SystemClock));
        let panics = audit.disclose(entry(1), |_, _| -> Result<(), Error> { panic!("as the test wants it") });
        let (beside, panicked) = tokio::join!(audit.record(entry(2), Outcome::Succeeded), panics);
        assert!(panicked.is_err());
        // It was part of the same commit.
        assert!(beside.is_err());
        assert!(records(&database).is_empty());

        done(&audit, 3).await;
        assert_eq!(recorded(&database, "succeeded"), [3]);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_waits_for_more_of_its_kind() {
        let (_root, database) = database();
        let audit = Audit::start(database.clone(), Arc::new(SystemClock));
        // One alone, and a good part of what is under way, are committed though nobody waits.
        let mut one = audit.begin(entry(1)).unwrap();
        until_recorded(&database, "started", &[1]).await;
        let others: Vec<Attempt> = (2..6).map(|device| audit.begin(entry(device)).unwrap()).collect();
        until_recorded(&database, "started", &[1, 2, 3, 4, 5]).await;

        // A small part waits, until somebody does.
        let mut last = audit.begin(entry(6)).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(recorded(&database, "started"), [1, 2, 3, 4, 5]);
        last.durable().await.unwrap();
        assert_eq!(recorded(&database, "started"), [1, 2, 3, 4, 5, 6]);

        // Waiting for what has long been made hurries nothing; another's record takes along what was begun.
        let mut beside = audit.begin(entry(7)).unwrap();
        one.durable().await.unwrap();
        for mut other in others {
            other.durable().await.unwrap();
        }
        done(&audit, 9).await;
        assert_eq!(recorded(&database, "started"), [1, 2, 3, 4, 5, 6, 7]);
        beside.durable().await.unwrap();
    }

    #[tokio::test]
    async fn an_outcome_names_its_attempt_however_it_ended() {
        let (_root, database) = database();
        let audit = Audit::start(database.clone(), Arc::new(SystemClock));
        // Some that fill several statements, so that the ids of attempts among them are counted rightly.
        let attempts: Vec<Attempt> = (0..21).map(|device| audit.begin(entry(device)).unwrap()).collect();
        for (device, mut attempt) in (0..21).zip(attempts) {
            attempt.durable().await.unwrap();
            match device % 3 {
                0 => attempt.ended(Outcome::Succeeded),
                1 => attempt.ended(Outcome::Failed("not-found")),
                // The caller hung up.
                _ => drop(attempt),
            }
        }
        // This one did so before the record was on the disk.
        drop(audit.begin(entry(21)).unwrap());
        audit.flush().await;

        let all = records(&database);
        assert_eq!(all.len(), 44);
        let (started, ended): (Vec<&Record>, Vec<&Record>) = all.iter().partition(|record| record.outcome == "started");
        for start in started {
            let ends: Vec<_> = ended.iter().filter(|end| end.attempt == Some(start.id)).collect();
            let [end] = ends[..] else { panic!("{start:?}: {ends:?}") };
            let expected = match start.device_id.unwrap() {
                21 => ("failed", Some("canceled")),
                device if device % 3 == 0 => ("succeeded", None),
                device if device % 3 == 1 => ("failed", Some("not-found")),
                _ => ("failed", Some("canceled")),
            };
            assert_eq!((end.outcome.as_str(), end.reason.as_deref()), expected);
            assert_eq!(end.device_id, start.device_id);
            assert!(end.id > start.id && start.attempt.is_none());
        }
    }

    #[tokio::test]
    async fn an_outcome_is_recorded_soon_though_nobody_waits() {
        let (_root, database) = database();
        let audit = Audit::start(database.clone(), Arc::new(SystemClock));
        let mut attempt = audit.begin(entry(1)).unwrap();
        attempt.durable().await.unwrap();
        attempt.ended(Outcome::Succeeded);
        until_recorded(&database, "succeeded", &[1]).await;
    }

    #[tokio::test]
    async fn an_attempt_that_could_not_be_recorded_has_no_outcome() {
        let (_root, database) = database();
        let audit = Audit::start(database.clone(), Arc::new(SystemClock));
        execute(
            &database,
            "CREATE TRIGGER no_room BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END",
        );
        let mut attempt = audit.begin(entry(1)).unwrap();
        attempt.durable().await.unwrap_err();
        execute(&database, "DROP TRIGGER no_room");
        attempt.ended(Outcome::Failed("unavailable"));
        audit.flush().await;
        assert!(records(&database).is_empty());
    }

    #[tokio::test]
    async fn an_outcome_that_could_not_be_committed_is_tried_again() {
        let (_root, database) = database();
        let audit = Audit::start(database.clone(), Arc::new(SystemClock));
        let mut attempt = audit.begin(entry(1)).unwrap();
        attempt.durable().await.unwrap();
        execute(
            &database,
            "CREATE TRIGGER no_room BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END",
        );
        attempt.ended(Outcome::Succeeded);
        audit.record(entry(2), Outcome::Succeeded).await.unwrap_err();
        execute(&database, "DROP TRIGGER no_room");
        done(&audit, 3).await;
        assert_eq!(recorded(&database, "succeeded"), [1, 3]);
    }

    #[tokio::test]
    async fn what_was_begun_is_made_when_the_service_ends() {
        let (_root, database) = database();
        let audit = Audit::start(database.clone(), Arc::new(SystemClock));
        let made: Vec<Attempt> = (0..4).map(|device| audit.begin(entry(device)).unwrap()).collect();
        until_recorded(&database, "started", &[0, 1, 2, 3]).await;
        drop(audit.begin(entry(4)).unwrap());
        drop((audit, made));
        until_recorded(&database, "failed", &[0, 1, 2, 3, 4]).await;
    }

    #[tokio::test]
    async fn ids_are_never_used_again() {
        let (_root, database) = database();
        let audit = Audit::start(database.clone(), Arc::new(SystemClock));
        join_all((0..30).map(|device| done(&audit, device))).await;
        let last = records(&database).last().unwrap().id;
        execute(&database, "DELETE FROM audit");
        done(&audit, 1).await;
        assert_eq!(records(&database).first().unwrap().id, last + 1);
    }
}
