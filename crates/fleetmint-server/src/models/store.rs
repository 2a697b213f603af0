use diesel::dsl::{exists, not};
use jiff::Timestamp;

use super::{DeviceModel, Error, Sort};
use crate::database::folding::fold;
use crate::database::keyset::{self, Listing};
use crate::database::prelude::*;
use crate::database::schema::device_models::{self, dsl};
use crate::database::schema::devices;
use crate::database::{self, Backend, Connection, timestamp};
use crate::overrides::{self, Overrides};

#[derive(Queryable, Selectable)]
#[diesel(table_name = device_models, check_for_backend(Backend))]
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

/// Inserts a model, unless another one has its code.
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
        .on_conflict_do_nothing()
        .returning(Row::as_returning())
        .get_result::<Row>(connection)
        .optional()
        .map_err(database::Error::from)?
        .map(DeviceModel::from)
        .ok_or_else(|| Error::CodeTaken { code: code.to_owned() })
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

/// Changes a model if it is unchanged since it was read: no two states of a row have the same `updated_at`.
/// `false` if another change came first.
pub(super) fn update(
    connection: &mut Connection,
    model: &DeviceModel,
    read: Timestamp,
) -> Result<bool, database::Error> {
    let unchanged = dsl::updated_at.eq(read.as_microsecond());
    let changed = diesel::update(dsl::device_models.find(model.id).filter(unchanged))
        .set((
            dsl::name.eq(&model.name),
            dsl::name_folded.eq(fold(&model.name)),
            overrides::store::device_models::Row::from(&model.overrides),
            dsl::updated_at.eq(model.updated_at.as_microsecond()),
        ))
        .execute(connection)?;
    Ok(changed == 1)
}

/// Deletes a model that no device has, if it is unchanged since it was read. `false` if another change came first.
///
/// # Errors
/// [`Error::InUse`].
pub(super) fn delete(connection: &mut Connection, model: &DeviceModel) -> Result<bool, Error> {
    let its_devices = devices::table.filter(devices::device_model_id.eq(model.id));
    let unchanged = dsl::updated_at.eq(model.updated_at.as_microsecond());
    let deletable = unchanged.and(not(exists(its_devices)));
    let deleted = diesel::delete(dsl::device_models.find(model.id).filter(deletable)).execute(connection);
    match deleted.map_err(database::Error::from) {
        Ok(1) => Ok(true),
        Ok(_) => match diesel::select(exists(its_devices)).get_result(connection) {
            Ok(true) => Err(Error::InUse),
            Ok(false) => Ok(false),
            Err(error) => Err(database::Error::from(error).into()),
        },
        Err(database::Error::Referenced) => Err(Error::InUse),
        Err(other) => Err(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::race::Race;
    use crate::database::time_of_change;

    #[test]
    fn only_one_of_several_changes_of_one_state_succeeds() {
        let race = Race::new(
            "INSERT INTO device_models (id, code, name, created_at, updated_at, name_folded)
             VALUES (1, 'm', '', 0, 0, '')",
        );
        for n in 0..20 {
            let read = race.run(|connection| find(connection, 1).unwrap().unwrap()).remove(0);
            race.has_one_winner(|connection| {
                let mut model = read.clone();
                model.name = n.to_string();
                // The clock stands still.
                model.updated_at = time_of_change(Timestamp::UNIX_EPOCH, read.updated_at);
                update(connection, &model, read.updated_at).unwrap()
            });
        }
    }

    #[test]
    fn a_model_is_created_once_and_deleted_once() {
        let race = Race::new("");
        for n in 0..20 {
            race.has_one_winner(|connection| {
                let (code, overrides) = (n.to_string(), Overrides::default());
                match insert(connection, &code, "", &overrides, Timestamp::UNIX_EPOCH) {
                    Ok(_) => true,
                    Err(Error::CodeTaken { .. }) => false,
                    Err(other) => panic!("{other}"),
                }
            });
            let id = race.run(|connection| with_code(connection, &n.to_string()).unwrap().unwrap());
            let model = race
                .run(|connection| find(connection, id[0]).unwrap().unwrap())
                .remove(0);
            race.has_one_winner(|connection| delete(connection, &model).unwrap());
        }
    }
}
