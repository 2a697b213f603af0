//! Devices: the boards that have an identity.

mod board;
pub(crate) mod http;
pub(crate) mod serial;
pub(crate) mod store;

pub(crate) use crate::device_state::State;
pub use board::{Board, FlashOutcome};
use jiff::Timestamp;

use crate::access::Caller;
use crate::app::App;
use crate::audit::{self, Reason};
use crate::change::FieldChange;
use crate::database::keyset::{After, Listing, SortKey};
use crate::database::{self, Connection, Constraint, time_of_change};
use crate::identity::Client;
use crate::name;
use crate::operation::Operation;
use crate::overrides::{self, ChangeOverrides, MQTT_USERINFO, Overrides};
use crate::seal::{Seal, SealedAt};
use crate::version::{Changed, Expected, Version};
use crate::violation::Violation;

/// A device that has its identity. A device whose client is being created or deleted is not visible.
#[derive(Clone, Debug)]
pub struct Device {
    pub id: i64,
    /// A letter and 7 of `[a-z0-9]`; it never changes.
    pub key: String,
    pub device_model_id: i64,
    pub name: String,
    /// The maker's or owner's own number for it.
    pub serial: Option<String>,
    /// `iotdevice-<model code>-<key>`; it never changes.
    pub client_id: String,
    /// The client's own id at an outside identity provider.
    pub provider_ref: Option<String>,
    pub overrides: Overrides,
    /// The board that carries it.
    pub board: Option<Board>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A change of a device. Fields that never change are accepted with their current value, so that an answer can be sent
/// back.
#[derive(Clone, Debug, Default)]
pub struct ChangeDevice {
    pub id: FieldChange<i64>,
    pub created_at: FieldChange<Timestamp>,
    pub updated_at: FieldChange<Timestamp>,
    pub key: FieldChange<String>,
    pub client_id: FieldChange<String>,
    pub device_model_id: FieldChange<i64>,
    pub name: FieldChange<String>,
    pub serial: FieldChange<String>,
    pub overrides: ChangeOverrides,
    pub board: FieldChange<Board>,
    /// The change is made only in one of these versions.
    pub expected: Expected,
}

/// Why an operation on a device failed. It changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such device")]
    NotFound,
    #[error("values break a rule")]
    Invalid(Vec<Violation>),
    #[error(transparent)]
    Changed(#[from] Changed),
    #[error("another change of the device came first")]
    Busy,
    #[error("there is a device with this serial already")]
    SerialTaken,
    /// Only after that is it known whether the serial is free.
    #[error("a device with this serial is being created or deleted")]
    SerialInDoubt,
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Invalid(_) => "invalid-value",
            Self::Changed(_) => "precondition-failed",
            Self::SerialTaken => "already-exists",
            Self::SerialInDoubt | Self::Busy => "being-changed",
            Self::Database(error) => error.reason(),
        }
    }
}

/// Which devices to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub device_model_id: Option<i64>,
    pub serial: Option<String>,
}

/// The columns that a list of devices can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Id,
    Key,
    Name,
    Model,
    CreatedAt,
    UpdatedAt,
}

impl SortKey for Sort {
    const ALL: &'static [Self] = &[
        Self::Id,
        Self::Key,
        Self::Name,
        Self::Model,
        Self::CreatedAt,
        Self::UpdatedAt,
    ];
    const DEFAULT: Self = Self::Id;

    fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Key => "key",
            Self::Name => "name",
            Self::Model => "device_model_id",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Id | Self::Model | Self::CreatedAt | Self::UpdatedAt)
    }
}

impl Device {
    /// Its client at the identity provider.
    pub fn client(&self) -> Client<'_> {
        Client {
            client_id: &self.client_id,
            device_key: &self.key,
            provider_ref: self.provider_ref.as_deref(),
        }
    }

    /// Its state: each change results in another version.
    pub fn version(&self) -> Version {
        let digest = Version::digest().number(self.id).text(&self.key).text(&self.client_id);
        let digest = digest.number(self.device_model_id).text(&self.name);
        let board = self.board.as_ref();
        let flashed_at = board.and_then(|board| board.flashed_at).map(Timestamp::as_microsecond);
        let digest = digest
            .optional(board.map(|board| &board.mac))
            .optional(board.map(|board| &board.chip))
            .optional(flashed_at.map(i64::to_be_bytes));
        self.overrides
            .digest(digest.optional(self.serial.as_ref()))
            .number(self.created_at.as_microsecond())
            .number(self.updated_at.as_microsecond())
            .finish()
    }

    /// Its place in a list that is sorted this way.
    pub fn place(&self, sort: Sort) -> After {
        match sort {
            Sort::Id => After::Number(self.id, self.id),
            Sort::Key => After::Text(self.key.clone(), self.id),
            Sort::Name => After::Text(self.name.clone(), self.id),
            Sort::Model => After::Number(self.device_model_id, self.id),
            Sort::CreatedAt => After::Number(self.created_at.as_microsecond(), self.id),
            Sort::UpdatedAt => After::Number(self.updated_at.as_microsecond(), self.id),
        }
    }
}

/// The device with this id.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(app: &App, id: i64) -> Result<Device, Error> {
    app.database
        .read(move |connection| store::find(connection, id)?.ok_or(Error::NotFound))
        .await
}

/// One page of devices, and one device more if there is a next page.
///
/// # Errors
/// Only the database's.
pub async fn list(app: &App, filter: Filter, listing: Listing<Sort>) -> Result<Vec<Device>, Error> {
    // A search reads the whole fleet.
    let is_search = listing.q.is_some();
    let read = move |connection: &mut Connection| Ok(store::list(connection, &filter, &listing)?);
    match is_search {
        true => app.database.read_long(read).await,
        false => app.database.read(read).await,
    }
}

/// Changes a device.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Changed`], [`Error::Invalid`], [`Error::SerialTaken`], [`Error::SerialInDoubt`],
/// [`Error::Busy`].
pub async fn update(app: &App, caller: &Caller, id: i64, change: ChangeDevice) -> Result<Device, Error> {
    let record = caller.record(app.clock.now(), Operation::UpdateDevice).device(id);
    let service = app.clone();
    audit::change(&app.database, record, move |connection, record| {
        let mut device = store::find(connection, id)?.ok_or(Error::NotFound)?;
        record.model_id = Some(device.device_model_id);
        let before = device.version();
        change.expected.check(&before)?;
        let mut violations = Vec::new();
        change.id.check_fixed("/id", &device.id, &mut violations);
        change.key.check_fixed("/key", &device.key, &mut violations);
        change
            .client_id
            .check_fixed("/client_id", &device.client_id, &mut violations);
        let model = &change.device_model_id;
        model.check_fixed("/device_model_id", &device.device_model_id, &mut violations);
        let board = &change.board;
        board.check_fixed_optional("/board", device.board.as_ref(), &mut violations);
        change
            .created_at
            .check_fixed("/created_at", &device.created_at, &mut violations);
        change
            .updated_at
            .check_fixed("/updated_at", &device.updated_at, &mut violations);
        name::check_change(&change.name, &mut violations);
        serial::check_change(&change.serial, &mut violations);
        change.overrides.check(&device.overrides, &mut violations);
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        device.name = change.name.value().cloned().unwrap_or(device.name);
        device.serial = change.serial.apply(device.serial);
        if let Some(serial) = &device.serial {
            check_serial_is_free(connection, serial, Some(id))?;
        }
        let key = &device.key;
        device.overrides = change.overrides.apply(device.overrides, |column, secret| {
            service.seal.seal(place(key, column), secret.as_bytes())
        });
        // A change that changes nothing leaves the row as it is, its time included.
        if device.version() != before {
            let read = device.updated_at;
            device.updated_at = time_of_change(record.at, read);
            let changed = store::update(connection, &device, read).map_err(|error| match error {
                // Another device got it after the check.
                database::Error::Taken(Constraint::DeviceSerial) => Error::SerialTaken,
                other => other.into(),
            })?;
            if !changed {
                return Err(change.expected.outrun(Error::Busy));
            }
        }
        Ok(device)
    })
    .await
}

/// Checks that no other device has this serial, in the transaction that assigns it.
///
/// # Errors
/// [`Error::SerialTaken`], [`Error::SerialInDoubt`].
pub(crate) fn check_serial_is_free(
    connection: &mut Connection,
    serial: &str,
    device_id: Option<i64>,
) -> Result<(), Error> {
    match store::state_of_serial(connection, serial)? {
        Some((holder, _)) if device_id == Some(holder) => Ok(()),
        Some((_, State::Active)) => Err(Error::SerialTaken),
        Some((_, State::Creating | State::Deleting)) => Err(Error::SerialInDoubt),
        None => Ok(()),
    }
}

/// The place that a device's secret is sealed for.
pub(crate) const fn place<'a>(key: &'a str, column: &'static str) -> SealedAt<'a> {
    SealedAt {
        table: "devices",
        row: key,
        column,
    }
}

/// Seals the user names and passwords of brokers that an earlier version stored as plain text.
pub(crate) fn seal_userinfo(connection: &mut Connection, seal: &Seal) -> Result<(), Error> {
    let seal = |key: &str, userinfo: &str| seal.seal(place(key, MQTT_USERINFO), userinfo.as_bytes());
    Ok(overrides::store::devices::seal_userinfo(connection, seal)?)
}
