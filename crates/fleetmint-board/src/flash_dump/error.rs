//! Why a file, or a partition of a whole flash, is not taken for NVS.

use super::{Content, SEARCHED};
use crate::partition_table::{self, Misaligned, list};

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
    /// NVS pages lie beside the partition that should have them.
    #[error(
        "seems to be a dump that does not begin at the flash's start: its partition table at {table:#x} has partition \
         {name:?} at offset {offset:#x}, but NVS pages that are in no NVS partition of the table begin at {nvs:#x}; read the \
         flash from offset 0"
    )]
    Shifted {
        /// Where the table is in the dump.
        table: usize,
        /// The partition's name.
        name: String,
        /// Where the table has it.
        offset: usize,
        /// Where the NVS pages are.
        nvs: usize,
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
