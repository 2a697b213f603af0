//! The shortcuts of this crate outside of `storage` and `crypt`: functions on whole words that are here for speed alone.
//!
//! Each names its plain path, and the tests compare the two for arbitrary inputs.
//!
//! | shortcut | for | plain path |
//! |---|---|---|
//! | [`cut_at_nul`], [`name_len`] | names in key fields | byte by byte to the first NUL |
//! | [`first_nul`] | NUL bytes in texts | byte by byte |
//! | [`padded`] | numbers in data fields | copy bytes over 0xFF |
//! | [`entry_crc`], [`covered_crc`] | checksums of entries | [`crc32`] of the 28 bytes in a row |
//! | [`entries_with`], [`first_entry_with`] | entries in a state | entry by entry |
//! | [`written_up_to`], [`leading_written`] | bitmaps of fresh pages | entry by entry |
//! | [`KeyFilter`] | whether a key of a fresh image is new | a set of keys |
//!
//! Others are in their rooms: `crypt::xts` has entries encrypted in batches, `storage::fast` has those of the storage. And
//! [`image::decode`](crate::image::decode) as a whole must list what [`Storage`](crate::storage::Storage) lists of a fresh
//! image, which `tests/round_trips.rs` compares.

use crate::layout::{BITMAP_SIZE, ENTRY_COUNT, ENTRY_SIZE, NAME_FIELD, crc32};

/// Entries in one 64-bit word of a bitmap.
pub(crate) const ENTRIES_PER_WORD: usize = 32;

/// A bitmap of entry states as 64-bit words, the first entry in the lowest two bits of the first word.
pub(crate) type BitmapWords = [u64; BITMAP_SIZE / 8];

/// A key field with NUL in every byte from the first NUL on, and in the last byte.
///
/// Plain: copy byte by byte up to the first NUL, at most 15 bytes.
#[inline]
pub(crate) fn cut_at_nul(field: [u8; NAME_FIELD]) -> [u8; NAME_FIELD] {
    let word = u128::from_le_bytes(field);
    let (low, high) = (word as u64, (word >> 64) as u64 & (u64::MAX >> 8));
    let kept = before_nul(low);
    let (low, high) = if kept == u64::MAX {
        (low, high & before_nul(high))
    } else {
        (low & kept, 0)
    };
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

/// A mask of the bytes before the first NUL; all bytes, if there is none.
#[inline]
const fn before_nul(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    // The lowest set bit of this marks the first NUL byte.
    let nul = word.wrapping_sub(ONES) & !word & HIGHS;
    if nul == 0 {
        u64::MAX
    } else {
        ((nul & nul.wrapping_neg()) - 1) >> 7
    }
}

/// The length of a name in a key field that has nothing but NUL after the first NUL.
///
/// Plain: the position of the first NUL.
#[inline]
pub(crate) fn name_len(field: &[u8; NAME_FIELD]) -> usize {
    let word = u128::from_le_bytes(*field);
    NAME_FIELD - (word.leading_zeros() / 8) as usize
}

/// Where the first NUL of a text is.
///
/// Plain: `position`, which looks at one byte at a time. `contains` looks at many, and most texts have no NUL.
#[inline]
pub(crate) fn first_nul(text: &[u8]) -> Option<usize> {
    if text.contains(&0) {
        text.iter().position(|byte| *byte == 0)
    } else {
        None
    }
}

/// A data field that begins with the lowest bytes of a number; the rest is 0xFF. `bits` is below 64.
///
/// Plain: fill with 0xFF, then copy the number's bytes over the first ones.
#[inline]
pub(crate) const fn padded(number: u64, bits: u32) -> [u8; 8] {
    (number | (u64::MAX << bits)).to_le_bytes()
}

/// The checksum of an entry, over its bytes 0..4 and 8..32.
///
/// Plain: [`crc32`](crate::layout::crc32) of these 28 bytes in a row.
///
/// Here the CRC runs over bytes 4..32 in one call. A CRC begins by adding its register to the first four bytes. So the
/// register is set to what turns the stored checksum in bytes 4..8 into bytes 0..4.
#[inline]
pub(crate) fn entry_crc(bytes: &[u8; ENTRY_SIZE]) -> u32 {
    let ([head, stored, ..], []) = bytes.as_chunks::<4>() else {
        return 0;
    };
    let (_, covered) = bytes.split_at(4);
    let mut hasher = crc32fast::Hasher::new_with_initial(!(u32::from_le_bytes(*head) ^ u32::from_le_bytes(*stored)));
    hasher.update(covered);
    hasher.finalize()
}

/// The checksum of an entry with these fields.
///
/// Plain: [`entry_crc`] of the entry's bytes.
#[inline]
pub(crate) fn covered_crc(head: &[u8; 4], key: &[u8; NAME_FIELD], data: &[u8; 8]) -> u32 {
    // The bytes are copied word by word: narrow writes before a wider read of the same bytes would stall.
    let mut covered = [0; ENTRY_SIZE - 4];
    let (head_bytes, rest) = covered.split_at_mut(head.len());
    let (key_bytes, data_bytes) = rest.split_at_mut(key.len());
    head_bytes.copy_from_slice(&u32::from_le_bytes(*head).to_le_bytes());
    key_bytes.copy_from_slice(key);
    data_bytes.copy_from_slice(data);
    crc32(&covered)
}

/// The set of entries with these two bits in a bitmap: bit n is entry n.
///
/// Plain: look at one entry after another.
#[inline]
pub(crate) fn entries_with(words: &BitmapWords, bits: u8) -> u128 {
    let set = words.iter().rev().fold(0, |set, word| {
        set << ENTRIES_PER_WORD | u128::from(even_bits(pairs_equal(*word, bits)))
    });
    // The last two places belong to no entry.
    set & ((1 << ENTRY_COUNT) - 1)
}

/// The first entry with these two bits in a bitmap.
///
/// Plain: look at one entry after another.
#[inline]
pub(crate) fn first_entry_with(words: &BitmapWords, bits: u8) -> Option<usize> {
    let pairs = words.iter().map(|word| pairs_equal(*word, bits));
    let (number, pairs) = pairs.enumerate().find(|(_, pairs)| *pairs != 0)?;
    let entry = number * ENTRIES_PER_WORD + pairs.trailing_zeros() as usize / 2;
    (entry < ENTRY_COUNT).then_some(entry)
}

/// The low bit of each pair of bits that equals `bits`.
#[inline]
const fn pairs_equal(word: u64, bits: u8) -> u64 {
    const LOW_BITS: u64 = 0x5555_5555_5555_5555;
    let (low, high) = (word, word >> 1);
    let equal = match bits & 3 {
        0 => !(low | high),
        1 => low & !high,
        2 => high & !low,
        _ => low & high,
    };
    equal & LOW_BITS
}

/// Moves the 32 even bits of a word together.
const fn even_bits(word: u64) -> u32 {
    let word = (word | word >> 1) & 0x3333_3333_3333_3333;
    let word = (word | word >> 2) & 0x0F0F_0F0F_0F0F_0F0F;
    let word = (word | word >> 4) & 0x00FF_00FF_00FF_00FF;
    let word = (word | word >> 8) & 0x0000_FFFF_0000_FFFF;
    (word | word >> 16) as u32
}

/// The bits of four written entries.
const FOUR_WRITTEN: u8 = 0b1010_1010;

/// The bitmap of a page whose first `count` entries are written and all others empty. `count` is at most 126.
///
/// Plain: an empty bitmap in which entry after entry is set to written.
#[inline]
pub(crate) fn written_up_to(count: usize) -> [u8; BITMAP_SIZE] {
    let mut bitmap = [0xFF; BITMAP_SIZE];
    let (whole, rest) = bitmap.split_at_mut(count / 4);
    whole.fill(FOUR_WRITTEN);
    if let Some(byte) = rest.first_mut() {
        *byte = FOUR_WRITTEN | (0xFF << (2 * (count % 4)));
    }
    bitmap
}

/// How many entries from the first on are written.
///
/// Plain: count entry after entry until one isn't.
#[inline]
pub(crate) fn leading_written(bitmap: &[u8; BITMAP_SIZE]) -> u8 {
    let (halves, _) = bitmap.as_chunks();
    let mut count = 0;
    for half in halves {
        let other = u128::from_le_bytes(*half) ^ u128::from_le_bytes([FOUR_WRITTEN; 16]);
        count += (other.trailing_zeros() / 2) as u8;
        if other != 0 {
            break;
        }
    }
    count.min(ENTRY_COUNT as u8)
}

const FILTER_WORDS: usize = 64;

/// A Bloom filter over namespace index and key.
///
/// Plain: a set of both. The filter knows no fewer keys than that set, but may take a new key for one that was there:
/// the caller then has to search.
pub(crate) struct KeyFilter([u64; FILTER_WORDS]);

impl KeyFilter {
    pub(crate) const fn new() -> Self {
        Self([0; FILTER_WORDS])
    }

    /// Adds a key. `false`: it is certainly new.
    #[inline]
    pub(crate) fn insert(&mut self, ns_index: u8, key: &[u8; NAME_FIELD]) -> bool {
        // The key's last byte is always NUL.
        let word = u128::from_le_bytes(*key) | (u128::from(ns_index) << 120);
        let (low, high) = (word as u64, (word >> 64) as u64);
        // Odd constants without a pattern: the fractions of the golden ratio and of the square root of 3.
        let mixed =
            (low ^ high.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32)).wrapping_mul(0xBB67_AE85_84CA_A73B);
        let bits = mixed >> 52;
        match self.0.get_mut((bits >> 6) as usize) {
            Some(word) => {
                let bit = 1 << (bits & 63);
                let seen = *word & bit != 0;
                *word |= bit;
                seen
            }
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;
    use proptest::array::{uniform8, uniform16, uniform32};
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Bytes among which NUL is frequent.
    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![Just(0), any::<u8>()]
    }

    fn bits_of(words: &BitmapWords, entry: usize) -> u8 {
        (words[entry / 32] >> (2 * (entry % 32)) & 3) as u8
    }

    fn bits_in(bitmap: &[u8; BITMAP_SIZE], entry: usize) -> u8 {
        bitmap[entry / 4] >> (2 * (entry % 4)) & 3
    }

    /// Bitmaps at random, and such as begin with many written entries.
    fn bitmap() -> impl Strategy<Value = [u8; BITMAP_SIZE]> {
        (0..=BITMAP_SIZE, uniform32(any::<u8>())).prop_map(|(written, mut bitmap)| {
            bitmap[..written].fill(FOUR_WRITTEN);
            bitmap
        })
    }

    proptest! {
        #[test]
        fn a_name_is_cut_as_byte_by_byte(field in uniform16(byte())) {
            let mut plain = [0; NAME_FIELD];
            for (to, from) in plain.iter_mut().zip(field).take(15) {
                if from == 0 {
                    break;
                }
                *to = from;
            }
            prop_assert_eq!(cut_at_nul(field), plain);
            let len = plain.iter().position(|byte| *byte == 0);
            prop_assert_eq!(name_len(&plain), len.unwrap());
        }

        #[test]
        fn the_first_nul_is_where_position_finds_it(text in vec(byte(), 0..80)) {
            prop_assert_eq!(first_nul(&text), text.iter().position(|byte| *byte == 0));
        }

        #[test]
        fn a_number_is_padded_as_by_copying(number in uniform8(any::<u8>()), size in 1_usize..8) {
            let mut short = [0; 8];
            short[..size].copy_from_slice(&number[..size]);
            let mut plain = [0xFF; 8];
            plain[..size].copy_from_slice(&number[..size]);
            prop_assert_eq!(padded(u64::from_le_bytes(short), 8 * size as u32), plain);
        }

        #[test]
        fn the_checksum_of_an_entry_is_that_of_its_bytes_in_a_row(bytes in uniform32(any::<u8>())) {
            let covered: Vec<u8> = [&bytes[..4], &bytes[8..]].concat();
            prop_assert_eq!(entry_crc(&bytes), crc32(&covered));
            let (head, key) = (bytes.first_chunk().unwrap(), bytes[8..24].try_into().unwrap());
            prop_assert_eq!(covered_crc(head, key, bytes.last_chunk().unwrap()), entry_crc(&bytes));
        }

        #[test]
        fn entries_of_a_state_are_those_found_one_by_one(words in proptest::array::uniform4(any::<u64>()), bits in 0_u8..4) {
            let plain: Vec<usize> = (0..ENTRY_COUNT).filter(|entry| bits_of(&words, *entry) == bits).collect();
            let set = entries_with(&words, bits);
            prop_assert_eq!((0..128).filter(|bit| set >> bit & 1 == 1).collect::<Vec<usize>>(), plain);
        }

        #[test]
        fn the_first_entry_of_a_state_is_the_one_found_one_by_one(
            same in 0_usize..=4,
            mut words in proptest::array::uniform4(any::<u64>()),
            filler in 0_u8..4,
            bits in 0_u8..4,
        ) {
            // Some words of one state at the beginning, so that the first is often a late one.
            words[..same].fill(u64::from(filler) * 0x5555_5555_5555_5555);
            let plain = (0..ENTRY_COUNT).find(|entry| bits_of(&words, *entry) == bits);
            prop_assert_eq!(first_entry_with(&words, bits), plain);
        }

        #[test]
        fn written_entries_are_counted_as_one_by_one(bitmap in bitmap()) {
            let plain = (0..ENTRY_COUNT).take_while(|entry| bits_in(&bitmap, *entry) == 2).count();
            prop_assert_eq!(usize::from(leading_written(&bitmap)), plain);
        }

        #[test]
        fn the_filter_forgets_no_key(keys in vec((any::<u8>(), vec(1_u8..4, 1..4)), 0..400)) {
            let (mut filter, mut plain) = (KeyFilter::new(), BTreeSet::new());
            for (ns_index, name) in keys {
                let mut field = [0; NAME_FIELD];
                field[..name.len()].copy_from_slice(&name);
                let maybe_known = filter.insert(ns_index, &field);
                let is_new = plain.insert((ns_index, field));
                prop_assert!(is_new || maybe_known);
            }
        }
    }

    #[test]
    fn a_bitmap_of_the_first_entries_is_that_set_one_by_one() {
        let mut plain = [0xFF; BITMAP_SIZE];
        for count in 0..=ENTRY_COUNT {
            assert_eq!(written_up_to(count), plain);
            assert_eq!(usize::from(leading_written(&plain)), count);
            if count < ENTRY_COUNT {
                plain[count / 4] &= !(1 << (2 * (count % 4)));
            }
        }
    }
}
