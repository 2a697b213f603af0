//! Encrypting an image of 24 KiB, all of it in use.

use crate::contest::Contest;
use crate::provisioning::SIZE;
use aes::cipher::KeyInit;
use fleetmint_nvs::crypt::{self, Keys, Xts};
use fleetmint_nvs::image::{self, Item};
use fleetmint_nvs::{Key, Namespace};
use std::hint::black_box;

pub(crate) fn measure() {
    // One blob over all pages but the spare, and that filled by hand: every entry is written.
    let blob = vec![0x5A; 124 * 32 + 4 * 4000 - 32];
    let item = Item::new(Namespace::new("n").unwrap(), Key::new("k").unwrap(), blob.as_slice());
    let mut image = image::encode(&[item], SIZE).unwrap();
    let (front, spare) = image.split_at_mut(SIZE - 4096);
    spare.copy_from_slice(&front[..4096]);

    let keys = Keys::from_bytes([7; 64]);
    let xts = Xts::new(keys.xts_key(), keys.tweak_key());
    let (mut alone, mut one_by_one) = (image.clone(), image.clone());
    let other = xts_mode::Xts128::new(
        aes::Aes256::new(keys.xts_key().into()),
        aes::Aes256::new(keys.tweak_key().into()),
    );
    let mut decrypted = image.clone();
    let mut cipher = image.clone();
    crypt::encrypt(&mut cipher, &keys).unwrap();
    Contest::new("encrypt 24 KiB")
        .contender("encrypt", || crypt::encrypt(black_box(&mut image), &keys).unwrap())
        .contender("decrypt", || {
            decrypted.copy_from_slice(&cipher);
            crypt::decrypt(black_box(&mut decrypted), &keys).unwrap();
        })
        // The same cipher over as many bytes in a row, without looking at pages.
        .contender("xts_alone", || {
            let (entries, _) = alone.as_chunks_mut();
            xts.encrypt_entries(0, black_box(entries));
        })
        .contender("xts_mode_crate", || {
            for (unit, bytes) in one_by_one.chunks_mut(32).enumerate() {
                other.encrypt_sector(bytes, (unit as u128 * 32).to_le_bytes().into());
            }
        })
        .goal("encrypt", "xts_alone", 1.5)
        .goal("encrypt", "xts_mode_crate", 1.5)
        .run();
}
