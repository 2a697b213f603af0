use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::{Entry, Filter, Listed, Named, Outcome, Record, SYSTEM};
use crate::database::prelude::*;
use crate::database::schema::audit::dsl;
use crate::database::{self, Connection, timestamp};
use crate::device_state::State;

/// A row to insert.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) entry: &'a Entry,
    /// The time of the operation: for an outcome, when it was known.
    pub(super) at: Timestamp,
    pub(super) outcome: Outcome,
    pub(super) attempt: Option<i64>,
}

#[derive(Queryable)]
struct Stored {
    id: i64,
    at: i64,
    actor: String,
    action: String,
    device_id: Option<i64>,
    model_id: Option<i64>,
    source: String,
    outcome: String,
    attempt: Option<i64>,
    reason: Option<String>,
}

impl From<Stored> for Record {
    fn from(row: Stored) -> Self {
        Self {
            id: row.id,
            at: timestamp(row.at),
            actor: row.actor,
            action: row.action,
            device_id: row.device_id,
            model_id: row.model_id,
            source: row.source,
            outcome: row.outcome,
            attempt: row.attempt,
            reason: row.reason,
        }
    }
}

/// The columns of every record. None is borrowed: only then does a statement of several rows stay prepared.
type Values = (
    diesel::dsl::Eq<dsl::at, i64>,
    diesel::dsl::Eq<dsl::actor, Cow<'static, str>>,
    diesel::dsl::Eq<dsl::action, &'static str>,
    diesel::dsl::Eq<dsl::device_id, Option<i64>>,
    diesel::dsl::Eq<dsl::model_id, Option<i64>>,
    diesel::dsl::Eq<dsl::source, Cow<'static, str>>,
    diesel::dsl::Eq<dsl::outcome, &'static str>,
);

/// The columns of the record of an outcome or of a failure.
type MoreValues = (
    Values,
    diesel::dsl::Eq<dsl::attempt, Option<i64>>,
    diesel::dsl::Eq<dsl::reason, Option<&'static str>>,
);

impl<'a> Row<'a> {
    pub(super) fn of(entry: &'a Entry, outcome: Outcome) -> Self {
        Self {
            entry,
            at: entry.at,
            outcome,
            attempt: None,
        }
    }

    fn has_more(self) -> bool {
        self.attempt.is_some() || self.outcome.reason().is_some()
    }

    fn values(self) -> Values {
        (
            dsl::at.eq(self.at.as_microsecond()),
            dsl::actor.eq(self.entry.actor.clone()),
            dsl::action.eq(self.entry.action.name()),
            dsl::device_id.eq(self.entry.device_id),
            dsl::model_id.eq(self.entry.model_id),
            dsl::source.eq(self.entry.source.clone()),
            dsl::outcome.eq(self.outcome.name()),
        )
    }

    fn more_values(self) -> MoreValues {
        (
            self.values(),
            dsl::attempt.eq(self.attempt),
            dsl::reason.eq(self.outcome.reason()),
        )
    }
}

/// Creates a record in the transaction of the change that it describes.
pub(crate) fn insert(connection: &mut Connection, entry: &Entry, outcome: Outcome) -> Result<(), database::Error> {
    insert_row(connection, Row::of(entry, outcome))
}

/// Creates the record of an attempt, and returns its id.
pub(crate) fn start(connection: &mut Connection, entry: &Entry) -> Result<i64, database::Error> {
    let values = Row::of(entry, Outcome::Started).values();
    let insert = diesel::insert_into(dsl::audit).values(values).returning(dsl::id);
    Ok(insert.get_result(connection)?)
}

/// Creates the record of how an attempt ended, and when. `entry` is the attempt's.
pub(crate) fn end(
    connection: &mut Connection,
    entry: &Entry,
    attempt: i64,
    outcome: Outcome,
    at: Timestamp,
) -> Result<(), database::Error> {
    let row = Row {
        entry,
        at,
        outcome,
        attempt: Some(attempt),
    };
    insert_row(connection, row)
}

/// Creates many records, by several rows in a statement: SQLite then looks for the last id once, and other databases
/// answer once. The rows are grouped into a few sizes, so that the statements stay prepared.
pub(super) fn insert_all(connection: &mut Connection, rows: &[Row<'_>]) -> Result<(), database::Error> {
    let rows = insert_groups::<32>(connection, rows)?;
    let rows = insert_groups::<8>(connection, rows)?;
    let rows = insert_groups::<2>(connection, rows)?;
    rows.iter().try_for_each(|row| insert_row(connection, *row))
}

/// Inserts all full groups of `N`, and returns the rest.
fn insert_groups<'r, 'e, const N: usize>(
    connection: &mut Connection,
    rows: &'r [Row<'e>],
) -> Result<&'r [Row<'e>], database::Error> {
    let (groups, rest) = rows.as_chunks::<N>();
    for group in groups {
        if group.iter().any(|row| row.has_more()) {
            let values = group.map(Row::more_values);
            diesel::insert_into(dsl::audit).values(values).execute(connection)?;
        } else {
            let values = group.map(Row::values);
            diesel::insert_into(dsl::audit).values(values).execute(connection)?;
        }
    }
    Ok(rest)
}

fn insert_row(connection: &mut Connection, row: Row<'_>) -> Result<(), database::Error> {
    let values = row.more_values();
    diesel::insert_into(dsl::audit).values(values).execute(connection)?;
    Ok(())
}

/// [`insert_all`], and returns the ids in the order of the rows.
pub(super) fn insert_all_with_ids(connection: &mut Connection, rows: &[Row<'_>]) -> Result<Vec<i64>, database::Error> {
    let mut ids = Vec::with_capacity(rows.len());
    let rows = insert_groups_with_ids::<32>(connection, rows, &mut ids)?;
    let rows = insert_groups_with_ids::<8>(connection, rows, &mut ids)?;
    let rows = insert_groups_with_ids::<2>(connection, rows, &mut ids)?;
    insert_groups_with_ids::<1>(connection, rows, &mut ids)?;
    Ok(ids)
}

fn insert_groups_with_ids<'r, 'e, const N: usize>(
    connection: &mut Connection,
    rows: &'r [Row<'e>],
    ids: &mut Vec<i64>,
) -> Result<&'r [Row<'e>], database::Error> {
    let (groups, rest) = rows.as_chunks::<N>();
    for group in groups {
        let insert = diesel::insert_into(dsl::audit).values(group.map(Row::more_values));
        let mut inserted: Vec<i64> = insert.returning(dsl::id).get_results(connection)?;
        // Rows get their ids in the order of the statement, but may be returned in any order.
        inserted.sort_unstable();
        ids.append(&mut inserted);
    }
    Ok(rest)
}

/// The service's own last attempt at this operation on the device, if it has no outcome yet and is the device's newest
/// record.
pub(crate) fn last_open(connection: &mut Connection, entry: &Entry) -> Result<Option<i64>, database::Error> {
    let newest = dsl::audit
        .filter(dsl::device_id.eq(entry.device_id))
        .order(dsl::id.desc())
        .limit(1)
        .select((dsl::id, dsl::actor, dsl::action, dsl::outcome))
        .get_result::<(i64, String, String, String)>(connection)
        .optional()?;
    let open = newest.filter(|(_, actor, action, outcome)| {
        (actor.as_str(), action.as_str(), outcome.as_str()) == (SYSTEM, entry.action.name(), Outcome::Started.name())
    });
    Ok(open.map(|(id, ..)| id))
}

/// How many records one page reads at most if no index finds them. Models, actions and outcomes have no index, because
/// it would make each record more than a fifth more expensive. Reading a million takes 0.15 s.
const LOOKED_AT_MAX: i64 = 1_000_000;

/// A range of time with at most this many records is found by its index, and then sorted by id.
const SORTED_MAX: i64 = 5_000;

/// The index that finds the records of a list.
enum Way {
    Device(i64),
    Time,
    /// Newest first, down to the oldest one that is read.
    Id {
        oldest: i64,
    },
}

/// A page of its own kind, not [`keyset::page`](crate::database::keyset::page): the id is the only order, so the page
/// begins by a plain `id < before`, where the other's condition for equal values would keep SQLite from the range of ids;
/// and a page may end before it is full, where it has looked at [`LOOKED_AT_MAX`] records.
pub(super) fn list(connection: &mut Connection, filter: &Filter, limit: i64) -> Result<Listed, database::Error> {
    let before = match filter.before {
        Some(before) => before,
        None => newest(connection)?.map_or(1, |newest| newest + 1),
    };
    let range = (
        filter.from.map_or(i64::MIN, Timestamp::as_microsecond),
        filter.to.map_or(i64::MAX, Timestamp::as_microsecond),
    );
    let in_time = filter.from.is_some() || filter.to.is_some();
    let way = match filter.device_id {
        Some(device_id) => Way::Device(device_id),
        None if in_time && is_short(connection, range)? => Way::Time,
        None => Way::Id {
            oldest: before.saturating_sub(LOOKED_AT_MAX).max(1),
        },
    };
    // One more than requested shows whether there are more.
    let mut query = dsl::audit.order(dsl::id.desc()).limit(limit + 1).into_boxed();
    // SQLite uses no index for a sum. So it uses the intended index, and not one that would make it sort a million
    // rows.
    query = match way {
        Way::Device(device_id) => query.filter(dsl::device_id.eq(device_id).and(dsl::id.lt(before))),
        Way::Time => query.filter((dsl::id + 0).lt(before)),
        Way::Id { oldest } => query.filter(dsl::id.ge(oldest).and(dsl::id.lt(before))),
    };
    query = match way {
        Way::Time => query.filter(dsl::at.ge(range.0).and(dsl::at.lt(range.1))),
        _ if in_time => query.filter((dsl::at + 0).ge(range.0).and((dsl::at + 0).lt(range.1))),
        _ => query,
    };
    if let Some(model_id) = filter.model_id {
        query = query.filter(dsl::model_id.eq(model_id));
    }
    if let Some(action) = filter.action {
        query = query.filter(dsl::action.eq(action.name()));
    }
    if let Some(outcome) = filter.outcome {
        query = query.filter(dsl::outcome.eq(outcome));
    }
    let rows = query.load::<Stored>(connection)?;
    let mut records: Vec<Record> = rows.into_iter().map(Record::from).collect();
    let limit = usize::try_from(limit).unwrap_or_default();
    let more = records.len() > limit;
    records.truncate(limit);
    let next = match way {
        _ if more => records.last().map(|last| last.id),
        Way::Id { oldest } if oldest > 1 => Some(oldest),
        _ => None,
    };
    Ok(Listed {
        devices: devices(connection, &records)?,
        models: models(connection, &records)?,
        records,
        next,
    })
}

type Names = HashMap<i64, Named>;

/// The devices of these records, by one look-up for each id in one query. A device that is only being created or deleted is
/// none that can be looked at.
fn devices(connection: &mut Connection, records: &[Record]) -> Result<Names, database::Error> {
    use crate::database::schema::devices::dsl;
    let ids: BTreeSet<i64> = records.iter().filter_map(|record| record.device_id).collect();
    let devices = dsl::devices.filter(dsl::id.eq_any(ids).and(dsl::state.eq(State::Active)));
    let rows = devices.select((dsl::id, dsl::key, dsl::name)).load(connection)?;
    Ok(named(rows))
}

/// The same of their models.
fn models(connection: &mut Connection, records: &[Record]) -> Result<Names, database::Error> {
    use crate::database::schema::device_models::dsl;
    let ids: BTreeSet<i64> = records.iter().filter_map(|record| record.model_id).collect();
    let models = dsl::device_models.filter(dsl::id.eq_any(ids));
    let rows = models.select((dsl::id, dsl::code, dsl::name)).load(connection)?;
    Ok(named(rows))
}

fn named(rows: Vec<(i64, String, String)>) -> Names {
    let named = |(id, key, name)| (id, Named { key, name });
    rows.into_iter().map(named).collect()
}

fn newest(connection: &mut Connection) -> Result<Option<i64>, database::Error> {
    Ok(dsl::audit.select(diesel::dsl::max(dsl::id)).get_result(connection)?)
}

/// Whether only few records are in this range of time.
fn is_short(connection: &mut Connection, (from, to): (i64, i64)) -> Result<bool, database::Error> {
    let ids = dsl::audit
        .filter(dsl::at.ge(from).and(dsl::at.lt(to)))
        .select(dsl::id)
        .limit(SORTED_MAX + 1)
        .load::<i64>(connection)?;
    Ok(i64::try_from(ids.len()).is_ok_and(|count| count <= SORTED_MAX))
}
