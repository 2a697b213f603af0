//! Writers that race each other, for the tests of statements that must be right while others write at the same time.

use std::sync::Barrier;

use diesel::connection::SimpleConnection as _;

use super::{Connection, Database, Error};

const WRITERS: usize = 8;

/// A database that two services have opened.
pub(crate) struct Race {
    _folder: tempfile::TempDir,
    databases: [Database; 2],
}

impl Race {
    /// Creates a database and executes this SQL in it.
    pub(crate) fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = || Database::open(&folder.path().join("fleetmint.db")).unwrap();
        let databases = [open(), open()];
        databases[0]
            .write_blocking::<_, Error>(|connection| Ok(connection.batch_execute(sql)?))
            .unwrap();
        Self {
            _folder: folder,
            databases,
        }
    }

    /// Runs this on all writers at once, without a transaction: only the conditions of the statements protect them from
    /// each other.
    pub(crate) fn run<T: Send>(&self, work: impl Fn(&mut Connection) -> T + Sync) -> Vec<T> {
        let start = Barrier::new(WRITERS);
        let (start, work) = (&start, &work);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|n| {
                    let database = &self.databases[n % 2];
                    scope.spawn(move || {
                        database
                            .read_blocking::<_, Error>(|connection| {
                                start.wait();
                                Ok(work(connection))
                            })
                            .unwrap()
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        })
    }

    /// As one of the two services has it.
    pub(crate) fn database(&self) -> &Database {
        let [database, _] = &self.databases;
        database
    }

    /// Has one writer do this.
    pub(crate) fn alone<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> T {
        self.database()
            .read_blocking::<_, Error>(|connection| Ok(work(connection)))
            .unwrap()
    }

    /// [`Race::run`], for what only one of the writers may be told to have done.
    pub(crate) fn has_one_winner(&self, work: impl Fn(&mut Connection) -> bool + Sync) {
        let won = self.run(work).into_iter().filter(|won| *won).count();
        assert_eq!(won, 1);
    }
}
