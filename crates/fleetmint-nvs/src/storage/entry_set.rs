//! A set of entries of one page.

use crate::layout::ENTRY_COUNT;
use crate::page::{Bitmap, EntryState};
use core::ops::{BitAnd, BitOr};

/// Some of a page's 126 entries: bit n is entry n, and the last two bits are never set.
///
/// A copy is two words, and iterating takes a few instructions for each member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EntrySet(u128);

const ALL: u128 = (1 << ENTRY_COUNT) - 1;

impl EntrySet {
    pub(super) const EMPTY: Self = Self(0);

    /// The entries in this state.
    #[inline]
    pub(super) fn in_state(bitmap: &Bitmap, state: EntryState) -> Self {
        Self(bitmap.set_of(state))
    }

    /// The entries from this one on.
    #[inline]
    pub(super) fn from(index: usize) -> Self {
        let set = u128::MAX.checked_shl(u32::try_from(index).unwrap_or(u32::MAX));
        Self(set.unwrap_or(0) & ALL)
    }

    /// The entries from `begin` on that come before `end`.
    #[inline]
    pub(super) fn range(begin: usize, end: usize) -> Self {
        Self::from(begin).without(Self::from(end))
    }

    #[inline]
    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[inline]
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(super) const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    #[inline]
    pub(super) const fn contains(self, index: usize) -> bool {
        self.0 & Self::bit(index) != 0
    }

    #[inline]
    pub(super) const fn insert(&mut self, index: usize) {
        self.0 |= Self::bit(index);
    }

    #[inline]
    pub(super) const fn remove(&mut self, index: usize) {
        self.0 &= !Self::bit(index);
    }

    #[inline]
    pub(super) fn first(self) -> Option<usize> {
        self.into_iter().next()
    }

    #[inline]
    pub(super) fn last(self) -> Option<usize> {
        u128::BITS
            .checked_sub(self.0.leading_zeros() + 1)
            .map(|index| index as usize)
    }

    /// The first member for which `is_it` holds.
    #[inline]
    pub(super) fn find(self, mut is_it: impl FnMut(usize) -> bool) -> Option<usize> {
        let (low, high) = (self.0 as u64, (self.0 >> 64) as u64);
        for (mut half, first) in [(low, 0), (high, 64)] {
            while half != 0 {
                let index = first + half.trailing_zeros() as usize;
                if is_it(index) {
                    return Some(index);
                }
                half &= half - 1;
            }
        }
        None
    }

    /// The set of this entry. It is empty if the page has no such entry.
    #[inline]
    const fn bit(index: usize) -> u128 {
        if index < ENTRY_COUNT { 1 << index } else { 0 }
    }
}

impl BitAnd for EntrySet {
    type Output = Self;

    #[inline]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for EntrySet {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl IntoIterator for EntrySet {
    type Item = usize;
    type IntoIter = Members;

    #[inline]
    fn into_iter(self) -> Members {
        Members {
            half: self.0 as u64,
            first: 0,
            high: (self.0 >> 64) as u64,
        }
    }
}

/// The members of a set, lowest first.
///
/// It works on halves of 64 bits, so that a step is a few instructions of the processor.
pub(super) struct Members {
    half: u64,
    /// The entry that the lowest bit of `half` stands for.
    first: usize,
    high: u64,
}

impl Iterator for Members {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.half == 0 {
            if self.high == 0 {
                return None;
            }
            *self = Self {
                half: self.high,
                first: 64,
                high: 0,
            };
        }
        let index = self.first + self.half.trailing_zeros() as usize;
        self.half &= self.half - 1;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_of_bits_is_a_set(
            inserted in prop::collection::vec(0..130usize, 0..60),
            removed in prop::collection::vec(0..130usize, 0..20),
            begin in 0..130usize,
            end in prop_oneof![0..130usize, Just(usize::MAX)],
        ) {
            let (mut bits, mut set) = (EntrySet::EMPTY, BTreeSet::new());
            for index in inserted {
                bits.insert(index);
                // There is no entry 126.
                set.extend((index < ENTRY_COUNT).then_some(index));
            }
            for index in removed {
                bits.remove(index);
                set.remove(&index);
            }
            prop_assert_eq!(bits.into_iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!((bits.len(), bits.is_empty()), (set.len(), set.is_empty()));
            prop_assert_eq!((bits.first(), bits.last()), (set.first().copied(), set.last().copied()));
            prop_assert_eq!(bits.contains(begin), set.contains(&begin));
            prop_assert_eq!(bits.find(|index| index > begin), set.iter().copied().find(|index| *index > begin));
            let within = bits & EntrySet::range(begin, end);
            let wanted = set.iter().copied().filter(|index| (begin..end).contains(index));
            prop_assert_eq!(within.into_iter().collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
            prop_assert_eq!(bits.without(EntrySet::from(begin)), bits & EntrySet::range(0, begin));
        }
    }
}
