//! The parts that every operation may use: the database, the identity provider, the settings, and time and randomness.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;

use crate::access::{Gate, Refusals};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Settings;
use crate::database::Database;
use crate::http::LargeBodies;
use crate::identity::Identity;
use crate::metrics::Metrics;
use crate::random::Random;
use crate::readiness::Readiness;
use crate::seal::Seal;

/// The running service. Cloning is cheap: all clones share the same parts.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
#[derive(Debug)]
pub struct Parts {
    pub database: Database,
    pub identity: Identity,
    pub audit: Audit,
    pub metrics: Metrics,
    pub gate: Gate,
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

impl FromRef<App> for Gate {
    fn from_ref(app: &App) -> Self {
        app.gate.clone()
    }
}

impl FromRef<App> for Database {
    fn from_ref(app: &App) -> Self {
        app.database.clone()
    }
}
