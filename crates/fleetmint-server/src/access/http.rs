//! The caller as an extractor: the first argument of each handler whose operation needs a role.
//!
//! A test calls every operation of [`Operation::CALLS`] without a token, with a device's and with wrong ones, so that no
//! handler forgets it.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};

use super::refusals::WAIT;
use super::{Access, Caller, Error, Principal, Refusals};
use crate::clock::Clock;
use crate::http::problem::{Problem, kinds};
use crate::http::sender::{authorization, source};
use crate::identity::Identity;
use crate::operation::Operation;
use crate::source::Source;

kinds! {
    UNAUTHORIZED = UNAUTHORIZED, "unauthorized", "Unauthorized", false;
    FORBIDDEN = FORBIDDEN, "forbidden", "Forbidden", false;
}

/// Decides who may call. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: Access,
    identity: Identity,
    refusals: Arc<Refusals>,
    clock: Arc<dyn Clock>,
}

impl Gate {
    pub fn new(access: Access, identity: Identity, refusals: Arc<Refusals>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            access,
            identity,
            refusals,
            clock,
        }))
    }

    /// The caller who sent these headers.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, Error> {
        let Inner {
            access,
            identity,
            clock,
            ..
        } = &*self.0;
        access.authenticate(authorization(headers), identity, clock.now()).await
    }

    /// Whether calls from this address have to wait.
    pub(crate) fn has_refused_too_many(&self, source: Source) -> bool {
        self.0.refusals.are_too_many(source)
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Gate: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let gate = Gate::from_ref(state);
        let source = source(&parts.extensions);
        if gate.has_refused_too_many(source) {
            tokio::time::sleep(WAIT).await;
        }
        let principal = gate.authenticate(&parts.headers).await?;
        // The router attached the operation to the request.
        let operation = parts.extensions.get::<Operation>();
        if !operation.is_some_and(|operation| principal.role().may(*operation)) {
            return Err(Error::Forbidden.into());
        }
        Ok(Self { principal, source })
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthorized => Self::new(
                UNAUTHORIZED,
                "The call needs `Authorization: Bearer` with a valid administrator token.",
            )
            .with_header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"fleetmint\""),
            ),
            Error::Device { client_id } => Self::new(FORBIDDEN, "The token is a device's; devices may not call this.")
                .with_refused_client(&client_id),
            Error::Forbidden => Self::new(FORBIDDEN, "The caller's role does not allow this call."),
            Error::Database(error) => error.into(),
        }
    }
}
