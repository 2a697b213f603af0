//! A device's values put into its partition as it was read from the chip: everything else in it stays.

use fleetmint_board::patch::{self as board, Keys, Patched};
use fleetmint_board::provisioning::check_partition_size;

use super::store::Material;
use super::{Chosen, Error, find, value_error};
use crate::access::Caller;
use crate::app::App;
use crate::operation::Operation;
use crate::secret::{Secret, Wiped};
use crate::violation::Violation;

/// A partition as it was read from the chip. It is other software's, secrets included: it is never kept nor printed.
#[derive(Debug)]
pub struct Partition {
    bytes: Wiped,
    keys: Option<Keys>,
}

impl Partition {
    /// # Errors
    /// No partition has this size, or what should be its key partition is none: a violation for each.
    pub fn new(bytes: Wiped, nvs_keys: Option<&[u8]>) -> Result<Self, Vec<Violation>> {
        let size = check_partition_size(bytes.as_ref().len());
        let keys = nvs_keys.map(Keys::decode).transpose();
        let mut violations = Vec::new();
        violations.extend(size.err().map(|error| Violation::new("/data", error.to_string())));
        match keys {
            Ok(keys) if violations.is_empty() => return Ok(Self { bytes, keys }),
            Ok(_) => {}
            Err(error) => violations.push(Violation::new("/nvs_keys", error.to_string())),
        }
        Err(violations)
    }
}

/// Makes the partition that a chip is to have: the device's values in it, everything else as it was. Also what changed.
///
/// It discloses the device's secret, so it returns only when the audit record of that is on the disk.
///
/// # Errors
/// See [`Error`].
pub async fn patch(app: &App, caller: &Caller, id: i64, partition: Partition) -> Result<(Wiped, Patched), Error> {
    let record = caller.record(app.clock.now(), Operation::PatchProvisioning, Some(id));
    let (material, secret) = find(app, id).await?;
    let worker = app.clone();
    // Sixteen megabytes take a while.
    let patched = tokio::task::spawn_blocking(move || change(&worker, &material, &secret, partition))
        .await
        .map_err(|error| Error::Stopped(error.to_string()))??;
    app.audit.record(record).await?;
    Ok(patched)
}

fn change(
    app: &App,
    material: &Material,
    secret: &Secret,
    mut partition: Partition,
) -> Result<(Wiped, Patched), Error> {
    let chosen = Chosen::new(app, material)?;
    let mut salt = [0; 16];
    app.random.fill(&mut salt)?;
    let values = chosen.values(material, secret.expose());
    match board::patch(partition.bytes.as_mut(), partition.keys.as_ref(), &values, &salt) {
        Ok(patched) => Ok((partition.bytes, patched)),
        Err(board::Error::Values(cause)) => Err(value_error(cause, &chosen, material)),
        Err(cause) => Err(Error::Partition(cause)),
    }
}
