//! `fleetmint board info`: what the chip is, and what its partitions hold.

use clap::Args;
use fleetmint_board::partition_table::{Partition, PartitionTable, quoted_name};
use serde::Serialize;

use super::flash::{TableSource, finish};
use super::nvs::{self, Device, KeySource, Nvs};
use crate::chip::{Chip, Identity, Options};
use crate::exit::Failure;
use crate::terminal::{self, Format, shown, table};

/// Show the chip, its security state, its partitions, how full NVS is, and which device the board carries
///
/// Nothing on the board is changed. No secret is shown: of the device only its key and its client id.
///
/// Exit codes: 0 shown, 1 the chip or its partition table cannot be read, 2 no board, or an unusable call.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint board info
  fleetmint board info --port /dev/ttyUSB1 --format json | jq -r .mac")]
pub(crate) struct Arguments {
    /// Format of the output
    #[arg(long, default_value = "text")]
    format: Format,

    #[command(flatten)]
    table: TableSource,

    #[command(flatten)]
    keys: KeySource,

    #[command(flatten)]
    connection: Options,
}

#[derive(Serialize)]
struct Report<'a> {
    port: &'a str,
    #[serde(flatten)]
    identity: &'a Identity,
    /// The table's offset.
    partition_table: usize,
    /// Why the table cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    partitions: Vec<Row<'a>>,
    device: Option<&'a Device>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    type_name: String,
    offset: usize,
    size: usize,
    encrypted: bool,
    readonly: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nvs: Option<&'a Nvs>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut chip = Chip::connect(&arguments.connection)?;
    let port = chip.port().to_string();
    let identity = chip.identity().clone();
    let partitions = arguments
        .table
        .read(&mut chip)
        .and_then(|table| partitions(arguments, &mut chip, &table));
    finish(chip);
    // What is known is shown, even without a table.
    let (partitions, failure) = match partitions {
        Ok(partitions) => (partitions, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    match arguments.format {
        Format::Text => {
            terminal::print(&text(&port, &identity, &partitions))?;
        }
        Format::Json => terminal::print_json(&Report {
            port: &port,
            identity: &identity,
            partition_table: arguments.table.offset(),
            error: failure.as_ref().map(|failure| failure.message.as_str()),
            partitions: partitions.iter().map(|(partition, nvs)| row(partition, nvs)).collect(),
            device: device(&partitions),
        })?,
    }
    failure.map_or(Ok(()), Err)
}

/// All partitions, and what those of type NVS hold.
fn partitions(
    arguments: &Arguments,
    chip: &mut Chip,
    table: &PartitionTable,
) -> Result<Vec<(Partition, Option<Nvs>)>, Failure> {
    let keys = arguments.keys.read(chip, table)?;
    let look = |partition: &Partition| {
        let nvs = partition.is_nvs().then(|| nvs::look(chip, partition, &keys));
        Ok((partition.clone(), nvs.transpose()?))
    };
    table.partitions().iter().map(look).collect()
}

/// The device that the board carries: the first one that is found.
fn device(partitions: &[(Partition, Option<Nvs>)]) -> Option<&Device> {
    partitions
        .iter()
        .find_map(|(_, nvs)| nvs.as_ref().and_then(|nvs| nvs.device.as_ref()))
}

fn row<'a>(partition: &'a Partition, nvs: &'a Option<Nvs>) -> Row<'a> {
    Row {
        name: &partition.name,
        type_name: partition.type_name(),
        offset: partition.offset,
        size: partition.size,
        encrypted: partition.encrypted,
        readonly: partition.readonly,
        nvs: nvs.as_ref(),
    }
}

fn text(port: &str, identity: &Identity, partitions: &[(Partition, Option<Nvs>)]) -> String {
    let on = |is_on| if is_on { "on" } else { "off" };
    let security = identity.security;
    let mut text = format!(
        "{port}: {}, MAC address {}, {} of flash\nflash encryption {}, secure boot {}\n",
        identity.chip,
        identity.mac,
        size(identity.flash_size),
        on(security.flash_encryption),
        on(security.secure_boot),
    );
    if partitions.is_empty() {
        return text;
    }
    text.push('\n');
    let rows = || {
        partitions.iter().map(|(partition, nvs)| {
            [
                quoted_name(&partition.name).into_owned(),
                partition.type_name(),
                format!("{:#x}", partition.offset),
                format!("{:#x}", partition.size),
                nvs.as_ref().map_or_else(String::new, state),
            ]
        })
    };
    for line in table(["PARTITION", "TYPE", "OFFSET", "SIZE", "NVS"], &[2, 3], rows) {
        text.push_str(&line);
    }
    text.push('\n');
    match device(partitions) {
        Some(device) => {
            let value =
                |value: &Option<String>| value.as_deref().map_or("missing".to_string(), |value| shown(value, 80));
            text.push_str(&format!(
                "device {}, client id {} (partition {})\n",
                value(&device.device_key),
                value(&device.client_id),
                quoted_name(&device.partition)
            ));
        }
        None => text.push_str("no device\n"),
    }
    text
}

/// What is known of an NVS partition, in a few words.
fn state(nvs: &Nvs) -> String {
    let mut parts = vec![terminal::count(nvs.pages, "page")];
    if nvs.encrypted {
        parts.push("encrypted".to_string());
    }
    if let Some(entries) = &nvs.entries {
        let used = match entries.used {
            0 => "blank".to_string(),
            used => format!(
                "{used} of {} entries used, {} available",
                entries.total, entries.available
            ),
        };
        parts.push(used);
    }
    match nvs.repairs {
        None | Some(0) => {}
        Some(repairs) => parts.push(format!("{} at the next start", terminal::count(repairs, "repair"))),
    }
    parts.extend(nvs.error.as_ref().map(|error| shown(error, 200)));
    parts.join(", ")
}

/// `4 MiB`
fn size(bytes: usize) -> String {
    const MIB: usize = 1 << 20;
    match bytes {
        MIB.. if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        _ => format!("{} KiB", bytes >> 10),
    }
}
