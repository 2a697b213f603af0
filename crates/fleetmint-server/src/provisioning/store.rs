use crate::database::prelude::*;
use crate::database::schema::{client_secrets, device_models, devices};
use crate::database::{self, Backend, Connection};
use crate::devices::State;
use crate::identity::Client;
use crate::identity::builtin::SecretRow;
use crate::overrides::Overrides;
use crate::overrides::store::device_models::Row as ModelOverrides;
use crate::overrides::store::devices::Row as DeviceOverrides;

/// The data for a device's image, except the secret. It is read for each image, so by one statement.
#[derive(Default, Queryable)]
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
    /// The device's client at an outside identity provider.
    pub(super) fn client<'a>(&'a self, reference: &'a Reference) -> Client<'a> {
        Client {
            client_id: &self.client_id,
            device_key: &self.device_key,
            provider_ref: reference.provider_ref.as_deref(),
        }
    }
}

/// The device's client at an outside identity provider, as its row names it.
#[derive(Queryable)]
pub(super) struct Reference {
    pub(super) provider_ref: Option<String>,
    pub(super) provider_proof: Option<Vec<u8>>,
}

/// Stores the device's client and the proof of it, if the row still has `known`.
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
    <DeviceOverrides as Selectable<Backend>>::SelectExpression,
    devices::device_model_id,
    device_models::code,
    <ModelOverrides as Selectable<Backend>>::SelectExpression,
);

fn columns() -> Columns {
    (
        devices::key,
        devices::client_id,
        <DeviceOverrides as Selectable<Backend>>::construct_selection(),
        devices::device_model_id,
        device_models::code,
        <ModelOverrides as Selectable<Backend>>::construct_selection(),
    )
}

/// The device's values, and the client at an outside provider that has the secret.
pub(super) fn find(connection: &mut Connection, id: i64) -> Result<Option<(Material, Reference)>, database::Error> {
    let query = devices::table
        .inner_join(device_models::table)
        .filter(devices::id.eq(id).and(devices::state.eq(State::Active)))
        .select((columns(), (devices::provider_ref, devices::provider_proof)));
    Ok(query.get_result(connection).optional()?)
}

/// The device's values, and the newest secret of its client at the built-in provider: one statement, so that both are of the
/// same moment. Each column costs about a hundredth of an answer, so the columns for outside providers are not read.
pub(super) fn find_with_secret(
    connection: &mut Connection,
    id: i64,
) -> Result<Option<(Material, Option<SecretRow>)>, database::Error> {
    let secrets = client_secrets::table.on(client_secrets::client_id.eq(devices::client_id));
    let query = devices::table
        .inner_join(device_models::table)
        .left_join(secrets)
        .filter(devices::id.eq(id).and(devices::state.eq(State::Active)))
        .order((client_secrets::created_at.desc(), client_secrets::id.desc()))
        .select((columns(), SecretRow::COLUMNS.nullable()));
    Ok(query.load(connection)?.into_iter().next())
}
