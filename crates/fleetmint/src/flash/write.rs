//! The write itself: journal, sectors, verification.

use fleetmint_board::plan::Plan;

use super::board::Board;
use super::interrupted::Interrupted;
use crate::chip::Chip;
use crate::exit::Failure;
use crate::journal::{Facts, Journal};
use crate::terminal::Progress;

/// Why a write is not complete.
pub(super) struct Incomplete {
    pub(super) failure: Failure,
    /// Sectors that may be erased: the cable says nothing more once it is cut.
    pub(super) begun: usize,
}

/// Writes the changed sectors, and compares each with the chip's MD5. The journal is on the disk before the first is erased:
/// it is returned when the last is verified, for the caller to end.
pub(super) fn write(
    chip: &mut Chip,
    board: &Board,
    plan: &Plan,
    interrupted: Option<&Interrupted>,
    changed: &[usize],
    what: &str,
) -> Result<Journal, Incomplete> {
    let nvs = &board.target.nvs;
    let facts = Facts {
        mac: board.identity.mac.clone(),
        partition: nvs.name.clone(),
        offset: nvs.offset,
        size: nvs.size,
        started: now(),
        what: what.to_string(),
    };
    // What the board held before the first of several writes that were cut off.
    let states = interrupted.and_then(Interrupted::states);
    let before = states.map_or(board.partition.as_ref(), |(before, _)| before);
    let journal = Journal::begin(facts, before, plan.after()).map_err(|failure| Incomplete { failure, begun: 0 })?;
    let mut progress = Progress::new("sectors written", changed.len());
    let written = chip.write_changed(nvs.offset, plan.after(), changed, &mut || progress.step());
    drop(progress);
    let begun = changed.len();
    written.map_err(|failure| {
        let path = journal.path().display();
        let message = format!(
            "{}; the write was cut off: run the same command again to complete it, or `fleetmint board restore` to undo it \
             (what the partition held is in {path})",
            failure.message
        );
        let failure = Failure { message, ..failure };
        Incomplete { failure, begun }
    })?;
    Ok(journal)
}

/// The time, as RFC 3339.
fn now() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program is where the clock is read; the time only tells a person which write it was"
    )]
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}
