//! Keycloak: the real one, and a stand-in for the faults that the real one does not produce.

mod audit;
mod faults;
mod outage;
mod real;
pub(crate) mod realm;
mod references;
pub(crate) mod stand_in;

use std::sync::Arc;
use std::time::Duration;

use fleetmint_server::clock::{Clock, SystemClock};
use fleetmint_server::config;
use fleetmint_server::identity::Client;
use fleetmint_server::identity::keycloak::Keycloak;
use fleetmint_server::metrics::Metrics;
use fleetmint_server::random::SystemRandom;
use fleetmint_server::secret::Secret;

/// The client of a device, as in its row.
const fn client<'a>(client_id: &'a str, device_key: &'a str, provider_ref: Option<&'a str>) -> Client<'a> {
    Client {
        client_id,
        device_key,
        provider_ref,
    }
}

fn settings(base_url: &str, timeout: Duration) -> config::Keycloak {
    config::Keycloak {
        base_url: base_url.to_owned(),
        realm: "fleet".to_owned(),
        client_id: "fleetmint".to_owned(),
        client_secret: Secret::new("the service account's secret".to_owned()),
        device_scope: Some("fleetmint-device".to_owned()),
        token_url: None,
        ca_file: None,
        timeout,
    }
}

fn start(settings: &config::Keycloak) -> (Keycloak, Metrics) {
    start_at(settings, Arc::new(SystemClock))
}

/// The same, with the test's clock.
fn start_at(settings: &config::Keycloak, clock: Arc<dyn Clock>) -> (Keycloak, Metrics) {
    let metrics = Metrics::default();
    let keycloak = Keycloak::start(settings, &metrics, Arc::new(SystemRandom), clock).unwrap();
    (keycloak, metrics)
}
