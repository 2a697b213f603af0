//! Facts about a database itself: whose key its secrets are sealed with, who its administrator is.

use diesel::prelude::*;

use crate::database::schema::instance::dsl;
use crate::database::{self, Connection};
use crate::seal::{OpenError, Place, Seal};

const KEY_CHECK: &str = "master_key_check";

const PROBE: &str = "write_probe";

/// What the check value opens to. It is no secret: that it opens is the point.
const KEY_CHECK_TEXT: &[u8] = b"fleetmint";

/// Why a master key is not the one of this database.
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

pub(crate) fn put(connection: &mut Connection, name: &str, value: &[u8]) -> Result<(), database::Error> {
    diesel::insert_into(dsl::instance)
        .values((dsl::name.eq(name), dsl::value.eq(value)))
        .on_conflict(dsl::name)
        .do_update()
        .set(dsl::value.eq(value))
        .execute(connection)?;
    Ok(())
}

pub(crate) fn delete(connection: &mut Connection, name: &str) -> Result<(), database::Error> {
    diesel::delete(dsl::instance.find(name)).execute(connection)?;
    Ok(())
}

/// Writes a row that means nothing, to see whether one can be written: another value each time, since SQLite writes no
/// page that stays as it is.
pub(crate) fn write_probe(connection: &mut Connection) -> Result<(), database::Error> {
    let next = match get(connection, PROBE)?.as_deref() {
        Some([last]) => last.wrapping_add(1),
        _ => 0,
    };
    put(connection, PROBE, &[next])
}

/// Whether this database was sealed under a master key before.
pub(crate) fn has_master_key(connection: &mut Connection) -> Result<bool, database::Error> {
    Ok(get(connection, KEY_CHECK)?.is_some())
}

/// Makes sure that this is the master key that the database's secrets are sealed with; a new database takes any.
/// `given` says where the key comes from. Whether the database is new.
///
/// # Errors
/// [`KeyError::Wrong`].
pub(crate) fn check_master_key(connection: &mut Connection, seal: &Seal, given: &str) -> Result<bool, KeyError> {
    let place = Place {
        table: "instance",
        row: KEY_CHECK,
        column: "value",
    };
    match get(connection, KEY_CHECK)? {
        None => {
            put(connection, KEY_CHECK, &seal.seal(place, KEY_CHECK_TEXT))?;
            Ok(true)
        }
        Some(sealed) => match seal.open(place, &sealed) {
            Ok(text) if *text == KEY_CHECK_TEXT => Ok(false),
            Ok(_) | Err(OpenError::OtherKey { .. } | OpenError::Damaged { .. }) => Err(KeyError::Wrong {
                given: given.to_owned(),
            }),
        },
    }
}
