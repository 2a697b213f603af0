//! Images of tables against Espressif's own generator, `esp-idf-nvs-partition-gen` from PyPI: random tables that it
//! handles correctly become the same bytes. If it creates a bad image, this crate returns an error or creates the
//! correct image.
//!
//! 200 tables by default, 2,000 with `FLEETMINT_TEST_FULL=1`. The seed of a table is in the message of a failure.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod defects;
mod espressif;
mod tables;

use espressif::{Answer, Espressif};
use fleetmint_nvs::crypt::{self, HmacKey, Keys};
use fleetmint_nvs::csv::{self, ErrorKind, Generator};
use fleetmint_nvs::{Error, image};
use tables::Tables;

/// This crate's result for tables: the same file as the generator's, or the error.
fn ours(tables: &Tables) -> Result<Vec<u8>, csv::Error> {
    let mut image = vec![0; tables.size];
    let mut generator = Generator::new(&mut image, tables.version).unwrap();
    for table in &tables.tables {
        generator.add(table, |path| {
            let file = tables.files.iter().find(|(name, _)| name == path);
            file.map(|(_, content)| content.clone()).ok_or("no such file")
        })?;
    }
    let used = generator.finish();
    if tables.encrypted {
        crypt::encrypt(&mut image, &espressif::keys()).unwrap();
    }
    image.truncate(image::file_len(tables.size, used));
    Ok(image)
}

#[test]
fn random_tables_become_the_same_image() {
    let Some(mut espressif) = Espressif::start("random") else {
        return;
    };
    let full = std::env::var_os("FLEETMINT_TEST_FULL").is_some_and(|full| full != "0");
    let cases: u64 = if full { 2000 } else { 200 };
    let (mut same, mut refused, mut encrypted, mut old, mut pages) = (0, 0, 0, 0, 0);
    for seed in 0..cases {
        let tables = Tables::random(seed);
        match (ours(&tables), espressif.generate(&tables)) {
            (Ok(image), Answer::Image(theirs)) => {
                if image != theirs {
                    let at = image.iter().zip(&theirs).position(|(a, b)| a != b);
                    panic!(
                        "seed {seed}: {} and {} bytes, differ at {at:x?}",
                        image.len(),
                        theirs.len()
                    );
                }
                same += 1;
                encrypted += usize::from(tables.encrypted);
                old += usize::from(tables.version == fleetmint_nvs::layout::Version::V1);
                pages += image.chunks(4096).filter(|page| page[0] != 0xFF).count();
            }
            (Err(error), Answer::Refusal(_)) => {
                // The only valid reason to refuse these tables.
                let no_space = matches!(error.kind, ErrorKind::Image(Error::NotEnoughSpace { .. }));
                assert!(no_space, "seed {seed}: {error}");
                refused += 1;
            }
            (Ok(_), Answer::Refusal(why)) => panic!("seed {seed}: the generator refuses: {why}"),
            (Err(error), Answer::Image(_)) => panic!("seed {seed}: {error}"),
        }
    }
    println!("{same} same ({encrypted} encrypted, {old} of version 1, {pages} pages), {refused} refused by both");
    // Most tables should fit, with every kind of row, and some should not.
    let cases = usize::try_from(cases).unwrap();
    assert!(
        same > cases * 3 / 4 && encrypted > cases / 8 && old > cases / 20 && refused > cases / 50 && pages > cases * 2
    );
}

#[test]
fn decrypted_images_are_the_same() {
    let Some(mut espressif) = Espressif::start("decrypt") else {
        return;
    };
    for seed in 10_000..10_010 {
        let tables = Tables {
            encrypted: true,
            ..Tables::random(seed)
        };
        let Ok(mut image) = ours(&tables) else { continue };
        let theirs = espressif.decrypt(&image);
        crypt::decrypt(&mut image, &espressif::keys()).unwrap();
        assert!(image == theirs, "seed {seed}");
    }
}

#[test]
fn keys_derived_from_an_hmac_key_are_the_same() {
    let Some(mut espressif) = Espressif::start("hmac") else {
        return;
    };
    let key: [u8; 32] = core::array::from_fn(|i| u8::try_from(255 - i * 3).unwrap());
    let theirs = espressif.keys_from_hmac(&key);
    assert_eq!(theirs, HmacKey::decode(&key).unwrap().nvs_keys().encode().as_slice());
}

#[test]
fn keys_that_it_generates_are_read() {
    let Some(mut espressif) = Espressif::start("keys") else {
        return;
    };
    let theirs = espressif.new_keys();
    assert_eq!(theirs, Keys::decode(&theirs).unwrap().encode().as_slice());
}
