//! NVS encryption: AES-256-XTS over each 32-byte entry, and the keys for it.
//!
//! ```text
//!   page   ┌────────┬────────┬─────────┬─────────┬──   ──┬───────────┐
//!          │ header │ bitmap │ entry 0 │ entry 1 │   …   │ entry 125 │
//!          └────────┴────────┴─────────┴─────────┴──   ──┴───────────┘
//!            plain    plain    XTS with the entry's offset in the partition as tweak
//!
//!   tweak  ┌──────────────────────────┬────────────────────────────────┐
//!          │ offset, 4 bytes, LE      │ 12 × 00                        │
//!          └──────────────────────────┴────────────────────────────────┘
//!
//!   key    0               32              64       68                4096
//!   part.  ┌───────────────┬───────────────┬────────┬──────────────────┐
//!          │ XTS key       │ tweak key     │ CRC-32 │ FF …             │
//!          └───────────────┴───────────────┴────────┴──────────────────┘
//! ```
//!
//! The tweak is the place of an entry, so an encrypted page can't be moved, and equal entries in different places differ.
//! [`Keys`] are generated from randomness, read from a key partition, or derived from an eFuse key ([`HmacKey`]).
//! Source: the "NVS Encryption" chapter of the ESP-IDF programming guide, and `nvs_sec_provider`.
//!
//! ```
//! use fleetmint_nvs::crypt::{self, Keys};
//! use fleetmint_nvs::image::{self, Item, Value};
//! use fleetmint_nvs::{Key, Namespace};
//!
//! let keys = Keys::from_bytes([7; 64]);
//! let item = Item::new(Namespace::new("prov")?, Key::new("client_secret")?, Value::Str("s3cret"));
//! let plain = image::encode(&[item], 0x3000)?;
//! let mut image = plain.clone();
//! crypt::encrypt(&mut image, &keys)?;
//! assert_ne!(image, plain);
//! crypt::decrypt(&mut image, &keys)?;
//! assert_eq!(image, plain);
//! # Ok::<(), fleetmint_nvs::Error>(())
//! ```

mod key_check;
mod keys;
mod partition;
mod xts;

pub use key_check::check_key;
pub(crate) use key_check::{KeyMisfit, key_misfit};
pub use keys::{HMAC_KEY_SIZE, HmacKey, KEY_PARTITION_SIZE, KEYS_SIZE, Keys};
pub use partition::{decrypt, encrypt};
pub use xts::Xts;
