//! Creates the devices, and tries again what may succeed later.

use std::time::Duration;

use super::plan::{Known, Task};
use super::rows::Bad;
use crate::client::{Device, DeviceFilter, Error, NewDevice, Server};
use crate::device::table::Column;

/// The pauses before a call is made again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// The longest pause that a server can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How often a device without a serial may have been created and deleted within a day.
const GENERATIONS: u32 = 100;

/// What became of a row.
#[derive(Debug)]
pub(super) enum Outcome {
    Created(Device),
    /// It was there before, or an import that was cut off created it.
    Existed(Device),
    /// The server refuses the row.
    Refused(Vec<Bad>),
}

/// Creates the device of a row. All of it can be repeated, so it is, whichever of its calls has no answer.
///
/// # Errors
/// The server is gone, or refuses every call.
pub(super) fn create(server: &Server, task: &Task, known: &Known) -> Result<Outcome, Error> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let error = match attempt(server, task, known) {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        match pauses.next() {
            Some(pause) if error.is_retryable() => {
                std::thread::sleep(error.retry_after().unwrap_or(pause).clamp(pause, PAUSE_MAX));
            }
            _ => return Err(error),
        }
    }
}

fn attempt(server: &Server, task: &Task, known: &Known) -> Result<Outcome, Error> {
    if let Some(device) = &task.existing {
        return Ok(Outcome::Existed(device.clone()));
    }
    let new = NewDevice {
        device_model_id: task.model.id,
        name: &task.row.name,
        serial: task.row.serial.as_deref(),
        provisioning: &task.row.overrides,
    };
    for generation in 0..GENERATIONS {
        let key = task.idempotency_key(generation);
        match server.create_device(&new, key.as_deref()) {
            Ok(created) if !created.is_replayed => return Ok(Outcome::Created(created.device)),
            // The answer to an earlier call, as it was then: the device may have been deleted since.
            Ok(created) if known.has(created.device.id) || server.device_with_id(created.device.id)?.is_some() => {
                return Ok(Outcome::Existed(created.device));
            }
            Ok(_) => {}
            Err(error) => return refused(server, task, error),
        }
    }
    Err(Error::No(format!(
        "the device of line {} was created and deleted too often within a day; give it a serial",
        task.row.line
    )))
}

/// Whether the server refuses the row alone.
fn refused(server: &Server, task: &Task, error: Error) -> Result<Outcome, Error> {
    // A call without an answer created it, and the next one came too late; or somebody else did.
    if error.is("already-exists")
        && let Some(serial) = task.row.serial.as_deref()
    {
        let filter = DeviceFilter {
            serial: Some(serial),
            ..DeviceFilter::default()
        };
        let found = server.devices(filter, 1)?.pop();
        if let Some(device) = found.filter(|device| device.device_model_id == task.model.id) {
            return Ok(Outcome::Existed(device));
        }
    }
    let line = task.row.line;
    if error.is("idempotency-key-reused") {
        return Ok(Outcome::Refused(vec![Bad {
            line,
            column: None,
            rule:
                "a device with this model and name was created from other values within the last day: change that one \
                   (`fleetmint device edit`), or give the row a serial if it is another device"
                    .to_owned(),
        }]));
    }
    match error {
        Error::Problem(problem) if matches!(problem.status, 409 | 422) && !problem.retryable => {
            let bad = |pointer: &str, rule: &str| Bad {
                line,
                column: Column::of_pointer(pointer).map(Column::name),
                rule: rule.to_owned(),
            };
            let mut refused: Vec<Bad> = problem
                .errors
                .iter()
                .map(|error| bad(&error.pointer, &error.detail))
                .collect();
            if refused.is_empty() {
                refused.push(bad("", &problem.detail));
            }
            Ok(Outcome::Refused(refused))
        }
        error => Err(error),
    }
}
