use diesel::prelude::*;
use diesel::sqlite::Sqlite;

use super::{Device, Filter, Sort};
use crate::database::folding::fold;
use crate::database::keyset::{self, Listing};
use crate::database::schema::devices::{self, dsl};
use crate::database::{self, Connection, timestamp};
use crate::overrides;

/// The state of a row that readers can see.
pub(crate) const ACTIVE: &str = "active";

#[derive(Queryable, Selectable)]
#[diesel(table_name = devices, check_for_backend(Sqlite))]
pub(crate) struct Row {
    id: i64,
    key: String,
    device_model_id: i64,
    name: String,
    serial: Option<String>,
    client_id: String,
    provider_ref: Option<String>,
    #[diesel(embed)]
    overrides: overrides::store::devices::Row,
    created_at: i64,
    updated_at: i64,
}

impl From<Row> for Device {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            key: row.key,
            device_model_id: row.device_model_id,
            name: row.name,
            serial: row.serial,
            client_id: row.client_id,
            provider_ref: row.provider_ref,
            overrides: row.overrides.into(),
            created_at: timestamp(row.created_at),
            updated_at: timestamp(row.updated_at),
        }
    }
}

pub(crate) fn find(connection: &mut Connection, id: i64) -> Result<Option<Device>, database::Error> {
    let query = dsl::devices
        .find(id)
        .filter(dsl::state.eq(ACTIVE))
        .select(Row::as_select());
    Ok(query.get_result::<Row>(connection).optional()?.map(Device::from))
}

/// The id and the state of the row that has this serial.
pub(super) fn state_of_serial(
    connection: &mut Connection,
    serial: &str,
) -> Result<Option<(i64, String)>, database::Error> {
    let query = dsl::devices
        .filter(dsl::serial.eq(serial))
        .select((dsl::id, dsl::state));
    Ok(query.get_result(connection).optional()?)
}

pub(super) fn list(
    connection: &mut Connection,
    filter: &Filter,
    listing: &Listing<Sort>,
) -> Result<Vec<Device>, database::Error> {
    let mut query = dsl::devices
        .filter(dsl::state.eq(ACTIVE))
        .select(Row::as_select())
        .limit(listing.fetch())
        .into_boxed();
    if let Some(model) = filter.device_model_id {
        query = query.filter(dsl::device_model_id.eq(model));
    }
    if let Some(serial) = &filter.serial {
        query = query.filter(dsl::serial.eq(serial.clone()));
    }
    if let Some(pattern) = listing.pattern() {
        query = query.filter(
            dsl::key
                .like(pattern.clone())
                .escape('\\')
                .or(dsl::client_id.like(pattern.clone()).escape('\\'))
                .or(dsl::name_folded.like(pattern.clone()).escape('\\'))
                .or(dsl::serial.like(pattern).escape('\\')),
        );
    }
    query = match listing.sort {
        Sort::Id => keyset::page(query, dsl::id, dsl::id, listing),
        Sort::Key => keyset::page(query, dsl::key, dsl::id, listing),
        Sort::Name => keyset::page(query, dsl::name, dsl::id, listing),
        Sort::CreatedAt => keyset::page(query, dsl::created_at, dsl::id, listing),
    };
    Ok(query.load::<Row>(connection)?.into_iter().map(Device::from).collect())
}

pub(super) fn update(connection: &mut Connection, device: &Device) -> Result<(), database::Error> {
    diesel::update(dsl::devices.find(device.id))
        .set((
            dsl::name.eq(&device.name),
            dsl::name_folded.eq(fold(&device.name)),
            dsl::serial.eq(&device.serial),
            overrides::store::devices::Row::from(&device.overrides),
            dsl::updated_at.eq(device.updated_at.as_microsecond()),
        ))
        .execute(connection)?;
    Ok(())
}

/// The brokers' URLs whose user name and password are not sealed, with the row's id and key.
pub(super) fn urls_with_userinfo(connection: &mut Connection) -> Result<Vec<(i64, String, String)>, database::Error> {
    Ok(dsl::devices
        .filter(dsl::mqtt_url.like("%://%@%").and(dsl::mqtt_userinfo.is_null()))
        .select((dsl::id, dsl::key, dsl::mqtt_url.assume_not_null()))
        .load(connection)?)
}

pub(super) fn set_mqtt_url(
    connection: &mut Connection,
    id: i64,
    masked: &str,
    userinfo: &[u8],
) -> Result<(), database::Error> {
    diesel::update(dsl::devices.find(id))
        .set((dsl::mqtt_url.eq(masked), dsl::mqtt_userinfo.eq(userinfo)))
        .execute(connection)?;
    Ok(())
}
