//! The identity provider's failures, as callers see them.

use super::Error;
use crate::http::problem::{Problem, kinds};

kinds! {
    FOREIGN_CLIENT = CONFLICT, "foreign-client", "The identity provider has a client of this name that belongs to something else", false;
    IDENTITY_PROVIDER_FAILED = BAD_GATEWAY, "identity-provider-failed", "The identity provider failed", true;
    IDENTITY_PROVIDER_REFUSED = BAD_GATEWAY, "identity-provider-refused", "The identity provider refused the service's own account", false;
    CLIENT_MISSING = BAD_GATEWAY, "client-missing", "The identity provider does not know the device's client", false;
    CLIENT_SECRET_MISSING = BAD_GATEWAY, "client-secret-missing", "The identity provider has no usable secret of the device's client", false;
    IDENTITY_PROVIDER_TIMEOUT = GATEWAY_TIMEOUT, "identity-provider-timeout", "The identity provider did not answer in time", true;
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (kind, detail) = match &error {
            Error::Unreachable(_) => (IDENTITY_PROVIDER_FAILED, "The identity provider cannot be reached."),
            Error::Timeout { .. } => (
                IDENTITY_PROVIDER_TIMEOUT,
                "The identity provider did not answer in time.",
            ),
            Error::Redirected { .. } => (
                IDENTITY_PROVIDER_FAILED,
                "The identity provider redirects, which is not followed.",
            ),
            Error::Refused { .. } => (
                IDENTITY_PROVIDER_REFUSED,
                "The identity provider refuses the service's own account.",
            ),
            Error::Failed { status: 503 } => (
                IDENTITY_PROVIDER_FAILED,
                "The identity provider answered 503: it is unavailable, and may still be starting.",
            ),
            Error::Failed { .. } => (IDENTITY_PROVIDER_FAILED, "The identity provider failed."),
            Error::Unreadable(_) | Error::TooLarge { .. } => (
                IDENTITY_PROVIDER_FAILED,
                "The identity provider's answer cannot be used.",
            ),
            Error::ClientMissing { .. } => (
                CLIENT_MISSING,
                "The identity provider does not know the device's client; synchronize the device's identity.",
            ),
            Error::SecretMissing { .. } => (
                CLIENT_SECRET_MISSING,
                "The identity provider has no secret of the device's client; synchronize the device's identity.",
            ),
            Error::SecretMasked { .. } => (
                CLIENT_SECRET_MISSING,
                "The identity provider shows the secret of the device's client only masked: the service's own account \
                 has no right to see it.",
            ),
            Error::ForeignClient { .. } => (
                FOREIGN_CLIENT,
                "The identity provider has a client of this name that is not ours.",
            ),
            Error::Seal(_) => return Self::internal(&error),
            Error::Database(error) => return error.clone().into(),
        };
        Self::new(kind, detail).with_cause(&error)
    }
}
