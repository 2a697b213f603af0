//! Completes changes that were interrupted between a row and its client at Keycloak.

use std::time::Duration;

use jiff::Timestamp;

use super::{Error, keycloak, store};
use crate::app::App;
use crate::audit::{self, Entry, Outcome};
use crate::database::{self, Connection};
use crate::devices::{Device, State};
use crate::identity::keycloak::Keycloak;
use crate::identity::{self, Identity};
use crate::operation::Operation;

/// The pause between two rounds, unless Keycloak's time limit is shorter.
const PERIOD: Duration = Duration::from_secs(5);

/// Runs rounds until it is dropped, the first one at once. No failure ends it.
pub async fn run(app: App) {
    let Identity::Keycloak(provider) = &app.identity else {
        return;
    };
    loop {
        if let Err(error) = round(&app).await {
            tracing::warn!(%error, "completing interrupted changes failed and will be tried again");
        }
        tokio::time::sleep(PERIOD.min(provider.timeout())).await;
    }
}

/// One round over all rows whose lease has expired. Returns how many were completed.
///
/// # Errors
/// The database's, and an unreachable Keycloak; the remaining rows wait for the next round.
pub async fn round(app: &App) -> Result<usize, Error> {
    let Identity::Keycloak(provider) = &app.identity else {
        return Ok(0);
    };
    let (mut completed, mut last) = (0, 0);
    loop {
        let lease = keycloak::lease(app, provider);
        let owner = lease.owner.clone();
        let next = app
            .database
            .write::<_, Error>(move |connection| {
                let Some((device, state)) = store::claim_stale(connection, last, &lease)? else {
                    return Ok(None);
                };
                let attempt = OpenAttempt::of(connection, &device, state, lease.now)?;
                Ok(Some((device, state, attempt)))
            })
            .await?;
        let Some((device, state, attempt)) = next else {
            return Ok(completed);
        };
        last = device.id;
        match complete(app, provider, &device, state, &owner, attempt).await {
            Ok(()) => {
                completed += 1;
                tracing::info!(
                    device = device.id,
                    state = state.name(),
                    "completed an interrupted change"
                );
            }
            Err(error @ Error::Identity(identity::Error::Unreachable(_) | identity::Error::Timeout { .. })) => {
                keycloak::release(app, device.id, owner).await;
                return Err(error);
            }
            Err(error) => {
                keycloak::release(app, device.id, owner).await;
                tracing::warn!(device = device.id, state = state.name(), %error, "an interrupted change could not be completed yet");
            }
        }
    }
}

/// Stands in the audit trail in place of a caller's address.
const SOURCE: &str = "reconciler";

/// The record of the work on a row. Repeated tries of a row that cannot be settled yet are one attempt: otherwise the
/// trail would grow by a record every few seconds as long as Keycloak is unavailable.
struct OpenAttempt {
    id: i64,
    entry: Entry,
}

impl OpenAttempt {
    /// This runs in the transaction that claimed the row's lease, so nobody else looks for the row's open attempt at
    /// the same time.
    fn of(connection: &mut Connection, device: &Device, state: State, at: Timestamp) -> Result<Self, database::Error> {
        let entry = Entry {
            at,
            actor: audit::SYSTEM.into(),
            action: match state {
                State::Active => Operation::SyncIdentity,
                State::Creating | State::Deleting => Operation::DeleteDevice,
            },
            device_id: Some(device.id),
            model_id: Some(device.device_model_id),
            source: SOURCE.into(),
        };
        let id = match audit::last_open(connection, &entry)? {
            Some(id) => id,
            None => audit::start(connection, &entry)?,
        };
        Ok(Self { id, entry })
    }

    fn succeeded(&self, connection: &mut Connection, at: Timestamp) -> Result<(), database::Error> {
        audit::end(connection, &self.entry, self.id, Outcome::Succeeded, at)
    }
}

async fn complete(
    app: &App,
    provider: &Keycloak,
    device: &Device,
    state: State,
    owner: &str,
    attempt: OpenAttempt,
) -> Result<(), Error> {
    let (id, owner) = (device.id, owner.to_owned());
    if state == State::Active {
        // Its client may have been created again, under another id. Other repairs of the interrupted sync are not
        // completed: its caller got no answer that they were done.
        let found = provider.locate(device.client()).await?.or(device.provider_ref.clone());
        let at = app.clock.now();
        let settle = move |connection: &mut Connection| {
            // Without a proof: the next request for the image looks the client up again, and stores one.
            if !store::settle(connection, id, &owner, found.as_deref(), None)? {
                return Err(Error::Busy);
            }
            Ok(attempt.succeeded(connection, at)?)
        };
        app.database.write::<_, Error>(settle).await?;
    } else {
        provider.delete(device.client()).await?;
        let at = app.clock.now();
        app.database
            .write::<_, Error>(move |connection| {
                if !store::remove(connection, id, &owner)? {
                    return Err(Error::Busy);
                }
                Ok(attempt.succeeded(connection, at)?)
            })
            .await?;
    }
    Ok(())
}
