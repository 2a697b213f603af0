//! What a file that was read from a chip is: an NVS partition, a dump of the whole flash, or something else.
//!
//! ```text
//!   a whole flash    boot loader │ … │ table │ … │ nvs │ … │ nvs_keys │ application …
//!                                      ▲ at 0x8000, else at a sector boundary of the first 128 KiB
//!   a partition      page │ page │ page                    each begins with a header that has a CRC
//!   neither          E9 … an application image, 00 00 … zeros, random bytes of a chip with flash encryption …
//! ```
//!
//! A file that is not NVS is refused: the firmware's library erases every page that it does not know, so a tool that
//! changed an application "as the firmware would" would destroy it.
//!
//! ```
//! use fleetmint_board::flash_dump::{self, Wanted};
//!
//! let erased = vec![0xFF; 0x6000];
//! assert_eq!(flash_dump::locate(&erased, &Wanted::default())?.range, 0..0x6000);
//!
//! let zeros = vec![0; 0x6000];
//! let error = flash_dump::locate(&zeros, &Wanted::default()).unwrap_err();
//! assert!(error.to_string().contains("none of its 6 pages has a valid header"), "{error}");
//! # Ok::<(), flash_dump::Error>(())
//! ```

mod content;
mod error;
mod keys;
mod pages;
mod table;

use std::ops::Range;

use fleetmint_nvs::image::check_size;

pub use content::Content;
pub(crate) use content::identify;
pub(crate) use error::not_nvs;
pub use error::{Error, NotNvs};
pub use keys::{FlashKeys, find_keys, has_entries, keys_among};
pub use pages::check_nvs;

use crate::partition_table::{Partition, PartitionTable};
use table::find_table;

/// Bytes in a sector of the flash. Tables and partitions begin at multiples of it.
pub const SECTOR: usize = 4096;

/// Bytes that are searched for the table if it is not at [`OFFSET`](crate::partition_table::OFFSET).
pub const SEARCHED: usize = 128 << 10;

/// What to look for in a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The name of a partition. By default `nvs`, or the only partition of type NVS.
    pub partition: Option<&'a str>,
    /// The offset of the partition table. By default the table is searched for.
    pub table_offset: Option<usize>,
    /// Accept any bytes as NVS.
    pub force: bool,
}

/// An NVS partition in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its bytes in the file.
    pub range: Range<usize>,
    /// Its entry in the partition table, if the file is a dump of the whole flash.
    pub flash: Option<InFlash>,
}

/// A partition in a dump of the whole flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlash {
    /// The partition.
    pub partition: Partition,
    /// The table.
    pub table: PartitionTable,
    /// The offset of the table.
    pub table_offset: usize,
}

/// Finds the NVS partition in a file: the file of a partition, or a dump of the whole flash.
///
/// # Errors
/// See [`Error`].
pub fn locate(file: &[u8], wanted: &Wanted<'_>) -> Result<Located, Error> {
    match find_table(file, wanted)? {
        Some((table_offset, table)) => in_flash(file, wanted, table_offset, table),
        None => {
            check(file, wanted, None, 0)?;
            Ok(Located {
                range: 0..file.len(),
                flash: None,
            })
        }
    }
}

fn in_flash(file: &[u8], wanted: &Wanted<'_>, table_offset: usize, table: PartitionTable) -> Result<Located, Error> {
    let partition = table.find_nvs(wanted.partition)?;
    // `check` below has the rules for the size of an NVS partition.
    if !wanted.force {
        table.check_place(partition, table_offset)?;
        table::check_offsets(file, table_offset, &table, partition)?;
    }
    let range = partition.within(file.len()).map_err(|error| Error::Table {
        error,
        tables: Vec::new(),
        searched: false,
    })?;
    check(
        file.get(range.clone()).unwrap_or_default(),
        wanted,
        Some(&partition.name),
        range.start,
    )?;
    Ok(Located {
        range,
        flash: Some(InFlash {
            partition: partition.clone(),
            table,
            table_offset,
        }),
    })
}

fn check(bytes: &[u8], wanted: &Wanted<'_>, partition: Option<&str>, offset: usize) -> Result<(), Error> {
    let partition = || partition.map(str::to_string);
    let size = check_size(bytes.len()).map_err(|cause| Error::Size {
        partition: partition(),
        cause,
    });
    match check_nvs(bytes) {
        // A text or an application rarely has the size of a partition: the error then names the content. Otherwise it
        // names the size.
        Err(cause) if !wanted.force && (size.is_ok() || cause.content().is_certain()) => Err(Error::NotNvs {
            partition: partition(),
            offset,
            cause,
        }),
        _ => size,
    }
}
