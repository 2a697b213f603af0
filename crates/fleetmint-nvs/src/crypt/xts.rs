//! AES-256-XTS for units of one entry: two blocks, so no ciphertext stealing.
//!
//! ```text
//!   T0 = AES(tweak key, tweak)             T1 = T0 · x in GF(2^128)
//!   C0 = AES(key, P0 ⊕ T0) ⊕ T0            C1 = AES(key, P1 ⊕ T1) ⊕ T1
//! ```
//!
//! A processor works on several AES blocks at once, so entries in a row go through the cipher together: all their tweaks,
//! then all their blocks. That is why the mode is written out here on top of the `aes` crate. The crates for XTS encrypt
//! block by block, which takes several times as long.
//!
//! This is the speed trick of the room. Plain: one entry after another, by the formulas above. The tests compare the two, with
//! the crate `xts-mode` as the plain path.

use crate::layout::ENTRY_SIZE;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes256Dec, Aes256Enc, Block};
use core::fmt;

/// Entries that go through the cipher together.
const BATCH: usize = 32;

/// AES-256-XTS as NVS uses it: each 32-byte entry is a unit, and its offset in the partition is its tweak.
///
/// The key schedules are wiped when it is dropped.
#[derive(Clone)]
pub struct Xts {
    encrypt: Aes256Enc,
    decrypt: Aes256Dec,
    tweak: Aes256Enc,
}

impl Xts {
    /// The cipher of an XTS key and a tweak key; see also [`Keys::xts`](super::Keys::xts).
    #[must_use]
    pub fn new(xts_key: &[u8; 32], tweak_key: &[u8; 32]) -> Self {
        let encrypt = Aes256Enc::new(xts_key.into());
        Self {
            decrypt: Aes256Dec::from(&encrypt),
            encrypt,
            tweak: Aes256Enc::new(tweak_key.into()),
        }
    }

    /// Encrypts one entry in place. `offset` is its place, in bytes from the start of the partition.
    ///
    /// ```
    /// use fleetmint_nvs::crypt::Xts;
    /// let xts = Xts::new(&[1; 32], &[2; 32]);
    /// let mut entry = [0xFF; 32];
    /// xts.encrypt_entry(0x40, &mut entry);
    /// assert_ne!(entry, [0xFF; 32]);
    /// xts.decrypt_entry(0x40, &mut entry);
    /// assert_eq!(entry, [0xFF; 32]);
    /// ```
    pub fn encrypt_entry(&self, offset: u32, entry: &mut [u8; ENTRY_SIZE]) {
        self.run(offset, core::slice::from_mut(entry), |blocks| {
            self.encrypt.encrypt_blocks(blocks);
        });
    }

    /// Decrypts one entry in place. `offset` is its place, in bytes from the start of the partition.
    pub fn decrypt_entry(&self, offset: u32, entry: &mut [u8; ENTRY_SIZE]) {
        self.run(offset, core::slice::from_mut(entry), |blocks| {
            self.decrypt.decrypt_blocks(blocks);
        });
    }

    /// Encrypts entries that follow one another in a page, the first of them at `offset`.
    pub fn encrypt_entries(&self, offset: u32, entries: &mut [[u8; ENTRY_SIZE]]) {
        self.run(offset, entries, |blocks| self.encrypt.encrypt_blocks(blocks));
    }

    /// Decrypts entries that follow one another in a page, the first of them at `offset`.
    pub fn decrypt_entries(&self, offset: u32, entries: &mut [[u8; ENTRY_SIZE]]) {
        self.run(offset, entries, |blocks| self.decrypt.decrypt_blocks(blocks));
    }

    #[inline]
    fn run(&self, mut offset: u32, entries: &mut [[u8; ENTRY_SIZE]], cipher: impl Fn(&mut [Block])) {
        for batch in entries.chunks_mut(BATCH) {
            let mut tweaks = [Block::from([0; 16]); BATCH];
            let (tweaks, _) = tweaks.split_at_mut(batch.len().min(BATCH));
            for tweak in tweaks.iter_mut() {
                *tweak = u128::from(offset).to_le_bytes().into();
                offset = offset.wrapping_add(ENTRY_SIZE as u32);
            }
            self.tweak.encrypt_blocks(tweaks);
            mask(batch, tweaks);
            let (blocks, _) = batch.as_flattened_mut().as_chunks_mut();
            cipher(Block::cast_slice_from_core_mut(blocks));
            mask(batch, tweaks);
        }
    }
}

/// XORs T0 and T1 onto each entry.
#[inline]
fn mask(entries: &mut [[u8; ENTRY_SIZE]], tweaks: &[Block]) {
    for (entry, tweak) in entries.iter_mut().zip(tweaks) {
        let t0 = u128::from_le_bytes((*tweak).into());
        // Times x, modulo x^128 + x^7 + x^2 + x + 1.
        let t1 = (t0 << 1) ^ ((t0 >> 127) * 0x87);
        let (blocks, _) = entry.as_chunks_mut::<16>();
        for (block, t) in blocks.iter_mut().zip([t0, t1]) {
            *block = (u128::from_le_bytes(*block) ^ t).to_le_bytes();
        }
    }
}

/// Shows no key.
impl fmt::Debug for Xts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xts").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypt::Keys;
    use aes::Aes256;
    use alloc::format;
    use proptest::array::uniform32;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn counting_keys() -> Keys {
        Keys::from_bytes(core::array::from_fn(|i| u8::try_from(i).unwrap()))
    }

    #[test]
    fn the_entry_prov_at_0x40_as_espressif_s_generator_encrypts_it() {
        let plain = "000101ff7b059dc870726f7600000000000000000000000001ffffffffffffff";
        let cipher = "e2fcd690da013c9c370f6900c843416952f886eabd5d12a2f4f453aa926c86e4";
        let mut entry: [u8; 32] = hex::decode(plain).unwrap().try_into().unwrap();
        let xts = counting_keys().xts();
        xts.encrypt_entry(0x40, &mut entry);
        assert_eq!(hex::encode(entry), cipher);
        xts.decrypt_entry(0x40, &mut entry);
        assert_eq!(hex::encode(entry), plain);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Rows shorter and longer than a batch, at offsets up to where they overflow.
        #[test]
        fn entries_in_a_row_equal_entries_one_by_one_of_another_implementation(
            keys in (uniform32(any::<u8>()), uniform32(any::<u8>())),
            start in prop_oneof![any::<u32>(), Just(0x40), Just(0xFFFF_FFE0)],
            plain in prop_oneof![vec(uniform32(any::<u8>()), 0..4), vec(uniform32(any::<u8>()), BATCH - 1..4 * BATCH)],
        ) {
            let xts = Xts::new(&keys.0, &keys.1);
            let other = xts_mode::Xts128::new(Aes256::new((&keys.0).into()), Aes256::new((&keys.1).into()));
            let mut one_by_one = plain.clone();
            for (i, entry) in one_by_one.iter_mut().enumerate() {
                let offset = start.wrapping_add(u32::try_from(i).unwrap() * 32);
                other.encrypt_sector(entry, u128::from(offset).to_le_bytes().into());
                let mut alone = plain[i];
                xts.encrypt_entry(offset, &mut alone);
                prop_assert_eq!(*entry, alone);
            }
            let mut row = plain.clone();
            xts.encrypt_entries(start, &mut row);
            prop_assert_eq!(&row, &one_by_one);
            xts.decrypt_entries(start, &mut row);
            prop_assert_eq!(row, plain);
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", counting_keys().xts()), "Xts { .. }");
    }
}
