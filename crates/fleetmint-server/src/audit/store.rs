use std::borrow::Cow;

use diesel::prelude::*;
use jiff::Timestamp;

use super::{Entry, Filter, Outcome, Record, SYSTEM};
use crate::database::schema::audit::dsl;
use crate::database::{self, Connection, timestamp};

#[diesel::declare_sql_function]
extern "SQL" {
    /// SQLite's own: the id of the row that this connection inserted last.
    fn last_insert_rowid() -> BigInt;
}

/// A row to be written.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) entry: &'a Entry,
    /// When it came to this: for an outcome, when it was known.
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

/// Nothing in it is borrowed: a statement of several rows is kept prepared only then.
type Values = (
    diesel::dsl::Eq<dsl::at, i64>,
    diesel::dsl::Eq<dsl::actor, Cow<'static, str>>,
    diesel::dsl::Eq<dsl::action, &'static str>,
    diesel::dsl::Eq<dsl::device_id, Option<i64>>,
    diesel::dsl::Eq<dsl::model_id, Option<i64>>,
    diesel::dsl::Eq<dsl::source, Cow<'static, str>>,
    diesel::dsl::Eq<dsl::outcome, &'static str>,
    diesel::dsl::Eq<dsl::attempt, Option<i64>>,
    diesel::dsl::Eq<dsl::reason, Option<&'static str>>,
);

impl Row<'_> {
    fn values(self) -> Values {
        (
            dsl::at.eq(self.at.as_microsecond()),
            dsl::actor.eq(self.entry.actor.clone()),
            dsl::action.eq(self.entry.action.name()),
            dsl::device_id.eq(self.entry.device_id),
            dsl::model_id.eq(self.entry.model_id),
            dsl::source.eq(self.entry.source.clone()),
            dsl::outcome.eq(self.outcome.name()),
            dsl::attempt.eq(self.attempt),
            dsl::reason.eq(self.outcome.reason()),
        )
    }
}

/// Makes a record in the transaction of the change that it tells of.
pub(crate) fn insert(connection: &mut Connection, entry: &Entry, outcome: Outcome) -> Result<(), database::Error> {
    let row = Row {
        entry,
        at: entry.at,
        outcome,
        attempt: None,
    };
    insert_row(connection, row)
}

/// Makes the record of an attempt, and gives its id.
pub(crate) fn start(connection: &mut Connection, entry: &Entry) -> Result<i64, database::Error> {
    insert(connection, entry, Outcome::Started)?;
    last_id(connection)
}

/// Makes the record of how an attempt ended, and when. `entry` is the attempt's.
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

/// Makes many records, whose ids follow each other.
///
/// By several rows in a statement, of which SQLite then looks for the last id once; in groups of one size, so that the
/// statement is kept prepared.
pub(super) fn insert_all(connection: &mut Connection, rows: &[Row<'_>]) -> Result<(), database::Error> {
    let (groups, rest) = rows.as_chunks::<8>();
    for group in groups {
        diesel::insert_into(dsl::audit)
            .values(group.map(Row::values))
            .execute(connection)?;
    }
    rest.iter().try_for_each(|row| insert_row(connection, *row))
}

fn insert_row(connection: &mut Connection, row: Row<'_>) -> Result<(), database::Error> {
    diesel::insert_into(dsl::audit)
        .values(row.values())
        .execute(connection)?;
    Ok(())
}

/// The id of the record that was made last in this transaction.
pub(super) fn last_id(connection: &mut Connection) -> Result<i64, database::Error> {
    Ok(diesel::select(last_insert_rowid()).get_result(connection)?)
}

/// The service's own last attempt to do this to the device, if it has no outcome yet and nothing happened since.
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

pub(super) fn list(connection: &mut Connection, filter: &Filter, limit: i64) -> Result<Vec<Record>, database::Error> {
    let mut query = dsl::audit.order(dsl::id.desc()).limit(limit).into_boxed();
    if let Some(device_id) = filter.device_id {
        query = query.filter(dsl::device_id.eq(device_id));
    }
    if let Some(model_id) = filter.model_id {
        query = query.filter(dsl::model_id.eq(model_id));
    }
    if let Some(action) = filter.action {
        query = query.filter(dsl::action.eq(action.name()));
    }
    if let Some(outcome) = filter.outcome {
        query = query.filter(dsl::outcome.eq(outcome));
    }
    if let Some(from) = filter.from {
        query = query.filter(dsl::at.ge(from.as_microsecond()));
    }
    if let Some(to) = filter.to {
        query = query.filter(dsl::at.lt(to.as_microsecond()));
    }
    if let Some(before) = filter.before {
        query = query.filter(dsl::id.lt(before));
    }
    Ok(query
        .load::<Stored>(connection)?
        .into_iter()
        .map(Record::from)
        .collect())
}
