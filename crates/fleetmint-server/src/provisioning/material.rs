//! The data for a device's image: its row, its model's row, and its client's secret.

use super::Error;
use super::store::{self, Material, Reference};
use crate::app::App;
use crate::audit::Entry;
use crate::database::Connection;
use crate::identity::keycloak::Keycloak;
use crate::identity::{self, Client, Identity};
use crate::secret::Secret;

/// Reads everything except the secret, and the client that has it. A missing device is recorded as a failure.
pub(super) async fn read(app: &App, record: &mut Entry) -> Result<(Material, Reference), Error> {
    let id = record.device_id.unwrap_or_default();
    let found = app
        .database
        .read(move |connection| store::find(connection, id)?.ok_or(Error::NotFound))
        .await;
    match &found {
        Ok((material, _)) => record.model_id = Some(material.model_id),
        Err(error) => app.audit.failed(record.clone(), error).await,
    }
    found
}

/// The device's secret, from either provider.
pub(super) async fn secret(app: &App, material: &Material, reference: &Reference) -> Result<Secret, Error> {
    match &app.identity {
        Identity::Builtin(builtin) => {
            let (builtin, client_id) = (builtin.clone(), material.client_id.clone());
            let read = move |connection: &mut Connection| builtin.secret(connection, &client_id);
            Ok(app.database.read(read).await?)
        }
        Identity::Keycloak(keycloak) => secret_at_keycloak(app, keycloak, material, reference).await,
    }
}

/// The secret of the client that is proven to be the device's: one call. If the row has no proof (it was written by an
/// earlier version, or by somebody without the master key), the client with the device's name is used if its attribute
/// names the device, and the proof is stored.
pub(super) async fn secret_at_keycloak(
    app: &App,
    keycloak: &Keycloak,
    material: &Material,
    reference: &Reference,
) -> Result<Secret, Error> {
    let client = material.client(reference);
    if client.is_proven(&app.seal, reference.provider_proof.as_deref()) {
        return Ok(keycloak.secret(client).await?);
    }
    let by_name = Client {
        provider_ref: None,
        ..client
    };
    let id = keycloak.locate(by_name).await?;
    let id = id.ok_or_else(|| identity::Error::ClientMissing {
        client_id: material.client_id.clone(),
    })?;
    let proven = Client {
        provider_ref: Some(&id),
        ..client
    };
    let secret = keycloak.secret(proven).await?;
    let proof = client.proof(&app.seal, &id);
    let (device_key, known) = (material.device_key.clone(), reference.provider_ref.clone());
    app.database
        .write::<_, Error>(move |connection| Ok(store::prove(connection, &device_key, known.as_deref(), &id, &proof)?))
        .await?;
    Ok(secret)
}
