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

/// Those of these sessions that exist, by one look-up for each id in one query.
pub(super) fn find(connection: &mut Connection, ids: &[Hash]) -> Result<Vec<Stored>, database::Error> {
    type Row = (Vec<u8>, Vec<u8>, i64, i64);
    let columns = (dsl::id, dsl::proof, dsl::created_at, dsl::expires_at);
    let rows: Vec<Row> = match ids {
        // The statement of nearly every call stays prepared; one with a list never does.
        [id] => dsl::sessions.find(id.as_slice()).select(columns).load(connection)?,
        ids => {
            let ids = ids.iter().map(Hash::as_slice);
            let with_ids = dsl::sessions.filter(dsl::id.eq_any(ids));
            with_ids.select(columns).load(connection)?
        }
    };
    let stored = |(id, proof, created_at, expires_at): Row| {
        let session = Session {
            id: id.try_into().ok()?,
            created_at: timestamp(created_at),
            expires_at: timestamp(expires_at),
        };
        Some(Stored { session, proof })
    };
    Ok(rows.into_iter().filter_map(stored).collect())
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

pub(super) fn delete(connection: &mut Connection, ids: &[Hash]) -> Result<(), database::Error> {
    let ids = ids.iter().map(Hash::as_slice);
    diesel::delete(dsl::sessions.filter(dsl::id.eq_any(ids))).execute(connection)?;
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
