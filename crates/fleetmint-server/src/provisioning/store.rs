use diesel::prelude::*;
use diesel::sqlite::Sqlite;

use crate::database::schema::{client_secrets, device_models, devices};
use crate::database::{self, Connection};
use crate::devices::store::ACTIVE;
use crate::identity::Client;
use crate::identity::builtin::SecretRow;
use crate::overrides::Overrides;
use crate::overrides::store::device_models::Row as ModelOverrides;
use crate::overrides::store::devices::Row as DeviceOverrides;

/// What the rows say about one device: all of it in one read, since every provisioning makes it.
#[derive(Queryable)]
pub(super) struct Material {
    pub(super) device_key: String,
    pub(super) client_id: String,
    #[diesel(deserialize_as = DeviceOverrides)]
    pub(super) device: Overrides,
    pub(super) model_id: i64,
    pub(super) model_code: String,
    #[diesel(deserialize_as = ModelOverrides)]
    pub(super) model: Overrides,
}

impl Material {
    /// The device's client, as an outside identity provider is asked for it.
    pub(super) fn client<'a>(&'a self, reference: &'a Reference) -> Client<'a> {
        Client {
            client_id: &self.client_id,
            device_key: &self.device_key,
            provider_ref: reference.provider_ref.as_deref(),
        }
    }
}

/// Which client of an outside identity provider is the device's, as its row says.
#[derive(Queryable)]
pub(super) struct Reference {
    pub(super) provider_ref: Option<String>,
    pub(super) provider_proof: Option<Vec<u8>>,
}

/// Stores which client is the device's, and the proof of it, unless the row names another than `known` meanwhile.
pub(super) fn prove(
    connection: &mut Connection,
    device_key: &str,
    known: Option<&str>,
    provider_ref: &str,
    proof: &[u8],
) -> Result<(), database::Error> {
    let device = devices::table.filter(devices::key.eq(device_key));
    diesel::update(device.filter(devices::provider_ref.is(known)))
        .set((
            devices::provider_ref.eq(provider_ref),
            devices::provider_proof.eq(proof),
        ))
        .execute(connection)?;
    Ok(())
}

/// The columns of [`Material`].
type Columns = (
    devices::key,
    devices::client_id,
    <DeviceOverrides as Selectable<Sqlite>>::SelectExpression,
    devices::device_model_id,
    device_models::code,
    <ModelOverrides as Selectable<Sqlite>>::SelectExpression,
);

fn columns() -> Columns {
    (
        devices::key,
        devices::client_id,
        <DeviceOverrides as Selectable<Sqlite>>::construct_selection(),
        devices::device_model_id,
        device_models::code,
        <ModelOverrides as Selectable<Sqlite>>::construct_selection(),
    )
}

/// What an image is made of, but for the secret, and which client at an outside provider has that.
pub(super) fn find(connection: &mut Connection, id: i64) -> Result<Option<(Material, Reference)>, database::Error> {
    let query = devices::table
        .inner_join(device_models::table)
        .filter(devices::id.eq(id).and(devices::state.eq(ACTIVE)))
        .select((columns(), (devices::provider_ref, devices::provider_proof)));
    Ok(query.get_result(connection).optional()?)
}

/// What an image is made of, with the newest secret that the built-in provider has of the client: one read instead of two,
/// and both of the same moment. Each column costs about a hundredth of an answer, so those of outside providers are left
/// out.
pub(super) fn find_with_secret(
    connection: &mut Connection,
    id: i64,
) -> Result<Option<(Material, Option<SecretRow>)>, database::Error> {
    let secrets = client_secrets::table.on(client_secrets::client_id.eq(devices::client_id));
    let query = devices::table
        .inner_join(device_models::table)
        .left_join(secrets)
        .filter(devices::id.eq(id).and(devices::state.eq(ACTIVE)))
        .order((client_secrets::created_at.desc(), client_secrets::id.desc()))
        .select((columns(), SecretRow::COLUMNS.nullable()));
    Ok(query.load(connection)?.into_iter().next())
}
