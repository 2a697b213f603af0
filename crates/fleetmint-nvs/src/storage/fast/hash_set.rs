//! A set of the firmware's hashes, for one page.

/// Marks a slot that is taken: hashes have 24 bits.
const TAKEN: u32 = 1 << 24;

/// The hashes of up to 126 items: open addressing in 256 slots.
///
/// Plain path: the firmware's `HashList`, which compares each hash with all others.
pub(super) struct HashSet24 {
    slots: [u32; 256],
}

impl HashSet24 {
    pub(super) fn new() -> Self {
        Self { slots: [0; 256] }
    }

    /// Adds a hash. Whether it was not there yet.
    #[inline]
    pub(super) fn insert(&mut self, hash: u32) -> bool {
        let wanted = hash | TAKEN;
        let mut number = usize::from(hash as u8);
        // Of 256 slots 126 are taken at most.
        loop {
            match self.slots.get_mut(number) {
                Some(slot @ 0) => {
                    *slot = wanted;
                    return true;
                }
                Some(slot) if *slot != wanted => number = (number + 1) % 256,
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_set(hashes in prop::collection::vec(prop_oneof![0..8u32, Just(0xFF_FFFF), 0..0x100_0000u32], 0..126)) {
            let (mut fast, mut plain) = (HashSet24::new(), BTreeSet::new());
            for hash in hashes {
                prop_assert_eq!(fast.insert(hash), plain.insert(hash));
            }
        }
    }
}
