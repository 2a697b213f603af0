//! What every operation may use: the database, the identity provider, the settings, and time and randomness.

use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;
use ring::rand::SecureRandom;

use crate::access::{Access, Refusals};
use crate::audit::Audit;
use crate::config::Settings;
use crate::database::Database;
use crate::http::LargeBodies;
use crate::identity::Identity;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::seal::Seal;

/// The running service. Cloning is cheap: all clones share the same parts.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// What an [`App`] is made of.
#[derive(Debug)]
pub struct Parts {
    pub database: Database,
    pub identity: Identity,
    pub audit: Audit,
    pub metrics: Metrics,
    pub access: Access,
    pub refusals: Arc<Refusals>,
    pub readiness: Readiness,
    pub large_bodies: LargeBodies,
    pub settings: Arc<Settings>,
    pub seal: Seal,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time in whole microseconds, as the database keeps it.
    fn now(&self) -> Timestamp;
}

/// Where randomness comes from. What is filled must be unpredictable: secrets and keys are made of it.
pub trait Random: Send + Sync + std::fmt::Debug {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// The computer's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where the program reads the time"
    )]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// The operating system's cryptographic random source.
#[derive(Debug)]
pub struct SystemRandom(ring::rand::SystemRandom);

impl Default for SystemRandom {
    fn default() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.0.fill(bytes).map_err(|_| NoRandomness)
    }
}
