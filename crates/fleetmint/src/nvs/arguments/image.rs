//! The image that a subcommand looks at: a partition by itself, or a part of a whole flash dump.

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;
use fleetmint_board::partition_table::{self, PartitionTable};
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::storage::{self, Mode, SliceFlash, Storage};
use fleetmint_nvs::{Error, image};

use super::{keys, size};
use crate::exit::Failure;
use crate::files;
use crate::terminal::say;

/// The partition that is taken of a flash dump, if none is named and there is one of this name.
const DEFAULT_PARTITION: &str = "nvs";

#[derive(Debug, Args)]
pub(crate) struct Partition {
    /// Of a whole flash dump: the partition to take, found by the partition table [default: nvs, or the one of type nvs]
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,

    /// Where the partition table of a whole flash dump is
    #[arg(long, value_name = "OFFSET", default_value = "0x8000", value_parser = size::parse)]
    partition_table_offset: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ImageKeys {
    /// The keys of an encrypted image: a key partition, or the bare 64 bytes
    #[arg(long, value_name = "KEYS.bin")]
    keys: Option<PathBuf>,
}

impl ImageKeys {
    /// The keys, if there are any.
    pub(crate) fn read(&self) -> Result<Option<Keys>, Failure> {
        self.keys.as_deref().map(keys::read).transpose()
    }
}

/// An image as read from its file.
pub(crate) struct ImageFile {
    path: PathBuf,
    content: Vec<u8>,
    place: Range<usize>,
}

impl Partition {
    /// Reads an image. A partition can be named of a whole flash dump alone.
    pub(crate) fn read(&self, path: &Path) -> Result<ImageFile, Failure> {
        self.read_as(path, self.partition.is_some())
    }

    /// Reads one of two images, of which one may be a whole flash dump and the other a partition by itself.
    pub(crate) fn read_side(&self, path: &Path) -> Result<ImageFile, Failure> {
        self.read_as(path, false)
    }

    fn read_as(&self, path: &Path, must_be_dump: bool) -> Result<ImageFile, Failure> {
        let content = files::read(path)?;
        let unusable = |error: partition_table::Error| Failure::unusable(format_args!("{}: {error}", path.display()));
        let is_dump = PartitionTable::is_at(&content, self.partition_table_offset);
        let place = if is_dump || must_be_dump {
            let table = PartitionTable::in_flash(&content, self.partition_table_offset).map_err(unusable)?;
            let partition = match &self.partition {
                Some(name) => table.find(name).map_err(unusable)?,
                None => only_nvs(&table)
                    .ok_or_else(|| several_nvs(&table))
                    .map_err(|reason| Failure::unusable(format_args!("{}: {reason}", path.display())))?,
            };
            let place = partition.within(content.len()).map_err(unusable)?;
            say(format_args!(
                "{}: partition {}, {:#x} bytes at offset {:#x}",
                path.display(),
                partition.name,
                partition.size,
                partition.offset
            ));
            place
        } else {
            0..content.len()
        };
        image::check_size(place.len())
            .map_err(|error| Failure::unusable(format_args!("{}: {error}", path.display())))?;
        Ok(ImageFile {
            path: path.to_path_buf(),
            content,
            place,
        })
    }
}

fn only_nvs(table: &PartitionTable) -> Option<&partition_table::Partition> {
    let mut nvs = table.partitions().iter().filter(|partition| partition.is_nvs());
    match (table.find(DEFAULT_PARTITION), nvs.next(), nvs.next()) {
        (Ok(partition), ..) | (_, Some(partition), None) => Some(partition),
        _ => None,
    }
}

fn several_nvs(table: &PartitionTable) -> String {
    let names = |nvs: bool| {
        let partitions = table
            .partitions()
            .iter()
            .filter(move |partition| !nvs || partition.is_nvs());
        partitions
            .map(|partition| partition.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match names(true) {
        none if none.is_empty() => format!(
            "a whole flash without an NVS partition; the partitions are {}",
            names(false)
        ),
        several => format!("a whole flash with several NVS partitions: choose one of {several} with --partition"),
    }
}

impl ImageFile {
    /// The partition's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.content.get(self.place.clone()).unwrap_or_default()
    }

    /// The partition's bytes, for the firmware to write to.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.content.get_mut(self.place.clone()).unwrap_or_default()
    }

    /// Where the partition begins in its file.
    pub(crate) fn offset(&self) -> usize {
        self.place.start
    }

    /// The file as a whole: what it was, with the partition as it is now.
    pub(crate) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Opens the partition as the firmware does. Where the keys seem wrong or missing it would erase everything: that is
    /// refused unless `force`.
    pub(crate) fn open(
        &mut self,
        mode: Mode,
        keys: Option<&Keys>,
        force: bool,
    ) -> Result<Storage<SliceFlash<'_>>, Failure> {
        let cipher = keys.map(Keys::xts);
        let path = self.path.display().to_string();
        let wrong_key = storage::check_key(self.bytes(), cipher.as_ref()).err();
        match (&wrong_key, mode) {
            (Some(error), Mode::ReadWrite) if !force => {
                return Err(Failure::no(format_args!(
                    "{path}: {error}; the firmware would erase them all, and so does this with --force"
                )));
            }
            _ => {}
        }
        Storage::open(SliceFlash::new(self.bytes_mut()), mode, cipher).map_err(|error| match wrong_key {
            // Read-only the firmware erases nothing, its start fails.
            Some(reason) => Failure::no(format_args!("{path}: {error}; {reason}")),
            None => refusal(&path, &error),
        })
    }
}

/// The firmware's start fails.
pub(crate) fn refusal(path: &str, error: &Error) -> Failure {
    Failure::no(format_args!("{path}: {error}"))
}
