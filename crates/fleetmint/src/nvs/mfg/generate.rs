//! `fleetmint nvs mfg generate`: an image for each row of a table, as `mfg_gen.py generate`.

use std::path::PathBuf;

use clap::Args;
use fleetmint_nvs::csv;
use fleetmint_nvs::csv::mfg::{Configuration, Values};

use super::check;
use super::keys::KeyOptions;
use super::labels::{self, ColumnError};
use super::names::{Names, Numbers, excerpt};
use super::run::Run;
use super::write::{self, Made};
use crate::exit::Failure;
use crate::files;
use crate::nvs::arguments::outdir::Outdir;
use crate::nvs::arguments::tables::{Format, TABLE_MAX, partition_size};
use crate::terminal::{count, say};

/// The most bytes that the values may have.
const VALUES_MAX: u64 = 256 << 20;

/// Create an image for each row of a table, as mfg_gen.py does
///
/// The configuration has no header; its rows are key, type, encoding and, if the value of the first device goes to all devices,
/// REPEAT. The values have a header that names the keys, in any order, and a device in each row; other columns are ignored.
///
/// Every row is checked before the first file is written, and every error is reported. The images are written to the folder bin
/// of the output folder, keys to its folder keys, and then PREFIX-manifest.csv, which lists them with their SHA-256.
///
/// An image that exists with other content stops the run before anything is written. A run that was cut off goes on with
/// --resume.
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    after_long_help = "\
A configuration:                 Its values:
  prov,namespace,                  serial,device_key,interval,ca
  device_key,data,string           SN0001,k1234567,30,ca.der
  interval,data,u16                SN0002,k7654321,60,
  ca,file,binary,REPEAT

Examples:
  fleetmint nvs mfg generate conf.csv values.csv Fan 0x6000 \\
    --fileid serial --outdir out
  fleetmint nvs mfg generate conf.csv values.csv Fan 0x6000 \\
    --fileid serial --outdir out --keygen --resume
  fleetmint nvs mfg generate conf.csv values.csv Fan 0x6000 --tar - | ...
  fleetmint nvs mfg generate conf.csv values.csv Fan 0x6000 \\
    --fileid serial --outdir out --qr 'https://example.com/{{id}}' \\
    --labels labels.pdf --label-text 'No. {{id}}'

The first command creates out/bin/Fan-SN0001.bin, out/bin/Fan-SN0002.bin and out/Fan-manifest.csv."
)]
pub(crate) struct Arguments {
    /// The configuration: the keys that each device has; - is standard input
    #[arg(value_name = "CONF.csv")]
    configuration: PathBuf,

    /// The values: a device in each row; - is standard input
    #[arg(value_name = "VALUES.csv")]
    values: PathBuf,

    /// The beginning of the name of each file
    prefix: String,

    /// The partition's size in bytes: a multiple of 4096, such as 0x6000, 24576 or 24K
    size: String,

    /// The column of the values with the id of each device, which ends the names of its files [default: 1, 2, 3, ...]
    #[arg(long, value_name = "COLUMN")]
    fileid: Option<String>,

    /// Put a number between prefix and id that begins with START and is filled up with zeros to LENGTH digits
    #[arg(long = "prefix_num", num_args = 2, value_names = ["START", "LENGTH"], value_parser = clap::value_parser!(u64))]
    prefix_num: Option<Vec<u64>>,

    /// Version of the page format: 2 stores a blob on several pages, 1 stores it as one item of at most 1984 bytes
    #[arg(long = "version", value_name = "VERSION", default_value = "2")]
    format: Format,

    #[command(flatten)]
    keys: KeyOptions,

    #[command(flatten)]
    outdir: Outdir,

    #[command(flatten)]
    labels: labels::Options,

    /// Go on with a run that was cut off: create only what is missing, and check what is there
    #[arg(long, conflicts_with_all = ["force", "tar"])]
    resume: bool,

    /// Replace images, keys and the manifest that exist with other content
    #[arg(long)]
    force: bool,

    /// Write one tar archive instead of files; - is standard output
    #[arg(long, value_name = "OUT.tar")]
    tar: Option<PathBuf>,
}

/// The most digits that --prefix_num fills up to.
const DIGITS_MAX: u64 = 32;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let size = partition_size(&arguments.size)?;
    let names = names(arguments)?;
    let configuration_name = files::input_name(&arguments.configuration);
    let configuration = files::read_up_to(&arguments.configuration, TABLE_MAX)?;
    let configuration = Configuration::read(&configuration).map_err(|errors| refused(&configuration_name, &errors))?;
    let values_name = files::input_name(&arguments.values);
    let text = files::read_up_to(&arguments.values, VALUES_MAX)?;
    let values = Values::read(&text, &configuration).map_err(|errors| refused(&values_name, &errors))?;
    let id_column = id_column(arguments, &values, &values_name)?;
    let run = Run {
        lines: text.split(|byte| *byte == b'\n').count(),
        values: &values,
        values_name,
        id_column,
        names,
        scheme: arguments.keys.scheme()?,
        labels: arguments.labels.resolve(|name| label_column(&values, name))?,
        size,
        version: arguments.format.version(),
        files: Default::default(),
        outdir: arguments.outdir.folder().to_path_buf(),
        tar: arguments.tar.clone(),
        resume: arguments.resume,
        force: arguments.force,
    };
    let devices = check::all(&run)?;
    let Made { images, place } = write::all(&run, devices)?;
    say(format_args!(
        "{place}: {}, {}",
        count(images.created, "image"),
        match images.existing {
            0 => "all of them new".to_owned(),
            existing => format!("{existing} of them existed already"),
        }
    ));
    Ok(())
}

fn names(arguments: &Arguments) -> Result<Names, Failure> {
    let numbers = match arguments.prefix_num.as_deref() {
        Some([start, length]) if (1..=DIGITS_MAX).contains(length) => Some(Numbers {
            start: *start,
            length: *length as usize,
        }),
        Some(_) => {
            return Err(Failure::unusable(format_args!(
                "--prefix_num: LENGTH must be from 1 to {DIGITS_MAX}"
            )));
        }
        None => None,
    };
    Names::new(&arguments.prefix, numbers).map_err(Failure::unusable)
}

/// The column that `--fileid` names.
fn id_column(arguments: &Arguments, values: &Values<'_>, name: &str) -> Result<Option<usize>, Failure> {
    let Some(column) = &arguments.fileid else {
        return Ok(None);
    };
    match values.column(column) {
        Some(place) => Ok(Some(place)),
        None => Err(Failure::unusable(format_args!(
            "{name}: --fileid {:?}: the header has no such column; it has {}",
            excerpt(column),
            excerpt(&values.columns().join(", "))
        ))),
    }
}

/// The column that a template of a label names.
fn label_column(values: &Values<'_>, name: &str) -> Result<usize, ColumnError> {
    let mut found = values
        .columns()
        .iter()
        .enumerate()
        .filter(|(_, column)| *column == name);
    match (found.next(), found.next()) {
        (None, _) => Err(ColumnError::Unknown),
        (Some((number, _)), None) => Ok(number),
        (Some(_), Some(_)) => Err(ColumnError::Ambiguous),
    }
}

/// Reports every error of a table.
fn refused(name: &str, errors: &[csv::mfg::Error]) -> Failure {
    let lines: Vec<String> = errors.iter().map(|error| format!("{name}: {error}")).collect();
    check::refused(name, &lines, lines.len())
}
