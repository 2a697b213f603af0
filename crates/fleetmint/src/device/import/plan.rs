//! What an import has to do: which rows are new, which devices exist already, and which rows the server would refuse.

use std::collections::{HashMap, HashSet};

use ring::digest;

use super::rows::{BAD_MAX, Bad, Row};
use crate::client::{Device, DeviceFilter, Error, Model, Models, Server};
use crate::device::table::Column;

/// A row, and what the server has of it.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) row: Row,
    pub(super) model: Model,
    /// The device with the row's serial.
    pub(super) existing: Option<Device>,
    /// The first device of a row without a serial has 0, the next one that is the same has 1.
    pub(super) repeat: u64,
}

/// The devices of the server when the import began.
pub(super) struct Known {
    by_serial: HashMap<String, Device>,
    ids: HashSet<i64>,
}

impl Known {
    pub(super) fn all(server: &Server) -> Result<Self, Error> {
        let devices = server.devices(DeviceFilter::default(), usize::MAX)?;
        let ids = devices.iter().map(|device| device.id).collect();
        let by_serial = devices
            .into_iter()
            .filter_map(|device| Some((device.serial.clone()?, device)))
            .collect();
        Ok(Self { by_serial, ids })
    }

    pub(super) fn has(&self, id: i64) -> bool {
        self.ids.contains(&id)
    }
}

/// Compares the rows with what the server has. Adds the rows that it would refuse.
pub(super) fn plan(rows: Vec<Row>, models: &Models, known: &Known, bad: &mut Vec<Bad>) -> Vec<Task> {
    let mut tasks = Vec::new();
    let mut repeats: HashMap<(i64, String), u64> = HashMap::new();
    for row in rows {
        if bad.len() >= BAD_MAX {
            break;
        }
        // What is wrong with an empty one is said already.
        if row.model.is_empty() {
            continue;
        }
        let model = match models.find(&row.model) {
            Ok(model) => model,
            Err(error) => {
                bad.push(Bad::new(row.line, Column::Model, error.to_string()));
                continue;
            }
        };
        let existing = row.serial.as_ref().and_then(|serial| known.by_serial.get(serial));
        if let Some(device) = existing
            && device.device_model_id != model.id
        {
            let rule = format!(
                "the device {} has this serial, and its model is {}",
                device.key,
                models.code(device.device_model_id)
            );
            bad.push(Bad::new(row.line, Column::Serial, rule));
            continue;
        }
        let same = repeats.entry((model.id, row.name.clone())).or_default();
        let repeat = *same;
        if row.serial.is_none() {
            *same += 1;
        }
        tasks.push(Task {
            existing: existing.cloned(),
            repeat,
            model,
            row,
        });
    }
    tasks
}

impl Task {
    /// The `Idempotency-Key` of a row without a serial: the same row of a table that is imported again has the same.
    ///
    /// A row with a serial needs none: the serial is unique. With a key it would get the answer of a device that was deleted
    /// since. Overrides are no part of it, because they may be secrets that a digest would let others guess.
    pub(super) fn idempotency_key(&self, generation: u32) -> Option<String> {
        if self.row.serial.is_some() {
            return None;
        }
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.model.id.to_le_bytes());
        context.update(&self.repeat.to_le_bytes());
        context.update(&generation.to_le_bytes());
        context.update(self.row.name.as_bytes());
        Some(format!("fleetmint-import-{}", hex::encode(context.finish())))
    }
}
