//! Clients of Keycloak that no row refers to: after a database was lost, or from a time before Fleetmint.

use super::store::{self, Beginning};
use super::{self as enrolment, key};
use crate::audit::{self, Entry, Outcome, Reason};
use crate::clock::Clock;
use crate::database::{self, Connection, Database};
use crate::devices::Device;
use crate::identity::keycloak::{self, Keycloak, RealmClient};
use crate::identity::{self, Client};
use crate::operation::Operation;
use crate::overrides::Overrides;
use crate::violation::Violation;
use crate::{models, name};

/// Stands in the audit trail in place of a caller's address.
const SOURCE: &str = "fleetmint adopt";

/// A client that looks like a device's but has no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    pub found: RealmClient,
    pub verdict: Verdict,
}

/// The possible result of adopting a stray client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A device of this model, with this key.
    Adoptable { device_model_id: i64, key: String },
    /// Nothing, for this reason.
    Obstacle(Obstacle),
}

/// Why a client cannot become a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    #[error("its id in Keycloak is not a UUID: {id:?}")]
    Id { id: String },
    #[error("its name is not iotdevice-<model code>-<device key>")]
    Name,
    #[error("there is no device model with the code {code:?}")]
    NoModel { code: String },
    #[error("it was created for another device, {key}")]
    OtherDevice { key: String },
    #[error("another device already has its key")]
    KeyTaken,
}

/// Why a client was not adopted. The realm may already mark it as a device's; no row was inserted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Obstacle(Obstacle::KeyTaken) => "already-exists",
            Self::Obstacle(Obstacle::OtherDevice { .. }) => "foreign-client",
            Self::Obstacle(Obstacle::Id { .. } | Obstacle::Name | Obstacle::NoModel { .. }) => "invalid-value",
            Self::Identity(error) => error.reason(),
            Self::Database(error) => error.reason(),
        }
    }
}

/// Lists the clients of the realm, page by page, and returns those that have no row.
#[derive(Debug)]
pub struct Strays<'a> {
    database: &'a Database,
    keycloak: &'a Keycloak,
    /// The beginning of every client's name.
    prefix: String,
    first: u32,
}

impl<'a> Strays<'a> {
    /// For all models, or for the one with this code.
    pub fn new(database: &'a Database, keycloak: &'a Keycloak, model_code: Option<&str>) -> Self {
        Self {
            database,
            keycloak,
            prefix: match model_code {
                Some(code) => key::client_id(code, ""),
                None => key::PREFIX.to_owned(),
            },
            first: 0,
        }
    }

    /// The strays of the next page, possibly an empty list; `None` after the last page.
    ///
    /// # Errors
    /// The database's, and every way that Keycloak can fail.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Stray>>, Error> {
        let page = self.keycloak.list(&self.prefix, self.first).await?;
        if page.is_empty() {
            return Ok(None);
        }
        self.first = self.first.saturating_add(u32::try_from(page.len()).unwrap_or(u32::MAX));
        // Keycloak finds the prefix anywhere in a name.
        let page: Vec<RealmClient> = page
            .into_iter()
            .filter(|found| found.client_id.starts_with(&self.prefix))
            .collect();
        // The clients are listed before the rows are read: a client whose row did not exist yet when it was listed has
        // one by now.
        let read = move |connection: &mut Connection| {
            let ids: Vec<&str> = page.iter().map(|found| found.client_id.as_str()).collect();
            let known = store::known_clients(connection, &ids)?;
            let strays = page.into_iter().filter(|found| !known.contains(&found.client_id));
            strays
                .map(|found| {
                    let verdict = judge(connection, &found)?;
                    Ok(Stray { found, verdict })
                })
                .collect::<Result<_, database::Error>>()
        };
        Ok(Some(self.database.read(read).await?))
    }
}

fn judge(connection: &mut Connection, found: &RealmClient) -> Result<Verdict, database::Error> {
    if !keycloak::is_id(&found.provider_ref) {
        let id = found.provider_ref.clone();
        return Ok(Verdict::Obstacle(Obstacle::Id { id }));
    }
    let Some((code, key)) = key::parse_client_id(&found.client_id) else {
        return Ok(Verdict::Obstacle(Obstacle::Name));
    };
    if let Some(other) = found.device_key.as_ref().filter(|other| *other != key) {
        return Ok(Verdict::Obstacle(Obstacle::OtherDevice { key: other.clone() }));
    }
    if store::has_key(connection, key)? {
        return Ok(Verdict::Obstacle(Obstacle::KeyTaken));
    }
    match models::with_code(connection, code)? {
        Some(device_model_id) => Ok(Verdict::Adoptable {
            device_model_id,
            key: key.to_owned(),
        }),
        None => Ok(Verdict::Obstacle(Obstacle::NoModel { code: code.to_owned() })),
    }
}

/// Creates a device from a stray client: marks the client as that device's, then inserts the row. If this is
/// interrupted between the two, the client is found again as a stray that is already marked.
///
/// # Errors
/// See [`Error`].
///
/// `actor` is who runs this. The records are written by this function; a failure to write the first stops it.
pub async fn adopt(
    database: &Database,
    keycloak: &Keycloak,
    stray: &Stray,
    actor: &str,
    clock: &dyn Clock,
) -> Result<Device, Error> {
    let (device_model_id, key) = match &stray.verdict {
        Verdict::Adoptable { device_model_id, key } => (*device_model_id, key.clone()),
        Verdict::Obstacle(obstacle) => return Err(obstacle.clone().into()),
    };
    let record = Entry {
        at: clock.now(),
        actor: actor.to_owned().into(),
        action: Operation::CreateDevice,
        device_id: None,
        model_id: Some(device_model_id),
        source: SOURCE.into(),
    };
    let entry = record.clone();
    let attempt = database
        .write::<_, database::Error>(move |connection| audit::start(connection, &entry))
        .await?;
    let adopted = claim_and_insert(
        database,
        keycloak,
        stray,
        (device_model_id, key),
        (&record, attempt),
        clock,
    )
    .await;
    if let Err(error) = &adopted {
        let (outcome, at) = (Outcome::Failed(error.reason()), clock.now());
        database
            .write::<_, database::Error>(move |connection| audit::end(connection, &record, attempt, outcome, at))
            .await?;
    }
    adopted
}

async fn claim_and_insert(
    database: &Database,
    keycloak: &Keycloak,
    stray: &Stray,
    (device_model_id, key): (i64, String),
    (record, attempt): (&Entry, i64),
    clock: &dyn Clock,
) -> Result<Device, Error> {
    let found = stray.found.clone();
    keycloak
        .claim(Client {
            client_id: &found.client_id,
            device_key: &key,
            provider_ref: Some(&found.provider_ref),
        })
        .await?;
    let mut violations: Vec<Violation> = Vec::new();
    let given = found.name.unwrap_or_default();
    name::check(&given, &mut violations);
    let now = clock.now();
    let row = store::NewRow {
        name: if violations.is_empty() { given } else { key.clone() },
        key,
        device_model_id,
        serial: None,
        overrides: Overrides::default(),
        now,
    };
    let code = key::parse_client_id(&found.client_id).map_or_else(String::new, |(code, _)| code.to_owned());
    let record = record.clone();
    let inserted = database
        .write(move |connection| {
            let provider_ref = Some(found.provider_ref.as_str());
            let device = store::insert(connection, &row, &found.client_id, Beginning::Active { provider_ref })?;
            audit::end(connection, &record.device(device.id), attempt, Outcome::Succeeded, now)?;
            Ok::<_, super::Error>(device)
        })
        .await;
    inserted.map_err(|error| match error {
        enrolment::Error::Database(database::Error::Taken(_)) => Obstacle::KeyTaken.into(),
        enrolment::Error::Database(error) => error.into(),
        // Only one rule can still be broken: its model must exist.
        _ => Obstacle::NoModel { code }.into(),
    })
}
