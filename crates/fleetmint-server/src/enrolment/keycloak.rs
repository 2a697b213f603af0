//! With Keycloak: first a row with the intent, then Keycloak, then the final state.
//!
//! ```text
//! create   row `creating`, leased ─► POST client ─► row `active`, with Keycloak's id of the client
//! delete   row `deleting`, leased ─► DELETE client ─► no row
//! sync     row leased ─► GET, PUT, POST what is wrong ─► row with Keycloak's id, lease given back
//! ```
//!
//! If the process dies on the way, the row's lease expires; the [reconciler](super::reconciler) then completes it: what
//! was being created or deleted is gone, what was being repaired is found again.
//!
//! A lease is longer than any of these calls can take. So when it runs out after a creation whose answer never came,
//! Keycloak has created the client by then, or never will.

use std::future::Future;
use std::time::Duration;

use tracing::Instrument as _;

use super::store::{self, Beginning, Lease, Purpose};
use super::{Error, key, no_such_model};
use crate::access::Caller;
use crate::app::App;
use crate::audit::{self, Entry, Reason as _};
use crate::database::{self, Connection};
use crate::devices::Device;
use crate::failpoint::{Step, reach};
use crate::idempotency::{self, Once, OnceOutcome};
use crate::identity::keycloak::{Keycloak, Synced};
use crate::identity::{self, Client, Status};
use crate::models;
use crate::operation::Operation;
use crate::seal::Seal;
use crate::secret::Secret;
use crate::version::Expected;

/// The duration of a lease, as a multiple of Keycloak's total time limit.
const LEASE_TIMEOUTS: u32 = 3;

/// A lease that begins now.
pub(super) fn lease(app: &App, keycloak: &Keycloak) -> Lease {
    let mut owner = [0; 8];
    app.random.fill(&mut owner);
    let now = app.clock.now();
    let length: Duration = keycloak.timeout() * LEASE_TIMEOUTS;
    Lease {
        owner: format!("{:016x}", u64::from_be_bytes(owner)),
        now,
        until: now.saturating_add(length).unwrap_or(now),
    }
}

/// The current state of this device's client.
pub(super) async fn status(app: &App, keycloak: &Keycloak, id: i64) -> Result<(Device, Status), Error> {
    let device = app
        .database
        .read(move |connection| store::active(connection, id)?.ok_or(Error::NotFound))
        .await?;
    let status = keycloak.status(device.client()).await?;
    Ok((device, status))
}

/// An operation at Keycloak for a caller. It is completed even if the caller disconnects.
#[derive(Clone, Debug)]
pub(super) struct Work {
    app: App,
    keycloak: Keycloak,
    caller: Caller,
}

impl Work {
    pub(super) fn new(app: &App, keycloak: &Keycloak, caller: &Caller) -> Self {
        Self {
            app: app.clone(),
            keycloak: keycloak.clone(),
            caller: caller.clone(),
        }
    }

    pub(super) async fn create(
        self,
        row: store::NewRow,
        secret: Secret,
        once: Option<Once<Device>>,
    ) -> Result<OnceOutcome<Device>, Error> {
        to_the_end(async move {
            let started = match self.begin_creation(row, once.as_ref()).await? {
                OnceOutcome::Created(started) => started,
                OnceOutcome::Repeated(answer) => return Ok(OnceOutcome::Repeated(answer)),
            };
            reach(Step::KeycloakCreateIntent);
            let created = self.keycloak.create(started.client(), &secret).await;
            let (started, provider_ref) = self.undone_on_error(started, created).await?;
            reach(Step::KeycloakCreateClient);
            let device = self.finish_creation(started, provider_ref, once).await?;
            reach(Step::KeycloakCreateDone);
            Ok(OnceOutcome::Created(device))
        })
        .await
    }

    /// Inserts the row of a device before its client is created, unless the same call did so before.
    async fn begin_creation(
        &self,
        row: store::NewRow,
        once: Option<&Once<Device>>,
    ) -> Result<OnceOutcome<Started>, Error> {
        let lease = lease(&self.app, &self.keycloak);
        let record = self
            .caller
            .record(row.now, Operation::CreateDevice)
            .model(row.device_model_id);
        let call = once.map(|once| once.call.clone());
        self.start(record, move |connection, record| {
            if let Some(call) = &call
                && let Some(answer) = idempotency::earlier(connection, call)?
            {
                return Ok(OnceOutcome::Repeated(answer));
            }
            let code = models::code(connection, row.device_model_id)?.ok_or_else(no_such_model)?;
            let client_id = key::client_id(&code, &row.key);
            let device = store::insert(connection, &row, &client_id, Beginning::Creating(&lease))?;
            if let Some(call) = &call {
                idempotency::take(connection, call, device.id)?;
            }
            Ok(OnceOutcome::Created(Started::new(connection, record, device, lease)?))
        })
        .await
    }

    /// Deletes the row again if the client is not ours. After another error the client may be created even now, and the
    /// row waits for the reconciler.
    async fn undone_on_error(
        &self,
        started: Started,
        created: Result<String, identity::Error>,
    ) -> Result<(Started, String), Error> {
        let error = match created {
            Ok(provider_ref) => return Ok((started, provider_ref)),
            Err(error) => error,
        };
        let id = started.device.id;
        let is_foreign = matches!(error, identity::Error::ForeignClient { .. });
        self.failed(started, error.reason(), move |connection, owner| {
            if is_foreign {
                store::remove(connection, id, owner)?;
            }
            Ok(())
        })
        .await?;
        Err(error.into())
    }

    /// Sets the row active, and stores the answer to the call.
    async fn finish_creation(
        &self,
        started: Started,
        provider_ref: String,
        once: Option<Once<Device>>,
    ) -> Result<Device, Error> {
        let device = Device {
            provider_ref: Some(provider_ref),
            ..started.device.clone()
        };
        let (created, seal) = (device.clone(), self.app.seal.clone());
        self.succeeded(started, move |connection, owner| {
            settle(connection, &created, owner, &seal)?;
            if let Some(once) = &once {
                once.store(connection, &created)?;
            }
            Ok(())
        })
        .await?;
        Ok(device)
    }

    pub(super) async fn delete(self, id: i64, expected: Expected) -> Result<(), Error> {
        to_the_end(async move {
            let started = self.claim(id, Operation::DeleteDevice, expected).await?;
            reach(Step::KeycloakDeleteIntent);
            let deleted = self.keycloak.delete(started.client()).await;
            let (started, ()) = self.released_on_error(started, deleted).await?;
            reach(Step::KeycloakDeleteClient);
            self.succeeded(started, move |connection, owner| {
                // If the lease has expired, the reconciler deletes the row, or already has.
                store::remove(connection, id, owner)?;
                Ok(())
            })
            .await?;
            reach(Step::KeycloakDeleteDone);
            Ok(())
        })
        .await
    }

    pub(super) async fn sync(self, id: i64) -> Result<Synced, Error> {
        to_the_end(async move {
            let started = self.claim(id, Operation::SyncIdentity, Expected::Any).await?;
            reach(Step::KeycloakSyncIntent);
            let synced = self.keycloak.sync(started.client()).await;
            let (started, synced) = self.released_on_error(started, synced).await?;
            reach(Step::KeycloakSyncClient);
            let mut repaired = started.device.clone();
            repaired.provider_ref = Some(synced.provider_ref.clone());
            let seal = self.app.seal.clone();
            self.succeeded(started, move |connection, owner| {
                settle(connection, &repaired, owner, &seal)
            })
            .await?;
            reach(Step::KeycloakSyncDone);
            Ok(synced)
        })
        .await
    }

    pub(super) async fn set_enabled(self, id: i64, enabled: bool) -> Result<(), Error> {
        let operation = if enabled {
            Operation::EnableIdentity
        } else {
            Operation::DisableIdentity
        };
        to_the_end(async move {
            let started = self.claim(id, operation, Expected::Any).await?;
            let done = self.keycloak.set_enabled(started.client(), enabled).await;
            let (started, ()) = self.released_on_error(started, done).await?;
            self.succeeded(started, move |connection, owner| {
                Ok(store::release(connection, id, owner)?)
            })
            .await
        })
        .await
    }

    /// Claims the lease of a row.
    async fn claim(&self, id: i64, operation: Operation, expected: Expected) -> Result<Started, Error> {
        let purpose = match operation {
            Operation::DeleteDevice => Purpose::Deletion,
            _ => Purpose::Change,
        };
        let lease = lease(&self.app, &self.keycloak);
        let record = self.caller.record(lease.now, operation).device(id);
        self.start(record, move |connection, record| {
            let device = store::claim(connection, id, &lease, purpose)?;
            expected.check(&device.version())?;
            Ok(Started::new(connection, record, device, lease)?)
        })
        .await
    }

    /// Claims or inserts a row, and records who does what: Keycloak is changed only after both are durable. A failure
    /// here has a record of its own.
    async fn start<T: Send + 'static>(
        &self,
        record: Entry,
        take: impl FnOnce(&mut Connection, Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let entry = record.clone();
        let started = self.write(move |connection| take(connection, entry)).await;
        if let Err(error) = &started {
            self.app.audit.failed(record, error).await;
        }
        started
    }

    /// Sets the row's final state, and records the success.
    async fn succeeded(
        &self,
        started: Started,
        settle: impl FnOnce(&mut Connection, &str) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let at = self.app.clock.now();
        let write = move |connection: &mut Connection| {
            let result = database::nested(connection, |connection| settle(connection, &started.owner));
            let outcome = audit::Outcome::of(&result);
            audit::end(connection, &started.entry, started.attempt, outcome, at)?;
            Ok(result)
        };
        self.write(write).await?
    }

    /// Gives the lease back if Keycloak did not do its part, so that the caller can try again at once.
    async fn released_on_error<T>(
        &self,
        started: Started,
        result: Result<T, identity::Error>,
    ) -> Result<(Started, T), Error> {
        match result {
            Ok(value) => Ok((started, value)),
            Err(error) => {
                let id = started.device.id;
                let released = self.failed(started, error.reason(), move |connection, owner| {
                    Ok(store::release(connection, id, owner)?)
                });
                if let Err(error) = released.await {
                    tracing::warn!(device = id, %error, "a lease could not be given back, and will expire");
                }
                Err(error.into())
            }
        }
    }

    /// Undoes the change of the row as far as possible, and records the failure.
    async fn failed(
        &self,
        started: Started,
        reason: &'static str,
        undo: impl FnOnce(&mut Connection, &str) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let (at, outcome) = (self.app.clock.now(), audit::Outcome::Failed(reason));
        self.write(move |connection| {
            undo(connection, &started.owner)?;
            Ok(audit::end(connection, &started.entry, started.attempt, outcome, at)?)
        })
        .await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.app.database.write(work).await
    }
}

/// Work that has begun: its row is leased, and its audit record is on the disk.
struct Started {
    device: Device,
    owner: String,
    entry: Entry,
    /// The id of that record.
    attempt: i64,
}

impl Started {
    /// Records the beginning.
    fn new(connection: &mut Connection, record: Entry, device: Device, lease: Lease) -> Result<Self, database::Error> {
        let entry = record.device(device.id).model(device.device_model_id);
        let attempt = audit::start(connection, &entry)?;
        Ok(Self {
            device,
            owner: lease.owner,
            entry,
            attempt,
        })
    }

    fn client(&self) -> Client<'_> {
        self.device.client()
    }
}

/// Sets the row's final state, with the client that was just checked to be the device's; an error if the lease has
/// expired and the reconciler has claimed the row.
fn settle(connection: &mut Connection, device: &Device, owner: &str, seal: &Seal) -> Result<(), Error> {
    let provider_ref = device.provider_ref.as_deref();
    let proof = provider_ref.map(|id| device.client().proof(seal, id));
    let proof = proof.as_ref().map(<[u8; 32]>::as_slice);
    if store::settle(connection, device.id, owner, provider_ref, proof)? {
        Ok(())
    } else {
        Err(Error::Busy)
    }
}

/// Gives a lease back. If that fails, it expires.
pub(super) async fn release(app: &App, id: i64, owner: String) {
    let released = app
        .database
        .write::<_, Error>(move |connection| Ok(store::release(connection, id, &owner)?))
        .await;
    if let Err(error) = released {
        tracing::warn!(device = id, %error, "a lease could not be given back, and will expire");
    }
}

async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(result) => result,
        Err(ended) => Err(database::Error::Other(format!("work with Keycloak ended abnormally: {ended}")).into()),
    }
}
