//! Many jobs, one commit: a disk syncs a few thousand times a second at best, and jobs are more.
//!
//! ```text
//! submit, submit_ahead, submit_late ─► gather ─► read each, write all, commit ─► finish each
//!                                      ▲          on a thread that may wait for the disk
//!                                      └── what comes during a commit is in the next
//! ```
//!
//! The committer is a task among the requests rather than a thread beside them: a job handed over wakes no thread, and
//! the answers of a whole commit are released with one wake-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::{Instant, timeout_at};

use super::Sqlite;
use crate::database::{Connection, Error};

/// So many jobs begin a commit, whoever waits for them; it takes less than twice as many.
const GROUP_MAX: usize = 1024;

/// One of so many of the jobs that are under way ahead of time begins a commit.
const SHARE: usize = 2;

/// How long a job that nobody waits for may wait for others to share a commit with.
const LATE_MAX: Duration = Duration::from_millis(100);

/// How long what could not be committed waits before it is tried again, unless another commit takes it along.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// One part of a commit.
pub(crate) trait Job: Send + Sized + 'static {
    /// What the jobs are, for the log: `audit records`.
    const NAME: &'static str;

    /// Reads what it needs, in the transaction of all.
    fn read(&mut self, connection: &mut Connection);

    /// Writes what all of them have to write.
    fn write(group: &mut [Self], connection: &mut Connection) -> Result<(), Error>;

    /// Answers who waits for it, once it is known how the transaction ended. Returns what to try again.
    fn finish(self, committed: &Result<(), Error>) -> Option<Self>;
}

/// Commits jobs of one kind. Cloning is cheap: all clones share the one committer.
pub(crate) struct GroupCommit<J> {
    messages: UnboundedSender<Message<J>>,
    under_way: UnderWayCount,
}

/// How many jobs were submitted ahead of time and are not over: see [`UnderWay`].
type UnderWayCount = Arc<AtomicUsize>;

/// What was begun with a job that was submitted ahead of time; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(UnderWayCount);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// No job is taken any more: the runtime is ending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended;

enum Message<J> {
    /// Somebody waits for it.
    Job(J),
    /// Nobody waits for it yet.
    Ahead(J),
    /// Somebody waits for what was submitted ahead of time.
    Hurry,
    /// Nobody will wait for it.
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
    /// Starts the committer, a task of the running runtime that ends with the last clone.
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

    /// Commits a job that somebody waits for.
    pub(crate) fn submit(&self, job: J) -> Result<(), Ended> {
        self.send(Message::Job(job))
    }

    /// Commits a job that nobody waits for yet, such as the first part of something that takes long. It waits for more
    /// of its kind: until half of what is under way has come, so that few commits do for many, and a single one has its
    /// own at once; until somebody waits for any job; or until [`GroupCommit::hurry`].
    pub(crate) fn submit_ahead(&self, job: J) -> Result<UnderWay, Ended> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let under_way = UnderWay(Arc::clone(&self.under_way));
        self.send(Message::Ahead(job))?;
        Ok(under_way)
    }

    /// Commits what was submitted ahead of time: somebody waits for it now.
    pub(crate) fn hurry(&self) -> Result<(), Ended> {
        self.send(Message::Hurry)
    }

    /// Commits a job that nobody waits for, with the next commit or soon.
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
    /// Room for what is received, used again and again.
    messages: Vec<Message<J>>,
}

impl<J: Job> Committer<J> {
    /// Commits what has come, until nothing can come any more.
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

    /// What is to be committed next, with what is left over from before; nothing at the end.
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
                // Somebody hurried, and what they wait for was in the commit before.
                awaited = false;
            }
            let enough = ahead > 0 && ahead * SHARE >= self.under_way.load(Ordering::Relaxed);
            if awaited || enough || group.len() >= GROUP_MAX {
                return group;
            }
        }
    }

    /// Waits for messages. Says whether there are some: none come after the end, or until the deadline.
    async fn receive(&mut self, deadline: Option<Instant>) -> bool {
        let coming = self.receiver.recv_many(&mut self.messages, GROUP_MAX);
        let came = match deadline {
            Some(deadline) => timeout_at(deadline, coming).await.unwrap_or(0),
            None => coming.await,
        };
        if came == 0 {
            return false;
        }
        // Requests that are about to submit something come first: they then share this commit.
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
            // A job panicked; who waits for another of them learns of it as that is dropped.
            tracing::error!("a commit of {} ended abnormally", J::NAME);
            return Vec::new();
        };
        if let Err(error) = &committed {
            tracing::error!(jobs = group.len(), %error, "{} could not be committed", J::NAME);
        }
        group.into_iter().filter_map(|job| job.finish(&committed)).collect()
    }
}
