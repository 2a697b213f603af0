use diesel::prelude::*;

use crate::database::schema::{device_models, devices};
use crate::database::{self, Connection};
use crate::devices::store::ACTIVE;
use crate::models::Overrides;

/// What the rows say about one device: all of it in one read, since every provisioning makes it.
#[derive(Queryable)]
pub(super) struct Material {
    pub(super) device_key: String,
    pub(super) client_id: String,
    pub(super) provider_ref: Option<String>,
    pub(super) device: Overrides,
    pub(super) model_code: String,
    pub(super) model: Overrides,
}

pub(super) fn find(connection: &mut Connection, id: i64) -> Result<Option<Material>, database::Error> {
    let query = devices::table
        .inner_join(device_models::table)
        .filter(devices::id.eq(id).and(devices::state.eq(ACTIVE)))
        .select((
            devices::key,
            devices::client_id,
            devices::provider_ref,
            (
                devices::base_url,
                devices::token_url,
                devices::mqtt_url,
                devices::wifi_ssid,
                devices::wifi_password,
            ),
            device_models::code,
            (
                device_models::base_url,
                device_models::token_url,
                device_models::mqtt_url,
                device_models::wifi_ssid,
                device_models::wifi_password,
            ),
        ));
    Ok(query.get_result(connection).optional()?)
}
