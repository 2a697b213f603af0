//! Tables and the image that is created from them: `IN.csv… OUT.bin SIZE`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use fleetmint_nvs::csv::{Generator, ROW_MAX};
use fleetmint_nvs::image;
use fleetmint_nvs::layout::{PAGE_SIZE, READ_WRITE_MIN, Version};
use zeroize::Zeroizing;

use super::outdir::Outdir;
use crate::exit::Failure;
use crate::files;
use crate::size;
use crate::terminal::{Progress, warn};

/// The positional arguments in the help.
pub(crate) const FILES: [&str; 3] = ["IN.csv", "OUT.bin", "SIZE"];

#[derive(Debug, Args)]
pub(crate) struct Tables {
    /// One or more tables (columns key, type, encoding, value), the image to write, and the partition's size in bytes: a
    /// multiple of 4096, such as 0x6000, 24576 or 24K; - is standard input for a table, standard output for the image
    #[arg(required = true, num_args = 3.., value_names = FILES)]
    files: Vec<PathBuf>,

    /// Version of the page format: 2 stores a blob on several pages, 1 stores it as one item of at most 1984 bytes
    #[arg(long = "version", value_name = "VERSION", default_value = "2")]
    format: Format,

    #[command(flatten)]
    pub(crate) outdir: Outdir,

    /// Replace an output file that is a table or holds keys
    #[arg(long)]
    pub(crate) force: bool,
}

/// The version of the page format.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    #[value(name = "1")]
    V1,
    #[value(name = "2")]
    V2,
}

impl Format {
    pub(crate) fn version(self) -> Version {
        match self {
            Self::V1 => Version::V1,
            Self::V2 => Version::V2,
        }
    }
}

/// The size of a partition, with a warning if the firmware can only read it.
pub(crate) fn partition_size(text: &str) -> Result<usize, Failure> {
    let size = size::parse(text).map_err(Failure::unusable)?;
    image::check_size(size).map_err(Failure::unusable)?;
    if size < READ_WRITE_MIN {
        warn(format_args!(
            "the firmware can only read a partition of less than {READ_WRITE_MIN:#x} bytes: give it the flag readonly, or make it larger"
        ));
    }
    Ok(size)
}

/// An image that is not written yet.
#[derive(Debug)]
pub(crate) struct Built {
    /// The output; `-` is standard output.
    pub(crate) path: PathBuf,
    /// The bytes of the output.
    pub(crate) image: Zeroizing<Vec<u8>>,
    /// One line on how full it is.
    pub(crate) summary: String,
}

impl Tables {
    /// Creates the image.
    pub(crate) fn build(&self) -> Result<Built, Failure> {
        let [tables @ .., out, size_text] = self.files.as_slice() else {
            return Err(Failure::unusable("tables, an image and a size are needed"));
        };
        let size = partition_size(&size_text.to_string_lossy())?;
        let mut bytes = Zeroizing::new(vec![0xFF; size]);
        let mut generator = Generator::new(&mut bytes, self.format.version()).map_err(Failure::unusable)?;
        let mut progress = Progress::new("tables", tables.len());
        for path in tables {
            let table = read_table(path)?;
            generator
                .add(&table, read_file)
                .map_err(|error| Failure::unusable(format_args!("{}: {error}", files::input_name(path))))?;
            progress.step();
        }
        let used = generator.finish();
        bytes.truncate(image::file_len(size, used));
        Ok(Built {
            path: self.outdir.place(out),
            summary: format!(
                "{} bytes, {} of {} pages used",
                bytes.len(),
                used / PAGE_SIZE,
                size / PAGE_SIZE
            ),
            image: bytes,
        })
    }
}

/// The most bytes that a table may have: twice the largest partition in hexadecimal.
pub(crate) const TABLE_MAX: u64 = 64 << 20;

/// Reads a table or a list of changes.
pub(crate) fn read_table(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    files::read_up_to(path, TABLE_MAX)
}

/// Reads the file of a `file` row, which may be as long as the text of a `data` row. Relative paths start at the current
/// folder.
pub(crate) fn read_file(path: &str) -> Result<Vec<u8>, String> {
    // The row's error names the path already.
    let content = files::read_file(Path::new(path), ROW_MAX as u64);
    content
        .map(|mut content| std::mem::take(&mut *content))
        .map_err(|failure| match failure.message.strip_prefix(&format!("{path}: ")) {
            Some(reason) => reason.to_string(),
            None => failure.message,
        })
}
