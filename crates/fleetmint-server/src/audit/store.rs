use diesel::prelude::*;

use super::{Entry, Filter, Record};
use crate::database::schema::audit::dsl;
use crate::database::{self, Connection, timestamp};

#[derive(Queryable)]
struct Row {
    id: i64,
    at: i64,
    actor: String,
    action: String,
    device_id: Option<i64>,
    source: String,
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            at: timestamp(row.at),
            actor: row.actor,
            action: row.action,
            device_id: row.device_id,
            source: row.source,
        }
    }
}

/// Makes a record in the transaction of the change that it tells of.
pub(crate) fn insert(connection: &mut Connection, entry: &Entry) -> Result<(), database::Error> {
    diesel::insert_into(dsl::audit)
        .values((
            dsl::at.eq(entry.at.as_microsecond()),
            dsl::actor.eq(&entry.actor),
            dsl::action.eq(entry.action.name()),
            dsl::device_id.eq(entry.device_id),
            dsl::source.eq(&entry.source),
        ))
        .execute(connection)?;
    Ok(())
}

pub(super) fn list(connection: &mut Connection, filter: &Filter, limit: i64) -> Result<Vec<Record>, database::Error> {
    let mut query = dsl::audit.order(dsl::id.desc()).limit(limit).into_boxed();
    if let Some(device_id) = filter.device_id {
        query = query.filter(dsl::device_id.eq(device_id));
    }
    if let Some(action) = filter.action {
        query = query.filter(dsl::action.eq(action.name()));
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
    Ok(query.load::<Row>(connection)?.into_iter().map(Record::from).collect())
}
