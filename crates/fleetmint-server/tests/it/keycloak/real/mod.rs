//! The service's changes of a real Keycloak, and the repair of outside changes.

mod clients;
mod repair;
mod service;

use fleetmint_server::identity::{Status, new_secret};
use fleetmint_server::random::SystemRandom;
use fleetmint_server::secret::Secret;

use super::client;
use super::realm::unique;

const HEALTHY: Status = Status {
    exists: true,
    name: true,
    enabled: true,
    ours: true,
    flows: true,
    bearer: true,
    scope: true,
    secret: true,
    token: true,
    refusal: None,
};

struct Device {
    key: String,
    client_id: String,
    secret: Secret,
}

impl Device {
    fn new() -> Self {
        let key = unique();
        Self {
            client_id: format!("iotdevice-test-{key}"),
            key,
            secret: new_secret(&SystemRandom),
        }
    }

    fn client<'a>(&'a self, id: Option<&'a str>) -> fleetmint_server::identity::Client<'a> {
        client(&self.client_id, &self.key, id)
    }
}
