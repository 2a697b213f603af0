//! `fleetmint nvs dump`: the values of an image, as the firmware reads them.

mod csv;
mod raw;
mod text;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fleetmint_board::report::EntryReport;
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::storage::Listed;

use super::arguments::image::{Acceptance, ImageKeys, Partition, refusal};
use super::arguments::opened_as::OpenAs;
use crate::exit::Failure;
use crate::terminal::{self, count, say};

/// Show the values of an image, as the firmware reads them
///
/// The values are those that the firmware's iterator and getters return after its start, repairs included. The image file is
/// not changed.
///
/// All values are shown, secrets too. If the encryption keys seem wrong or missing, the firmware would erase everything: the
/// exit code is 1, unless --force asks for that. If the firmware's start would fail, this command fails with the same error.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint nvs dump device.bin
  fleetmint nvs dump device.bin --keys keys/device-keys.bin --format json
  fleetmint nvs dump flash.bin --partition fctry --as readonly
  fleetmint nvs dump device.bin --format csv > device.csv

From a csv table, `nvs generate` creates an image with the same values, and `nvs diff` finds no difference. A \
warning names the size that they need if the image's own size is too small. Where the generator would compute Wi-Fi \
rows, the table has the row `,option,no-computed-rows,`, which Espressif's generator refuses. A table cannot express \
texts and names that are not UTF-8, a carriage return in a text, a key with values of several types, values that the \
firmware cannot read, and an empty partition: these are errors (exit code 1).

JSON is an array sorted by namespace, key and type. Each value has namespace, key, type (u8 i8 u16 i16 \
u32 i32 u64 i64 float double str blob), value and ns_index. A str and a blob have their size as stored, a str \
with its NUL. The value of a blob is hexadecimal. Names and texts that are not UTF-8 are in namespace_hex, key_hex \
and value_hex. A float and a double also have their bits. If the firmware's getter fails, error is its error, and \
there is no value.

Three members mark values that no getter returns. orphan: no namespace has this index. repeat: the same key and \
type came before in a namespace of this name. unreachable: another namespace has the same name, and this is the \
stored value. \"iterated\":false marks a blob of the old format, which the iterator skips.")]
pub(crate) struct Arguments {
    /// The image: a partition, or a dump of the whole flash; - is standard input
    image: PathBuf,

    #[command(flatten)]
    keys: ImageKeys,

    #[command(flatten)]
    open_as: OpenAs,

    /// Show every entry of every page with its state and offset, without opening the partition as the firmware does
    #[arg(long)]
    raw: bool,

    /// Open the image even if it seems not to be NVS, or if the firmware would erase everything
    #[arg(long)]
    force: bool,

    /// Format of the output
    #[arg(long, default_value = "text")]
    format: Format,

    /// With --format csv: leave out what a table cannot express, with a warning, instead of failing
    #[arg(long)]
    partial: bool,

    #[command(flatten)]
    partition: Partition,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A table for people
    Text,
    /// For programs
    Json,
    /// A table for generate
    Csv,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.partial && !matches!(arguments.format, Format::Csv) {
        return Err(Failure::unusable(
            "--partial is for --format csv: the other formats show everything",
        ));
    }
    let acceptance = Acceptance {
        force: arguments.force,
        readonly: arguments.open_as.is_readonly(),
        raw: arguments.raw,
    };
    let keys = arguments.keys.keys.as_deref();
    let mut image = arguments.partition.read(&arguments.image, keys, acceptance)?;
    if arguments.raw {
        let cipher = image.keys().map(Keys::xts);
        return match arguments.format {
            Format::Text => terminal::print_parts(raw::text(image.bytes(), cipher.as_ref())),
            Format::Json => terminal::print_json_lines(raw::json(image.bytes(), cipher.as_ref())),
            Format::Csv => Err(Failure::unusable(
                "--raw can be shown as text or json: a csv table has only values",
            )),
        };
    }
    let mode = arguments.open_as.mode(&image);
    let path = image.name().to_string();
    let image_size = image.bytes().len();
    let mut storage = image.open_to_read(mode, arguments.force)?;
    let list = storage.list().map_err(|error| refusal(&path, &error))?;
    let mut entries: Vec<&Listed> = list.iter().collect();
    entries.sort_by(|a, b| order(a).cmp(&order(b)));
    let repairs = storage.repairs().len();
    if repairs > 0 {
        say(format_args!(
            "{path}: the firmware would repair this image in {}; `fleetmint nvs check` shows them",
            count(repairs, "place")
        ));
    }
    match arguments.format {
        Format::Text => terminal::print_parts(text::listing(&entries, &storage.stats())),
        Format::Json => terminal::print_json_lines(entries.into_iter().map(EntryReport::from)),
        Format::Csv => {
            let namespaces = storage.namespaces();
            let table = csv::listing(&path, &entries, namespaces, arguments.partial)?;
            csv::warn_if_too_small(&path, &table, image_size);
            terminal::print_data(table.as_bytes())
        }
    }
}

/// The order is by the bytes of namespace, key, type.
fn order(entry: &Listed) -> (&[u8], &[u8], &str) {
    (
        entry.namespace.as_bytes(),
        entry.key.as_bytes(),
        entry.value_type.name(),
    )
}
