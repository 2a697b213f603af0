//! Hashes of names, and whether one was seen before.

use crate::layout::NAME_FIELD;
use alloc::vec::Vec;

/// Slots that are looked at for one name: more are only needed where names were made to collide.
const PROBES: usize = 64;

/// A hash of a name in a namespace. Different names may have the same, above all if somebody wants them to.
#[inline]
pub(super) fn name_hash(ns_index: u8, key: &[u8; NAME_FIELD]) -> u64 {
    let key = u128::from_le_bytes(*key);
    let mut hash = u64::from(ns_index).wrapping_add(0x9E37_79B9_7F4A_7C15);
    for word in [key as u64, (key >> 64) as u64] {
        hash = (hash ^ word).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        hash ^= hash >> 32;
    }
    hash.wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// Which names were seen, by their hashes: a new name may seem known, but a known name never seems new.
///
/// Plain path: a set of names.
pub(super) struct NameFilter {
    /// Open addressing, half full at most. 0 is a free slot.
    slots: Vec<u64>,
}

impl NameFilter {
    /// A filter for so many names.
    pub(super) fn new(names: usize) -> Self {
        Self {
            slots: alloc::vec![0; (names * 2).next_power_of_two()],
        }
    }

    /// Adds the name with this hash. Whether it was certainly not there yet.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        let hash = hash | 1;
        let mut number = (hash >> 32) as usize;
        for _ in 0..PROBES {
            number &= self.slots.len() - 1;
            match self.slots.get_mut(number) {
                Some(slot @ 0) => {
                    *slot = hash;
                    return true;
                }
                Some(slot) if *slot != hash => number += 1,
                _ => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_new_to_the_filter_is_new_to_the_set(
            names in prop::collection::vec((0..3u8, prop::array::uniform16(b'a'..b'c')), 0..200),
            few in prop::collection::vec(0..40u8, 0..40),
        ) {
            let (mut filter, mut set) = (NameFilter::new(names.len() + few.len()), BTreeSet::new());
            let few = few.into_iter().map(|number| (number, [b'k'; NAME_FIELD]));
            for (ns_index, key) in names.into_iter().chain(few) {
                let new = set.insert((ns_index, key));
                prop_assert!(new || !filter.insert(name_hash(ns_index, &key)));
                if new {
                    filter.insert(name_hash(ns_index, &key));
                }
            }
        }

        #[test]
        fn names_that_nobody_made_to_collide_are_told_apart(count in 1..500usize) {
            let mut filter = NameFilter::new(count);
            for number in 0..count {
                let mut key = [0; NAME_FIELD];
                key[..2].copy_from_slice(&(number as u16).to_le_bytes());
                prop_assert!(filter.insert(name_hash(1, &key)));
            }
        }
    }
}
