//! The partition table in a dump of the whole flash, and whether the dump begins at offset 0 of the flash.

use super::pages::has_nvs_page;
use super::{Error, SEARCHED, SECTOR, Wanted, content};
use crate::partition_table::{self, Partition, PartitionTable};

/// The partition table and its offset. `None` if the file seems to be no dump of the whole flash.
pub(super) fn find_table(file: &[u8], wanted: &Wanted<'_>) -> Result<Option<(usize, PartitionTable)>, Error> {
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
        // Only a table, as the build writes it.
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
            // A dump of the whole flash has its table after the boot loader: a table at offset 0 is only a table.
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

/// The offset in the flash of a dump that does not begin at the first byte. In such a dump the table and the partitions are
/// before their offsets by the same number of bytes.
fn begins_at(file: &[u8], table_offset: usize, table: &PartitionTable) -> Option<usize> {
    let begin = partition_table::OFFSET
        .checked_sub(table_offset)
        .filter(|begin| *begin > 0)?;
    // The boot loader is always before the table.
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

/// Checks that the contents of the dump do not contradict its offsets, wherever the table is.
///
/// # Errors
/// [`Error::Shifted`] and [`Error::NotFromStart`].
pub(super) fn check_offsets(
    file: &[u8],
    table_offset: usize,
    table: &PartitionTable,
    partition: &Partition,
) -> Result<(), Error> {
    if let Some(nvs) = stray_nvs(file, table, partition) {
        return Err(Error::Shifted {
            table: table_offset,
            name: partition.name.clone(),
            offset: partition.offset,
            nvs,
        });
    }
    match shifted_app(file, table_offset, table) {
        Some(begin) => Err(Error::NotFromStart {
            table: table_offset,
            begin,
        }),
        None => Ok(()),
    }
}

/// The first NVS page outside all NVS partitions of the table, if the partition has no NVS page, or if the page is so close
/// before it that a shift by less than the size of the partition explains it.
fn stray_nvs(file: &[u8], table: &PartitionTable, partition: &Partition) -> Option<usize> {
    let pages = || {
        let sectors = file.chunks_exact(SECTOR).enumerate();
        sectors.filter_map(|(number, sector)| has_nvs_page(sector).then_some(number * SECTOR))
    };
    let is_in = |partition: &Partition, offset: usize| {
        (partition.offset..partition.offset.saturating_add(partition.size)).contains(&offset)
    };
    let mut strays = pages().filter(|offset| {
        let mut nvs = table.partitions().iter().filter(|partition| partition.is_nvs());
        !nvs.any(|partition| is_in(partition, *offset))
    });
    match pages().any(|offset| is_in(partition, offset)) {
        false => strays.next(),
        true => strays.find(|offset| {
            let distance = partition.offset.checked_sub(*offset);
            distance.is_some_and(|distance| distance < partition.size)
        }),
    }
}

/// How many bytes are missing at the start of the dump, if an application is before its offset.
fn shifted_app(file: &[u8], table_offset: usize, table: &PartitionTable) -> Option<usize> {
    let is_app = |offset: usize| file.get(offset..).is_some_and(content::is_esp_image);
    let apps = || table.partitions().iter().filter(|partition| partition.is_app());
    if apps().any(|app| is_app(app.offset)) {
        return None;
    }
    apps().find_map(|app| {
        let shifts = (SECTOR..=SEARCHED).step_by(SECTOR);
        let mut places = shifts.map_while(|shift| Some((shift, app.offset.checked_sub(shift)?)));
        let found = places.find(|(_, place)| *place > table_offset && is_app(*place));
        found.map(|(shift, _)| shift)
    })
}
