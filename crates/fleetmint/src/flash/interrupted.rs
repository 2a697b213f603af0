//! A write to this partition that was cut off.

use fleetmint_board::flash_dump::SECTOR;
use fleetmint_board::partition_table::quoted_name;

use super::board::Board;
use crate::exit::Failure;
use crate::journal::Journal;
use crate::terminal::warn;

/// A write that was cut off, and how far it came.
pub(super) struct Interrupted {
    pub(super) journal: Journal,
    /// Sectors that it was to write.
    pub(super) sectors: usize,
    /// Those of them that hold the new bytes.
    pub(super) written: usize,
    /// Other sectors that have changed since, because the firmware has started.
    pub(super) since: usize,
}

impl Interrupted {
    /// # Errors
    /// What its journal describes is no longer there.
    pub(super) fn find(board: &Board) -> Result<Option<Self>, Failure> {
        let nvs = &board.target.nvs;
        let mut found = None;
        for journal in Journal::find(&board.identity.mac)? {
            if journal.facts.partition == nvs.name {
                found = Some(journal);
                continue;
            }
            let name = quoted_name(&journal.facts.partition).into_owned();
            warn(format_args!(
                "a write to partition {name} of this board was cut off: --partition {name} completes it, and \
                 `fleetmint board restore --partition {name}` undoes it"
            ));
        }
        let Some(journal) = found else { return Ok(None) };
        let path = journal.path().display().to_string();
        if (journal.facts.offset, journal.facts.size) != (nvs.offset, nvs.size) {
            return Err(Failure::no(format_args!(
                "a write to partition {} was cut off when it had {:#x} bytes at offset {:#x}, and now it has {:#x} at {:#x}: \
                 delete {path} to give up what it held",
                quoted_name(&nvs.name),
                journal.facts.size,
                journal.facts.offset,
                nvs.size,
                nvs.offset
            )));
        }
        let now = board.partition.as_ref();
        let triples = journal
            .before()
            .chunks(SECTOR)
            .zip(journal.after().chunks(SECTOR))
            .zip(now.chunks(SECTOR));
        let (mut to_write, mut written, mut since) = (0, 0, 0);
        for ((before, after), now) in triples {
            match before == after {
                true => since += usize::from(now != before),
                false => {
                    to_write += 1;
                    written += usize::from(now == after);
                }
            }
        }
        if since > 0 && now.iter().all(|byte| *byte == 0xFF) {
            return Err(Failure::no(format_args!(
                "the partition was erased after a write to it was cut off: `fleetmint board restore` writes back what it held, \
                 and without {path} it is given up"
            )));
        }
        Ok(Some(Self {
            journal,
            sectors: to_write,
            written,
            since,
        }))
    }

    /// What happened.
    pub(super) fn sentences(&self) -> String {
        let facts = &self.journal.facts;
        let mut text = format!(
            "a write to this board was cut off ({}, {}): {} of {} sectors were written; this completes it",
            facts.what, facts.started, self.written, self.sectors
        );
        if self.since > 0 {
            text.push_str(&format!(
                "\nthe firmware has started since and changed {} other sectors, which become what they were before",
                self.since
            ));
        }
        text
    }
}
