//! The keys of an encrypted NVS partition, and where they come from.

use super::xts::Xts;
use crate::error::Error;
use crate::layout::crc32;
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes in both keys together.
pub const KEYS_SIZE: usize = 64;
/// Bytes in a key partition, and in a file for it.
pub const KEY_PARTITION_SIZE: usize = 4096;
/// Bytes in the eFuse key of the HMAC scheme.
pub const HMAC_KEY_SIZE: usize = 32;

/// The messages that the HMAC peripheral signs for the XTS key and for the tweak key: 8 times these bytes.
/// Source: `components/nvs_sec_provider/nvs_sec_provider.c` of ESP-IDF.
const XTS_KEY_SEED: [u8; 4] = [0x5A, 0x5A, 0xBE, 0xAE];
const TWEAK_KEY_SEED: [u8; 4] = [0xA5, 0xA5, 0xDE, 0xCE];

/// The two AES-256 keys of an encrypted NVS partition. Wiped from memory when dropped; `Debug` doesn't show them.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Keys {
    xts: [u8; 32],
    tweak: [u8; 32],
}

impl Keys {
    /// The keys in these 64 bytes: the XTS key, then the tweak key.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; KEYS_SIZE]) -> Self {
        let keys = Self::split(&bytes);
        bytes.zeroize();
        keys
    }

    /// New keys. `fill` fills a buffer with randomness of cryptographic quality.
    ///
    /// ```
    /// use fleetmint_nvs::crypt::Keys;
    /// # fn random(bytes: &mut [u8]) -> Result<(), core::convert::Infallible> { bytes.fill(4); Ok(()) }
    /// let keys = Keys::generate(random)?;
    /// # Ok::<(), core::convert::Infallible>(())
    /// ```
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn generate<E>(fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes = Zeroizing::new([0; KEYS_SIZE]);
        fill(bytes.as_mut_slice())?;
        Ok(Self::split(&bytes))
    }

    /// Reads a key partition: at least 68 bytes, the keys and their CRC-32; what follows is ignored. A file of exactly 64
    /// bytes has the keys alone, which Espressif's generator accepts too.
    ///
    /// # Errors
    /// [`Error::KeyFile`]: too short, erased (all 0xFF), or the CRC is not that of the keys.
    pub fn decode(partition: &[u8]) -> Result<Self, Error> {
        if partition.len() == HMAC_KEY_SIZE {
            return Err(Error::KeyFile {
                reason: "it has the 32 bytes of an HMAC key, from which a chip derives the keys",
                offset: HMAC_KEY_SIZE,
            });
        }
        let (bytes, rest) = partition.split_first_chunk::<KEYS_SIZE>().ok_or(Error::KeyFile {
            reason: "it has fewer than the 64 bytes of the two keys",
            offset: partition.len(),
        })?;
        if partition.iter().all(|byte| *byte == 0xFF) {
            return Err(Error::KeyFile {
                reason: "it is erased, every byte is 0xFF",
                offset: 0,
            });
        }
        if !rest.is_empty() {
            let (stored, _) = rest.split_first_chunk().ok_or(Error::KeyFile {
                reason: "it ends within the CRC-32 of the keys",
                offset: partition.len(),
            })?;
            if u32::from_le_bytes(*stored) != crc32(bytes) {
                return Err(Error::KeyFile {
                    reason: "the CRC-32 does not fit the keys",
                    offset: KEYS_SIZE,
                });
            }
        }
        Ok(Self::split(bytes))
    }

    /// The key partition with these keys, ready to be flashed.
    ///
    /// ```
    /// use fleetmint_nvs::crypt::Keys;
    /// let keys = Keys::from_bytes(core::array::from_fn(|i| i as u8));
    /// let partition = keys.encode();
    /// assert_eq!(partition[64..72], [0x45, 0x52, 0x7c, 0x9a, 0xff, 0xff, 0xff, 0xff]);
    /// assert_eq!(Keys::decode(&partition[..])?.encode(), partition);
    /// # Ok::<(), fleetmint_nvs::Error>(())
    /// ```
    #[must_use]
    pub fn encode(&self) -> Zeroizing<[u8; KEY_PARTITION_SIZE]> {
        let mut partition = Zeroizing::new([0xFF; KEY_PARTITION_SIZE]);
        let (keys, rest) = partition.split_at_mut(KEYS_SIZE);
        let (xts, tweak) = keys.split_at_mut(self.xts.len());
        xts.copy_from_slice(&self.xts);
        tweak.copy_from_slice(&self.tweak);
        if let Some(stored) = rest.first_chunk_mut() {
            *stored = crc32(keys).to_le_bytes();
        }
        partition
    }

    /// The key that encrypts the data.
    #[must_use]
    pub const fn xts_key(&self) -> &[u8; 32] {
        &self.xts
    }

    /// The key that encrypts the tweaks.
    #[must_use]
    pub const fn tweak_key(&self) -> &[u8; 32] {
        &self.tweak
    }

    /// The cipher with these keys.
    #[must_use]
    pub fn xts(&self) -> Xts {
        Xts::new(&self.xts, &self.tweak)
    }

    fn split(bytes: &[u8; KEYS_SIZE]) -> Self {
        let mut keys = Self {
            xts: [0; 32],
            tweak: [0; 32],
        };
        let (xts, tweak) = bytes.split_at(keys.xts.len());
        keys.xts.copy_from_slice(xts);
        keys.tweak.copy_from_slice(tweak);
        keys
    }
}

/// Shows no key.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// The eFuse key of the HMAC scheme, from which a chip derives its NVS keys at each start. Wiped from memory when dropped;
/// `Debug` doesn't show it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct HmacKey([u8; HMAC_KEY_SIZE]);

impl HmacKey {
    /// A new key. `fill` fills a buffer with randomness of cryptographic quality.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn generate<E>(fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut key = Self([0; HMAC_KEY_SIZE]);
        fill(&mut key.0)?;
        Ok(key)
    }

    /// Reads a key file: the 32 bytes of an eFuse key block.
    ///
    /// # Errors
    /// [`Error::HmacKeyFile`]: another length.
    pub fn decode(file: &[u8]) -> Result<Self, Error> {
        if let Ok(key) = file.try_into() {
            return Ok(Self(key));
        }
        Err(if Keys::decode(file).is_ok() {
            Error::HmacKeyFile {
                reason: "it holds NVS keys; those can't be turned back into the HMAC key that they may be derived from",
            }
        } else {
            Error::HmacKeyFile {
                reason: "an HMAC key in an eFuse block has exactly 32 bytes",
            }
        })
    }

    /// The 32 bytes, for the key file.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; HMAC_KEY_SIZE] {
        &self.0
    }

    /// The NVS keys that the chip derives: HMAC-SHA256 of a fixed message for each.
    #[must_use]
    pub fn nvs_keys(&self) -> Keys {
        Keys {
            xts: self.sign(XTS_KEY_SEED),
            tweak: self.sign(TWEAK_KEY_SEED),
        }
    }

    fn sign(&self, seed: [u8; 4]) -> [u8; 32] {
        // A key of 32 bytes fits into SHA-256's block of 64, where HMAC pads it with zeros.
        let mut block = Zeroizing::new([0; 64]);
        let (key, _) = block.split_at_mut(HMAC_KEY_SIZE);
        key.copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        for _ in 0..8 {
            mac.update(&seed);
        }
        mac.finalize().into_bytes().into()
    }
}

/// Shows no key.
impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(..)")
    }
}
