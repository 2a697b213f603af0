//! The image that a subcommand reads: the file of a partition, or a partition in a dump of the whole flash.

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;
use fleetmint_board::flash_dump::{self, Content, FlashKeys, InFlash, Located, NotNvs, Wanted, find_keys};
use fleetmint_board::partition_table::{self, Unfit, quoted_name};
use fleetmint_nvs::Error;
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::storage::{self, Mode, ReadOnlySlice, SliceFlash, Storage};
use zeroize::Zeroizing;

use super::keys;
use crate::exit::Failure;
use crate::files;
use crate::size;
use crate::terminal::{say, warn};

#[derive(Debug, Args)]
pub(crate) struct Partition {
    /// In a dump of the whole flash: the name of the partition [default: nvs, or the only partition of type nvs]
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,

    /// In a dump of the whole flash: the offset of the partition table [default: 0x8000, or where one is found in the first
    /// 128 KiB]
    #[arg(long, value_name = "OFFSET", value_parser = size::parse)]
    partition_table_offset: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct ImageKeys {
    /// The keys of an encrypted image: a key partition, or only the 64 bytes of the keys; - is standard input [default: in a
    /// dump of the whole flash, its partition nvs_keys]
    #[arg(long, value_name = "KEYS.bin")]
    pub(crate) keys: Option<PathBuf>,
}

/// Which files the caller accepts as an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acceptance {
    /// Any bytes are accepted as NVS, also if the firmware would erase all of them.
    pub(crate) force: bool,
    /// The partition is one that the firmware may only read. It then erases nothing: its start fails instead.
    pub(crate) readonly: bool,
    /// The command only shows the bytes: a file that seems not to be NVS is a warning.
    pub(crate) raw: bool,
}

impl Acceptance {
    /// A partition for reading and writing, the firmware's default.
    pub(crate) const fn read_write(force: bool) -> Self {
        Self {
            force,
            readonly: false,
            raw: false,
        }
    }
}

/// An image read from its file, and its keys.
pub(crate) struct ImageFile {
    name: String,
    content: Zeroizing<Vec<u8>>,
    range: Range<usize>,
    flash: Option<InFlash>,
    keys: Option<Keys>,
    /// The option of the command line that names the file of its keys.
    keys_option: &'static str,
}

/// The file of an image's keys, if the command line names one, and the option that names it.
#[derive(Clone, Copy)]
struct KeyFile<'a> {
    path: Option<&'a Path>,
    option: &'static str,
}

impl Partition {
    /// Reads an image, and its keys from the file `keys` or from the same flash. Only in a dump of the whole flash can a
    /// partition be named.
    pub(crate) fn read(&self, path: &Path, keys: Option<&Path>, acceptance: Acceptance) -> Result<ImageFile, Failure> {
        let content = files::read(path)?;
        let wanted = self.wanted(acceptance);
        let keys = KeyFile {
            path: keys,
            option: "--keys",
        };
        ImageFile::locate(path, content, keys, &wanted, acceptance)
    }

    /// Reads two images with the keys of `--keys-a` and `--keys-b`. One may be a dump of the whole flash, and the other the
    /// file of a partition.
    pub(crate) fn read_both(
        &self,
        paths: [&Path; 2],
        keys: [Option<&Path>; 2],
        acceptance: Acceptance,
    ) -> Result<[ImageFile; 2], Failure> {
        let [a, b] = paths;
        let contents = [files::read(a)?, files::read(b)?];
        let wanted = self.wanted(acceptance);
        let alone = Wanted {
            force: acceptance.force,
            ..Wanted::default()
        };
        // The options for a dump of the whole flash do not apply to the file of a partition, but one of the images must be a
        // dump if they are given.
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
            ImageFile::locate(a, content_a, keys_a, &wanted_of(is_alone_a), acceptance)?,
            ImageFile::locate(b, content_b, keys_b, &wanted_of(is_alone_b), acceptance)?,
        ])
    }

    fn wanted(&self, acceptance: Acceptance) -> Wanted<'_> {
        Wanted {
            partition: self.partition.as_deref(),
            table_offset: self.partition_table_offset,
            force: acceptance.force,
        }
    }
}

impl ImageFile {
    fn locate(
        path: &Path,
        content: Zeroizing<Vec<u8>>,
        keys: KeyFile<'_>,
        wanted: &Wanted<'_>,
        acceptance: Acceptance,
    ) -> Result<Self, Failure> {
        let name = files::input_name(path);
        let located = match flash_dump::locate(&content, wanted) {
            Err(error @ flash_dump::Error::NotNvs { .. }) if acceptance.raw => {
                warn(format_args!("{name}: {error}"));
                let force = true;
                flash_dump::locate(&content, &Wanted { force, ..*wanted })
            }
            located => located,
        };
        let Located { range, flash } = located.map_err(|error| refused(&name, &content, &error, acceptance))?;
        let mut image = Self {
            name,
            content,
            range,
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

    /// The keys in the same flash.
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
                    "{name}: the keys of the partition {} cannot be read, because flash encryption covers them: give the keys \
                     with {}",
                    quoted_name(&partition),
                    self.keys_option
                ));
                None
            }
        }
    }

    /// The name of the file in messages.
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

    /// Refuses a partition that the firmware never writes to: no change would be one that the firmware makes.
    pub(crate) fn expect_writable(&self, force: bool) -> Result<(), Failure> {
        match &self.flash {
            Some(flash) if flash.partition.readonly && !force => Err(Failure::no(format_args!(
                "{}: partition {:?} has the flag readonly in the partition table: the firmware never writes to it \
                 (ESP_ERR_NOT_ALLOWED); --force changes it anyway",
                self.name(),
                flash.partition.name
            ))),
            _ => Ok(()),
        }
    }

    /// The bytes of the partition.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.content.get(self.range.clone()).unwrap_or_default()
    }

    /// Offset of the partition in its file.
    pub(crate) fn offset(&self) -> usize {
        self.range.start
    }

    /// All bytes of the file, with the partition as it is now.
    pub(crate) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Opens the partition as the firmware does. If the keys seem wrong or missing, the firmware would erase everything: this
    /// is refused without `force`.
    pub(crate) fn open(&mut self, mode: Mode, force: bool) -> Result<Storage<SliceFlash<'_>>, Failure> {
        self.open_with(mode, force, "")
    }

    /// The same for a command with the option `--as`.
    pub(crate) fn open_to_read(&mut self, mode: Mode, force: bool) -> Result<Storage<SliceFlash<'_>>, Failure> {
        self.open_with(
            mode,
            force,
            "; --as readonly opens it as a partition that the firmware only reads",
        )
    }

    /// `advice` is what to do if no page is free.
    fn open_with(&mut self, mode: Mode, force: bool, advice: &str) -> Result<Storage<SliceFlash<'_>>, Failure> {
        let cipher = self.keys.as_ref().map(Keys::xts);
        let name = &self.name;
        let bytes = self.content.get_mut(self.range.clone()).unwrap_or_default();
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
            // A read-only start erases nothing: it fails.
            Some(reason) => Failure::no(format_args!("{name}: {error}; {reason}")),
            None if matches!(error, Error::NoFreePages { .. }) => Failure::no(format_args!("{name}: {error}{advice}")),
            None => refusal(name, &error),
        })
    }
}

/// Reads the file of a partition.
pub(crate) fn read_alone(path: &Path, force: bool) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let content = files::read(path)?;
    let name = files::input_name(path);
    let wanted = Wanted {
        force,
        ..Wanted::default()
    };
    match flash_dump::locate(&content, &wanted) {
        Ok(Located { flash: Some(flash), .. }) if !force => Err(Failure::unusable(format_args!(
            "{name}: a dump of the whole flash; its partition {} is {:#x} bytes at offset {:#x}: cut it out, or read the dump \
             with `fleetmint nvs dump --keys`",
            quoted_name(&flash.partition.name),
            flash.partition.size,
            flash.partition.offset
        ))),
        Ok(_) => Ok(content),
        Err(error) => Err(refused(&name, &content, &error, Acceptance::read_write(force))),
    }
}

/// Why the file is refused, and what the caller can do about it.
fn refused(name: &str, content: &[u8], error: &flash_dump::Error, acceptance: Acceptance) -> Failure {
    use flash_dump::Error as Reason;
    let advice = match error {
        Reason::SeveralTables { .. } | Reason::UnprovenTable { .. } => " with --partition-table-offset",
        Reason::Table { tables, .. } if !tables.is_empty() => " (--partition-table-offset)",
        Reason::Partition(Unfit::SeveralNvs { .. }) => " with --partition",
        Reason::NotNvs {
            partition: None,
            cause: NotNvs::Before { .. },
            ..
        } => " (--partition-table-offset); --force treats all of it as NVS",
        Reason::NotNvs { .. } => "; --force treats it as NVS",
        Reason::Partition(Unfit::Overlap { .. } | Unfit::Misaligned(_)) => ", or use --force to accept it",
        Reason::NotFromStart { .. } | Reason::Shifted { .. } => ", or use --force to accept the offsets",
        _ => "",
    };
    // The firmware cannot open noise read-only, because it may not erase it.
    if let Reason::NotNvs {
        partition: None,
        cause: NotNvs::NoPage {
            content: Content::Noise,
            ..
        },
        ..
    } = error
        && acceptance.readonly
        && let Err(start) = Storage::open(ReadOnlySlice::new(content), Mode::ReadOnly, None)
    {
        return Failure::no(format_args!("{name}: {start}; {error}"));
    }
    Failure::unusable(format_args!("{name}: {error}{advice}"))
}

/// The firmware's start fails with this error.
pub(crate) fn refusal(name: &str, error: &Error) -> Failure {
    Failure::no(format_args!("{name}: {error}"))
}
