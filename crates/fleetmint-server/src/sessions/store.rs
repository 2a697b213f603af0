use jiff::Timestamp;

use super::{Hash, Session};
use crate::database::prelude::*;
use crate::database::schema::sessions::dsl;
use crate::database::{self, Connection, timestamp};

/// A row, and what proves that this program inserted it.
pub(super) struct Stored {
    pub(super) session: Session,
    pub(super) proof: Vec<u8>,
}

pub(super) fn insert(connection: &mut Connection, session: &Session, proof: &[u8]) -> Result<(), database::Error> {
    diesel::insert_into(dsl::sessions)
        .values((
            dsl::id.eq(session.id.as_slice()),
            dsl::proof.eq(proof),
            dsl::created_at.eq(session.created_at.as_microsecond()),
            dsl::expires_at.eq(session.expires_at.as_microsecond()),
        ))
        .execute(connection)?;
    Ok(())
}

pub(super) fn find(connection: &mut Connection, id: &Hash) -> Result<Option<Stored>, database::Error> {
    let row = dsl::sessions
        .find(id.as_slice())
        .select((dsl::proof, dsl::created_at, dsl::expires_at))
        .get_result::<(Vec<u8>, i64, i64)>(connection)
        .optional()?;
    Ok(row.map(|(proof, created_at, expires_at)| Stored {
        session: Session {
            id: *id,
            created_at: timestamp(created_at),
            expires_at: timestamp(expires_at),
        },
        proof,
    }))
}

/// Moves the end of a session that still exists; it never moves back.
pub(super) fn extend(connection: &mut Connection, id: &Hash, expires_at: Timestamp) -> Result<(), database::Error> {
    let expires_at = expires_at.as_microsecond();
    let sooner = dsl::sessions.find(id.as_slice()).filter(dsl::expires_at.lt(expires_at));
    diesel::update(sooner)
        .set(dsl::expires_at.eq(expires_at))
        .execute(connection)?;
    Ok(())
}

pub(super) fn delete(connection: &mut Connection, id: &Hash) -> Result<(), database::Error> {
    diesel::delete(dsl::sessions.find(id.as_slice())).execute(connection)?;
    Ok(())
}

pub(super) fn delete_all(connection: &mut Connection) -> Result<(), database::Error> {
    diesel::delete(dsl::sessions).execute(connection)?;
    Ok(())
}

pub(super) fn delete_expired(connection: &mut Connection, now: Timestamp) -> Result<(), database::Error> {
    let expired = dsl::expires_at.le(now.as_microsecond());
    diesel::delete(dsl::sessions.filter(expired)).execute(connection)?;
    Ok(())
}
