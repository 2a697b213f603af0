//! `fleetmint nvs get`: one value of an image.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fleetmint_board::escape;
use fleetmint_board::report::EntryReport;
use fleetmint_nvs::key::RawName;
use fleetmint_nvs::storage::{Listed, Value};
use zeroize::Zeroizing;

use super::arguments::image::{Acceptance, ImageKeys, Partition, refusal};
use super::arguments::opened_as::OpenAs;
use crate::exit::Failure;
use crate::terminal;

/// Print one value of an image
///
/// The value is printed as the firmware's getter returns it: the text of a string, the bytes of a blob, a number in decimal.
/// Nothing is added, so that it can be piped. On a terminal a text ends its line, and a blob is shown in hexadecimal.
///
/// The image file is not changed. An image of one page is opened as a partition that the firmware can only read.
///
/// Exit codes: 0 printed, 1 the value does not exist or cannot be read, 2 unusable input.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint nvs get device.bin prov client_id
  fleetmint nvs get flash.bin prov client_secret --keys keys/device-keys.bin
  fleetmint nvs get device.bin phy cal_data > cal_data.bin
  fleetmint nvs get device.bin app boot_count --format json

JSON is the object of the value in the output of dump.")]
pub(crate) struct Arguments {
    /// The image: a partition, or a dump of the whole flash; - is standard input
    image: PathBuf,

    /// The namespace
    namespace: String,

    /// The key
    key: String,

    /// The type, if the key has values of several types: u8 i8 u16 i16 u32 i32 u64 i64 float double str blob
    #[arg(long = "type", value_name = "TYPE", hide_possible_values = true, value_parser = TYPES)]
    value_type: Option<String>,

    #[command(flatten)]
    keys: ImageKeys,

    #[command(flatten)]
    open_as: OpenAs,

    /// Open the image even if it seems not to be NVS, or if the firmware would erase everything
    #[arg(long)]
    force: bool,

    /// Format of the output
    #[arg(long, default_value = "raw")]
    format: Format,

    #[command(flatten)]
    partition: Partition,
}

/// The names of the types, as in `dump`.
const TYPES: [&str; 12] = [
    "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "float", "double", "str", "blob",
];

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Only the value
    Raw,
    /// For programs
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let acceptance = Acceptance {
        readonly: arguments.open_as.is_readonly(),
        ..Acceptance::read_write(arguments.force)
    };
    let keys = arguments.keys.keys.as_deref();
    let mut image = arguments.partition.read(&arguments.image, keys, acceptance)?;
    let name = image.name().to_string();
    let mode = arguments.open_as.mode_to_read(&image);
    let mut storage = image.open_to_read(mode, arguments.force)?;
    let namespaces: Vec<RawName> = storage.namespaces().map(|(namespace, _)| namespace).collect();
    let entries = storage.list().map_err(|error| refusal(&name, &error))?;
    let found = find(&entries, arguments).map_err(|not_found| match not_found {
        NotFound::Ambiguous(reason) => Failure::unusable(format_args!("{name}: {reason}")),
        NotFound::Missing => Failure::no(format_args!("{name}: {}", missing(&entries, &namespaces, arguments))),
    })?;
    match (arguments.format, &found.value) {
        (Format::Json, _) => terminal::print_json(&EntryReport::from(found)),
        (Format::Raw, Ok(value)) => print(value),
        (Format::Raw, Err(error)) => Err(Failure::no(format_args!(
            "{name}: the firmware cannot read \"{}\" of \"{}\" ({error})",
            arguments.key, arguments.namespace
        ))),
    }
}

/// Why there is no value to print.
enum NotFound {
    /// The key has values of several types.
    Ambiguous(String),
    Missing,
}

/// Whether a getter returns the value.
fn is_reached(one: &Listed) -> bool {
    !one.orphan && !one.repeat && one.unreachable.is_none()
}

/// The value that the getter of this name returns.
fn find<'a>(entries: &'a [Listed], arguments: &Arguments) -> Result<&'a Listed, NotFound> {
    let Arguments {
        namespace,
        key,
        value_type,
        ..
    } = arguments;
    let named = |one: &&Listed| {
        one.namespace.as_bytes() == namespace.as_bytes() && one.key.as_bytes() == key.as_bytes() && is_reached(one)
    };
    let wanted = |one: &&Listed| {
        value_type
            .as_ref()
            .is_none_or(|value_type| value_type == one.value_type.name())
    };
    let mut found = entries.iter().filter(named).filter(wanted);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => Err(NotFound::Ambiguous(format!(
            "\"{key}\" of \"{namespace}\" exists as {} and as {}: choose one with --type",
            one.value_type, other.value_type
        ))),
        (None, _) => Err(NotFound::Missing),
    }
}

/// Which part of the name does not exist, and which names do.
fn missing(entries: &[Listed], namespaces: &[RawName], arguments: &Arguments) -> String {
    let Arguments {
        namespace,
        key,
        value_type,
        ..
    } = arguments;
    if !namespaces.iter().any(|one| one.as_bytes() == namespace.as_bytes()) {
        let there = listing(namespaces.iter().copied());
        return format!("there is no namespace \"{namespace}\"; {there}");
    }
    let of_namespace = |one: &&Listed| one.namespace.as_bytes() == namespace.as_bytes() && is_reached(one);
    let mut types = entries
        .iter()
        .filter(of_namespace)
        .filter(|one| one.key.as_bytes() == key.as_bytes())
        .map(|one| one.value_type.name());
    match (value_type, types.next()) {
        (Some(value_type), Some(first)) => {
            let types = types.fold(first.to_owned(), |all, one| format!("{all} and as {one}"));
            format!("namespace \"{namespace}\" has no key \"{key}\" of type {value_type}; it exists as {types}")
        }
        _ => {
            let there = listing(entries.iter().filter(of_namespace).map(|one| one.key));
            format!("namespace \"{namespace}\" has no key \"{key}\"; {there}")
        }
    }
}

/// The existing names, as many as a message may have.
fn listing(names: impl Iterator<Item = RawName>) -> String {
    /// An image can have 254 namespaces, and thousands of keys.
    const LISTED_MAX: usize = 20;
    let names: BTreeSet<String> = names
        .map(|name| format!("\"{}\"", escape::line(&name.to_string())))
        .collect();
    let listed: Vec<&str> = names.iter().take(LISTED_MAX).map(String::as_str).collect();
    match (names.len(), names.len() - listed.len()) {
        (0, _) => "there are none".to_owned(),
        (1, _) => format!("there is only {}", listed.join("")),
        (_, 0) => format!("there are {}", listed.join(", ")),
        (_, more) => format!("there are {} and {more} more", listed.join(", ")),
    }
}

fn print(value: &Value) -> Result<(), Failure> {
    let on_terminal = io::stdout().is_terminal();
    match value {
        Value::Blob(bytes) if on_terminal => terminal::print_line(&Zeroizing::new(hex::encode(bytes))),
        Value::Str(bytes) if on_terminal => terminal::print_line(&String::from_utf8_lossy(bytes)),
        Value::Number(number) if on_terminal => terminal::print_line(&number.to_string()),
        Value::Number(number) => terminal::print_data(number.to_string().as_bytes()),
        Value::Str(bytes) | Value::Blob(bytes) => terminal::print_data(bytes),
    }
}
