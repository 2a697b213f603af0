//! A file that was read from a chip: is it an NVS partition, a whole flash, or something else?
//!
//! ```text
//!   a whole flash    boot loader │ … │ table │ … │ nvs │ … │ nvs_keys │ application …
//!                                      ▲ at 0x8000, else at a sector boundary of the first 128 KiB
//!   a partition      page │ page │ page                    each begins with a header that has a CRC
//!   neither          E9 … an application image, 00 00 … zeros, noise of a chip with flash encryption …
//! ```
//!
//! What is not NVS is never taken for NVS: the firmware's library erases every page that it does not know, so a tool
//! that changed an application "as the firmware would" would destroy it.
//!
//! ```
//! use fleetmint_board::flash_dump::{self, Wanted};
//!
//! let erased = vec![0xFF; 0x6000];
//! assert_eq!(flash_dump::locate(&erased, &Wanted::default())?.place, 0..0x6000);
//!
//! let zeros = vec![0; 0x6000];
//! let error = flash_dump::locate(&zeros, &Wanted::default()).unwrap_err();
//! assert!(error.to_string().contains("none of its 6 pages has a valid header"), "{error}");
//! # Ok::<(), flash_dump::Error>(())
//! ```

mod content;
mod keys;

use std::ops::Range;

use fleetmint_nvs::image::check_size;
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::page::PageState;
use fleetmint_nvs::storage::{self, RawPage};

pub use content::Content;
pub use keys::{FlashKeys, find_keys};

use crate::partition_table::{self, Misaligned, Partition, PartitionTable, list};

/// A sector of the flash: tables and partitions begin at its boundaries.
pub const SECTOR: usize = 4096;

/// The table is looked for in so many bytes, where it is not at [`partition_table::OFFSET`].
pub const SEARCHED: usize = 128 << 10;

/// The partition that is taken, if none is named and there is one of this name.
const DEFAULT_PARTITION: &str = "nvs";

/// What is looked for in a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// A partition by its name; without one, `nvs` or the only one of type NVS.
    pub partition: Option<&'a str>,
    /// Where the partition table has to be; without it, it is looked for.
    pub table_offset: Option<usize>,
    /// Take the bytes for NVS whatever they seem to be.
    pub force: bool,
}

/// An NVS partition in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Where it is.
    pub place: Range<usize>,
    /// What the partition table says about it, if the file is a whole flash.
    pub flash: Option<InFlash>,
}

/// A partition in a whole flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlash {
    /// The partition.
    pub partition: Partition,
    /// The table.
    pub table: PartitionTable,
    /// Where the table is.
    pub table_offset: usize,
}

/// Why a file, or a part of it, is not taken for an NVS partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNvs {
    /// No page is one of NVS.
    #[error(
        "not an NVS partition: {}; it seems to be {content}: {}",
        no_header(*pages),
        content.advice()
    )]
    NoPage {
        /// Whole pages that there are.
        pages: usize,
        /// What it seems to be.
        content: Content,
    },
    /// Something else, and then the pages of a partition.
    #[error(
        "not an NVS partition alone: NVS pages begin at offset {nvs:#x}, and what begins at {offset:#x} seems to be \
         {content}"
    )]
    Before {
        /// Where the other content begins.
        offset: usize,
        /// What it seems to be.
        content: Content,
        /// Where the first NVS page is.
        nvs: usize,
    },
    /// The pages of a partition, and then something else.
    #[error(
        "longer than an NVS partition: what begins at offset {offset:#x} seems to be {content}; cut the file off \
         there, or read the partition alone"
    )]
    Longer {
        /// Where the other content begins.
        offset: usize,
        /// What it seems to be.
        content: Content,
    },
}

impl NotNvs {
    /// What it seems to be.
    #[must_use]
    pub fn content(&self) -> &Content {
        let (Self::NoPage { content, .. } | Self::Before { content, .. } | Self::Longer { content, .. }) = self;
        content
    }
}

/// Why there is no NVS partition to be taken of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No table, or an unusable one, or no such partition.
    #[error("{error}{}", elsewhere(tables, *searched))]
    Table {
        /// What is wrong.
        error: partition_table::Error,
        /// Where tables are instead.
        tables: Vec<usize>,
        /// Whether they were looked for.
        searched: bool,
    },
    /// Several tables, none of them where it usually is.
    #[error(
        "a whole flash dump with no partition table at {:#x}, but at {}: choose one",
        partition_table::OFFSET,
        hex(tables)
    )]
    SeveralTables {
        /// Where they are.
        tables: Vec<usize>,
    },
    /// What looks like a table, without the MD5 that would prove it.
    #[error(
        "seems to be a whole flash dump with a partition table at {}, which has no MD5 to prove it: choose it",
        hex(tables)
    )]
    UnprovenTable {
        /// Where they are.
        tables: Vec<usize>,
    },
    /// The offsets of the table do not fit the dump.
    #[error(
        "seems to be a dump that begins at offset {begin:#x} of the flash: its partition table is at {table:#x}, and \
         what the table names is {begin:#x} bytes before its place; read the flash from offset 0"
    )]
    NotFromStart {
        /// Where the table is in the dump.
        table: usize,
        /// Where the dump begins in the flash.
        begin: usize,
    },
    /// The table has no NVS partition.
    #[error("a whole flash without an NVS partition; the partitions are {}", list(names))]
    NoNvsPartition {
        /// The names of all partitions.
        names: Vec<String>,
    },
    /// The table has several NVS partitions, and none is named `nvs`.
    #[error("a whole flash with several NVS partitions: choose one of {}", list(names))]
    SeveralNvsPartitions {
        /// Their names.
        names: Vec<String>,
    },
    /// The partition is something else by its type.
    #[error(
        "partition {name:?} is of type {type_name}, not NVS; {}",
        if nvs.is_empty() { "the flash has no NVS partition".to_string() }
        else { format!("the NVS partitions are {}", list(nvs)) }
    )]
    NotNvsPartition {
        /// Its name.
        name: String,
        /// Its type, as a partition table's CSV names it.
        type_name: String,
        /// The names of the NVS partitions.
        nvs: Vec<String>,
    },
    /// The flag `encrypted`.
    #[error(
        "partition {name:?} has the flag encrypted, which an NVS partition must not have: NVS encrypts by itself, and the \
         firmware refuses the partition (ESP_ERR_NVS_WRONG_ENCRYPTION); remove the flag from the partition table"
    )]
    EncryptedFlag {
        /// Its name.
        name: String,
    },
    /// Another partition, or the table, has some of the same bytes.
    #[error(
        "partition {name:?} and {other} overlap in the partition table, from offset {from:#x} to {to:#x}: a change of one \
         would change the other; correct the table"
    )]
    Overlap {
        /// Its name.
        name: String,
        /// The other one: a partition with its name, or the table.
        other: String,
        /// Where the bytes of both begin.
        from: usize,
        /// Where they end.
        to: usize,
    },
    /// The partition does not begin at a sector's boundary.
    #[error("{0}; correct the table")]
    Misaligned(Misaligned),
    /// The partition has an impossible size.
    #[error("{}{cause}", partition.as_ref().map_or_else(String::new, |name| format!("partition {name:?}: ")))]
    Size {
        /// Its name, in a whole flash.
        partition: Option<String>,
        /// The rule.
        cause: fleetmint_nvs::Error,
    },
    /// The bytes are not NVS.
    #[error("{}", not_nvs(partition.as_deref(), *offset, cause))]
    NotNvs {
        /// Its name, in a whole flash.
        partition: Option<String>,
        /// Where it begins in the file.
        offset: usize,
        /// What it is. Offsets in it are from the beginning of the partition.
        cause: NotNvs,
    },
}

/// What is wrong with a file; or with a partition of a whole flash, whose table was found.
fn not_nvs(partition: Option<&str>, begin: usize, cause: &NotNvs) -> String {
    let Some(name) = partition else {
        let may_be_flash = matches!(
            cause,
            NotNvs::Before { .. }
                | NotNvs::NoPage {
                    content: Content::EspImage { offset: 1.. },
                    ..
                }
        );
        return match may_be_flash {
            true => format!(
                "{cause}; of a whole flash the partition table is needed, which is not in the first {SEARCHED:#x} bytes"
            ),
            false => cause.to_string(),
        };
    };
    let partition = format!("partition {name:?} at offset {begin:#x}");
    match cause {
        NotNvs::NoPage { pages, content } => format!(
            "{partition} is not an NVS partition: {}; it seems to be {content}: {}",
            no_header(*pages),
            content.advice_in_flash()
        ),
        NotNvs::Before { offset, content, nvs } => format!(
            "{partition} is not NVS from its beginning: what begins at offset {:#x} of the flash seems to be {content}, and \
             NVS pages begin at {:#x} only: {}",
            begin.saturating_add(*offset),
            begin.saturating_add(*nvs),
            content.advice_in_flash()
        ),
        NotNvs::Longer { offset, content } => format!(
            "{partition} is not NVS to its end: what begins at offset {:#x} of the flash seems to be {content}: {}",
            begin.saturating_add(*offset),
            content.advice_in_flash()
        ),
    }
}

fn no_header(pages: usize) -> String {
    match pages {
        0 => "it has no whole page".to_string(),
        1 => "its only page has no valid header".to_string(),
        pages => format!("none of its {pages} pages has a valid header"),
    }
}

fn hex(offsets: &[usize]) -> String {
    let offsets: Vec<String> = offsets.iter().map(|offset| format!("{offset:#x}")).collect();
    offsets.join(", ")
}

fn elsewhere(tables: &[usize], searched: bool) -> String {
    match tables {
        [] if searched => format!("; there is none at another sector boundary of the first {SEARCHED:#x} bytes either"),
        [] => String::new(),
        tables => format!("; there is one at {}", hex(tables)),
    }
}

/// Finds the NVS partition in a file: the partition itself, or a whole flash.
///
/// # Errors
/// See [`Error`].
pub fn locate(file: &[u8], wanted: &Wanted<'_>) -> Result<Located, Error> {
    match find_table(file, wanted)? {
        Some((table_offset, table)) => in_flash(file, wanted, table_offset, table),
        None => {
            check(file, wanted, None, 0)?;
            Ok(Located {
                place: 0..file.len(),
                flash: None,
            })
        }
    }
}

/// The partition table of a whole flash, and where it is; `None` where the file seems to be no whole flash.
fn find_table(file: &[u8], wanted: &Wanted<'_>) -> Result<Option<(usize, PartitionTable)>, Error> {
    let asked = wanted.table_offset;
    let usual = asked.unwrap_or(partition_table::OFFSET);
    let error = match PartitionTable::in_flash(file, usual) {
        Ok(table) => return Ok(Some((usual, table))),
        Err(error) => error,
    };
    let found = search(file);
    let proven = |proof: bool| -> Vec<usize> {
        let tables = found.iter().filter(|(_, table)| table.has_md5() == proof);
        tables.map(|(offset, _)| *offset).collect()
    };
    let tables = proven(true);
    if asked.is_some() || !matches!(error, partition_table::Error::NoTable { .. }) {
        let searched = true;
        return Err(Error::Table {
            error,
            tables,
            searched,
        });
    }
    match tables.as_slice() {
        // A table alone, as the build writes it.
        [0] if file.len() <= SECTOR && wanted.partition.is_none() => Ok(None),
        [offset] => {
            let table = found.into_iter().find(|(found, _)| found == offset);
            if let Some((offset, table)) = &table
                && let Some(begin) = begins_at(file, *offset, table)
                && !wanted.force
            {
                return Err(Error::NotFromStart { table: *offset, begin });
            }
            Ok(table)
        }
        [_, _, ..] => Err(Error::SeveralTables { tables }),
        [] if wanted.force && wanted.partition.is_none() => Ok(None),
        [] => match proven(false) {
            // No whole flash has its table before the boot loader: that is a table alone.
            unproven if unproven.iter().any(|offset| *offset > 0) => Err(Error::UnprovenTable { tables: unproven }),
            _ if wanted.partition.is_some() => Err(Error::Table {
                error,
                tables,
                searched: true,
            }),
            _ => Ok(None),
        },
    }
}

/// The tables at the sector boundaries of the first 128 KiB.
fn search(file: &[u8]) -> Vec<(usize, PartitionTable)> {
    (0..SEARCHED.min(file.len()))
        .step_by(SECTOR)
        .filter_map(|offset| Some((offset, PartitionTable::in_flash(file, offset).ok()?)))
        .collect()
}

/// Where in the flash a dump begins that was not read from its first byte: what the table names is then not at its
/// offset, but before it by as much as the table itself is before its usual place.
fn begins_at(file: &[u8], table_offset: usize, table: &PartitionTable) -> Option<usize> {
    let begin = partition_table::OFFSET
        .checked_sub(table_offset)
        .filter(|begin| *begin > 0)?;
    // In front of the table there is the boot loader, always.
    if table_offset == 0 {
        return Some(begin);
    }
    let sector = |offset: usize| file.get(offset..)?.get(..SECTOR);
    let is_nvs = |offset| sector(offset).is_some_and(has_nvs_page);
    let is_app = |offset| sector(offset).is_some_and(content::is_esp_image);
    let in_nvs = |offset: usize| {
        let mut nvs = table.partitions().iter().filter(|partition| partition.is_nvs());
        nvs.any(|partition| (partition.offset..partition.offset.saturating_add(partition.size)).contains(&offset))
    };
    let shifted = |partition: &Partition| {
        partition.offset.checked_sub(begin).is_some_and(|before| {
            partition.is_app() && is_app(before) && !is_app(partition.offset)
                || partition.is_nvs() && is_nvs(before) && !in_nvs(before)
        })
    };
    table.partitions().iter().any(shifted).then_some(begin)
}

fn in_flash(file: &[u8], wanted: &Wanted<'_>, table_offset: usize, table: PartitionTable) -> Result<Located, Error> {
    let no_partition = |error| Error::Table {
        error,
        tables: Vec::new(),
        searched: false,
    };
    let names = |nvs: bool| -> Vec<String> {
        let partitions = table.partitions().iter();
        partitions
            .filter(|partition| !nvs || partition.is_nvs())
            .map(|partition| partition.name.clone())
            .collect()
    };
    let partition = match wanted.partition {
        Some(name) => table.find(name).map_err(no_partition)?,
        None => {
            let mut nvs = table.partitions().iter().filter(|partition| partition.is_nvs());
            match (
                nvs.clone().find(|nvs| nvs.name == DEFAULT_PARTITION),
                nvs.next(),
                nvs.next(),
            ) {
                (Some(partition), ..) | (None, Some(partition), None) => partition,
                (None, None, _) => return Err(Error::NoNvsPartition { names: names(false) }),
                (None, Some(_), Some(_)) => return Err(Error::SeveralNvsPartitions { names: names(true) }),
            }
        }
    };
    let name = partition.name.clone();
    if !partition.is_nvs() {
        return Err(Error::NotNvsPartition {
            name,
            type_name: partition.type_name(),
            nvs: names(true),
        });
    }
    if partition.encrypted {
        return Err(Error::EncryptedFlag { name });
    }
    if let Some(overlap) = overlap(partition, &table, table_offset)
        && !wanted.force
    {
        return Err(overlap);
    }
    // That of its size comes with the other rules for the size of an NVS partition.
    if let Some(misaligned @ Misaligned::Offset { .. }) = partition.misaligned()
        && !wanted.force
    {
        return Err(Error::Misaligned(misaligned));
    }
    let place = partition.within(file.len()).map_err(no_partition)?;
    check(
        file.get(place.clone()).unwrap_or_default(),
        wanted,
        Some(&name),
        place.start,
    )?;
    Ok(Located {
        place,
        flash: Some(InFlash {
            partition: partition.clone(),
            table,
            table_offset,
        }),
    })
}

/// What else has bytes of this partition. Espressif's `gen_esp32part.py` makes no such table.
fn overlap(partition: &Partition, table: &PartitionTable, table_offset: usize) -> Option<Error> {
    let others = table.partitions().iter().filter(|other| other.name != partition.name);
    let places = others.map(|other| (format!("partition {:?}", other.name), other.offset, other.size));
    let own = ("the partition table itself".to_string(), table_offset, SECTOR);
    places.chain([own]).find_map(|(other, offset, size)| {
        let from = offset.max(partition.offset);
        let to = offset
            .saturating_add(size)
            .min(partition.offset.saturating_add(partition.size));
        (from < to).then(|| Error::Overlap {
            name: partition.name.clone(),
            other,
            from,
            to,
        })
    })
}

fn check(bytes: &[u8], wanted: &Wanted<'_>, partition: Option<&str>, offset: usize) -> Result<(), Error> {
    let partition = || partition.map(str::to_string);
    let size = check_size(bytes.len()).map_err(|cause| Error::Size {
        partition: partition(),
        cause,
    });
    match check_nvs(bytes) {
        // A text or an application seldom has the size of a partition: what it is says more. Else the size does.
        Err(cause) if !wanted.force && (size.is_ok() || cause.content().is_certain()) => Err(Error::NotNvs {
            partition: partition(),
            offset,
            cause,
        }),
        _ => size,
    }
}

/// Whether these bytes are an NVS partition: blank, or with a page that has a valid header, and without what can only
/// lie outside of a partition.
///
/// # Errors
/// See [`NotNvs`].
pub fn check_nvs(partition: &[u8]) -> Result<(), NotNvs> {
    let mut first = None;
    let mut foreign = None;
    // Pages in a row, up to the last one, that no firmware ever wrote a state to.
    let mut strange = Vec::new();
    for (page, bytes) in storage::pages(partition).zip(partition.chunks_exact(PAGE_SIZE)) {
        if is_nvs(&page) {
            first = first.or(Some(page.offset));
        } else if foreign.is_none()
            && let Some(content) = content::certain(bytes)
        {
            foreign = Some((page.offset, content));
        }
        if page.state.is_some() || is_nvs(&page) {
            strange.clear();
        } else {
            strange.push(page.offset);
        }
    }
    if let [offset, _, ..] = strange.as_slice()
        && foreign.is_none()
        // Damage seldom makes noise of whole pages, and a single one may be an erasure that was cut short. What an
        // encrypted flash holds behind the partition is noise throughout.
        && content::identify(partition.get(*offset..).unwrap_or_default()) == Content::Noise
    {
        foreign = Some((*offset, Content::Noise));
    }
    match (foreign, first) {
        (Some((offset, content)), Some(nvs)) if offset < nvs => Err(NotNvs::Before { offset, content, nvs }),
        (Some((offset, content)), Some(_)) => Err(NotNvs::Longer { offset, content }),
        (None, Some(_)) => Ok(()),
        _ if partition.iter().all(|byte| *byte == 0xFF) => Ok(()),
        _ => Err(NotNvs::NoPage {
            pages: partition.len() / PAGE_SIZE,
            content: content::identify(partition),
        }),
    }
}

fn has_nvs_page(sector: &[u8]) -> bool {
    storage::pages(sector).any(|page| is_nvs(&page))
}

/// Whether a page has a valid header: not blank, and its CRC fits.
fn is_nvs(page: &RawPage) -> bool {
    page.state != Some(PageState::Uninitialized) && page.header.crc_fits()
}
