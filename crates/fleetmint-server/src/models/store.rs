use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use jiff::Timestamp;

use super::{DeviceModel, Error, Sort};
use crate::database::folding::fold;
use crate::database::keyset::{self, Listing};
use crate::database::schema::device_models::{self, dsl};
use crate::database::{self, Connection, Constraint, timestamp};
use crate::overrides::{self, Overrides};

#[derive(Queryable, Selectable)]
#[diesel(table_name = device_models, check_for_backend(Sqlite))]
struct Row {
    id: i64,
    code: String,
    name: String,
    #[diesel(embed)]
    overrides: overrides::store::device_models::Row,
    created_at: i64,
    updated_at: i64,
}

impl From<Row> for DeviceModel {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            code: row.code,
            name: row.name,
            overrides: row.overrides.into(),
            created_at: timestamp(row.created_at),
            updated_at: timestamp(row.updated_at),
        }
    }
}

pub(super) fn insert(
    connection: &mut Connection,
    code: &str,
    name: &str,
    overrides: &Overrides,
    now: Timestamp,
) -> Result<DeviceModel, Error> {
    diesel::insert_into(device_models::table)
        .values((
            (dsl::code.eq(code), dsl::name.eq(name), dsl::name_folded.eq(fold(name))),
            overrides::store::device_models::Row::from(overrides),
            (
                dsl::created_at.eq(now.as_microsecond()),
                dsl::updated_at.eq(now.as_microsecond()),
            ),
        ))
        .returning(Row::as_returning())
        .get_result::<Row>(connection)
        .map(DeviceModel::from)
        .map_err(|error| match database::Error::from(error) {
            database::Error::Taken(Constraint::DeviceModelCode) => Error::CodeTaken { code: code.to_owned() },
            other => other.into(),
        })
}

pub(super) fn find(connection: &mut Connection, id: i64) -> Result<Option<DeviceModel>, database::Error> {
    let row = dsl::device_models
        .find(id)
        .select(Row::as_select())
        .get_result::<Row>(connection)
        .optional()?;
    Ok(row.map(DeviceModel::from))
}

pub(super) fn code(connection: &mut Connection, id: i64) -> Result<Option<String>, database::Error> {
    Ok(dsl::device_models
        .find(id)
        .select(dsl::code)
        .get_result(connection)
        .optional()?)
}

pub(super) fn with_code(connection: &mut Connection, code: &str) -> Result<Option<i64>, database::Error> {
    Ok(dsl::device_models
        .filter(dsl::code.eq(code))
        .select(dsl::id)
        .get_result(connection)
        .optional()?)
}

pub(super) fn list(connection: &mut Connection, listing: &Listing<Sort>) -> Result<Vec<DeviceModel>, database::Error> {
    let mut query = dsl::device_models
        .select(Row::as_select())
        .limit(listing.fetch())
        .into_boxed();
    if let Some(pattern) = listing.pattern() {
        query = query.filter(
            dsl::code
                .like(pattern.clone())
                .escape('\\')
                .or(dsl::name_folded.like(pattern).escape('\\')),
        );
    }
    query = match listing.sort {
        Sort::Id => keyset::page(query, dsl::id, dsl::id, listing),
        Sort::Code => keyset::page(query, dsl::code, dsl::id, listing),
        Sort::Name => keyset::page(query, dsl::name, dsl::id, listing),
        Sort::CreatedAt => keyset::page(query, dsl::created_at, dsl::id, listing),
    };
    Ok(query
        .load::<Row>(connection)?
        .into_iter()
        .map(DeviceModel::from)
        .collect())
}

pub(super) fn update(connection: &mut Connection, model: &DeviceModel) -> Result<(), database::Error> {
    diesel::update(dsl::device_models.find(model.id))
        .set((
            dsl::name.eq(&model.name),
            dsl::name_folded.eq(fold(&model.name)),
            overrides::store::device_models::Row::from(&model.overrides),
            dsl::updated_at.eq(model.updated_at.as_microsecond()),
        ))
        .execute(connection)?;
    Ok(())
}

pub(super) fn delete(connection: &mut Connection, id: i64) -> Result<(), Error> {
    let deleted = diesel::delete(dsl::device_models.find(id)).execute(connection);
    match deleted.map_err(database::Error::from) {
        Ok(0) => Err(Error::NotFound),
        Ok(_) => Ok(()),
        Err(database::Error::Referenced) => Err(Error::InUse),
        Err(other) => Err(other.into()),
    }
}

/// The brokers' URLs whose user name and password are not sealed, with the row's id and code.
pub(super) fn urls_with_userinfo(connection: &mut Connection) -> Result<Vec<(i64, String, String)>, database::Error> {
    Ok(dsl::device_models
        .filter(dsl::mqtt_url.like("%://%@%").and(dsl::mqtt_userinfo.is_null()))
        .select((dsl::id, dsl::code, dsl::mqtt_url.assume_not_null()))
        .load(connection)?)
}

pub(super) fn set_mqtt_url(
    connection: &mut Connection,
    id: i64,
    masked: &str,
    userinfo: &[u8],
) -> Result<(), database::Error> {
    diesel::update(dsl::device_models.find(id))
        .set((dsl::mqtt_url.eq(masked), dsl::mqtt_userinfo.eq(userinfo)))
        .execute(connection)?;
    Ok(())
}
