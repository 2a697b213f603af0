use jiff::Timestamp;

use super::{Answer, Call};
use crate::database::prelude::*;
use crate::database::schema::idempotency_keys::dsl;
use crate::database::{self, Connection};

/// The stored columns of an answer: all of them or none.
type Columns = (Option<i32>, Option<String>, Option<String>, Option<Vec<u8>>);

/// A call's fingerprint, and its answer if it has one.
type Known = (Vec<u8>, Option<Answer>);

/// The fingerprint of the call with this key, and its answer if it has one.
pub(super) fn find(connection: &mut Connection, call: &Call) -> Result<Option<Known>, database::Error> {
    let row = dsl::idempotency_keys
        .find((&call.caller, &call.key))
        .select((dsl::fingerprint, (dsl::status, dsl::location, dsl::etag, dsl::body)))
        .get_result::<(Vec<u8>, Columns)>(connection)
        .optional()?;
    Ok(row.map(|(fingerprint, columns)| {
        let answer = match columns {
            (Some(status), Some(location), Some(etag), Some(body)) => Some(Answer {
                status: u16::try_from(status).unwrap_or_default(),
                location,
                etag,
                body,
            }),
            _ => None,
        };
        (fingerprint, answer)
    }))
}

/// Inserts a row without an answer, unless the key is taken. Returns whether it was free.
pub(super) fn take(connection: &mut Connection, call: &Call, device_id: i64) -> Result<bool, database::Error> {
    let taken = diesel::insert_into(dsl::idempotency_keys)
        .values((
            dsl::caller.eq(&call.caller),
            dsl::key.eq(&call.key),
            dsl::fingerprint.eq(call.fingerprint.newest().as_slice()),
            dsl::created_at.eq(call.at.as_microsecond()),
            dsl::device_id.eq(device_id),
        ))
        .on_conflict_do_nothing()
        .execute(connection)?;
    Ok(taken == 1)
}

/// Stores the answer to a call, in a row of its own or in the one that waits for it. Returns `false` if the key already
/// has an answer, or belongs to another call.
pub(super) fn put(connection: &mut Connection, call: &Call, answer: &Answer) -> Result<bool, database::Error> {
    let columns = (
        dsl::status.eq(i32::from(answer.status)),
        dsl::location.eq(&answer.location),
        dsl::etag.eq(&answer.etag),
        dsl::body.eq(&answer.body),
    );
    let insert = diesel::insert_into(dsl::idempotency_keys)
        .values((
            dsl::caller.eq(&call.caller),
            dsl::key.eq(&call.key),
            dsl::fingerprint.eq(call.fingerprint.newest().as_slice()),
            dsl::created_at.eq(call.at.as_microsecond()),
            columns,
        ))
        .on_conflict((dsl::caller, dsl::key))
        .do_update()
        .set(columns);
    let waits = dsl::status
        .is_null()
        .and(dsl::fingerprint.eq(call.fingerprint.newest().as_slice()));
    let stored = diesel::query_dsl::methods::FilterDsl::filter(insert, waits).execute(connection)?;
    Ok(stored == 1)
}

pub(super) fn free(connection: &mut Connection, device_id: i64) -> Result<(), database::Error> {
    let unanswered = dsl::device_id.eq(device_id).and(dsl::status.is_null());
    diesel::delete(dsl::idempotency_keys.filter(unanswered)).execute(connection)?;
    Ok(())
}

pub(super) fn sweep(connection: &mut Connection, expired: Timestamp) -> Result<(), database::Error> {
    let old = dsl::created_at.le(expired.as_microsecond());
    diesel::delete(dsl::idempotency_keys.filter(old)).execute(connection)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Error, earlier};
    use super::*;
    use crate::database::race::Race;
    use crate::random::SystemRandom;
    use crate::seal::{MasterKey, Seal};

    /// A call with this body, as the service with this seal sees it.
    fn call(key: i32, seal: &Seal, body: &[u8]) -> Call {
        Call {
            caller: "administrator".to_owned(),
            key: key.to_string(),
            fingerprint: seal.keyed_digests("create_device", body),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn answer() -> Answer {
        Answer {
            status: 201,
            location: "/api/devices/1".to_owned(),
            etag: "\"1\"".to_owned(),
            body: b"{}".to_vec(),
        }
    }

    #[test]
    fn a_repeat_is_recognized_under_an_older_master_key() {
        let random = Arc::new(SystemRandom);
        let [old, new, strange] = [(); 3].map(|()| MasterKey::generate(&*random));
        let race = Race::new("");
        let first = call(1, &Seal::new(&old, random.clone()), b"body");
        assert!(
            race.run(|connection| put(connection, &first, &answer()).unwrap())
                .contains(&true)
        );

        let ask = |seal: &Seal, body: &[u8]| {
            let call = call(1, seal, body);
            race.run(|connection| earlier(connection, &call)).remove(0)
        };
        let rotated = Seal::with_older_keys(&new, &[strange.clone(), old], random.clone());
        assert_eq!(ask(&rotated, b"body"), Ok(Some(answer())));
        assert_eq!(ask(&rotated, b"other"), Err(Error::OtherCall));
        assert_eq!(ask(&Seal::new(&strange, random), b"body"), Err(Error::OtherCall));
    }

    #[test]
    fn a_key_is_taken_once_and_answered_once() {
        let seal = Seal::new(&MasterKey::generate(&SystemRandom), Arc::new(SystemRandom));
        let call = |key| call(key, &seal, b"body");
        let answer = answer();
        let other = self::call(1, &seal, b"other");
        let race = Race::new("");
        for key in 0..20 {
            race.has_one_winner(|connection| take(connection, &call(key), 1).unwrap());
            race.has_one_winner(|connection| put(connection, &call(key), &answer).unwrap());
            // Without an earlier intent.
            race.has_one_winner(|connection| put(connection, &call(100 + key), &answer).unwrap());
        }
        let answered = race.run(|connection| put(connection, &other, &answer).unwrap());
        assert!(answered.iter().all(|answered| !answered));
    }
}
