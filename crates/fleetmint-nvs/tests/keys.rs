//! Key partitions and the HMAC scheme.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use fleetmint_nvs::Error;
use fleetmint_nvs::crypt::{HmacKey, KEY_PARTITION_SIZE, Keys};

fn counting<const N: usize>() -> [u8; N] {
    core::array::from_fn(|i| u8::try_from(i).unwrap())
}

fn refused_at(partition: &[u8]) -> usize {
    match Keys::decode(partition).unwrap_err() {
        Error::KeyFile { offset, .. } => offset,
        other => panic!("{other}"),
    }
}

#[test]
fn a_key_partition_is_checked() {
    let keys = Keys::from_bytes(counting());
    let partition = keys.encode();
    assert_eq!(partition.len(), KEY_PARTITION_SIZE);
    assert!(partition[68..].iter().all(|byte| *byte == 0xFF));
    for cut in [64, 68, 4096] {
        assert_eq!(Keys::decode(&partition[..cut]).unwrap().encode(), partition);
    }
    assert_eq!(refused_at(&partition[..63]), 63);
    assert_eq!(refused_at(&partition[..67]), 67);
    assert_eq!(refused_at(&[0xFF; 4096]), 0);
    let mut damaged = partition.clone();
    damaged[5] ^= 1;
    assert_eq!(refused_at(&damaged[..]), 64);
}

#[test]
fn randomness_becomes_the_keys() {
    let keys = Keys::generate(|bytes| {
        bytes.copy_from_slice(&counting::<64>());
        Ok::<_, ()>(())
    });
    let keys = keys.unwrap();
    assert_eq!((keys.xts_key()[31], keys.tweak_key()[0]), (31, 32));
    assert_eq!(Keys::generate(|_| Err("no randomness")).unwrap_err(), "no randomness");
    assert_eq!(
        HmacKey::generate(|_| Err("no randomness")).unwrap_err(),
        "no randomness"
    );
}

/// The expected keys are OpenSSL's: `openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…1f` over 8 × 5a5abeae, and over
/// 8 × a5a5dece.
#[test]
fn keys_by_the_hmac_scheme() {
    let keys = HmacKey::decode(&counting::<32>()).unwrap().nvs_keys();
    assert_eq!(
        hex::encode(keys.xts_key()),
        "813a141220ddb819f4d73d59fa3032ab9f592cc26a18cf1fde692f712b6a025c"
    );
    assert_eq!(
        hex::encode(keys.tweak_key()),
        "b20ad6b6ddd1658a6e14d1b5b726e42356adf4ff2f68fcd8826ac2908408addf"
    );
    for size in [0, 31, 33] {
        assert!(matches!(
            HmacKey::decode(&vec![1; size]),
            Err(Error::HmacKeyFile { .. })
        ));
    }
}

#[test]
fn debug_shows_no_key() {
    let hmac = HmacKey::decode(&[7; 32]).unwrap();
    assert_eq!(format!("{:?} {:?}", hmac.nvs_keys(), hmac), "Keys(..) HmacKey(..)");
}
