//! A write to this partition that was cut off.

use fleetmint_board::flash_dump::SECTOR;
use fleetmint_board::partition_table::quoted_name;
use fleetmint_board::plan;

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
    /// Sectors that have changed since, because the firmware has started.
    pub(super) since: usize,
    /// Whether the board has lost nothing and was used since: what it holds now is newer than the journal.
    pub(super) outdated: bool,
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
                    since += usize::from(!is_more_erased(now, before) && !is_more_erased(now, after));
                }
            }
        }
        let states = [journal.before(), journal.after()];
        let outdated = since > 0 && plan::has_all(now, states, &board.keys);
        if since > 0 && !outdated && now.iter().all(|byte| *byte == 0xFF) {
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
            outdated,
        }))
    }

    /// The partition before the write, and as it is to be after it. `None` if what the board holds now is to be kept.
    pub(super) fn states(&self) -> Option<(&[u8], &[u8])> {
        (!self.outdated).then(|| (self.journal.before(), self.journal.after()))
    }

    /// What happened.
    pub(super) fn sentences(&self) -> String {
        let facts = &self.journal.facts;
        if self.outdated {
            return format!(
                "a write to this board was cut off ({}, {}), and its firmware has started since: every key is still there, so \
                 what the board holds now is kept",
                facts.what, facts.started
            );
        }
        let mut text = format!(
            "a write to this board was cut off ({}, {}): {} of {} sectors were written; this completes it",
            facts.what, facts.started, self.written, self.sectors
        );
        if self.since > 0 {
            text.push_str(&format!(
                "\nthe firmware has started since and changed {} sectors, which become what they were before",
                self.since
            ));
        }
        text
    }
}

/// Whether a sector is what an erase or a write leaves that is cut off before it comes to `whole`, or after: erasing only sets
/// bits, and writing only clears them.
fn is_more_erased(sector: &[u8], whole: &[u8]) -> bool {
    sector.iter().zip(whole).all(|(byte, whole)| whole & !byte == 0)
}
