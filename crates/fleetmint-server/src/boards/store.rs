#[cfg(test)]
mod tests;

use diesel::dsl::{exists, not};
use jiff::Timestamp;

use super::{Board, BoardSort, Carried, End, Flash, FlashSort, FlashState, Mac, NewFlash, Other, Partition};
use crate::database::keyset::{self, Listing};
use crate::database::prelude::*;
use crate::database::schema::devices;
use crate::database::schema::flashes::{self, dsl};
use crate::database::{self, Backend, Connection, timestamp};
use crate::devices::{FlashOutcome, State};

diesel::alias!(flashes as later: Later);

#[derive(Queryable, Selectable)]
#[diesel(table_name = flashes, check_for_backend(Backend))]
struct Row {
    id: i64,
    device_id: i64,
    mac: String,
    chip: String,
    partition_name: String,
    partition_offset: i64,
    partition_size: i64,
    tool: String,
    started_at: i64,
    ended_at: Option<i64>,
    outcome: Option<FlashOutcome>,
    sectors: Option<i64>,
    bytes: Option<i64>,
    reason: Option<String>,
}

impl From<Row> for Flash {
    fn from(row: Row) -> Self {
        let end = row.outcome.map(|outcome| End {
            outcome,
            sectors: row.sectors.unwrap_or_default(),
            bytes: row.bytes.unwrap_or_default(),
            reason: row.reason,
            at: timestamp(row.ended_at.unwrap_or_default()),
        });
        Self {
            id: row.id,
            device_id: row.device_id,
            mac: Mac::stored(row.mac),
            chip: row.chip,
            partition: Partition {
                name: row.partition_name,
                offset: row.partition_offset,
                size: row.partition_size,
            },
            tool: row.tool,
            started_at: timestamp(row.started_at),
            end,
        }
    }
}

/// The model of an active device.
pub(super) fn model_of(connection: &mut Connection, device_id: i64) -> Result<Option<i64>, database::Error> {
    let device = devices::table.filter(devices::id.eq(device_id).and(devices::state.eq(State::Active)));
    let model = device.select(devices::device_model_id).get_result(connection);
    Ok(model.optional()?)
}

/// Ends what earlier flashes say of the device and the board: if both are the same pair, or the device is being deleted. With
/// `replace`, in any case.
pub(super) fn release(
    connection: &mut Connection,
    device_id: i64,
    mac: &Mac,
    replace: bool,
) -> Result<(), database::Error> {
    let is_device = dsl::current_device_id.eq(device_id);
    let is_board = dsl::mac.eq(mac.as_str()).and(dsl::current_device_id.is_not_null());
    let nobody = dsl::current_device_id.eq(None::<i64>);
    if replace {
        diesel::update(dsl::flashes.filter(is_device.or(is_board)))
            .set(nobody)
            .execute(connection)?;
    } else {
        let going = devices::table.filter(
            devices::id
                .nullable()
                .eq(dsl::current_device_id)
                .and(devices::state.ne(State::Active)),
        );
        diesel::update(dsl::flashes.filter(is_board.and(is_device.or(exists(going)))))
            .set(nobody)
            .execute(connection)?;
    }
    Ok(())
}

/// Inserts a flash that says which board carries the device, unless another flash says otherwise of the device or the
/// board.
///
/// # Errors
/// [`database::Error::Referenced`] if there is no such device.
pub(super) fn insert(
    connection: &mut Connection,
    device_id: i64,
    mac: &Mac,
    new: &NewFlash,
    now: Timestamp,
) -> Result<Option<Flash>, database::Error> {
    let inserted = diesel::insert_into(dsl::flashes)
        .values((
            dsl::device_id.eq(device_id),
            dsl::current_device_id.eq(device_id),
            dsl::mac.eq(mac.as_str()),
            dsl::chip.eq(&new.chip),
            dsl::partition_name.eq(&new.partition.name),
            dsl::partition_offset.eq(new.partition.offset),
            dsl::partition_size.eq(new.partition.size),
            dsl::tool.eq(&new.tool),
            dsl::started_at.eq(now.as_microsecond()),
        ))
        .on_conflict_do_nothing()
        .returning(Row::as_returning())
        .get_result::<Row>(connection)
        .optional()?;
    Ok(inserted.map(Flash::from))
}

/// What stands against a flash of this device onto this board.
pub(super) fn others(connection: &mut Connection, device_id: i64, mac: &Mac) -> Result<Vec<Other>, database::Error> {
    let of_device = dsl::current_device_id.eq(device_id).and(dsl::mac.ne(mac.as_str()));
    let of_board = dsl::mac
        .eq(mac.as_str())
        .and(dsl::current_device_id.is_not_null())
        .and(dsl::current_device_id.ne(device_id));
    let rows = dsl::flashes
        .inner_join(devices::table)
        .filter(of_device.or(of_board))
        .order(dsl::id)
        .select((dsl::mac, devices::id, devices::key))
        .load::<(String, i64, String)>(connection)?;
    let others = rows.into_iter().map(|(mac, device_id, device_key)| Other {
        mac,
        device_id,
        device_key,
    });
    Ok(others.collect())
}

/// Stores the end of a flash, unless it has ended already. A flash that does not count no longer says which board carries
/// the device. Returns whether it was still open.
pub(super) fn end(connection: &mut Connection, id: i64, end: &End) -> Result<bool, database::Error> {
    let open = dsl::flashes.filter(dsl::id.eq(id).and(dsl::outcome.is_null()));
    let values = (
        dsl::outcome.eq(end.outcome),
        dsl::sectors.eq(end.sectors),
        dsl::bytes.eq(end.bytes),
        dsl::reason.eq(&end.reason),
        dsl::ended_at.eq(end.at.as_microsecond()),
    );
    let ended = if end.counts() {
        diesel::update(open).set(values).execute(connection)?
    } else {
        diesel::update(open)
            .set((values, dsl::current_device_id.eq(None::<i64>)))
            .execute(connection)?
    };
    Ok(ended == 1)
}

/// Has the newest flashes that count say which board carries which device, after a flash of this device and this board no
/// longer does. It is the rule of this room as one statement.
///
/// # Errors
/// [`database::Error::Taken`] if a flash that began at the same time already says it.
pub(super) fn give_back(connection: &mut Connection, device_id: i64, mac: &Mac) -> Result<(), database::Error> {
    let counts = dsl::outcome
        .is_null()
        .or(dsl::outcome.ne(FlashOutcome::Failed))
        .or(dsl::sectors.gt(0))
        .or(dsl::bytes.gt(0));
    let device = devices::table.filter(devices::id.eq(dsl::device_id).and(devices::state.eq(State::Active)));
    let (outcome, sectors, bytes) = (
        later.field(dsl::outcome),
        later.field(dsl::sectors),
        later.field(dsl::bytes),
    );
    let later_counts = outcome
        .is_null()
        .or(outcome.ne(FlashOutcome::Failed))
        .or(sectors.gt(0))
        .or(bytes.gt(0));
    let same_device = later.field(dsl::device_id).eq(dsl::device_id);
    let same_board = later.field(dsl::mac).eq(dsl::mac);
    let newer = later
        .filter(later.field(dsl::id).gt(dsl::id))
        .filter(same_device.or(same_board))
        .filter(later_counts);
    let touched = dsl::mac.eq(mac.as_str()).or(dsl::device_id.eq(device_id));
    let newest = dsl::flashes
        .filter(touched.and(dsl::current_device_id.is_null()))
        .filter(counts)
        .filter(exists(device))
        .filter(not(exists(newer)));
    diesel::update(newest)
        .set(dsl::current_device_id.eq(dsl::device_id.nullable()))
        .execute(connection)?;
    Ok(())
}

/// The flash of this device with this id.
pub(super) fn find(connection: &mut Connection, device_id: i64, id: i64) -> Result<Option<Flash>, database::Error> {
    let flash = dsl::flashes
        .filter(dsl::id.eq(id).and(dsl::device_id.eq(device_id)))
        .select(Row::as_select())
        .get_result::<Row>(connection);
    Ok(flash.optional()?.map(Flash::from))
}

/// The newest flash of a board.
pub(super) fn newest(connection: &mut Connection, mac: &Mac) -> Result<Option<Flash>, database::Error> {
    let flash = dsl::flashes
        .filter(dsl::mac.eq(mac.as_str()))
        .order(dsl::id.desc())
        .select(Row::as_select())
        .first::<Row>(connection);
    Ok(flash.optional()?.map(Flash::from))
}

pub(super) fn of_device(
    connection: &mut Connection,
    device_id: i64,
    listing: &Listing<FlashSort>,
) -> Result<Vec<Flash>, database::Error> {
    let query = dsl::flashes.into_boxed().filter(dsl::device_id.eq(device_id));
    page(connection, query, listing)
}

pub(super) fn of_board(
    connection: &mut Connection,
    mac: &Mac,
    listing: &Listing<FlashSort>,
) -> Result<Vec<Flash>, database::Error> {
    let query = dsl::flashes.into_boxed().filter(dsl::mac.eq(mac.as_str().to_owned()));
    page(connection, query, listing)
}

fn page(
    connection: &mut Connection,
    mut query: flashes::BoxedQuery<'_, Backend>,
    listing: &Listing<FlashSort>,
) -> Result<Vec<Flash>, database::Error> {
    if let Some(pattern) = listing.pattern() {
        let chip = dsl::chip.like(pattern.clone()).escape('\\');
        query = query.filter(dsl::mac.like(pattern).escape('\\').or(chip));
    }
    let query = keyset::page(query, dsl::id, dsl::id, listing)
        .limit(listing.fetch())
        .select(Row::as_select());
    Ok(query.load::<Row>(connection)?.into_iter().map(Flash::from).collect())
}

/// The boards, each as its newest flash says.
pub(super) fn boards(
    connection: &mut Connection,
    state: Option<FlashState>,
    listing: &Listing<BoardSort>,
) -> Result<Vec<Board>, database::Error> {
    let newer = later.filter(later.field(dsl::mac).eq(dsl::mac).and(later.field(dsl::id).gt(dsl::id)));
    let mut query = dsl::flashes.into_boxed().filter(not(exists(newer)));
    query = match state {
        Some(FlashState::Started) => query.filter(dsl::outcome.is_null()),
        Some(FlashState::Ended) => query.filter(dsl::outcome.is_not_null()),
        None => query,
    };
    if let Some(pattern) = listing.pattern() {
        let chip = dsl::chip.like(pattern.clone()).escape('\\');
        query = query.filter(dsl::mac.like(pattern).escape('\\').or(chip));
    }
    query = match listing.sort {
        BoardSort::Mac => keyset::page(query, dsl::mac, dsl::id, listing),
        BoardSort::StartedAt => keyset::page(query, dsl::started_at, dsl::id, listing),
    };
    let last = query
        .limit(listing.fetch())
        .select(Row::as_select())
        .load::<Row>(connection)?;
    with_devices(connection, last.into_iter().map(Flash::from).collect())
}

/// The boards of these flashes, with the devices that they carry: one query for all of them.
pub(super) fn with_devices(connection: &mut Connection, last: Vec<Flash>) -> Result<Vec<Board>, database::Error> {
    let macs: Vec<&str> = last.iter().map(|flash| flash.mac.as_str()).collect();
    let carried = dsl::flashes
        .inner_join(devices::table)
        .filter(dsl::mac.eq_any(macs).and(dsl::current_device_id.is_not_null()))
        .filter(devices::state.eq(State::Active))
        .select((
            dsl::mac,
            (devices::id, devices::key, devices::name),
            (dsl::outcome, dsl::ended_at),
        ))
        .load::<(String, (i64, String, String), (Option<FlashOutcome>, Option<i64>))>(connection)?;
    let mut carried: std::collections::HashMap<String, Carried> = carried
        .into_iter()
        .map(|(mac, (device_id, key, name), (outcome, ended_at))| {
            let carried = Carried {
                device_id,
                key,
                name,
                flashed_at: FlashOutcome::flashed_at(outcome, ended_at.map(timestamp)),
            };
            (mac, carried)
        })
        .collect();
    let boards = last.into_iter().map(|last| Board {
        carries: carried.remove(last.mac.as_str()),
        last,
    });
    Ok(boards.collect())
}
