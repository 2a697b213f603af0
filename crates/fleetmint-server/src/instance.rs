//! Facts about a database itself: the master key that its secrets are sealed with, and its administrator.

use diesel::dsl::case_when;
use diesel::sql_types::Binary;

use crate::database::prelude::*;
use crate::database::schema::instance::dsl;
use crate::database::{self, Connection};
use crate::seal::{OpenError, Seal, SealedAt};

const KEY_CHECK: &str = "master_key_check";

const PROBE: &str = "write_probe";

/// The content of the check value. It is not a secret: only whether it opens matters.
const KEY_CHECK_TEXT: &[u8] = b"fleetmint";

/// Why a master key is refused for this database.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "the database was made with another master key than {given}; start with the key that it was made with: \
         without it no secret in the database can be read"
    )]
    Wrong { given: String },
    #[error(transparent)]
    Database(#[from] database::Error),
}

pub(crate) fn get(connection: &mut Connection, name: &str) -> Result<Option<Vec<u8>>, database::Error> {
    let query = dsl::instance.find(name).select(dsl::value);
    Ok(query.get_result(connection).optional()?)
}

/// Replaces a fact that is still as it was `read`, or inserts it if it still is not there. Says whether it did.
pub(crate) fn replace(
    connection: &mut Connection,
    name: &str,
    read: Option<&[u8]>,
    value: &[u8],
) -> Result<bool, database::Error> {
    let Some(read) = read else {
        return put_first(connection, name, value);
    };
    let unchanged = dsl::instance.find(name).filter(dsl::value.eq(read));
    let changed = diesel::update(unchanged)
        .set(dsl::value.eq(value))
        .execute(connection)?;
    Ok(changed == 1)
}

pub(crate) fn delete(connection: &mut Connection, name: &str) -> Result<(), database::Error> {
    diesel::delete(dsl::instance.find(name)).execute(connection)?;
    Ok(())
}

/// Inserts a fact, unless one has this name. Returns whether it was inserted.
fn put_first(connection: &mut Connection, name: &str, value: &[u8]) -> Result<bool, database::Error> {
    let inserted = diesel::insert_into(dsl::instance)
        .values((dsl::name.eq(name), dsl::value.eq(value)))
        .on_conflict_do_nothing()
        .execute(connection)?;
    Ok(inserted == 1)
}

/// Writes a meaningless row to check that writing works: another value each time, because SQLite does not write an
/// unchanged page.
pub(crate) fn write_probe(connection: &mut Connection) -> Result<(), database::Error> {
    let [even, odd] = [&[0_u8][..], &[1][..]];
    let other = case_when(dsl::value.eq(even), odd.into_sql::<Binary>()).otherwise(even.into_sql::<Binary>());
    diesel::insert_into(dsl::instance)
        .values((dsl::name.eq(PROBE), dsl::value.eq(even)))
        .on_conflict(dsl::name)
        .do_update()
        .set(dsl::value.eq(other))
        .execute(connection)?;
    Ok(())
}

/// Whether this database was sealed under a master key before.
pub(crate) fn has_master_key(connection: &mut Connection) -> Result<bool, database::Error> {
    Ok(get(connection, KEY_CHECK)?.is_some())
}

/// Checks that this is the master key that the database's secrets are sealed with; a new database accepts any key.
/// `given` describes where the key comes from. Returns whether the database is new.
///
/// # Errors
/// [`KeyError::Wrong`].
pub(crate) fn check_master_key(connection: &mut Connection, seal: &Seal, given: &str) -> Result<bool, KeyError> {
    let place = SealedAt {
        table: "instance",
        row: KEY_CHECK,
        column: "value",
    };
    // If two servers start on a new database with different keys, one of them gets the error.
    if put_first(connection, KEY_CHECK, &seal.seal(place, KEY_CHECK_TEXT))? {
        return Ok(true);
    }
    let wrong = || KeyError::Wrong {
        given: given.to_owned(),
    };
    let sealed = get(connection, KEY_CHECK)?.ok_or_else(wrong)?;
    match seal.open(place, &sealed) {
        Ok(text) if *text == KEY_CHECK_TEXT => Ok(false),
        Ok(_) | Err(OpenError::UnknownKey { .. } | OpenError::Damaged { .. }) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;
    use crate::database::race::Race;

    #[test]
    fn only_one_of_several_writers_inserts_a_fact() {
        let race = Race::new("");
        for name in 0..20 {
            race.has_one_winner(|connection| put_first(connection, &name.to_string(), b"value").unwrap());
        }
    }

    #[test]
    fn of_those_who_replace_a_fact_that_they_read_one_does() {
        let race = Race::new("");
        let mut read = None;
        for n in 0..20 {
            let writers = AtomicU8::new(0);
            race.has_one_winner(|connection| {
                let value = [n, writers.fetch_add(1, Ordering::Relaxed)];
                replace(connection, "fact", read.as_deref(), &value).unwrap()
            });
            read = race.alone(|connection| get(connection, "fact").unwrap());
        }
    }

    #[test]
    fn each_probe_writes_another_value() {
        let race = Race::new("");
        race.run(|connection| write_probe(connection).unwrap());
        let probed = race.run(|connection| get(connection, PROBE).unwrap().unwrap());
        // Eight writers: the first inserted a 0, and seven changed it.
        assert!(probed.iter().all(|value| *value == [1]), "{probed:?}");
    }
}
