use std::collections::HashSet;

use diesel::prelude::*;
use jiff::Timestamp;

use super::Error;
use crate::database::folding::fold;
use crate::database::schema::devices::dsl;
use crate::database::{self, Connection};
use crate::devices::store::{ACTIVE, Row};
use crate::devices::{self, Device};
use crate::idempotency;
use crate::overrides::{self, Overrides};

/// The state of a row whose client is being made,
pub(super) const CREATING: &str = "creating";
/// and of one whose client is being deleted.
const DELETING: &str = "deleting";

/// The right to work on a row's client, which runs out.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) owner: String,
    pub(super) now: Timestamp,
    pub(super) until: Timestamp,
}

/// What a device's row is made of.
pub(super) struct NewRow {
    pub(super) key: String,
    pub(super) device_model_id: i64,
    pub(super) name: String,
    pub(super) serial: Option<String>,
    pub(super) overrides: Overrides,
    pub(super) now: Timestamp,
}

impl NewRow {
    /// Makes sure that the serial is free, in the transaction that inserts the row.
    pub(super) fn check_serial(&self, connection: &mut Connection) -> Result<(), Error> {
        match &self.serial {
            Some(serial) => Ok(devices::check_serial_is_free(connection, serial, None)?),
            None => Ok(()),
        }
    }
}

pub(super) fn insert(
    connection: &mut Connection,
    row: &NewRow,
    client_id: &str,
    state: &str,
    lease: Option<&Lease>,
) -> Result<Device, database::Error> {
    let device = diesel::insert_into(dsl::devices)
        .values((
            (
                dsl::key.eq(&row.key),
                dsl::device_model_id.eq(row.device_model_id),
                dsl::name.eq(&row.name),
                dsl::name_folded.eq(fold(&row.name)),
                dsl::serial.eq(&row.serial),
                dsl::client_id.eq(client_id),
                dsl::state.eq(state),
                dsl::lease_owner.eq(lease.map(|lease| &lease.owner)),
                dsl::lease_until.eq(lease.map(|lease| lease.until.as_microsecond())),
            ),
            overrides::store::devices::Row::from(&row.overrides),
            (
                dsl::created_at.eq(row.now.as_microsecond()),
                dsl::updated_at.eq(row.now.as_microsecond()),
            ),
        ))
        .returning(Row::as_returning())
        .get_result::<Row>(connection)?;
    Ok(device.into())
}

/// Makes an active row for a client that is there already.
pub(super) fn adopt(
    connection: &mut Connection,
    row: &NewRow,
    client_id: &str,
    provider_ref: &str,
) -> Result<Device, database::Error> {
    let device = insert(connection, row, client_id, ACTIVE, None)?;
    diesel::update(dsl::devices.find(device.id))
        .set(dsl::provider_ref.eq(provider_ref))
        .execute(connection)?;
    Ok(Device {
        provider_ref: Some(provider_ref.to_owned()),
        ..device
    })
}

/// Those of these clients that have a row, in whatever state.
pub(super) fn known_clients(
    connection: &mut Connection,
    client_ids: &[&str],
) -> Result<HashSet<String>, database::Error> {
    let known = dsl::devices
        .filter(dsl::client_id.eq_any(client_ids))
        .select(dsl::client_id)
        .load(connection)?;
    Ok(known.into_iter().collect())
}

/// Whether a device has this key, in whatever state its row is.
pub(super) fn has_key(connection: &mut Connection, key: &str) -> Result<bool, database::Error> {
    let found = dsl::devices
        .filter(dsl::key.eq(key))
        .select(dsl::id)
        .get_result::<i64>(connection)
        .optional()?;
    Ok(found.is_some())
}

/// Deletes an active row, and says which client was its.
pub(super) fn delete(connection: &mut Connection, id: i64) -> Result<Option<String>, database::Error> {
    let deleted = diesel::delete(dsl::devices.find(id).filter(dsl::state.eq(ACTIVE)))
        .returning(dsl::client_id)
        .get_result(connection);
    Ok(deleted.optional()?)
}

/// The device with this id, unless its client is being made or deleted.
pub(super) fn active(connection: &mut Connection, id: i64) -> Result<Option<Device>, database::Error> {
    devices::store::find(connection, id)
}

/// Takes the lease of a row; with `deleting` its device is not seen from then on.
pub(super) fn claim(connection: &mut Connection, id: i64, lease: &Lease, deleting: bool) -> Result<Device, Error> {
    let found = dsl::devices
        .find(id)
        .select((dsl::state, dsl::lease_until, Row::as_select()))
        .get_result::<(String, Option<i64>, Row)>(connection)
        .optional()
        .map_err(database::Error::from)?;
    let (state, lease_until, row) = found.ok_or(Error::NotFound)?;
    if state == CREATING || (state == DELETING && !deleting) {
        return Err(Error::NotFound);
    }
    if lease_until.is_some_and(|until| lease.now.as_microsecond() < until) {
        return Err(Error::Busy);
    }
    let state = if deleting { DELETING } else { ACTIVE };
    take(connection, id, lease)?;
    diesel::update(dsl::devices.find(id))
        .set(dsl::state.eq(state))
        .execute(connection)
        .map_err(database::Error::from)?;
    Ok(row.into())
}

/// Takes the lease of the next row after this id that was cut short: its lease has run out, or was given back before the
/// end. Gives its state too.
pub(super) fn claim_stale(
    connection: &mut Connection,
    after: i64,
    lease: &Lease,
) -> Result<Option<(Device, String)>, database::Error> {
    let unsettled = dsl::state.ne(ACTIVE).or(dsl::lease_owner.is_not_null());
    let free = dsl::lease_until
        .is_null()
        .or(dsl::lease_until.le(lease.now.as_microsecond()));
    let found = dsl::devices
        .filter(dsl::id.gt(after).and(unsettled).and(free.assume_not_null()))
        .order(dsl::id)
        .limit(1)
        .select((Row::as_select(), dsl::state))
        .get_result::<(Row, String)>(connection)
        .optional()?;
    let Some((row, state)) = found else { return Ok(None) };
    let device = Device::from(row);
    take(connection, device.id, lease)?;
    Ok(Some((device, state)))
}

fn take(connection: &mut Connection, id: i64, lease: &Lease) -> Result<(), database::Error> {
    diesel::update(dsl::devices.find(id))
        .set((
            dsl::lease_owner.eq(&lease.owner),
            dsl::lease_until.eq(lease.until.as_microsecond()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Makes a row active and gives its lease back, if it is still the owner's. Says whether it was. Without a proof the
/// provider is asked whose the client is before its secret is read.
pub(super) fn settle(
    connection: &mut Connection,
    id: i64,
    owner: &str,
    provider_ref: Option<&str>,
    proof: Option<&[u8]>,
) -> Result<bool, database::Error> {
    let settled = diesel::update(dsl::devices.find(id).filter(dsl::lease_owner.eq(owner)))
        .set((
            dsl::state.eq(ACTIVE),
            dsl::provider_ref.eq(provider_ref),
            dsl::provider_proof.eq(proof),
            dsl::lease_owner.eq(None::<String>),
            dsl::lease_until.eq(None::<i64>),
        ))
        .execute(connection)?;
    Ok(settled == 1)
}

/// Gives a lease back, if it is still the owner's; the row's state stays.
pub(super) fn release(connection: &mut Connection, id: i64, owner: &str) -> Result<(), database::Error> {
    diesel::update(dsl::devices.find(id).filter(dsl::lease_owner.eq(owner)))
        .set((dsl::lease_owner.eq(None::<String>), dsl::lease_until.eq(None::<i64>)))
        .execute(connection)?;
    Ok(())
}

/// Removes a row, if its lease is still the owner's, and frees the key of the call that began to create it.
pub(super) fn remove(connection: &mut Connection, id: i64, owner: &str) -> Result<(), database::Error> {
    let removed = diesel::delete(dsl::devices.find(id).filter(dsl::lease_owner.eq(owner))).execute(connection)?;
    if removed == 1 {
        idempotency::free(connection, id)?;
    }
    Ok(())
}

/// How many devices there are in each state. The active ones are not looked at one by one: they are all others.
pub(crate) fn count_by_state(connection: &mut Connection) -> Result<Vec<(&'static str, i64)>, database::Error> {
    let all: i64 = dsl::devices.count().get_result(connection)?;
    // As the index `devices_unsettled` has it, with the literal that lets SQLite see that.
    let unsettled = diesel::dsl::sql::<diesel::sql_types::Bool>("(state <> 'active' OR lease_owner IS NOT NULL)");
    let mut count = |state| -> Result<i64, database::Error> {
        let one = dsl::devices.filter(unsettled.clone()).filter(dsl::state.eq(state));
        Ok(one.count().get_result(connection)?)
    };
    let (creating, deleting) = (count(CREATING)?, count(DELETING)?);
    Ok(vec![
        (ACTIVE, all - creating - deleting),
        (CREATING, creating),
        (DELETING, deleting),
    ])
}
