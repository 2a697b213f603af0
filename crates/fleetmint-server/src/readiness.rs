//! Whether the database can be written. It costs a commit, so what was found out holds for a moment for all who ask.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::database::{self, Database};
use crate::instance;

/// How long what was found out holds.
const REMEMBERED: Duration = Duration::from_secs(1);

/// What was found out last, and when.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Option<(Instant, Result<(), database::Error>)>>);

impl Readiness {
    /// Whether the database can be written and is still in its place. Those who ask meanwhile wait for the same answer.
    pub(crate) async fn check(&self, database: &Database) -> Result<(), database::Error> {
        let mut known = self.0.lock().await;
        if let Some((at, outcome)) = &*known
            && at.elapsed() < REMEMBERED
        {
            return outcome.clone();
        }
        let outcome = match database.write(instance::write_probe).await {
            Ok(()) => database.check_files(),
            Err(error) => Err(error),
        };
        *known = Some((Instant::now(), outcome.clone()));
        outcome
    }
}
