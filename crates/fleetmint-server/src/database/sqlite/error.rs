//! What SQLite's errors mean. Its extended codes do not reach this program, so some are told apart by their texts.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

use crate::database::{Constraint, Error};

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::NotFound => Self::NotFound,
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, ref info) => match violated(&**info) {
                Some(constraint) => Self::Taken(constraint),
                None => Self::Other(error.to_string()),
            },
            DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Self::Referenced,
            DieselError::DatabaseError(_, ref info) => match info.message() {
                "database or disk is full" => Self::Full,
                "database is locked" => Self::Busy,
                _ => Self::Other(error.to_string()),
            },
            other => Self::Other(other.to_string()),
        }
    }
}

/// The unique constraint that refused a row. SQLite has no names for them, and only its message contains their columns:
/// "UNIQUE constraint failed: devices.key".
fn violated(info: &(dyn DatabaseErrorInformation + Send + Sync)) -> Option<Constraint> {
    let message = info.message();
    let columns = message.rsplit(": ").next().unwrap_or(message);
    Constraint::of_name(info.constraint_name().unwrap_or(columns))
}
