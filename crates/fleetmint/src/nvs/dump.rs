//! `fleetmint nvs dump`: what an image holds, as the firmware sees it.

mod csv;
mod raw;
mod text;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::storage::Listed;

use super::arguments::image::{ImageKeys, Partition, Taken, refusal};
use super::arguments::opened_as::OpenAs;
use super::json::Entry;
use crate::exit::Failure;
use crate::terminal::{self, count, say};

/// Show what an image holds, as the firmware sees it
#[derive(Debug, Args)]
#[command(
    long_about = "Shows all values of an image: what the firmware's iterator and getters give after its start, repairs included. The \
        image itself stays as it is.\n\n\
        Values are shown, secrets too. If the encryption keys seem wrong or missing, the firmware would erase everything: \
        exit code 1, unless --force asks for just that. If the firmware's start would fail, so does this, with the \
        firmware's error.",
    after_long_help = "\
Examples:
  fleetmint nvs dump device.bin
  fleetmint nvs dump device.bin --keys keys/device-keys.bin --format json
  fleetmint nvs dump flash.bin --partition fctry --as readonly
  fleetmint nvs dump device.bin --format csv > device.csv

From a csv table, `nvs generate` makes an image in which `nvs diff` finds the same values. A \
warning says so if they need a larger partition than the image is. Where the generator would compute Wi-Fi rows, the table has the row `,option,no-computed-rows,`, which Espressif's \
generator refuses. What a table can't carry is an error (exit code 1): texts and names that are not UTF-8, \
a carriage return in a text, a key with values of several types, values that the firmware can't read, a \
partition with nothing in it.

JSON is an array sorted by namespace, key and type. Each value has namespace, key, type (u8 i8 u16 i16 \
u32 i32 u64 i64 float double str blob), value and ns_index; str and blob have their size as stored, a \
string's with its NUL. A blob's value is hexadecimal. What is not UTF-8 is in namespace_hex, key_hex, \
value_hex; float and double have their bits too. In place of a value there is the error that the \
firmware's getter gives.

Three members mark what no getter gives. orphan: no namespace has that index. repeat: the same key and \
type came before in a namespace of this name. unreachable: what is stored where another namespace has the \
same name. \"iterated\":false marks a blob of the old format, which the iterator leaves out."
)]
pub(crate) struct Arguments {
    /// The image: a partition, or a whole flash dump; - is standard input
    image: PathBuf,

    #[command(flatten)]
    keys: ImageKeys,

    #[command(flatten)]
    open_as: OpenAs,

    /// Show every slot of every page with its state and offset, whatever it holds, without opening the partition
    #[arg(long)]
    raw: bool,

    /// Open it even if it seems not to be NVS, or the firmware would erase everything
    #[arg(long)]
    force: bool,

    /// How to show it
    #[arg(long, default_value = "text")]
    format: Format,

    /// With --format csv: leave out what a table can't carry, with a warning, instead of refusing
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
    /// A table that generate takes back
    Csv,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.partial && !matches!(arguments.format, Format::Csv) {
        return Err(Failure::unusable(
            "--partial is for --format csv, the other formats show everything",
        ));
    }
    let taken = Taken {
        force: arguments.force,
        readonly: arguments.open_as.is_readonly(),
        raw: arguments.raw,
    };
    let keys = arguments.keys.keys.as_deref();
    let mut image = arguments.partition.read(&arguments.image, keys, taken)?;
    if arguments.raw {
        let cipher = image.keys().map(Keys::xts);
        return match arguments.format {
            Format::Text => terminal::print_parts(raw::text(image.bytes(), cipher.as_ref())),
            Format::Json => terminal::print_json_lines(raw::json(image.bytes(), cipher.as_ref())),
            Format::Csv => Err(Failure::unusable(
                "--raw can be shown as text or json, a csv table has values alone",
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
            "{path}: the firmware would repair this image in {}; `fleetmint nvs check` says what",
            count(repairs, "place")
        ));
    }
    match arguments.format {
        Format::Text => terminal::print_parts(text::listing(&entries, &storage.stats())),
        Format::Json => terminal::print_json_lines(entries.into_iter().map(Entry::from)),
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
