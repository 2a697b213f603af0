//! Keycloak, through its admin API.

/// A realm of a Keycloak server.
#[derive(Debug)]
pub struct Keycloak {}
