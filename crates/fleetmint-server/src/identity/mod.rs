//! Who a device is: its client at the identity provider.

pub mod builtin;
pub mod keycloak;

/// The identity provider that the settings chose.
#[derive(Debug)]
pub enum Identity {
    Builtin(builtin::Builtin),
    Keycloak(keycloak::Keycloak),
}
