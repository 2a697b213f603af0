//! Brings to an end what was cut short between a row and its client at Keycloak.

use std::time::Duration;

use super::{Error, keycloak, store};
use crate::app::App;
use crate::devices::Device;
use crate::devices::store::ACTIVE;
use crate::identity::keycloak::Keycloak;
use crate::identity::{self, Client, Identity};

/// How long the reconciler rests between two rounds, unless Keycloak's time limit is shorter.
const PERIOD: Duration = Duration::from_secs(5);

/// Goes round until it is dropped: at once, and then again and again. It never ends by itself, and no failure ends it.
pub async fn run(app: App) {
    let Identity::Keycloak(provider) = &app.identity else {
        return;
    };
    loop {
        if let Err(error) = round(&app).await {
            tracing::warn!(%error, "mending what was cut short stopped, and goes on later");
        }
        tokio::time::sleep(PERIOD.min(provider.timeout())).await;
    }
}

/// One round over all rows whose lease has run out. Gives how many were mended.
///
/// # Errors
/// The database's, and Keycloak being out of reach; the rows left over wait for the next round.
pub async fn round(app: &App) -> Result<usize, Error> {
    let Identity::Keycloak(provider) = &app.identity else {
        return Ok(0);
    };
    let (mut mended, mut last) = (0, 0);
    loop {
        let lease = keycloak::lease(app, provider)?;
        let owner = lease.owner.clone();
        let next = app
            .database
            .write::<_, Error>(move |connection| Ok(store::claim_stale(connection, last, &lease)?))
            .await?;
        let Some((device, state)) = next else { return Ok(mended) };
        last = device.id;
        match mend(app, provider, &device, &state, &owner).await {
            Ok(()) => {
                mended += 1;
                tracing::info!(device = device.id, state, "brought to an end what was cut short");
            }
            Err(error @ Error::Identity(identity::Error::Unreachable(_) | identity::Error::Timeout { .. })) => {
                keycloak::release(app, device.id, owner).await;
                return Err(error);
            }
            Err(error) => {
                keycloak::release(app, device.id, owner).await;
                tracing::warn!(device = device.id, state, %error, "what was cut short could not be mended yet");
            }
        }
    }
}

async fn mend(app: &App, provider: &Keycloak, device: &Device, state: &str, owner: &str) -> Result<(), Error> {
    let (id, owner) = (device.id, owner.to_owned());
    if state == ACTIVE {
        // Its client may have been made anew, under another id. What else was to be mended stays as it is: whoever asked
        // for it was not told that it was done.
        let found = provider
            .locate(Client::of(device))
            .await?
            .or(device.provider_ref.clone());
        let settle = move |connection: &mut _| Ok(store::settle(connection, id, &owner, found.as_deref())?);
        app.database.write::<_, Error>(settle).await?;
    } else {
        provider.delete(Client::of(device)).await?;
        app.database
            .write::<_, Error>(move |connection| Ok(store::remove(connection, id, &owner)?))
            .await?;
    }
    Ok(())
}
