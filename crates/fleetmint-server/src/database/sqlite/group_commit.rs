//! Many jobs share one commit: a disk syncs a few thousand times a second at best, and there are more jobs than that.
//!
//! ```text
//! submit, submit_ahead, submit_late ─► gather ─► read each, write all, commit ─► finish each
//!                                      ▲          on a thread that may wait for the disk
//!                                      └── what comes during a commit is in the next
//! ```
//!
//! The committer is a task on the same runtime as the requests, not a thread of its own: submitting a job wakes no
//! thread, and the answers of a whole commit are released with one wake-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::{Instant, timeout_at};

use super::Sqlite;
use crate::database::{Connection, Error};

/// This many jobs begin a commit, even if nobody waits for them; a commit has less than twice as many.
const GROUP_MAX: usize = 1024;

/// A commit begins when one in this many of the unfinished jobs that were submitted ahead of time waits for it.
const SHARE: usize = 2;

/// How long a job that nobody waits for may wait for others to share a commit with.
const LATE_MAX: Duration = Duration::from_millis(100);

/// How long a job that could not be committed waits for its next attempt, unless another commit includes it earlier.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// One part of a commit.
pub(crate) trait Job: Send + Sized + 'static {
    /// The name of the jobs in the log, such as `audit records`.
    const NAME: &'static str;

    /// Reads what it needs, in the common transaction.
    fn read(&mut self, connection: &mut Connection);

    /// Writes the changes of all jobs.
    fn write(group: &mut [Self], connection: &mut Connection) -> Result<(), Error>;

    /// Answers the waiting caller, after the transaction has ended. Returns the job if it must be tried again.
    fn finish(self, committed: &Result<(), Error>) -> Option<Self>;
}

/// Commits jobs of one kind. Cloning is cheap: all clones share the one committer.
pub(crate) struct GroupCommit<J> {
    messages: UnboundedSender<Message<J>>,
    under_way: UnderWayCount,
}

/// The number of unfinished jobs that were submitted ahead of time: see [`UnderWay`].
type UnderWayCount = Arc<AtomicUsize>;

/// Counts an operation that began with a job submitted ahead of time; the operation ends when this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(UnderWayCount);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// No more jobs are accepted, because the runtime is ending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended;

enum Message<J> {
    /// A caller waits for it.
    Job(J),
    /// No caller waits for it yet.
    Ahead(J),
    /// A caller now waits for a job that was submitted ahead of time.
    Hurry,
    /// No caller will wait for it.
    Late(J),
}

impl<J> Clone for GroupCommit<J> {
    fn clone(&self) -> Self {
        Self {
            messages: self.messages.clone(),
            under_way: Arc::clone(&self.under_way),
        }
    }
}

impl<J: Job> GroupCommit<J> {
    /// Starts the committer, a task on the current runtime that ends when the last clone is dropped.
    pub(in crate::database) fn start(database: Sqlite) -> Self {
        let (sender, receiver) = unbounded_channel();
        let under_way = UnderWayCount::default();
        let committer = Committer {
            database,
            receiver,
            under_way: Arc::clone(&under_way),
            messages: Vec::new(),
        };
        tokio::spawn(committer.run());
        Self {
            messages: sender,
            under_way,
        }
    }

    /// Commits a job that a caller waits for.
    pub(crate) fn submit(&self, job: J) -> Result<(), Ended> {
        self.send(Message::Job(job))
    }

    /// Commits a job that no caller waits for yet, such as the first record of a long operation. It waits until one of
    /// these happens: half of the unfinished operations have submitted theirs, so that few commits are enough for many
    /// jobs and a single job is committed at once; a caller waits for any job; [`GroupCommit::hurry`] is called.
    pub(crate) fn submit_ahead(&self, job: J) -> Result<UnderWay, Ended> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let under_way = UnderWay(Arc::clone(&self.under_way));
        self.send(Message::Ahead(job))?;
        Ok(under_way)
    }

    /// Commits the jobs that were submitted ahead of time, because a caller now waits for one.
    pub(crate) fn hurry(&self) -> Result<(), Ended> {
        self.send(Message::Hurry)
    }

    /// Commits a job that no caller waits for, with the next commit or soon.
    pub(crate) fn submit_late(&self, job: J) -> Result<(), Ended> {
        self.send(Message::Late(job))
    }

    fn send(&self, message: Message<J>) -> Result<(), Ended> {
        self.messages.send(message).map_err(|_| Ended)
    }
}

struct Committer<J> {
    database: Sqlite,
    receiver: UnboundedReceiver<Message<J>>,
    under_way: UnderWayCount,
    /// A buffer for received messages, which is reused.
    messages: Vec<Message<J>>,
}

impl<J: Job> Committer<J> {
    /// Commits the received jobs until no more can arrive.
    async fn run(mut self) {
        let mut left_over = Vec::new();
        loop {
            let group = self.gather(left_over).await;
            if group.is_empty() {
                return;
            }
            left_over = Self::commit(self.database.clone(), group).await;
            let nothing_comes = self.receiver.is_closed() && self.receiver.is_empty();
            if nothing_comes && !left_over.is_empty() {
                let jobs = left_over.len();
                tracing::error!(jobs, "the service ends, and {} could not be committed", J::NAME);
                return;
            }
        }
    }

    /// Returns the jobs of the next commit, with those left over from the last one; none at the end.
    async fn gather(&mut self, left_over: Vec<J>) -> Vec<J> {
        let mut deadline = (!left_over.is_empty()).then(|| Instant::now() + RETRY_DELAY);
        let mut group = left_over;
        let (mut awaited, mut ahead) = (false, 0);
        loop {
            if !self.receive(deadline).await {
                return group;
            }
            for message in self.messages.drain(..) {
                match message {
                    Message::Job(job) => {
                        awaited = true;
                        group.push(job);
                    }
                    Message::Hurry => awaited = true,
                    Message::Ahead(job) => {
                        ahead += 1;
                        group.push(job);
                    }
                    Message::Late(job) => {
                        deadline.get_or_insert_with(|| Instant::now() + LATE_MAX);
                        group.push(job);
                    }
                }
            }
            if group.is_empty() {
                // A caller hurried, but its job was already in the last commit.
                awaited = false;
            }
            let enough = ahead > 0 && ahead * SHARE >= self.under_way.load(Ordering::Relaxed);
            if awaited || enough || group.len() >= GROUP_MAX {
                return group;
            }
        }
    }

    /// Waits for messages. Returns whether any arrived: none do after the end, or before the deadline.
    async fn receive(&mut self, deadline: Option<Instant>) -> bool {
        let coming = self.receiver.recv_many(&mut self.messages, GROUP_MAX);
        let came = match deadline {
            Some(deadline) => timeout_at(deadline, coming).await.unwrap_or(0),
            None => coming.await,
        };
        if came == 0 {
            return false;
        }
        // Requests that are about to submit a job run first, and then share this commit.
        yield_now().await;
        while self.messages.len() < GROUP_MAX
            && let Ok(message) = self.receiver.try_recv()
        {
            self.messages.push(message);
        }
        true
    }

    /// Commits a group, and returns what to try again.
    async fn commit(database: Sqlite, mut group: Vec<J>) -> Vec<J> {
        let written = spawn_blocking(move || {
            let committed = database.write(|connection| {
                for job in &mut group {
                    job.read(connection);
                }
                J::write(&mut group, connection)
            });
            (group, committed)
        });
        let Ok((group, committed)) = written.await else {
            // A job panicked. The callers of the other jobs get an error because their jobs are dropped.
            tracing::error!("a commit of {} ended abnormally", J::NAME);
            return Vec::new();
        };
        if let Err(error) = &committed {
            tracing::error!(jobs = group.len(), %error, "{} could not be committed", J::NAME);
        }
        group.into_iter().filter_map(|job| job.finish(&committed)).collect()
    }
}
