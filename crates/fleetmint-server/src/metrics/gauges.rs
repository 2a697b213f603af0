//! The gauges that are set at each scrape: how many devices there are, and how large the database is.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::database::{self, Database};

/// How long a count of the devices is valid: counting a large table takes time, and anybody may scrape.
const COUNT_LASTS: Duration = Duration::from_secs(5);

/// What a scrape sets.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    devices: Family<State, Gauge>,
    database_size: Gauge,
    wal_size: Gauge,
    failed_writes: Counter,
    counted: Mutex<Option<Instant>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        registry.register("devices", "Devices by their state", gauges.devices.clone());
        registry.register_with_unit(
            "database_size",
            "Size of the database's file in bytes",
            Unit::Bytes,
            gauges.database_size.clone(),
        );
        registry.register_with_unit(
            "database_wal_size",
            "Size of the database's write-ahead log in bytes",
            Unit::Bytes,
            gauges.wal_size.clone(),
        );
        registry.register(
            "database_failed_writes",
            "Transactions that the database did not begin or commit, or ended by itself",
            gauges.failed_writes.clone(),
        );
        gauges
    }

    /// `count` counts the devices by their state; it is not called more often than every [`COUNT_LASTS`].
    pub(super) fn set(
        &self,
        database: &Database,
        count: impl FnOnce() -> Result<Vec<(&'static str, i64)>, database::Error>,
    ) {
        let sizes = database.sizes();
        self.database_size
            .set(i64::try_from(sizes.database).unwrap_or(i64::MAX));
        self.wal_size.set(i64::try_from(sizes.wal).unwrap_or(i64::MAX));
        self.failed_writes
            .inner()
            .store(database.failed_writes(), Ordering::Relaxed);

        // Concurrent scrapes wait for the one that counts.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.is_some_and(|at| at.elapsed() < COUNT_LASTS) {
            return;
        }
        match count() {
            Ok(states) => {
                for (state, count) in states {
                    self.devices.get_or_create(&State { state }).set(count);
                }
                *counted = Some(Instant::now());
            }
            Err(error) => {
                // A missing gauge is noticed; an outdated one is not.
                self.devices.clear();
                tracing::warn!(%error, "the devices could not be counted");
            }
        }
    }
}
