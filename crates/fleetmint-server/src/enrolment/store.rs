#[cfg(test)]
mod tests;

use std::collections::HashSet;

use diesel::expression::SqlLiteral;
use diesel::sql_types::Bool;
use jiff::Timestamp;

use super::{Error, no_such_model};
use crate::database::folding::fold;
use crate::database::prelude::*;
use crate::database::schema::devices::dsl;
use crate::database::{self, Connection, Constraint};
use crate::devices::store::Row;
use crate::devices::{self, Device, State};
use crate::idempotency;
use crate::overrides::{self, Overrides};

/// The right to work on a row's client, for a limited time.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) owner: String,
    pub(super) now: Timestamp,
    pub(super) until: Timestamp,
}

impl Lease {
    fn now(&self) -> i64 {
        self.now.as_microsecond()
    }
}

/// The columns of a new device's row.
pub(super) struct NewRow {
    pub(super) key: String,
    pub(super) device_model_id: i64,
    pub(super) name: String,
    pub(super) serial: Option<String>,
    pub(super) overrides: Overrides,
    pub(super) now: Timestamp,
}

/// The first state of a new row.
#[derive(Clone, Copy)]
pub(super) enum Beginning<'a> {
    /// The lease's owner is about to create its client.
    Creating(&'a Lease),
    /// Its client exists, with this id at an outside provider.
    Active { provider_ref: Option<&'a str> },
}

/// Inserts a row, unless it would collide with another one.
pub(super) fn insert(
    connection: &mut Connection,
    row: &NewRow,
    client_id: &str,
    beginning: Beginning<'_>,
) -> Result<Device, Error> {
    let (state, lease, provider_ref) = match beginning {
        Beginning::Creating(lease) => (State::Creating, Some(lease), None),
        Beginning::Active { provider_ref } => (State::Active, None, provider_ref),
    };
    let inserted = diesel::insert_into(dsl::devices)
        .values((
            (
                dsl::key.eq(&row.key),
                dsl::device_model_id.eq(row.device_model_id),
                dsl::name.eq(&row.name),
                dsl::name_folded.eq(fold(&row.name)),
                dsl::serial.eq(&row.serial),
                dsl::client_id.eq(client_id),
                dsl::provider_ref.eq(provider_ref),
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
        .on_conflict_do_nothing()
        .returning(Row::as_returning())
        .get_result::<Row>(connection)
        .optional();
    match inserted.map_err(database::Error::from) {
        Ok(Some(inserted)) => Ok(inserted.into()),
        Ok(None) => Err(collision(connection, row)?),
        // The model was deleted after its code was read.
        Err(database::Error::Referenced) => Err(no_such_model()),
        Err(error) => Err(error.into()),
    }
}

/// The value that a row which could not be inserted shares with another one.
fn collision(connection: &mut Connection, row: &NewRow) -> Result<Error, database::Error> {
    let free = match &row.serial {
        Some(serial) => devices::check_serial_is_free(connection, serial, None),
        None => Ok(()),
    };
    match free {
        Ok(()) => Ok(database::Error::Taken(Constraint::DeviceKey).into()),
        Err(taken) => Ok(taken.into()),
    }
}

/// Returns which of these clients have a row, in any state.
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

/// Whether a device has this key, in any state of its row.
pub(super) fn has_key(connection: &mut Connection, key: &str) -> Result<bool, database::Error> {
    let found = dsl::devices
        .filter(dsl::key.eq(key))
        .select(dsl::id)
        .get_result::<i64>(connection)
        .optional()?;
    Ok(found.is_some())
}

/// Deletes an active row if it is unchanged since it was read. Returns whether it was.
pub(super) fn delete(connection: &mut Connection, device: &Device) -> Result<bool, database::Error> {
    let unchanged = dsl::state
        .eq(State::Active)
        .and(dsl::updated_at.eq(device.updated_at.as_microsecond()));
    let deleted = diesel::delete(dsl::devices.find(device.id).filter(unchanged)).execute(connection)?;
    Ok(deleted == 1)
}

/// The device with this id, unless its client is being created or deleted.
pub(super) fn active(connection: &mut Connection, id: i64) -> Result<Option<Device>, database::Error> {
    devices::store::find(connection, id)
}

/// The purpose of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Change,
    /// From then on the device is not visible. A deletion that was begun before can be claimed again.
    Deletion,
}

impl Purpose {
    /// The states in which a row can be claimed.
    const fn from(self) -> &'static [State] {
        match self {
            Self::Change => &[State::Active],
            Self::Deletion => &[State::Active, State::Deleting],
        }
    }

    /// The state of the row after that.
    const fn to(self) -> State {
        match self {
            Self::Change => State::Active,
            Self::Deletion => State::Deleting,
        }
    }
}

/// Claims the lease of a row.
pub(super) fn claim(connection: &mut Connection, id: i64, lease: &Lease, purpose: Purpose) -> Result<Device, Error> {
    let row = dsl::devices.find(id);
    let claimed = diesel::update(
        row.filter(dsl::state.eq_any(purpose.from()))
            .filter(is_free(lease.now())),
    )
    .set((
        dsl::state.eq(purpose.to()),
        dsl::lease_owner.eq(&lease.owner),
        dsl::lease_until.eq(lease.until.as_microsecond()),
    ))
    .returning(Row::as_returning())
    .get_result::<Row>(connection)
    .optional()
    .map_err(database::Error::from)?;
    if let Some(claimed) = claimed {
        // A part of its version.
        let board = devices::store::board(connection, id)?;
        return Ok(Device {
            board,
            ..claimed.into()
        });
    }
    let state = row.select(dsl::state).get_result::<State>(connection).optional();
    match state.map_err(database::Error::from)? {
        Some(state) if purpose.from().contains(&state) => Err(Error::Busy),
        Some(_) | None => Err(Error::NotFound),
    }
}

/// Claims the lease of the next row after this id whose change was interrupted: its lease has expired, or was given
/// back before the end. Also returns its state.
pub(super) fn claim_stale(
    connection: &mut Connection,
    after: i64,
    lease: &Lease,
) -> Result<Option<(Device, State)>, database::Error> {
    let mut after = after;
    loop {
        let stale = dsl::devices.filter(unsettled()).filter(is_free(lease.now()));
        let next = stale.filter(dsl::id.gt(after)).order(dsl::id).select(dsl::id);
        let Some(id) = next.first::<i64>(connection).optional()? else {
            return Ok(None);
        };
        let claimed = diesel::update(dsl::devices.find(id).filter(unsettled()).filter(is_free(lease.now())))
            .set((
                dsl::lease_owner.eq(&lease.owner),
                dsl::lease_until.eq(lease.until.as_microsecond()),
            ))
            .returning((Row::as_returning(), dsl::state))
            .get_result::<(Row, State)>(connection)
            .optional()?;
        if let Some((row, state)) = claimed {
            return Ok(Some((row.into(), state)));
        }
        // Another process has claimed or settled it since it was found.
        after = id;
    }
}

/// Whether nobody has the lease of a row.
#[diesel::dsl::auto_type(no_type_alias)]
fn is_free(now: i64) -> _ {
    dsl::lease_until.is_null().or(dsl::lease_until.le(now))
}

/// Whether a row's client still needs work. This is the condition of the index `devices_unsettled`, with the literal
/// that lets SQLite see that.
fn unsettled() -> SqlLiteral<Bool> {
    diesel::dsl::sql("(state <> 'active' OR lease_owner IS NOT NULL)")
}

/// Sets a row active and gives its lease back, if the owner still has it. Returns whether it had. Without a proof, the
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
            dsl::state.eq(State::Active),
            dsl::provider_ref.eq(provider_ref),
            dsl::provider_proof.eq(proof),
            dsl::lease_owner.eq(None::<String>),
            dsl::lease_until.eq(None::<i64>),
        ))
        .execute(connection)?;
    Ok(settled == 1)
}

/// Gives a lease back, if the owner still has it; the row's state stays.
pub(super) fn release(connection: &mut Connection, id: i64, owner: &str) -> Result<(), database::Error> {
    diesel::update(dsl::devices.find(id).filter(dsl::lease_owner.eq(owner)))
        .set((dsl::lease_owner.eq(None::<String>), dsl::lease_until.eq(None::<i64>)))
        .execute(connection)?;
    Ok(())
}

/// Deletes a row, if the owner still has its lease, and frees the key of the call that began to create it. Returns
/// whether it had.
pub(super) fn remove(connection: &mut Connection, id: i64, owner: &str) -> Result<bool, database::Error> {
    let removed = diesel::delete(dsl::devices.find(id).filter(dsl::lease_owner.eq(owner))).execute(connection)?;
    if removed == 1 {
        idempotency::free(connection, id)?;
    }
    Ok(removed == 1)
}

/// The number of devices in each state. The active ones are not counted one by one: they are the rest.
pub(crate) fn count_by_state(connection: &mut Connection) -> Result<Vec<(&'static str, i64)>, database::Error> {
    let all: i64 = dsl::devices.count().get_result(connection)?;
    let mut count = |state: State| -> Result<i64, database::Error> {
        let one = dsl::devices.filter(unsettled()).filter(dsl::state.eq(state));
        Ok(one.count().get_result(connection)?)
    };
    let (creating, deleting) = (count(State::Creating)?, count(State::Deleting)?);
    Ok(vec![
        (State::Active.name(), all - creating - deleting),
        (State::Creating.name(), creating),
        (State::Deleting.name(), deleting),
    ])
}
