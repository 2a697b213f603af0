//! `fleetmint board verify`: whether the board holds what its device gets now.

use std::collections::BTreeMap;

use clap::Args;
use fleetmint_board::partition_table::quoted_name;
use fleetmint_board::provisioning::Setting;
use fleetmint_board::stored;
use serde::Serialize;
use zeroize::Zeroizing;

use super::flash::{NamedPartition, finish, read, within};
use super::nvs::{self, KeySource};
use crate::chip::{self, Chip, Identity};
use crate::client::{self, Device, Server, Verified};
use crate::exit::Failure;
use crate::terminal::{self, Format, shown, table};

/// Compare the values on the board with those that its device gets now
///
/// Each key of the namespace prov is current, outdated, missing, or foreign, which means that it is no key of Fleetmint's.
/// The server compares: no value is shown or stored, and the server records that it was asked. Nothing on the board is
/// changed.
///
/// Exit codes: 0 a flash would change nothing, 1 a key is outdated or missing, or the board cannot be read, 2 no board, no
/// server, or an unusable call.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint board verify --device vibxdl4f
  fleetmint board verify --device vibxdl4f --format json | jq .keys")]
pub(crate) struct Arguments {
    /// The device: its id, its key or its client id
    #[arg(long, value_name = "REF")]
    device: String,

    #[command(flatten)]
    partition: NamedPartition,

    #[command(flatten)]
    keys: KeySource,

    /// Format of the output
    #[arg(long, default_value = "text")]
    format: Format,

    #[command(flatten)]
    connection: chip::Options,

    #[command(flatten)]
    server: client::Options,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    identity: &'a Identity,
    device: &'a str,
    #[serde(flatten)]
    verified: &'a Verified,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let server = Server::open(&arguments.server)?;
    let device = server.device(&arguments.device)?;
    let mut chip = Chip::connect(&arguments.connection)?;
    let identity = chip.identity().clone();
    let values = values(arguments, &mut chip);
    finish(chip);
    let values = values?;
    let strings = values
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str()))
        .collect();
    let verified = server.verify(device.id, &strings)?;
    match arguments.format {
        Format::Text => print(&identity, &device, &verified)?,
        Format::Json => terminal::print_json(&Report {
            identity: &identity,
            device: &device.key,
            verified: &verified,
        })?,
    }
    if verified.matches { Ok(()) } else { Err(Failure::no("")) }
}

/// The strings of `prov` on the chip. One that is not UTF-8 cannot be a value of Fleetmint's: what cannot be read is replaced.
fn values(arguments: &Arguments, chip: &mut Chip) -> Result<BTreeMap<String, Zeroizing<String>>, Failure> {
    let (partition, table) = arguments.partition.locate(chip)?;
    let keys = arguments.keys.read(chip, &table)?;
    let range = within(&partition, chip.identity().flash_size)?;
    let mut content = read(chip, &range)?;
    let opened = nvs::open(&mut content, &partition, &keys).map_err(|unreadable| {
        let name = quoted_name(&partition.name);
        Failure::no(format_args!("partition {name}: {}", unreadable.reason))
    })?;
    let text = |bytes: &[u8]| Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    let strings = stored::strings(&opened.listed);
    Ok(strings.map(|(key, value)| (key.into_owned(), text(value))).collect())
}

fn print(identity: &Identity, device: &Device, verified: &Verified) -> Result<(), Failure> {
    // In the order of the image; those of others come last.
    let place = |key: &str| Setting::ALL.iter().position(|setting| setting.key() == key);
    let mut keys: Vec<(&String, &String)> = verified.keys.iter().collect();
    keys.sort_by_key(|(key, _)| place(key).unwrap_or(Setting::ALL.len()));
    let rows = || keys.iter().map(|(key, state)| [shown(key, 40), shown(state, 40)]);
    let mut text: String = table(["KEY", "STATE"], &[], rows)
        .map(|line| line.to_string())
        .collect();
    let verdict = if verified.matches {
        "has what device"
    } else {
        "does not have what device"
    };
    text.push_str(&format!(
        "\n{} {} {verdict} {} gets now\n",
        identity.chip,
        identity.mac,
        shown(&device.key, 40)
    ));
    terminal::print(&text)
}
