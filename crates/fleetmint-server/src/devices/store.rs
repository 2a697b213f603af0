use jiff::Timestamp;

use super::{Board, Device, Filter, FlashOutcome, Sort, State};
use crate::database::folding::fold;
use crate::database::keyset::{self, Listing};
use crate::database::prelude::*;
use crate::database::schema::devices::{self, dsl};
use crate::database::schema::flashes;
use crate::database::{self, Backend, Connection, timestamp};
use crate::overrides;

#[derive(Queryable, Selectable)]
#[diesel(table_name = devices, check_for_backend(Backend))]
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
            board: None,
            created_at: timestamp(row.created_at),
            updated_at: timestamp(row.updated_at),
        }
    }
}

/// The columns of the flash that put a device onto its board.
#[derive(Queryable, Selectable)]
#[diesel(table_name = flashes, check_for_backend(Backend))]
struct BoardRow {
    mac: String,
    chip: String,
    outcome: Option<FlashOutcome>,
    ended_at: Option<i64>,
}

impl From<BoardRow> for Board {
    fn from(row: BoardRow) -> Self {
        Self {
            mac: row.mac,
            chip: row.chip,
            flashed_at: FlashOutcome::flashed_at(row.outcome, row.ended_at.map(timestamp)),
        }
    }
}

fn on_its_board((row, board): (Row, Option<BoardRow>)) -> Device {
    Device {
        board: board.map(Board::from),
        ..row.into()
    }
}

pub(crate) fn find(connection: &mut Connection, id: i64) -> Result<Option<Device>, database::Error> {
    let query = dsl::devices
        .left_join(flashes::table)
        .filter(dsl::id.eq(id).and(dsl::state.eq(State::Active)))
        .select((Row::as_select(), Option::<BoardRow>::as_select()));
    let found = query.get_result::<(Row, Option<BoardRow>)>(connection).optional()?;
    Ok(found.map(on_its_board))
}

/// The board that carries the device with this id.
pub(crate) fn board(connection: &mut Connection, id: i64) -> Result<Option<Board>, database::Error> {
    let query = flashes::table
        .filter(flashes::current_device_id.eq(id))
        .select(BoardRow::as_select());
    Ok(query.get_result::<BoardRow>(connection).optional()?.map(Board::from))
}

/// The id and the state of the row that has this serial.
pub(super) fn state_of_serial(
    connection: &mut Connection,
    serial: &str,
) -> Result<Option<(i64, State)>, database::Error> {
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
        .left_join(flashes::table)
        .filter(dsl::state.eq(State::Active))
        .select((Row::as_select(), Option::<BoardRow>::as_select()))
        .limit(listing.fetch())
        .into_boxed();
    if let Some(serial) = &filter.serial {
        query = query.filter(dsl::serial.eq(serial.clone()));
    }
    if let Some(pattern) = listing.pattern() {
        query = query.filter(dsl::id.eq_any(matches(filter, listing, pattern)));
    } else if let Some(model) = filter.device_model_id {
        query = query.filter(dsl::device_model_id.eq(model));
    }
    query = match listing.sort {
        Sort::Id => keyset::page(query, dsl::id, dsl::id, listing),
        Sort::Key => keyset::page(query, dsl::key, dsl::id, listing),
        Sort::Name => keyset::page(query, dsl::name, dsl::id, listing),
        Sort::Model => keyset::page(query, dsl::device_model_id, dsl::id, listing),
        Sort::CreatedAt => keyset::page(query, dsl::created_at, dsl::id, listing),
        Sort::UpdatedAt => keyset::page(query, dsl::updated_at, dsl::id, listing),
    };
    let found = query.load::<(Row, Option<BoardRow>)>(connection)?;
    Ok(found.into_iter().map(on_its_board).collect())
}

/// The ids of a page's devices that match a pattern.
///
/// A search compares every device, which takes five times longer in the order of an index than in the order of the table.
/// No index is used for a sum or a joined text, so the table is read from its beginning, and the first rows of the order
/// are picked out.
fn matches<'a>(
    filter: &Filter,
    listing: &Listing<Sort>,
    pattern: String,
) -> devices::BoxedQuery<'a, Backend, diesel::sql_types::BigInt> {
    let mut query = dsl::devices
        .filter(dsl::state.eq(State::Active))
        .select(dsl::id)
        .limit(listing.fetch())
        .into_boxed();
    if let Some(model) = filter.device_model_id {
        query = query.filter((dsl::device_model_id + 0).eq(model));
    }
    if let Some(serial) = &filter.serial {
        query = query.filter(dsl::serial.eq(serial.clone()));
    }
    query = query.filter(
        // A client id ends in the device's key.
        dsl::client_id
            .like(pattern.clone())
            .escape('\\')
            .or(dsl::name_folded.like(pattern.clone()).escape('\\'))
            .or(dsl::serial.like(pattern).escape('\\')),
    );
    match listing.sort {
        Sort::Id => keyset::page(query, dsl::id + 0, dsl::id, listing),
        Sort::Key => keyset::page(query, dsl::key.concat(""), dsl::id, listing),
        Sort::Name => keyset::page(query, dsl::name.concat(""), dsl::id, listing),
        Sort::Model => keyset::page(query, dsl::device_model_id + 0, dsl::id, listing),
        Sort::CreatedAt => keyset::page(query, dsl::created_at + 0, dsl::id, listing),
        Sort::UpdatedAt => keyset::page(query, dsl::updated_at + 0, dsl::id, listing),
    }
}

/// Changes an active device if it is unchanged since it was read: no two states of a row have the same `updated_at`.
/// `false` if another change came first.
///
/// # Errors
/// [`database::Error::Taken`] if another device got the serial.
pub(super) fn update(connection: &mut Connection, device: &Device, read: Timestamp) -> Result<bool, database::Error> {
    let unchanged = dsl::state
        .eq(State::Active)
        .and(dsl::updated_at.eq(read.as_microsecond()));
    let changed = diesel::update(dsl::devices.find(device.id).filter(unchanged))
        .set((
            dsl::name.eq(&device.name),
            dsl::name_folded.eq(fold(&device.name)),
            dsl::serial.eq(&device.serial),
            overrides::store::devices::Row::from(&device.overrides),
            dsl::updated_at.eq(device.updated_at.as_microsecond()),
        ))
        .execute(connection)?;
    Ok(changed == 1)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use diesel::Connection as _;
    use diesel::connection::InstrumentationEvent;
    use diesel::sql_types::Text;

    use super::*;
    use crate::database::Database;
    use crate::database::keyset::{After, SortKey as _};
    use crate::database::race::Race;
    use crate::database::time_of_change;

    #[test]
    fn only_one_of_several_changes_of_one_state_succeeds() {
        let race = Race::new(
            "INSERT INTO device_models (id, code, name, created_at, updated_at, name_folded)
             VALUES (1, 'm', '', 0, 0, '');
             INSERT INTO devices (id, key, device_model_id, name, client_id, state, created_at, updated_at, name_folded)
             VALUES (1, 'k', 1, '', 'c', 'active', 0, 0, '')",
        );
        for n in 0..20 {
            let read = race.run(|connection| find(connection, 1).unwrap().unwrap()).remove(0);
            race.has_one_winner(|connection| {
                let mut device = read.clone();
                device.name = n.to_string();
                // The clock stands still.
                device.updated_at = time_of_change(Timestamp::UNIX_EPOCH, read.updated_at);
                update(connection, &device, read.updated_at).unwrap()
            });
        }
    }

    /// SQLite's plan for the one query that `work` makes.
    fn plan(database: &Database, work: impl FnOnce(&mut Connection)) -> String {
        #[derive(QueryableByName)]
        struct Step {
            #[diesel(sql_type = Text)]
            detail: String,
        }
        let read = |connection: &mut Connection| {
            let queries = Arc::<Mutex<Vec<String>>>::default();
            let seen = Arc::clone(&queries);
            connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::StartQuery { query, .. } = event {
                    seen.lock().unwrap().push(query.to_string());
                }
            });
            work(connection);
            connection.set_instrumentation(|_: InstrumentationEvent<'_>| {});
            let query = queries.lock().unwrap().pop().unwrap();
            let query = query.split(" -- binds:").next().unwrap().to_owned();
            let steps = diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load::<Step>(connection)?;
            Ok(steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("; "))
        };
        database.read_blocking::<_, database::Error>(read).unwrap()
    }

    /// Each page of each list is read from an index, from its place on and in its order: its cost does not grow with the
    /// fleet. A search reads the whole table.
    #[test]
    fn no_list_but_a_search_grows_with_the_fleet() {
        let race = Race::new("");
        for sort in Sort::ALL.iter().copied() {
            for case in 0..8 {
                let (descending, model, at_place) = (case & 1 > 0, (case & 2 > 0).then_some(1), case & 4 > 0);
                let after = at_place.then(|| match sort.is_number() {
                    true => After::Number(1, 1),
                    false => After::Text("a".to_owned(), 1),
                });
                let planned = |q: Option<&str>, serial: Option<&str>| {
                    let filter = Filter {
                        device_model_id: model,
                        serial: serial.map(str::to_owned),
                    };
                    let listing = Listing {
                        limit: 50,
                        q: q.map(str::to_owned),
                        sort,
                        descending,
                        after: after.clone(),
                    };
                    plan(race.database(), |connection| {
                        list(connection, &filter, &listing).unwrap();
                    })
                };
                let case = format!("{sort:?} {descending} {model:?} {at_place}");
                let all = planned(None, None);
                assert!(!all.contains("TEMP B-TREE"), "{case}: {all}");
                assert!(
                    all.contains("SEARCH flashes USING INDEX flashes_current_device"),
                    "{case}: {all}"
                );
                let devices = all.split("; ").find(|step| step.contains(" devices")).unwrap();
                let range = match (model, at_place, sort) {
                    // In the order of the index, from its beginning.
                    (None, false, _) => "SCAN devices",
                    (None, true, Sort::Id) => "USING INTEGER PRIMARY KEY (rowid",
                    (None, true, _) => "SEARCH devices USING INDEX",
                    (Some(_), _, _) => "(device_model_id=?",
                };
                assert!(devices.contains(range), "{case}: {all}");
                if let (Some(_), true, Sort::Key | Sort::Name | Sort::CreatedAt | Sort::UpdatedAt) =
                    (model, at_place, sort)
                {
                    assert!(devices.contains(" AND "), "{case}: {all}");
                }
                // The table is read in its own order.
                let found = planned(Some("x"), None);
                assert!(found.contains("; SCAN devices; "), "{case}: {found}");
                let both = planned(Some("x"), Some("s"));
                assert!(both.contains("devices_by_serial"), "{case}: {both}");
                let one = planned(None, Some("s"));
                assert!(one.contains("devices_by_serial"), "{case}: {one}");
            }
        }
    }
}
