//! With the built-in provider: its clients are rows too, so device, client and audit record change in one transaction.

use super::store::{self, Beginning};
use super::{Error, key, no_such_model};
use crate::access::Caller;
use crate::app::App;
use crate::audit::{self, Entry};
use crate::database::Connection;
use crate::devices::Device;
use crate::failpoint::{Step, reach};
use crate::idempotency::{self, Once, OnceOutcome};
use crate::identity::builtin::Builtin;
use crate::identity::{Repair, Status};
use crate::models;
use crate::operation::Operation;
use crate::secret::Secret;
use crate::version::Expected;

pub(super) async fn create(
    app: &App,
    builtin: &Builtin,
    caller: &Caller,
    row: store::NewRow,
    secret: Secret,
    once: Option<Once<Device>>,
) -> Result<OnceOutcome<Device>, Error> {
    let builtin = builtin.clone();
    let record = caller
        .record(row.now, Operation::CreateDevice)
        .model(row.device_model_id);
    let write = move |connection: &mut Connection| {
        let earlier = match &once {
            Some(once) => idempotency::earlier(connection, &once.call),
            None => Ok(None),
        };
        // A repeated answer changes nothing.
        if let Ok(Some(answer)) = earlier {
            return Ok(Ok(OnceOutcome::Repeated(answer)));
        }
        audit::within(connection, record, |connection, record| {
            earlier?;
            let code = models::code(connection, row.device_model_id)?.ok_or_else(no_such_model)?;
            let client_id = key::client_id(&code, &row.key);
            let active = Beginning::Active { provider_ref: None };
            let device = store::insert(connection, &row, &client_id, active)?;
            record.device_id = Some(device.id);
            reach(Step::BuiltinCreateRow);
            builtin.create(connection, device.client(), &secret, row.now)?;
            reach(Step::BuiltinCreateClient);
            if let Some(once) = &once {
                once.store(connection, &device)?;
            }
            Ok(OnceOutcome::Created(device))
        })
    };
    let outcome = app.database.write::<_, Error>(write).await??;
    reach(Step::BuiltinCreateDone);
    Ok(outcome)
}

pub(super) async fn delete(
    app: &App,
    builtin: &Builtin,
    caller: &Caller,
    id: i64,
    expected: Expected,
) -> Result<(), Error> {
    let builtin = builtin.clone();
    let record = caller.record(app.clock.now(), Operation::DeleteDevice).device(id);
    let write = move |connection: &mut Connection, record: &mut Entry| {
        let device = store::active(connection, id)?.ok_or(Error::NotFound)?;
        record.model_id = Some(device.device_model_id);
        expected.check(&device.version())?;
        if !store::delete(connection, &device)? {
            return Err(expected.outrun(Error::Busy));
        }
        reach(Step::BuiltinDeleteRow);
        builtin.delete(connection, &device.client_id)?;
        reach(Step::BuiltinDeleteClient);
        Ok::<_, Error>(())
    };
    audit::change(&app.database, record, write).await?;
    reach(Step::BuiltinDeleteDone);
    Ok(())
}

pub(super) async fn status(app: &App, builtin: &Builtin, id: i64) -> Result<(Device, Status), Error> {
    let builtin = builtin.clone();
    let read = move |connection: &mut Connection| {
        let device = store::active(connection, id)?.ok_or(Error::NotFound)?;
        let status = builtin.status(connection, device.client())?;
        Ok((device, status))
    };
    app.database.read(read).await
}

pub(super) async fn sync(app: &App, builtin: &Builtin, caller: &Caller, id: i64) -> Result<Vec<Repair>, Error> {
    let now = app.clock.now();
    let builtin = builtin.clone();
    let record = caller.record(now, Operation::SyncIdentity).device(id);
    let write = move |connection: &mut Connection, record: &mut Entry| {
        let device = store::active(connection, id)?.ok_or(Error::NotFound)?;
        record.model_id = Some(device.device_model_id);
        let repairs = builtin.sync(connection, device.client(), now)?;
        reach(Step::BuiltinSyncClient);
        Ok::<_, Error>(repairs)
    };
    let repairs = audit::change(&app.database, record, write).await?;
    reach(Step::BuiltinSyncDone);
    Ok(repairs)
}

pub(super) async fn set_enabled(
    app: &App,
    builtin: &Builtin,
    caller: &Caller,
    id: i64,
    enabled: bool,
) -> Result<(), Error> {
    let operation = if enabled {
        Operation::EnableIdentity
    } else {
        Operation::DisableIdentity
    };
    let builtin = builtin.clone();
    let record = caller.record(app.clock.now(), operation).device(id);
    let write = move |connection: &mut Connection, record: &mut Entry| {
        let device = store::active(connection, id)?.ok_or(Error::NotFound)?;
        record.model_id = Some(device.device_model_id);
        Ok(builtin.set_enabled(connection, &device.client_id, enabled)?)
    };
    audit::change(&app.database, record, write).await
}
