//! A patch: writes a device's values into its partition as it was read from the chip. Everything else in it stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fleetmint_board::patch::{self as board, Keys, Patched};
use fleetmint_board::provisioning::check_partition_size;

use super::store::Material;
use super::{Chosen, Error, attempt, material, value_error};
use crate::access::Caller;
use crate::app::App;
use crate::operation::Operation;
use crate::secret::{Secret, Wiped};
use crate::violation::Violation;

/// A partition as it was read from the chip. It holds other software's secrets, so it is never stored or printed.
#[derive(Debug)]
pub struct Partition {
    bytes: Wiped,
    keys: Option<Keys>,
}

impl Partition {
    /// # Errors
    /// The size is not one of a partition, or the key partition cannot be read: a violation for each.
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

/// The partition to write to the chip, with the device's values in it and everything else as it was, and what changed.
///
/// It discloses the device's secret, so it returns only after the audit record of that is on the disk.
///
/// `room` is returned with the result, or dropped when the work has ended, even if the caller has gone before.
///
/// # Errors
/// See [`Error`].
pub async fn patch<R: Send + 'static>(
    app: &App,
    caller: &Caller,
    id: i64,
    partition: Partition,
    room: R,
) -> Result<(Wiped, Patched, R), Error> {
    let mut record = caller.record(app.clock.now(), Operation::PatchProvisioning).device(id);
    let (material, reference) = material::read(app, &mut record).await?;
    attempt(app, record, async {
        let secret = material::secret(app, &material, &reference).await?;
        let worker = app.clone();
        let waiting = Waiting::default();
        let wanted = waiting.wanted();
        // Sixteen megabytes take too long for this thread.
        let work = move || {
            let changed = change(&worker, &material, &secret, partition, &wanted);
            if let Err(Error::Partition(board::Error::Stopped)) = &changed
                && !wanted()
            {
                tracing::debug!(device_id = id, "a patch was stopped: its caller has gone");
            }
            changed.map(|(image, patched)| (image, patched, room))
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::Stopped(error.to_string()))?
    })
    .await
}

/// Exists while a caller waits for work on another thread. The work stops when this is dropped: the caller has
/// disconnected, or the service ends.
#[derive(Default)]
struct Waiting {
    over: Arc<AtomicBool>,
}

impl Waiting {
    /// Whether the work is still wanted.
    fn wanted(&self) -> impl Fn() -> bool + Send + 'static {
        let over = self.over.clone();
        move || !over.load(Ordering::Relaxed)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn change(
    app: &App,
    material: &Material,
    secret: &Secret,
    mut partition: Partition,
    wanted: &impl Fn() -> bool,
) -> Result<(Wiped, Patched), Error> {
    let chosen = Chosen::new(app, material)?;
    let mut salt = [0; 16];
    app.random.fill(&mut salt);
    let values = chosen.values(material, secret.expose());
    let Partition { bytes, keys } = &mut partition;
    let mut left = board::steps(bytes.as_ref().len());
    let may_go_on = |steps| {
        left = left.saturating_sub(steps);
        left > 0 && wanted()
    };
    match board::patch(bytes.as_mut(), keys.as_ref(), &values, &salt, may_go_on) {
        Ok(patched) => Ok((partition.bytes, patched)),
        Err(board::Error::Values(cause)) => Err(value_error(cause, &chosen, material)),
        Err(cause) => Err(Error::Partition(cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_wanted_as_long_as_a_caller_waits() {
        let waiting = Waiting::default();
        let wanted = waiting.wanted();
        assert!(wanted());
        drop(waiting);
        assert!(!wanted());
    }
}
