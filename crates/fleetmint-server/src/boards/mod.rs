//! Boards: which one carries which device.
//!
//! A board is known by the MAC of its chip. A tool that writes a device's identity onto a board reports it in two calls, a
//! *flash*: before its first write that it starts, and afterwards how it ended.
//!
//! ```text
//! begin ─► started ──┬─ end ─► written | unchanged | failed
//!                    └─ never ended: the tool was killed, or could not reach the service again
//! ```
//!
//! **Which board carries which device** follows from the flashes alone. A flash *counts* if it has reached the chip, or may
//! have:
//!
//! | the flash | the chip | counts |
//! |---|---|---|
//! | is started, and its end was not reported | unknown | yes |
//! | ended as `written` or `unchanged` | has the device's values | yes |
//! | `failed` after it had begun to write a sector | unknown | yes |
//! | `failed` before it wrote anything (`sectors` and `bytes` are 0) | is as it was before | no |
//!
//! A board carries a device if the newest flash of the board that counts is also the newest flash of the device that counts,
//! and the device has not been deleted. Newest is what was started last. So no board carries two devices, and no device is on
//! two boards. What follows from that:
//!
//! - A flash that would change this for another board or another device is refused ([`Error::AnotherBoard`]), unless its
//!   caller asks for it (`replace_board`). The board that a device has left carries nothing, although its chip still has the
//!   old values, until it is flashed again. The same board and the same device may be flashed as often as one likes.
//! - A flash that fails before it wrote anything gives back what it replaced: the device is on its old board again.
//! - A flash of a deleted device stays in the history of its board, with the device's id. The board carries nothing. If the
//!   flash was going on, its end cannot be reported any more.
//!
//! The flash that says which device a board carries has the device's id in a column of its own. Unique constraints allow one
//! such flash for each device and for each board, so of two flashes that start at once one is refused, on any database.

pub(crate) mod http;
mod mac;
mod rules;
mod store;

use jiff::Timestamp;

use crate::access::Caller;
use crate::app::App;
use crate::audit::{self, Reason};
use crate::change::FieldChange;
use crate::database::keyset::{After, Listing, SortKey};
use crate::database::{self, Connection};
pub use crate::devices::FlashOutcome;
use crate::idempotency::{self, Once, OnceOutcome};
use crate::operation::Operation;
use crate::version::{Changed, Expected, Version};
use crate::violation::Violation;
pub use mac::Mac;

/// How many flashes are shown with a board.
const FLASHES_SHOWN: u32 = 50;

/// A partition of a chip's flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub name: String,
    /// In bytes from the start of the flash.
    pub offset: i64,
    /// In bytes.
    pub size: i64,
}

/// What a tool is about to write, and onto which board.
#[derive(Clone, Debug)]
pub struct NewFlash {
    pub mac: String,
    /// The name of the chip in ESP-IDF.
    pub chip: String,
    pub partition: Partition,
    /// The tool and its version.
    pub tool: String,
    /// Whether the device may leave its board, and the board its device.
    pub replace_board: bool,
}

/// A flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    pub id: i64,
    /// The device, which may be deleted by now.
    pub device_id: i64,
    pub mac: Mac,
    pub chip: String,
    pub partition: Partition,
    pub tool: String,
    pub started_at: Timestamp,
    /// `None` as long as its end was not reported.
    pub end: Option<End>,
}

/// How far a flash has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashState {
    /// Its end was not reported.
    Started,
    Ended,
}

impl FlashState {
    pub const ALL: [Self; 2] = [Self::Started, Self::Ended];

    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ended => "ended",
        }
    }
}

/// How a flash ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub outcome: FlashOutcome,
    /// How many sectors it began to write.
    pub sectors: i64,
    /// How many bytes it wrote.
    pub bytes: i64,
    /// Why it failed, for people.
    pub reason: Option<String>,
    pub at: Timestamp,
}

impl End {
    /// Whether the chip may be another than before.
    const fn counts(&self) -> bool {
        !matches!(self.outcome, FlashOutcome::Failed) || self.sectors > 0 || self.bytes > 0
    }
}

/// The report of a flash's end. Fields that never change are accepted with their current value, so that an answer can be
/// sent back.
#[derive(Clone, Debug, Default)]
pub struct ChangeFlash {
    pub id: FieldChange<i64>,
    pub device_id: FieldChange<i64>,
    pub mac: FieldChange<String>,
    pub chip: FieldChange<String>,
    pub partition: FieldChange<Partition>,
    pub tool: FieldChange<String>,
    pub state: FieldChange<String>,
    pub started_at: FieldChange<Timestamp>,
    pub ended_at: FieldChange<Timestamp>,
    /// The name of an outcome.
    pub outcome: FieldChange<String>,
    pub sectors: FieldChange<i64>,
    pub bytes: FieldChange<i64>,
    pub reason: FieldChange<String>,
    /// The change is made only in one of these versions.
    pub expected: Expected,
}

/// A board, and what is known of it.
#[derive(Clone, Debug)]
pub struct Board {
    /// Its newest flash, whether it counts or not.
    pub last: Flash,
    pub carries: Option<Carried>,
}

/// The device that a board carries.
#[derive(Clone, Debug)]
pub struct Carried {
    pub device_id: i64,
    pub key: String,
    pub name: String,
    /// See [`crate::devices::Board::flashed_at`].
    pub flashed_at: Option<Timestamp>,
}

/// A board that carries another device, or that the device is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    pub mac: String,
    pub device_id: i64,
    pub device_key: String,
}

/// Why an operation on a flash or a board failed. It changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such device")]
    NoDevice,
    #[error("the device has no such flash")]
    NoFlash,
    #[error("no board with this MAC was ever flashed")]
    NoBoard,
    /// The device is on another board, the board carries another device, or both.
    #[error("{}", said_of(.device_id, .others))]
    AnotherBoard { device_id: i64, others: Vec<Other> },
    #[error("the flash has ended with another outcome")]
    Ended,
    #[error("another flash of the device or the board came first")]
    Busy,
    #[error("values break a rule")]
    Invalid(Vec<Violation>),
    #[error(transparent)]
    Changed(#[from] Changed),
    #[error(transparent)]
    Repeat(#[from] idempotency::Error),
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::NoDevice | Self::NoFlash | Self::NoBoard => "not-found",
            Self::AnotherBoard { .. } => "another-board",
            Self::Ended => "flash-ended",
            Self::Busy => "being-changed",
            Self::Invalid(_) => "invalid-value",
            Self::Changed(_) => "precondition-failed",
            Self::Repeat(error) => error.reason(),
            Self::Database(error) => error.reason(),
        }
    }
}

/// Which board carries what, in words.
fn said_of(device_id: &i64, others: &[Other]) -> String {
    let sentences: Vec<String> = others.iter().map(|other| other.sentence(*device_id)).collect();
    sentences.join("; ")
}

impl Other {
    /// What stands against a flash of this device.
    pub(crate) fn sentence(&self, device_id: i64) -> String {
        let Self {
            mac,
            device_id: other,
            device_key: key,
        } = self;
        if *other == device_id {
            format!("the device {key} (id {device_id}) is on the board {mac}")
        } else {
            format!("the board {mac} carries the device {key} (id {other})")
        }
    }
}

/// The columns that a list of flashes can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashSort {
    /// The order in which they were started.
    Id,
}

impl SortKey for FlashSort {
    const ALL: &'static [Self] = &[Self::Id];
    const DEFAULT: Self = Self::Id;

    fn name(self) -> &'static str {
        "id"
    }

    fn is_number(self) -> bool {
        true
    }
}

/// The columns that a list of boards can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoardSort {
    Mac,
    /// The start of its newest flash.
    StartedAt,
}

impl SortKey for BoardSort {
    const ALL: &'static [Self] = &[Self::Mac, Self::StartedAt];
    const DEFAULT: Self = Self::Mac;

    fn name(self) -> &'static str {
        match self {
            Self::Mac => "mac",
            Self::StartedAt => "started_at",
        }
    }

    fn is_number(self) -> bool {
        self == Self::StartedAt
    }
}

impl Flash {
    pub const fn state(&self) -> FlashState {
        match self.end {
            None => FlashState::Started,
            Some(_) => FlashState::Ended,
        }
    }

    /// Its state: each change results in another version.
    pub fn version(&self) -> Version {
        // Nothing else of it changes.
        let digest = Version::digest().text("flash").number(self.id);
        match &self.end {
            None => digest.text(self.state().name()),
            Some(end) => digest
                .text(end.outcome.name())
                .number(end.sectors)
                .number(end.bytes)
                .optional(end.reason.as_ref())
                .number(end.at.as_microsecond()),
        }
        .finish()
    }

    /// Its place in a list.
    pub fn place(&self) -> After {
        After::Number(self.id, self.id)
    }
}

impl Board {
    /// Its place in a list that is sorted this way.
    pub fn place(&self, sort: BoardSort) -> After {
        match sort {
            BoardSort::Mac => After::Text(self.last.mac.to_string(), self.last.id),
            BoardSort::StartedAt => After::Number(self.last.started_at.as_microsecond(), self.last.id),
        }
    }
}

/// Starts a flash, once for each key. Nothing may be written to the chip before this returns.
///
/// # Errors
/// [`Error::NoDevice`], [`Error::Invalid`], [`Error::AnotherBoard`], [`Error::Busy`], [`Error::Repeat`].
pub async fn begin(
    app: &App,
    caller: &Caller,
    device_id: i64,
    new: NewFlash,
    once: Option<Once<Flash>>,
) -> Result<OnceOutcome<Flash>, Error> {
    let now = app.clock.now();
    let record = caller.record(now, Operation::BeginFlash).device(device_id);
    let write = move |connection: &mut Connection| {
        let earlier = match &once {
            Some(once) => idempotency::earlier(connection, &once.call),
            None => Ok(None),
        };
        // Repeating the first answer changes nothing.
        if let Ok(Some(answer)) = earlier {
            return Ok(Ok(OnceOutcome::Repeated(answer)));
        }
        audit::within(connection, record, |connection, record| {
            earlier?;
            let model_id = store::model_of(connection, device_id)?.ok_or(Error::NoDevice)?;
            record.model_id = Some(model_id);
            let mac = rules::check(&new).map_err(Error::Invalid)?;
            store::release(connection, device_id, &mac, new.replace_board)?;
            let flash = match store::insert(connection, device_id, &mac, &new, now) {
                // It was deleted after it was found.
                Err(database::Error::Referenced) => return Err(Error::NoDevice),
                inserted => inserted?,
            };
            let Some(flash) = flash else {
                return Err(refusal(connection, device_id, &mac, &new)?);
            };
            if let Some(once) = &once {
                once.store(connection, &flash)?;
            }
            Ok(OnceOutcome::Created(flash))
        })
    };
    app.database.write(write).await?
}

/// Why a flash could not be inserted.
fn refusal(connection: &mut Connection, device_id: i64, mac: &Mac, new: &NewFlash) -> Result<Error, database::Error> {
    let others = store::others(connection, device_id, mac)?;
    // Others were replaced, or are gone already: another flash started at the same time.
    if new.replace_board || others.is_empty() {
        Ok(Error::Busy)
    } else {
        Ok(Error::AnotherBoard { device_id, others })
    }
}

/// Reports how a flash ended. The same report may be repeated.
///
/// # Errors
/// [`Error::NoDevice`], [`Error::NoFlash`], [`Error::Changed`], [`Error::Invalid`], [`Error::Ended`], [`Error::Busy`].
pub async fn end(app: &App, caller: &Caller, device_id: i64, id: i64, change: ChangeFlash) -> Result<Flash, Error> {
    let record = caller.record(app.clock.now(), Operation::EndFlash).device(device_id);
    audit::change(&app.database, record, move |connection, record| {
        let model_id = store::model_of(connection, device_id)?.ok_or(Error::NoDevice)?;
        record.model_id = Some(model_id);
        let mut flash = store::find(connection, device_id, id)?.ok_or(Error::NoFlash)?;
        change.expected.check(&flash.version())?;
        let Some(end) = change.end_of(&flash, record.at)? else {
            return Ok(flash);
        };
        if !store::end(connection, id, &end)? {
            return Err(change.expected.outrun(Error::Busy));
        }
        if !end.counts() {
            store::give_back(connection, device_id, &flash.mac).map_err(|error| match error {
                // A flash that started at the same time has them now.
                database::Error::Taken(_) | database::Error::Referenced => Error::Busy,
                other => other.into(),
            })?;
        }
        flash.end = Some(end);
        Ok(flash)
    })
    .await
}

/// A flash of this device.
///
/// # Errors
/// [`Error::NoDevice`], [`Error::NoFlash`].
pub async fn flash(app: &App, device_id: i64, id: i64) -> Result<Flash, Error> {
    let read = move |connection: &mut Connection| {
        store::model_of(connection, device_id)?.ok_or(Error::NoDevice)?;
        store::find(connection, device_id, id)?.ok_or(Error::NoFlash)
    };
    app.database.read(read).await
}

/// One page of a device's flashes, and one flash more if there is a next page.
///
/// # Errors
/// [`Error::NoDevice`].
pub async fn flashes_of_device(app: &App, device_id: i64, listing: Listing<FlashSort>) -> Result<Vec<Flash>, Error> {
    let read = move |connection: &mut Connection| {
        store::model_of(connection, device_id)?.ok_or(Error::NoDevice)?;
        Ok(store::of_device(connection, device_id, &listing)?)
    };
    app.database.read(read).await
}

/// One page of a board's flashes, those of deleted devices too, and one flash more if there is a next page.
///
/// # Errors
/// [`Error::NoBoard`].
pub async fn flashes_of_board(app: &App, mac: Mac, listing: Listing<FlashSort>) -> Result<Vec<Flash>, Error> {
    let read = move |connection: &mut Connection| {
        store::newest(connection, &mac)?.ok_or(Error::NoBoard)?;
        Ok(store::of_board(connection, &mac, &listing)?)
    };
    app.database.read(read).await
}

/// The board with this MAC, and its flashes, newest first: 50 of them at most.
///
/// # Errors
/// [`Error::NoBoard`].
pub async fn board(app: &App, mac: Mac) -> Result<(Board, Vec<Flash>), Error> {
    let read = move |connection: &mut Connection| {
        let last = store::newest(connection, &mac)?.ok_or(Error::NoBoard)?;
        let newest_first = Listing {
            limit: FLASHES_SHOWN,
            q: None,
            sort: FlashSort::Id,
            descending: true,
            after: None,
        };
        let mut flashes = store::of_board(connection, &mac, &newest_first)?;
        flashes.truncate(FLASHES_SHOWN as usize);
        let board = store::with_devices(connection, vec![last])?
            .pop()
            .ok_or(Error::NoBoard)?;
        Ok((board, flashes))
    };
    app.database.read(read).await
}

/// One page of all boards that were ever flashed, and one board more if there is a next page. With `state`, only those whose
/// newest flash is in it.
///
/// # Errors
/// Only the database's.
pub async fn list(app: &App, state: Option<FlashState>, listing: Listing<BoardSort>) -> Result<Vec<Board>, Error> {
    app.database
        .read(move |connection| Ok(store::boards(connection, state, &listing)?))
        .await
}
