use diesel::prelude::*;

use super::Entry;
use crate::database::schema::audit::dsl;
use crate::database::{self, Connection};

pub(super) fn insert(connection: &mut Connection, entry: &Entry) -> Result<(), database::Error> {
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
