//! Device models: the types of devices, each with its own provisioning values.

pub(crate) mod http;
pub(crate) mod store;

use jiff::Timestamp;

use crate::access::Caller;
use crate::app::App;
use crate::audit::{self, Reason};
use crate::change::FieldChange;
use crate::database::keyset::{After, Listing, SortKey};
use crate::database::{self, Connection, time_of_change};
use crate::idempotency::{Once, OnceOutcome};
use crate::operation::Operation;
use crate::overrides::{self, ChangeOverrides, MQTT_USERINFO, Overrides};
use crate::seal::{Seal, SealedAt};
use crate::version::{Changed, Expected, Version};
use crate::violation::Violation;
use crate::{idempotency, name};

/// The longest code in characters.
const CODE_MAX: usize = 50;

/// A type of device.
#[derive(Clone, Debug)]
pub struct DeviceModel {
    pub id: i64,
    /// Part of its devices' client ids; it never changes.
    pub code: String,
    pub name: String,
    pub overrides: Overrides,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The values of a new model.
#[derive(Clone, Debug)]
pub struct NewDeviceModel {
    pub code: String,
    pub name: String,
    pub overrides: ChangeOverrides,
}

/// A change of a model. Fields that never change are accepted with their current value, so that an answer can be sent back.
#[derive(Clone, Debug, Default)]
pub struct ChangeDeviceModel {
    pub id: FieldChange<i64>,
    pub created_at: FieldChange<Timestamp>,
    pub updated_at: FieldChange<Timestamp>,
    pub code: FieldChange<String>,
    pub name: FieldChange<String>,
    pub overrides: ChangeOverrides,
    /// The change is made only in one of these versions.
    pub expected: Expected,
}

/// Why an operation on a model failed. It changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such device model")]
    NotFound,
    #[error("there is a device model with the code {code:?} already")]
    CodeTaken { code: String },
    #[error("there are devices of this model")]
    InUse,
    #[error("another change of the device model came first")]
    Busy,
    #[error(transparent)]
    Repeat(#[from] idempotency::Error),
    #[error("values break a rule")]
    Invalid(Vec<Violation>),
    #[error(transparent)]
    Changed(#[from] Changed),
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::CodeTaken { .. } => "already-exists",
            Self::InUse => "in-use",
            Self::Busy => "being-changed",
            Self::Invalid(_) => "invalid-value",
            Self::Changed(_) => "precondition-failed",
            Self::Repeat(error) => error.reason(),
            Self::Database(error) => error.reason(),
        }
    }
}

/// The columns that a list of models can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Id,
    Code,
    Name,
    CreatedAt,
}

impl SortKey for Sort {
    const ALL: &'static [Self] = &[Self::Id, Self::Code, Self::Name, Self::CreatedAt];
    const DEFAULT: Self = Self::Id;

    fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Code => "code",
            Self::Name => "name",
            Self::CreatedAt => "created_at",
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Id | Self::CreatedAt)
    }
}

impl DeviceModel {
    /// Its state: each change results in another version.
    pub fn version(&self) -> Version {
        let digest = Version::digest().number(self.id).text(&self.code).text(&self.name);
        self.overrides
            .digest(digest)
            .number(self.created_at.as_microsecond())
            .number(self.updated_at.as_microsecond())
            .finish()
    }

    /// Its place in a list that is sorted this way.
    pub fn place(&self, sort: Sort) -> After {
        match sort {
            Sort::Id => After::Number(self.id, self.id),
            Sort::Code => After::Text(self.code.clone(), self.id),
            Sort::Name => After::Text(self.name.clone(), self.id),
            Sort::CreatedAt => After::Number(self.created_at.as_microsecond(), self.id),
        }
    }
}

/// Creates a model, once for each key.
///
/// # Errors
/// [`Error::Invalid`], [`Error::CodeTaken`], [`Error::Repeat`].
pub async fn create(
    app: &App,
    caller: &Caller,
    new: NewDeviceModel,
    once: Option<Once<DeviceModel>>,
) -> Result<OnceOutcome<DeviceModel>, Error> {
    let now = app.clock.now();
    let record = caller.record(now, Operation::CreateDeviceModel);
    let service = app.clone();
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
            let mut violations = Vec::new();
            check_code(&new.code, &mut violations);
            name::check(&new.name, &mut violations);
            new.overrides.check(&Overrides::default(), &mut violations);
            if !violations.is_empty() {
                return Err(Error::Invalid(violations));
            }
            let code = &new.code;
            let overrides = new.overrides.apply(Overrides::default(), |column, secret| {
                service.seal.seal(place(code, column), secret.as_bytes())
            });
            let model = store::insert(connection, code, &new.name, &overrides, now)?;
            record.model_id = Some(model.id);
            if let Some(once) = &once {
                once.store(connection, &model)?;
            }
            Ok(OnceOutcome::Created(model))
        })
    };
    app.database.write(write).await?
}

/// The model with this id.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(app: &App, id: i64) -> Result<DeviceModel, Error> {
    app.database
        .read(move |connection| store::find(connection, id)?.ok_or(Error::NotFound))
        .await
}

/// One page of models, and one model more if there is a next page.
///
/// # Errors
/// Only the database's.
pub async fn list(app: &App, listing: Listing<Sort>) -> Result<Vec<DeviceModel>, Error> {
    app.database
        .read(move |connection| Ok(store::list(connection, &listing)?))
        .await
}

/// Changes a model.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Changed`], [`Error::Invalid`], [`Error::Busy`].
pub async fn update(app: &App, caller: &Caller, id: i64, change: ChangeDeviceModel) -> Result<DeviceModel, Error> {
    let record = caller.record(app.clock.now(), Operation::UpdateDeviceModel).model(id);
    let service = app.clone();
    audit::change(&app.database, record, move |connection, record| {
        let mut model = store::find(connection, id)?.ok_or(Error::NotFound)?;
        let before = model.version();
        change.expected.check(&before)?;
        let mut violations = Vec::new();
        change.id.check_fixed("/id", &model.id, &mut violations);
        change.code.check_fixed("/code", &model.code, &mut violations);
        change
            .created_at
            .check_fixed("/created_at", &model.created_at, &mut violations);
        change
            .updated_at
            .check_fixed("/updated_at", &model.updated_at, &mut violations);
        name::check_change(&change.name, &mut violations);
        change.overrides.check(&model.overrides, &mut violations);
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        model.name = change.name.value().cloned().unwrap_or(model.name);
        let code = &model.code;
        model.overrides = change.overrides.apply(model.overrides, |column, secret| {
            service.seal.seal(place(code, column), secret.as_bytes())
        });
        // A change that changes nothing leaves the row as it is, its time included.
        if model.version() != before {
            let read = model.updated_at;
            model.updated_at = time_of_change(record.at, read);
            if !store::update(connection, &model, read)? {
                return Err(change.expected.outrun(Error::Busy));
            }
        }
        Ok(model)
    })
    .await
}

/// Deletes a model that no device has.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Changed`], [`Error::InUse`], [`Error::Busy`].
pub async fn delete(app: &App, caller: &Caller, id: i64, expected: Expected) -> Result<(), Error> {
    let record = caller.record(app.clock.now(), Operation::DeleteDeviceModel).model(id);
    audit::change(&app.database, record, move |connection, _| {
        let model = store::find(connection, id)?.ok_or(Error::NotFound)?;
        expected.check(&model.version())?;
        if store::delete(connection, &model)? {
            Ok(())
        } else {
            Err(expected.outrun(Error::Busy))
        }
    })
    .await
}

/// The code of a model, which is part of the names of its devices' clients.
pub(crate) fn code(connection: &mut Connection, id: i64) -> Result<Option<String>, database::Error> {
    store::code(connection, id)
}

/// The id of the model with this code.
pub(crate) fn with_code(connection: &mut Connection, code: &str) -> Result<Option<i64>, database::Error> {
    store::with_code(connection, code)
}

fn check_code(code: &str, violations: &mut Vec<Violation>) {
    let plain = code
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if code.is_empty() || code.len() > CODE_MAX || !plain {
        violations.push(Violation::new(
            "/code",
            format!("the code must be 1 to {CODE_MAX} of a-z, 0-9 and _"),
        ));
    }
}

/// The place that a model's secret is sealed for.
pub(crate) const fn place<'a>(code: &'a str, column: &'static str) -> SealedAt<'a> {
    SealedAt {
        table: "device_models",
        row: code,
        column,
    }
}

/// Seals the user names and passwords of brokers that an earlier version stored as plain text.
pub(crate) fn seal_userinfo(connection: &mut Connection, seal: &Seal) -> Result<(), Error> {
    let seal = |code: &str, userinfo: &str| seal.seal(place(code, MQTT_USERINFO), userinfo.as_bytes());
    Ok(overrides::store::device_models::seal_userinfo(connection, seal)?)
}
