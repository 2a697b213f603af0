//! Why a file, or a partition in a dump of the whole flash, is refused.

use super::{Content, SEARCHED};
use crate::partition_table::{self, Unfit};

/// Why bytes are not an NVS partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNvs {
    /// No page has a valid header.
    #[error(
        "not an NVS partition: {}; it seems to be {content}: {}",
        no_header(*pages),
        content.advice()
    )]
    NoPage {
        /// Number of whole pages.
        pages: usize,
        /// What it seems to be.
        content: Content,
    },
    /// NVS pages after other content.
    #[error(
        "not only an NVS partition: NVS pages begin at offset {nvs:#x}, and what begins at {offset:#x} seems to be \
         {content}"
    )]
    Before {
        /// Offset of the other content.
        offset: usize,
        /// What it seems to be.
        content: Content,
        /// Offset of the first NVS page.
        nvs: usize,
    },
    /// Other content after NVS pages.
    #[error(
        "longer than an NVS partition: what begins at offset {offset:#x} seems to be {content}; cut the file off \
         there, or read the partition alone"
    )]
    Longer {
        /// Offset of the other content.
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

/// Why no NVS partition is found in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No table, an unusable table, or a partition beyond the end of the file.
    #[error("{error}{}", elsewhere(tables, *searched))]
    Table {
        /// The fault of the table.
        error: partition_table::Error,
        /// Offsets of tables elsewhere.
        tables: Vec<usize>,
        /// Whether tables elsewhere were searched for.
        searched: bool,
    },
    /// Several tables, none of them at the usual offset.
    #[error(
        "a dump of the whole flash, with no partition table at {:#x}, but at {}: choose one",
        partition_table::OFFSET,
        hex(tables)
    )]
    SeveralTables {
        /// Their offsets.
        tables: Vec<usize>,
    },
    /// Tables without an MD5 that proves them.
    #[error(
        "seems to be a dump of the whole flash with a partition table at {}, which has no MD5 that proves it: choose it",
        hex(tables)
    )]
    UnprovenTable {
        /// Their offsets.
        tables: Vec<usize>,
    },
    /// The offsets in the table do not match the dump.
    #[error(
        "seems to be a dump that begins at offset {begin:#x} of the flash: its partition table is at {table:#x}, and \
         the partitions in the table are {begin:#x} bytes before their offsets; read the flash from offset 0"
    )]
    NotFromStart {
        /// Offset of the table in the dump.
        table: usize,
        /// Offset of the dump in the flash.
        begin: usize,
    },
    /// NVS pages are outside the partition that should have them.
    #[error(
        "seems to be a dump that does not begin at the flash's start: its partition table at {table:#x} has partition \
         {name:?} at offset {offset:#x}, but NVS pages that are in no NVS partition of the table begin at {nvs:#x}; read the \
         flash from offset 0"
    )]
    Shifted {
        /// Offset of the table in the dump.
        table: usize,
        /// The partition's name.
        name: String,
        /// Its offset in the table.
        offset: usize,
        /// Offset of the NVS pages.
        nvs: usize,
    },
    /// The table has no NVS partition that can be used.
    #[error(transparent)]
    Partition(#[from] Unfit),
    /// The partition has an impossible size.
    #[error("{}{cause}", partition.as_ref().map_or_else(String::new, |name| format!("partition {name:?}: ")))]
    Size {
        /// Its name, in a dump of the whole flash.
        partition: Option<String>,
        /// The rule.
        cause: fleetmint_nvs::Error,
    },
    /// The bytes are not NVS.
    #[error("{}", not_nvs(partition.as_deref(), *offset, cause))]
    NotNvs {
        /// Its name, in a dump of the whole flash.
        partition: Option<String>,
        /// Its offset in the file.
        offset: usize,
        /// What it is instead. Its offsets start at the partition.
        cause: NotNvs,
    },
}

/// What is wrong with a file, or with a partition in a dump whose table was found.
pub(crate) fn not_nvs(partition: Option<&str>, begin: usize, cause: &NotNvs) -> String {
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
                "{cause}; a dump of the whole flash needs its partition table, which is not in the first {SEARCHED:#x} bytes"
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
             NVS pages begin only at {:#x}: {}",
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
        [] if searched => format!("; no other sector boundary of the first {SEARCHED:#x} bytes has one either"),
        [] => String::new(),
        tables => format!("; there is one at {}", hex(tables)),
    }
}
