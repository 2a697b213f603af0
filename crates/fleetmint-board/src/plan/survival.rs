//! What a board still has after a write to it was cut off and its firmware has started.

use super::PartitionKeys;
use crate::flash_dump::check_nvs;
use crate::patch::{self, Reader};

/// Whether a partition has every key that two earlier states of it have both, with a value that can be read. Then nothing is
/// to be brought back from these states, and what the firmware has written since can stay.
///
/// `false` also if the firmware could not open one of the three, or if they differ in size.
#[must_use]
pub fn has_all(now: &[u8], earlier: [&[u8]; 2], keys: &PartitionKeys) -> bool {
    missing(now, earlier, keys) == Some(false)
}

fn missing(now: &[u8], earlier: [&[u8]; 2], keys: &PartitionKeys) -> Option<bool> {
    let [before, after] = earlier;
    if earlier.iter().any(|state| state.len() != now.len()) {
        return None;
    }
    check_nvs(now).ok()?;
    let keys = keys.of(after).ok()?;
    let mut reader = Reader::new(now.len(), keys.map(|keys: patch::Keys| keys.xts()), &[]);
    let mut names = |image, readable| reader.names(image, readable, &mut |_| true).ok();
    let (before, after, now) = (names(before, false)?, names(after, false)?, names(now, true)?);
    Some(before.intersection(&after).any(|name| !now.contains(name)))
}
