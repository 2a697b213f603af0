//! NVS encryption: AES-256-XTS over each 32-byte entry by itself.
//!
//! A page's header and bitmap stay plain. The tweak of an entry is its byte offset in the partition, as 16 bytes
//! little-endian, so an encrypted page can't be moved. Padding (0xFF) is applied before encryption.

use crate::layout::ENTRY_SIZE;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes256, Aes256Enc, Block};
use core::fmt;

/// AES-256-XTS with its two expanded keys, which are wiped when it is dropped.
///
/// ```
/// use fleetmint_nvs::crypt::Xts;
/// let xts = Xts::new(&[1; 32], &[2; 32]);
/// let mut entry = *b"thirty-two bytes of an NVS entry";
/// xts.encrypt_entry(0x40, &mut entry);
/// xts.decrypt_entry(0x40, &mut entry);
/// assert_eq!(&entry, b"thirty-two bytes of an NVS entry");
/// ```
#[derive(Clone)]
pub struct Xts {
    data: Aes256,
    tweak: Aes256Enc,
}

impl Xts {
    /// The cipher of an XTS key and a tweak key, 32 bytes each.
    #[must_use]
    pub fn new(xts_key: &[u8; 32], tweak_key: &[u8; 32]) -> Self {
        Self {
            data: Aes256::new(xts_key.into()),
            tweak: Aes256Enc::new(tweak_key.into()),
        }
    }

    /// Encrypts the entry that lies at this offset of the partition, in bytes.
    #[inline]
    pub fn encrypt_entry(&self, offset: u32, entry: &mut [u8; ENTRY_SIZE]) {
        self.apply(offset, entry, Aes256::encrypt_blocks);
    }

    /// Decrypts the entry that lies at this offset of the partition, in bytes.
    #[inline]
    pub fn decrypt_entry(&self, offset: u32, entry: &mut [u8; ENTRY_SIZE]) {
        self.apply(offset, entry, Aes256::decrypt_blocks);
    }

    #[inline]
    fn apply(&self, offset: u32, entry: &mut [u8; ENTRY_SIZE], cipher: impl FnOnce(&Aes256, &mut [Block])) {
        let mut first = Block::from(u128::from(offset).to_le_bytes());
        self.tweak.encrypt_block(&mut first);
        let first = u128::from_le_bytes(first.into());
        // The second block's tweak is the first one's, multiplied by x in GF(2^128).
        let second = (first << 1) ^ ((first >> 127) * 0x87);
        let ([low, high], _) = entry.as_chunks_mut::<16>() else {
            return;
        };
        let mut blocks = [whiten(*low, first), whiten(*high, second)];
        cipher(&self.data, &mut blocks);
        let [low_block, high_block] = blocks;
        *low = whiten(low_block.into(), first).into();
        *high = whiten(high_block.into(), second).into();
    }
}

#[inline]
fn whiten(block: [u8; 16], tweak: u128) -> Block {
    Block::from((u128::from_le_bytes(block) ^ tweak).to_le_bytes())
}

impl fmt::Debug for Xts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Xts { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_entry_prov_under_the_keys_00_to_3f() {
        let key: [u8; 64] = core::array::from_fn(|i| u8::try_from(i).unwrap());
        let xts = Xts::new(key[..32].try_into().unwrap(), key[32..].try_into().unwrap());
        let plain: [u8; 32] = hex::decode("000101ff7b059dc870726f7600000000000000000000000001ffffffffffffff")
            .unwrap()
            .try_into()
            .unwrap();
        let mut entry = plain;
        xts.encrypt_entry(0x40, &mut entry);
        assert_eq!(
            hex::encode(entry),
            "e2fcd690da013c9c370f6900c843416952f886eabd5d12a2f4f453aa926c86e4"
        );
        xts.decrypt_entry(0x40, &mut entry);
        assert_eq!(entry, plain);
    }
}
