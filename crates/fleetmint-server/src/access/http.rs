//! The caller as an extractor: the first argument of each handler whose operation needs a role.
//!
//! A test calls every operation of [`Operation::CALLS`] without a token, with a device's and with wrong ones, so that no
//! handler forgets it.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};

use super::refusals::WAIT;
use super::{Access, Caller, Error, Principal, Refusals, own_page};
use crate::clock::Clock;
use crate::database::{self, Connection};
use crate::http::own_origin::{Origin, OwnOrigin};
use crate::http::problem::{Problem, kinds};
use crate::http::sender::{authorization, source};
use crate::identity::Identity;
use crate::operation::Operation;
use crate::sessions::cookie::Kind;
use crate::sessions::{Sessions, SignedIn};
use crate::source::Source;

kinds! {
    UNAUTHORIZED = UNAUTHORIZED, "unauthorized", "Unauthorized", false;
    FORBIDDEN = FORBIDDEN, "forbidden", "Forbidden", false;
    CROSS_ORIGIN = FORBIDDEN, "cross-origin", "The call does not come from the service's own page", false;
}

/// Decides who may call. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Gate(Arc<GateParts>);

/// The parts of a [`Gate`].
#[derive(Debug)]
pub(crate) struct GateParts {
    pub(crate) access: Access,
    pub(crate) sessions: Sessions,
    pub(crate) identity: Identity,
    pub(crate) own_origin: OwnOrigin,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Gate {
    pub(crate) fn new(parts: GateParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Who sent this request: by its `Authorization`, or else by its session cookie.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) async fn authenticate(&self, parts: &Parts) -> Result<(Principal, Option<SignedIn>), Error> {
        let GateParts {
            access,
            sessions,
            identity,
            own_origin,
            clock,
            ..
        } = &*self.0;
        let headers = &parts.headers;
        if headers.contains_key(header::AUTHORIZATION) {
            let principal = access
                .authenticate(authorization(headers), identity, clock.now())
                .await?;
            return Ok((principal, None));
        }
        if !sessions.cookies().are_in(headers) {
            return Err(Error::Unauthorized);
        }
        // First of all, so that whoever made the browser call does not learn whether somebody is signed in.
        own_page::check(parts, own_origin)?;
        let signed_in = sessions.of(headers).await?.ok_or(Error::Unauthorized)?;
        Ok((Principal::Administrator, Some(signed_in)))
    }

    /// The owner of a token that signs somebody in.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) async fn owner(&self, token: &str) -> Result<Principal, Error> {
        let GateParts {
            access,
            identity,
            clock,
            ..
        } = &*self.0;
        access.owner(token, identity, clock.now()).await
    }

    /// Whether the token still is the administrator's, in the transaction that begins a session with it.
    ///
    /// # Errors
    /// Only the database's.
    pub(crate) fn is_stored(&self, connection: &mut Connection, token: &str) -> Result<bool, database::Error> {
        self.0.access.is_stored(connection, token)
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Whether calls from this address have to wait.
    pub(crate) fn has_refused_too_many(&self, source: Source) -> bool {
        self.0.refusals.are_too_many(source)
    }

    /// Waits if calls from this address have to.
    pub(crate) async fn wait(&self, source: Source) {
        if self.has_refused_too_many(source) {
            tokio::time::sleep(WAIT).await;
        }
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
        gate.wait(source).await;
        let (principal, signed_in) = gate.authenticate(parts).await?;
        // The router attached the operation to the request.
        let operation = parts.extensions.get::<Operation>();
        if !operation.is_some_and(|operation| principal.role().may(*operation)) {
            return Err(Error::Forbidden.into());
        }
        Ok(Self {
            principal,
            signed_in,
            source,
        })
    }
}

/// A request to sign in: whether it may, and where it comes from.
#[derive(Debug)]
pub(crate) struct SignIn {
    pub(crate) source: Source,
    /// By which of the two cookies.
    pub(crate) cookie: Kind,
}

impl<S> FromRequestParts<S> for SignIn
where
    S: Send + Sync,
    Gate: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let gate = Gate::from_ref(state);
        let source = source(&parts.extensions);
        gate.wait(source).await;
        own_page::check_sign_in(parts, &gate.0.own_origin)?;
        let cookie = match Origin::read(&parts.headers).is_https() {
            true => Kind::Secure,
            false => Kind::Plain,
        };
        Ok(Self { source, cookie })
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthorized => Self::new(
                UNAUTHORIZED,
                "The call needs `Authorization: Bearer` with a valid administrator token, or the cookie of a session that \
                 has not ended.",
            )
            .with_header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"fleetmint\""),
            ),
            Error::Device { client_id } => Self::new(FORBIDDEN, "The token is a device's; devices may not call this.")
                .with_refused_client(&client_id),
            Error::OtherPage(detail) => Self::new(CROSS_ORIGIN, detail),
            Error::Forbidden => Self::new(FORBIDDEN, "The caller's role does not allow this call."),
            Error::Database(error) => error.into(),
        }
    }
}
