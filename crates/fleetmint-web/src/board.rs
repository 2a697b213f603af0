//! Partition tables and flash plans.

use fleetmint_board::answers::{PlanReport, ProblemReport, TableReport};
use fleetmint_board::partition_table::{Partition, PartitionTable};
use fleetmint_board::plan::{self, Options, Read, Target, Wanted};
use fleetmint_board::stored;
use fleetmint_board::wiped::Wiped;
use js_sys::Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::answer::{Answer, Problem, json, json_and_bytes};
use crate::{image, input};

/// The partition table of a chip, from its sector.
#[wasm_bindgen]
pub fn table(
    sector: &[u8],
    offset: usize,
    flash_size: usize,
    flash_encryption: bool,
    partition: Option<String>,
) -> Result<String, JsValue> {
    let table = plan::table(sector, offset, flash_encryption).map_err(|refusal| Problem::from(&refusal))?;
    Ok(targeted(&table, offset, flash_size, partition.as_deref())?)
}

/// The partition table in a file of the firmware's build.
#[wasm_bindgen]
pub fn table_file(file: &[u8], offset: usize, flash_size: usize, partition: Option<String>) -> Result<String, JsValue> {
    let table = PartitionTable::from_file(file, offset)
        .map_err(|error| Problem::from(ProblemReport::new("table", error.to_string())))?;
    Ok(targeted(&table, offset, flash_size, partition.as_deref())?)
}

fn targeted(table: &PartitionTable, offset: usize, flash_size: usize, partition: Option<&str>) -> Answer<String> {
    let target = plan::target(table, offset, flash_size, partition);
    let target = target.map_err(|refusal| Problem::from(&refusal))?;
    Ok(json(&TableReport::new(table, &target)))
}

/// Whether the key partitions have to be read to open this partition.
#[wasm_bindgen]
pub fn needs_keys(partition: &[u8]) -> bool {
    plan::needs_keys(partition)
}

/// The partition as it will be with a device's provisioning image in it, and what the plan changes.
#[expect(clippy::too_many_arguments, reason = "a call of JavaScript, which names them")]
#[wasm_bindgen]
pub fn plan(
    name: String,
    offset: usize,
    size: usize,
    partition: Vec<u8>,
    keys: &Array,
    image: &[u8],
    overwrite: bool,
    salt: &[u8],
) -> Result<Array, JsValue> {
    let wanted = Wanted::Image(image);
    Ok(planned((name, offset, size), partition, keys, wanted, overwrite, salt)?)
}

/// `place` is the name of the partition, its offset and its size.
pub(crate) fn planned(
    place: (String, usize, usize),
    partition: Vec<u8>,
    keys: &Array,
    wanted: Wanted<'_>,
    overwrite: bool,
    salt: &[u8],
) -> Answer<Array> {
    let (name, offset, size) = place;
    let target = Target {
        nvs: Partition::nvs(name, offset, size),
        keys: Vec::new(),
    };
    let read = Read {
        target: &target,
        partition: Wiped::from(partition),
        keys: &input::keys(keys)?,
    };
    let plan = plan::plan(read, wanted, &Options { overwrite, salt }).map_err(|refusal| Problem::from(&refusal))?;
    Ok(json_and_bytes(&PlanReport::from(&plan), plan.after()))
}

/// Whether a partition has every key that two earlier states of it have both.
#[wasm_bindgen]
pub fn has_all(now: &[u8], before: &[u8], after: &[u8], keys: &Array) -> Result<bool, JsValue> {
    Ok(plan::has_all(now, [before, after], &input::keys(keys)?))
}

/// The strings of the namespace `prov`: `[key, value, key, value, …]`.
#[wasm_bindgen]
pub fn prov_values(mut partition: Vec<u8>, keys: &Array) -> Result<Array, JsValue> {
    let (_, listed) = image::open(&mut partition, keys, false, false)?;
    let values = Array::new();
    for (key, value) in stored::strings(&listed) {
        values.push(&JsValue::from_str(&key));
        values.push(&JsValue::from_str(&String::from_utf8_lossy(value)));
    }
    Ok(values)
}
