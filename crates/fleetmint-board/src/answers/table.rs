//! A partition table, and which of its partitions are meant.

use serde::Serialize;

use crate::flash_dump::{FlashKeys, Located, find_keys};
use crate::partition_table::{Partition, PartitionTable};
use crate::plan::Target;

/// A row of a partition table.
#[derive(Clone, Debug, Serialize)]
pub struct PartitionReport<'a> {
    name: &'a str,
    /// As the CSV of a table names it: `app`, `data, nvs`.
    #[serde(rename = "type")]
    type_name: String,
    offset: usize,
    size: usize,
    encrypted: bool,
    readonly: bool,
}

/// A partition table, the partition that a plan is for, and those that may hold its keys.
#[derive(Clone, Debug, Serialize)]
pub struct TableReport<'a> {
    rows: Vec<PartitionReport<'a>>,
    target: TargetReport<'a>,
}

#[derive(Clone, Debug, Serialize)]
struct TargetReport<'a> {
    nvs: PartitionReport<'a>,
    keys: Vec<PartitionReport<'a>>,
}

/// What a file from a chip is.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum FileReport<'a> {
    Partition {
        offset: usize,
        size: usize,
    },
    /// A dump of the whole flash.
    Flash {
        /// Of the NVS partition in the file.
        offset: usize,
        size: usize,
        name: &'a str,
        readonly: bool,
        table_offset: usize,
        rows: Vec<PartitionReport<'a>>,
        keys: KeysReport<'a>,
    },
}

/// Whether the same flash has the keys of the partition, and where.
#[derive(Clone, Debug, Serialize)]
pub struct KeysReport<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
}

impl<'a> From<&'a Partition> for PartitionReport<'a> {
    fn from(partition: &'a Partition) -> Self {
        Self {
            name: &partition.name,
            type_name: partition.type_name(),
            offset: partition.offset,
            size: partition.size,
            encrypted: partition.encrypted,
            readonly: partition.readonly,
        }
    }
}

fn rows(table: &PartitionTable) -> Vec<PartitionReport<'_>> {
    table.partitions().iter().map(PartitionReport::from).collect()
}

impl<'a> TableReport<'a> {
    #[must_use]
    pub fn new(table: &'a PartitionTable, target: &'a Target) -> Self {
        Self {
            rows: rows(table),
            target: TargetReport {
                nvs: (&target.nvs).into(),
                keys: target.keys.iter().map(PartitionReport::from).collect(),
            },
        }
    }
}

impl<'a> FileReport<'a> {
    /// The report on a file in which the NVS partition was located.
    #[must_use]
    pub fn new(file: &[u8], located: &'a Located) -> Self {
        let (offset, size) = (located.range.start, located.range.len());
        let Some(flash) = &located.flash else {
            return Self::Partition { offset, size };
        };
        let nvs = file.get(located.range.clone()).unwrap_or_default();
        Self::Flash {
            offset,
            size,
            name: &flash.partition.name,
            readonly: flash.partition.readonly,
            table_offset: flash.table_offset,
            rows: rows(&flash.table),
            keys: KeysReport::new(&find_keys(file, &flash.table, nvs), &flash.table),
        }
    }
}

impl<'a> KeysReport<'a> {
    fn new(found: &FlashKeys, table: &'a PartitionTable) -> Self {
        let (state, name) = match found {
            FlashKeys::None => ("none", None),
            FlashKeys::Fit { partition, .. } => ("fit", Some(partition)),
            FlashKeys::DoNotFit { partition } => ("do-not-fit", Some(partition)),
            FlashKeys::Unreadable { partition } => ("unreadable", Some(partition)),
        };
        let partition = name.and_then(|name| table.find(name).ok());
        Self {
            state,
            partition: partition.map(|partition| partition.name.as_str()),
            offset: partition.map(|partition| partition.offset),
            size: partition.map(|partition| partition.size),
        }
    }
}
