//! The metrics for Prometheus at `/metrics`: base units, and no label that could identify a device. docs/metrics.md
//! lists all of them.

mod gauges;
mod process;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::database::{self, Database};
use crate::operation::Operation;

use gauges::Gauges;
use process::Process;

/// From a quarter of a millisecond (a read) to the identity provider's time limit and beyond, in seconds.
const BUCKETS: [f64; 14] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// The service's metrics. Cloning is cheap: all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    operations: Pair,
    keycloak_calls: Pair,
    gauges: Gauges,
    /// The counter and the histogram of `get_provisioning` with status 200, looked up once: it is the most frequent
    /// call.
    images: (Counter, Histogram),
}

/// A counter and a histogram.
#[derive(Debug)]
struct Pair {
    total: Family<Labels, Counter>,
    duration: Family<Labels, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    operation: &'static str,
    status: u16,
}

impl Pair {
    fn register(registry: &mut Registry, name: &str, what: &str) -> Self {
        let new = || Histogram::new(BUCKETS);
        let pair = Self {
            total: Family::default(),
            duration: Family::new_with_constructor(new as fn() -> Histogram),
        };
        registry.register(
            format!("{name}s"),
            format!("How many {what} ended with this status"),
            pair.total.clone(),
        );
        registry.register_with_unit(
            format!("{name}_duration"),
            format!("How long {what} with this status took"),
            Unit::Seconds,
            pair.duration.clone(),
        );
        pair
    }

    fn observe(&self, operation: &'static str, status: u16, took: Duration) {
        let labels = Labels { operation, status };
        self.total.get_or_create(&labels).inc();
        self.duration.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registry::default();
        all.register_collector(Box::new(Process));
        let registry = all.sub_registry_with_prefix("fleetmint");
        registry.register(
            "build",
            "The running version of Fleetmint",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        let operations = Pair::register(registry, "operation", "operations");
        let keycloak_calls = Pair::register(registry, "keycloak_call", "calls to Keycloak");
        let gauges = Gauges::register(registry);
        let labels = Labels {
            operation: Operation::GetProvisioning.name(),
            status: 200,
        };
        let images = (
            operations.total.get_or_create_owned(&labels),
            operations.duration.get_or_create_owned(&labels),
        );
        Self(Arc::new(Inner {
            registry: all,
            operations,
            keycloak_calls,
            gauges,
            images,
        }))
    }
}

impl Metrics {
    /// Counts an operation that was answered with this HTTP status.
    pub fn operation(&self, operation: Operation, status: u16, took: Duration) {
        if operation == Operation::GetProvisioning && status == 200 {
            let (total, duration) = &self.0.images;
            total.inc();
            duration.observe(took.as_secs_f64());
        } else {
            self.0.operations.observe(operation.name(), status, took);
        }
    }

    /// Counts a call to Keycloak; `status` is its HTTP status, 0 if none came.
    pub fn keycloak_call(&self, call: &'static str, status: u16, took: Duration) {
        self.0.keycloak_calls.observe(call, status, took);
    }

    /// Sets the gauges: the sizes of the database, and the devices by their state as `count` returns them.
    pub(crate) fn set_gauges(
        &self,
        database: &Database,
        count: impl FnOnce() -> Result<Vec<(&'static str, i64)>, database::Error>,
    ) {
        self.0.gauges.set(database, count);
    }

    /// All counters and histograms, and the gauges as they were set last.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn encode(&self, format: Format) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        match format {
            Format::Text => prometheus_text::encode(&mut text, &self.0.registry)?,
            Format::OpenMetrics => text::encode(&mut text, &self.0.registry)?,
        }
        Ok(text)
    }
}

/// The format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own text format, which everything reads.
    Text,
    OpenMetrics,
}

impl Format {
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Text => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_and_timed_by_name_and_status() {
        let metrics = Metrics::default();
        metrics.operation(Operation::GetProvisioning, 200, Duration::from_millis(3));
        metrics.operation(Operation::GetProvisioning, 200, Duration::from_millis(3));
        metrics.operation(Operation::GetProvisioning, 404, Duration::from_millis(3));
        metrics.keycloak_call("create_client", 201, Duration::from_millis(2));
        let text = metrics.encode(Format::OpenMetrics).unwrap();
        for line in [
            "fleetmint_operations_total{operation=\"get_provisioning\",status=\"200\"} 2",
            "fleetmint_operations_total{operation=\"get_provisioning\",status=\"404\"} 1",
            "fleetmint_operation_duration_seconds_count{operation=\"get_provisioning\",status=\"200\"} 2",
            "fleetmint_operation_duration_seconds_bucket{le=\"0.0025\",operation=\"get_provisioning\",status=\"200\"} 0",
            "fleetmint_operation_duration_seconds_bucket{le=\"0.005\",operation=\"get_provisioning\",status=\"200\"} 2",
            "fleetmint_keycloak_calls_total{operation=\"create_client\",status=\"201\"} 1",
            "# UNIT fleetmint_operation_duration_seconds seconds",
        ] {
            assert!(text.contains(line), "{line} is missing from\n{text}");
        }
    }
}
