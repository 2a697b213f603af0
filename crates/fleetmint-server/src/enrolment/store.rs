use diesel::prelude::*;
use jiff::Timestamp;

use crate::database::schema::devices::dsl;
use crate::database::{self, Connection};
use crate::devices::Device;
use crate::devices::store::{ACTIVE, COLUMNS, Row};
use crate::models::Overrides;

/// What a device's row is made of.
pub(super) struct NewRow {
    pub(super) key: String,
    pub(super) device_model_id: i64,
    pub(super) name: String,
    pub(super) overrides: Overrides,
    pub(super) now: Timestamp,
}

pub(super) fn insert(
    connection: &mut Connection,
    row: &NewRow,
    client_id: &str,
    state: &str,
) -> Result<Device, database::Error> {
    let device = diesel::insert_into(dsl::devices)
        .values((
            (
                dsl::key.eq(&row.key),
                dsl::device_model_id.eq(row.device_model_id),
                dsl::name.eq(&row.name),
                dsl::client_id.eq(client_id),
                dsl::state.eq(state),
            ),
            (
                dsl::base_url.eq(&row.overrides.base_url),
                dsl::token_url.eq(&row.overrides.token_url),
                dsl::mqtt_url.eq(&row.overrides.mqtt_url),
                dsl::wifi_ssid.eq(&row.overrides.wifi_ssid),
                dsl::wifi_password.eq(&row.overrides.wifi_password),
            ),
            (
                dsl::created_at.eq(row.now.as_microsecond()),
                dsl::updated_at.eq(row.now.as_microsecond()),
            ),
        ))
        .returning(COLUMNS)
        .get_result::<Row>(connection)?;
    Ok(device.into())
}

/// Deletes an active row, and says which client was its.
pub(super) fn delete(connection: &mut Connection, id: i64) -> Result<Option<String>, database::Error> {
    let deleted = diesel::delete(dsl::devices.find(id).filter(dsl::state.eq(ACTIVE)))
        .returning(dsl::client_id)
        .get_result(connection);
    Ok(deleted.optional()?)
}
