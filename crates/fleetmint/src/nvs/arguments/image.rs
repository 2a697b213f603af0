//! The image that a subcommand looks at: a partition by itself, or a part of a whole flash dump.

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;
use fleetmint_board::flash_dump::{self, Content, FlashKeys, InFlash, Located, NotNvs, Wanted, find_keys};
use fleetmint_board::partition_table::{self, quoted_name};
use fleetmint_nvs::Error;
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::storage::{self, Mode, ReadOnlySlice, SliceFlash, Storage};
use zeroize::Zeroizing;

use super::{keys, size};
use crate::exit::Failure;
use crate::files;
use crate::terminal::{say, warn};

#[derive(Debug, Args)]
pub(crate) struct Partition {
    /// Of a whole flash dump: the partition to take, found by the partition table [default: nvs, or the one of type nvs]
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,

    /// Where the partition table of a whole flash dump is [default: 0x8000, or where one is found in the first 128 KiB]
    #[arg(long, value_name = "OFFSET", value_parser = size::parse)]
    partition_table_offset: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct ImageKeys {
    /// The keys of an encrypted image: a key partition, or the bare 64 bytes; - is standard input [default: of a whole
    /// flash dump, its own partition nvs_keys]
    #[arg(long, value_name = "KEYS.bin")]
    pub(crate) keys: Option<PathBuf>,
}

/// How the caller wants an image to be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// As NVS, whatever the bytes seem to be; and opened even if the firmware would erase everything.
    pub(crate) force: bool,
    /// As a partition that the firmware may only read, which erases nothing: its start fails instead.
    pub(crate) readonly: bool,
    /// For looking at its bytes alone, so that what it seems to be is said and does no harm.
    pub(crate) raw: bool,
}

impl Taken {
    /// For reading and writing, as the firmware takes it by default.
    pub(crate) const fn read_write(force: bool) -> Self {
        Self {
            force,
            readonly: false,
            raw: false,
        }
    }
}

/// An image as read from its file, and its keys.
pub(crate) struct ImageFile {
    name: String,
    content: Zeroizing<Vec<u8>>,
    place: Range<usize>,
    flash: Option<InFlash>,
    keys: Option<Keys>,
    /// What names the file of its keys on the command line.
    keys_option: &'static str,
}

/// The file of an image's keys, if one was named, and the option that names it.
#[derive(Clone, Copy)]
struct KeyFile<'a> {
    path: Option<&'a Path>,
    option: &'static str,
}

impl Partition {
    /// Reads an image, and its keys from the file `keys` or from the same flash. A partition can be named of a whole
    /// flash dump alone.
    pub(crate) fn read(&self, path: &Path, keys: Option<&Path>, taken: Taken) -> Result<ImageFile, Failure> {
        let content = files::read(path)?;
        let wanted = self.wanted(taken);
        let keys = KeyFile {
            path: keys,
            option: "--keys",
        };
        ImageFile::locate(path, content, keys, &wanted, taken)
    }

    /// Reads two images with the keys of `--keys-a` and `--keys-b`, of which one may be a whole flash dump and the other a partition by itself.
    pub(crate) fn read_both(
        &self,
        paths: [&Path; 2],
        keys: [Option<&Path>; 2],
        taken: Taken,
    ) -> Result<[ImageFile; 2], Failure> {
        let [a, b] = paths;
        let contents = [files::read(a)?, files::read(b)?];
        let wanted = self.wanted(taken);
        let alone = Wanted {
            force: taken.force,
            ..Wanted::default()
        };
        // What names a place in a whole flash is not for a partition by itself; but it has to be for one of the two.
        let is_alone = contents
            .each_ref()
            .map(|content| flash_dump::locate(content, &alone).is_ok_and(|located| located.flash.is_none()));
        let wanted_of = |side_is_alone: bool| match is_alone {
            [true, true] => wanted,
            _ if side_is_alone => alone,
            _ => wanted,
        };
        let [is_alone_a, is_alone_b] = is_alone;
        let [content_a, content_b] = contents;
        let [path_a, path_b] = keys;
        let keys_a = KeyFile {
            path: path_a,
            option: "--keys-a",
        };
        let keys_b = KeyFile {
            path: path_b,
            option: "--keys-b",
        };
        Ok([
            ImageFile::locate(a, content_a, keys_a, &wanted_of(is_alone_a), taken)?,
            ImageFile::locate(b, content_b, keys_b, &wanted_of(is_alone_b), taken)?,
        ])
    }

    fn wanted(&self, taken: Taken) -> Wanted<'_> {
        Wanted {
            partition: self.partition.as_deref(),
            table_offset: self.partition_table_offset,
            force: taken.force,
        }
    }
}

impl ImageFile {
    fn locate(
        path: &Path,
        content: Zeroizing<Vec<u8>>,
        keys: KeyFile<'_>,
        wanted: &Wanted<'_>,
        taken: Taken,
    ) -> Result<Self, Failure> {
        let name = files::input_name(path);
        let located = match flash_dump::locate(&content, wanted) {
            Err(error @ flash_dump::Error::NotNvs { .. }) if taken.raw => {
                warn(format_args!("{name}: {error}"));
                let force = true;
                flash_dump::locate(&content, &Wanted { force, ..*wanted })
            }
            located => located,
        };
        let Located { place, flash } = located.map_err(|error| refused(&name, &content, &error, taken))?;
        let mut image = Self {
            name,
            content,
            place,
            flash,
            keys: None,
            keys_option: keys.option,
        };
        if let Some(InFlash {
            partition,
            table_offset,
            table,
        }) = &image.flash
        {
            for misaligned in table
                .partitions()
                .iter()
                .filter_map(partition_table::Partition::misaligned)
            {
                warn(format_args!("{}: {misaligned}", image.name));
            }
            let table = match *table_offset {
                partition_table::OFFSET => String::new(),
                offset => format!(" (the partition table is at {offset:#x})"),
            };
            say(format_args!(
                "{}: partition {}, {:#x} bytes at offset {:#x}{table}",
                image.name,
                quoted_name(&partition.name),
                partition.size,
                partition.offset
            ));
        }
        image.keys = match keys.path {
            Some(keys) => Some(keys::read(keys)?),
            None => image.own_keys(),
        };
        Ok(image)
    }

    /// The keys that the same flash holds.
    fn own_keys(&self) -> Option<Keys> {
        let flash = self.flash.as_ref()?;
        let name = &self.name;
        match find_keys(&self.content, &flash.table, self.bytes()) {
            FlashKeys::None => None,
            FlashKeys::Fit { partition, keys } => {
                say(format_args!(
                    "{name}: encrypted, with the keys of the partition {}",
                    quoted_name(&partition)
                ));
                Some(keys)
            }
            FlashKeys::DoNotFit { partition } => {
                say(format_args!(
                    "{name}: the keys of the partition {} are not those of {}",
                    quoted_name(&partition),
                    quoted_name(&flash.partition.name)
                ));
                None
            }
            FlashKeys::Unreadable { partition } => {
                say(format_args!(
                    "{name}: the keys of the partition {} can't be read, as flash encryption covers them: give the keys with \
                     {}",
                    quoted_name(&partition),
                    self.keys_option
                ));
                None
            }
        }
    }

    /// How messages name the file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The keys, if the image is encrypted.
    pub(crate) fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// Whether the partition table says that the firmware may only read the partition.
    pub(crate) fn is_readonly(&self) -> bool {
        self.flash.as_ref().is_some_and(|flash| flash.partition.readonly)
    }

    /// Refuses a partition that the firmware never writes to, since nothing would be as the firmware leaves it.
    pub(crate) fn expect_writable(&self, force: bool) -> Result<(), Failure> {
        match &self.flash {
            Some(flash) if flash.partition.readonly && !force => Err(Failure::no(format_args!(
                "{}: partition {:?} has the flag readonly in the partition table: the firmware never writes to it \
                 (ESP_ERR_NOT_ALLOWED); --force changes it all the same",
                self.name(),
                flash.partition.name
            ))),
            _ => Ok(()),
        }
    }

    /// The partition's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.content.get(self.place.clone()).unwrap_or_default()
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
    pub(crate) fn open(&mut self, mode: Mode, force: bool) -> Result<Storage<SliceFlash<'_>>, Failure> {
        self.open_with(mode, force, "")
    }

    /// The same for a command that takes `--as`.
    pub(crate) fn open_to_read(&mut self, mode: Mode, force: bool) -> Result<Storage<SliceFlash<'_>>, Failure> {
        self.open_with(mode, force, "; --as readonly opens it as a partition that is only read")
    }

    /// `advice` is for where no page is free.
    fn open_with(&mut self, mode: Mode, force: bool, advice: &str) -> Result<Storage<SliceFlash<'_>>, Failure> {
        let cipher = self.keys.as_ref().map(Keys::xts);
        let name = &self.name;
        let bytes = self.content.get_mut(self.place.clone()).unwrap_or_default();
        let wrong_key = storage::check_key(bytes, cipher.as_ref()).err();
        let option = self.keys_option;
        let wrong_key = wrong_key.map(|error| match error {
            Error::WrongKey { plain: true, .. } => error.to_string(),
            Error::WrongKey { encrypted: true, .. } => format!("{error}: give the right keys with {option} FILE"),
            _ => format!("{error}: give the keys with {option} FILE"),
        });
        match (&wrong_key, mode) {
            (Some(reason), Mode::ReadWrite) if !force => {
                return Err(Failure::no(format_args!(
                    "{name}: {reason} (--force does what the firmware would: it erases every entry)"
                )));
            }
            _ => {}
        }
        Storage::open_as_firmware(SliceFlash::new(bytes), mode, cipher).map_err(|error| match wrong_key {
            // Read-only the firmware erases nothing, its start fails.
            Some(reason) => Failure::no(format_args!("{name}: {error}; {reason}")),
            None if matches!(error, Error::NoFreePages { .. }) => Failure::no(format_args!("{name}: {error}{advice}")),
            None => refusal(name, &error),
        })
    }
}

/// Reads an image that is a partition by itself.
pub(crate) fn read_alone(path: &Path, force: bool) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let content = files::read(path)?;
    let name = files::input_name(path);
    let wanted = Wanted {
        force,
        ..Wanted::default()
    };
    match flash_dump::locate(&content, &wanted) {
        Ok(Located { flash: Some(flash), .. }) if !force => Err(Failure::unusable(format_args!(
            "{name}: a whole flash dump, of which the partition {} is {:#x} bytes at offset {:#x}: cut it out, or read the \
             dump as it is with `fleetmint nvs dump --keys`",
            quoted_name(&flash.partition.name),
            flash.partition.size,
            flash.partition.offset
        ))),
        Ok(_) => Ok(content),
        Err(error) => Err(refused(&name, &content, &error, Taken::read_write(force))),
    }
}

/// Why the file is not taken, and what the caller can do about it.
fn refused(name: &str, content: &[u8], error: &flash_dump::Error, taken: Taken) -> Failure {
    use flash_dump::Error as Reason;
    let advice = match error {
        Reason::SeveralTables { .. } | Reason::UnprovenTable { .. } => " with --partition-table-offset",
        Reason::Table { tables, .. } if !tables.is_empty() => " (--partition-table-offset)",
        Reason::SeveralNvsPartitions { .. } => " with --partition",
        Reason::NotNvs {
            partition: None,
            cause: NotNvs::Before { .. },
            ..
        } => " (--partition-table-offset); --force treats it all as NVS",
        Reason::NotNvs { .. } => "; --force treats it as NVS",
        Reason::Overlap { .. } | Reason::Misaligned(_) => ", or --force takes it as it is",
        Reason::NotFromStart { .. } | Reason::Shifted { .. } => ", or --force takes the offsets as they are",
        _ => "",
    };
    // Of noise the firmware itself says no, where it may not erase it.
    if let Reason::NotNvs {
        partition: None,
        cause: NotNvs::NoPage {
            content: Content::Noise,
            ..
        },
        ..
    } = error
        && taken.readonly
        && let Err(start) = Storage::open(ReadOnlySlice::new(content), Mode::ReadOnly, None)
    {
        return Failure::no(format_args!("{name}: {start}; {error}"));
    }
    Failure::unusable(format_args!("{name}: {error}{advice}"))
}

/// The firmware's start fails.
pub(crate) fn refusal(name: &str, error: &Error) -> Failure {
    Failure::no(format_args!("{name}: {error}"))
}
