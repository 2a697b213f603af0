//! Fresh images: the rules of the layout, and every error with its numbers. `generator` tests that the bytes equal those of
//! Espressif's generator.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use fleetmint_nvs::entry::{Entry, ItemType};
use fleetmint_nvs::image::{self, Item, Value, Writer};
use fleetmint_nvs::layout::{ENTRIES_OFFSET, ENTRY_COUNT, PAGE_SIZE, Version};
use fleetmint_nvs::page::{Bitmap, EntryState, PageHeader, PageState};
use fleetmint_nvs::{Error, Key, Namespace, crypt};

fn ns(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

fn key(name: impl AsRef<[u8]>) -> Key {
    Key::new(name).unwrap()
}

/// State word, sequence number and written entries of each page that isn't blank.
fn pages(image: &[u8]) -> Vec<(u32, u32, usize)> {
    image
        .chunks(PAGE_SIZE)
        .filter(|page| page.iter().any(|byte| *byte != 0xFF))
        .map(|page| {
            let header = PageHeader::decode(page[..32].try_into().unwrap());
            assert!(header.crc_fits());
            let bitmap = Bitmap::from_bytes(page[32..64].try_into().unwrap());
            let written = bitmap.count(EntryState::Written);
            assert_eq!(bitmap.count(EntryState::Empty), ENTRY_COUNT - written);
            assert!((0..written).all(|entry| bitmap.get(entry) == EntryState::Written));
            (header.state_word, header.sequence, written)
        })
        .collect()
}

fn entry(image: &[u8], page: usize, index: usize) -> Entry {
    let offset = page * PAGE_SIZE + ENTRIES_OFFSET + index * 32;
    let bytes = image[offset..offset + 32].try_into().unwrap();
    assert!(fleetmint_nvs::entry::crc_fits(bytes));
    Entry::from_bytes(bytes)
}

const ACTIVE: u32 = PageState::Active.word();
const FULL: u32 = PageState::Full.word();

#[test]
fn an_image_without_items_is_one_active_page() {
    let image = image::encode(&[], 0x3000).unwrap();
    assert_eq!(pages(&image), [(ACTIVE, 0, 0)]);
    assert_eq!(image.len(), 0x3000);
}

#[test]
fn the_buffers_old_content_is_overwritten() {
    let items = [
        Item::new(ns("prov"), key("a"), "text"),
        Item::new(ns("prov"), key("b"), 7_i64),
    ];
    let mut buffer = vec![0x5A; 0x6000];
    assert_eq!(image::encode_into(&items, &mut buffer), Ok(0x1000));
    assert_eq!(buffer, image::encode(&items, 0x6000).unwrap());
}

#[test]
fn an_earlier_namespace_can_be_continued() {
    let items = [
        Item::new(ns("a"), key("k"), 1_u8),
        Item::new(ns("b"), key("k"), 2_u8),
        Item::new(ns("a"), key("l"), 3_u8),
    ];
    let image = image::encode(&items, 0x3000).unwrap();
    let indices: Vec<u8> = (0..5).map(|index| entry(&image, 0, index).ns_index).collect();
    assert_eq!(indices, [0, 1, 0, 2, 1]);
}

#[test]
fn a_string_never_ends_on_the_last_entry_of_a_page() {
    // The namespace's entry, then a string that would take 125, and one that takes 124.
    for (size, want) in [
        (124 * 32, vec![(FULL, 0, 1), (ACTIVE, 1, 125)]),
        (123 * 32, vec![(ACTIVE, 0, 125)]),
    ] {
        let text = "x".repeat(size - 1);
        let image = image::encode(&[Item::new(ns("n"), key("k"), text.as_str())], 0x6000).unwrap();
        assert_eq!(pages(&image), want);
    }
}

#[test]
fn a_string_of_3969_to_4000_bytes_with_nul_fills_a_fresh_page() {
    for size in [3969, 3999, 4000] {
        let text = "x".repeat(size - 1);
        let items = [
            Item::new(ns("n"), key("k"), text.as_str()),
            Item::new(ns("n"), key("l"), 1_u8),
        ];
        let image = image::encode(&items, 0x6000).unwrap();
        assert_eq!(pages(&image), [(FULL, 0, 1), (FULL, 1, 126), (ACTIVE, 2, 1)]);
        assert_eq!((entry(&image, 1, 0).span, entry(&image, 1, 0).data_size()), (126, size));
    }
    let text = "x".repeat(4000);
    assert_eq!(
        image::encode(&[Item::new(ns("n"), key("k"), text.as_str())], 0x6000),
        Err(Error::ValueTooLong {
            key: key("k").raw(),
            size: 4001,
            limit: 4000
        })
    );
}

#[test]
fn a_blob_with_one_entry_left_gets_an_empty_chunk_there() {
    let mut items: Vec<Item<'_>> = (0..124)
        .map(|i| Item::new(ns("n"), key(format!("k{i}")), 1_u8))
        .collect();
    items.push(Item::new(ns("n"), key("blob"), &[5; 40][..]));
    let image = image::encode(&items, 0x6000).unwrap();
    assert_eq!(pages(&image), [(FULL, 0, 126), (ACTIVE, 1, 4)]);
    let empty = entry(&image, 0, 125);
    assert_eq!(
        (empty.item_type(), empty.span, empty.chunk, empty.data_size()),
        (Some(ItemType::BlobData), 1, 0, 0)
    );
    assert_eq!((entry(&image, 1, 0).chunk, entry(&image, 1, 0).data_size()), (1, 40));
    let index = entry(&image, 1, 3);
    assert_eq!(
        (index.blob_size(), index.chunk_count(), index.chunk_start()),
        (40, 2, 0)
    );
}

#[test]
fn too_long_and_does_not_fit_are_two_errors() {
    let blob = vec![1; 508_001];
    let encode = |value: Value<'_>, size| {
        image::encode(
            &[Item {
                namespace: ns("n"),
                key: key("k"),
                value,
            }],
            size,
        )
    };
    let too_long = |size, limit| {
        Err(Error::ValueTooLong {
            key: key("k").raw(),
            size,
            limit,
        })
    };
    let no_room = |needed, free| {
        Err(Error::NotEnoughSpace {
            key: key("k").raw(),
            needed,
            free,
        })
    };
    assert_eq!(encode(Value::Blob(&blob), 0x10_0000), too_long(508_001, 508_000));

    // 508,000 bytes would be 127 chunks if the first page had room for a whole one; one entry there is the namespace's.
    let limit = 124 * 32 + 126 * 4000;
    assert_eq!(
        encode(Value::Blob(&blob[..508_000]), 0x10_0000),
        too_long(508_000, limit)
    );
    let image = encode(Value::Blob(&blob[..limit]), 0x10_0000).unwrap();
    assert_eq!(entry(&image, 127, 0).chunk_count(), 127);

    // One page; the namespace's entry is in it. 4000 bytes: 1 + 124 entries, a second chunk of 1 + 1, the index.
    assert_eq!(encode(Value::Blob(&blob[..4000]), 0x1000), no_room(128, 125));
    // A string can't use the last entry.
    assert_eq!(encode(Value::Str(&"x".repeat(124 * 32 - 1)), 0x1000), no_room(125, 124));
    let numbers: Vec<Item<'_>> = (0..126)
        .map(|i| Item::new(ns("n"), key(format!("k{i}")), 1_u8))
        .collect();
    assert!(image::encode(&numbers[..125], 0x1000).is_ok());
    let last = key("k125").raw();
    assert_eq!(
        image::encode(&numbers, 0x1000),
        Err(Error::NotEnoughSpace {
            key: last,
            needed: 1,
            free: 0
        })
    );
}

#[test]
fn with_three_or_more_pages_one_stays_blank() {
    let blob = vec![1; 16_000];
    let encode = |bytes, size| image::encode(&[Item::new(ns("n"), key("k"), &blob[..bytes])], size);
    for (size, usable) in [(0x1000, 1), (0x2000, 2), (0x3000, 2), (0x4000, 3)] {
        // 124 entries in the first page and 125 in each other; the index needs one of them.
        let most = 124 * 32 + (usable - 1) * 4000 - 32;
        assert_eq!(pages(&encode(most, size).unwrap()).len(), usable);
        assert!(matches!(encode(most + 1, size), Err(Error::NotEnoughSpace { .. })));
    }
    assert_eq!(
        (image::file_len(0x2000, 0x1000), image::file_len(0x3000, 0x1000)),
        (0x1000, 0x3000)
    );
}

#[test]
fn version_1_keeps_a_blob_whole() {
    let encode = |bytes: &[u8]| {
        let mut image = vec![0; 0x3000];
        let mut writer = Writer::new(&mut image, Version::V1)?;
        writer.set(&ns("n"), &key("k"), bytes.into())?;
        writer.finish();
        Ok::<_, Error>(image)
    };
    let image = encode(&[1; 1984]).unwrap();
    let item = entry(&image, 0, 1);
    assert_eq!(
        (image[8], item.item_type(), item.span, item.chunk),
        (0xFF, Some(ItemType::Blob), 63, 0xFF)
    );
    assert_eq!(
        encode(&[1; 1985]),
        Err(Error::ValueTooLong {
            key: key("k").raw(),
            size: 1985,
            limit: 1984
        })
    );
}

#[test]
fn items_that_the_firmware_would_refuse_or_lose_are_refused() {
    let encode = |items: &[Item<'_>]| image::encode(items, 0x6000).map(|_| ());
    let (n, k) = (ns("n"), key("k"));
    let (namespace, name) = (n.raw(), k.raw());
    assert_eq!(
        encode(&[
            Item::new(n, k, 1_u8),
            Item::new(n, key("l"), 1_u8),
            Item::new(n, k, "one")
        ]),
        Err(Error::DuplicateKey { namespace, key: name })
    );
    assert_eq!(
        encode(&[Item::new(n, k, f32::NAN)]),
        Err(Error::NotANumber { key: name })
    );
    assert_eq!(
        encode(&[Item::new(n, k, f64::NAN)]),
        Err(Error::NotANumber { key: name })
    );
    assert_eq!(
        encode(&[Item::new(n, k, "a\0b")]),
        Err(Error::ValueHasNul { key: name, offset: 1 })
    );
    let names: Vec<String> = (0..255).map(|i| format!("n{i}")).collect();
    let items: Vec<Item<'_>> = names.iter().map(|name| Item::new(ns(name), k, 1_u8)).collect();
    assert_eq!(encode(&items[..254]), Ok(()));
    assert_eq!(
        encode(&items),
        Err(Error::TooManyNamespaces {
            namespace: ns("n254").raw()
        })
    );
    for size in [0, 0x800, 0x1001, 0x100_1000] {
        assert_eq!(image::encode(&[], size), Err(Error::PartitionSize { size }));
        assert_eq!(
            image::encode_into(&[], &mut vec![0; size]),
            Err(Error::PartitionSize { size })
        );
    }
}

#[test]
fn a_duplicate_is_found_among_thousands() {
    let twice = ns("odd");
    let mut items: Vec<Item<'_>> = (0..6000_u32)
        .map(|i| Item::new(if i % 2 == 0 { ns("even") } else { twice }, key(format!("{i}")), i))
        .collect();
    assert!(image::encode(&items, 0x10_0000).is_ok());
    items.push(Item::new(twice, key("17"), 1_u8));
    let want = Error::DuplicateKey {
        namespace: twice.raw(),
        key: key("17").raw(),
    };
    assert_eq!(image::encode(&items, 0x10_0000), Err(want));
}

#[test]
fn debug_shows_no_value() {
    let item = Item::new(ns("n"), key("k"), "s3cret");
    assert!(!format!("{item:?}").contains("s3cret"));
    assert!(!format!("{:?}", Value::from(4711_u16)).contains("4711"));
    assert!(!format!("{:?}", Value::from(&b"s3cret"[..])).contains("115"));
}

#[test]
fn decrypting_undoes_encrypting_and_a_wrong_key_is_reported() {
    let keys = crypt::Keys::from_bytes([7; 64]);
    let blank = [0xFF; 9000];
    let items = [
        Item::new(ns("n"), key("k"), "text"),
        Item::new(ns("n"), key("l"), &blank[..]),
    ];
    let mut plain = image::encode(&items, 0x6000).unwrap();
    // After the written entries: one that was erased and has its bytes, and one that the firmware wiped.
    for (slot, byte) in [(125, 0x11), (124, 0x00)] {
        plain[2 * PAGE_SIZE + 32 + slot / 4] &= !(3 << (2 * (slot % 4)));
        plain[2 * PAGE_SIZE + ENTRIES_OFFSET + slot * 32..][..32].fill(byte);
    }
    let mut image = plain.clone();
    crypt::encrypt(&mut image, &keys).unwrap();
    for (page, slot, same) in [
        (0, 0, false),
        (1, 5, false),
        (2, 125, false),
        (2, 124, true),
        (2, 100, true),
        (3, 0, true),
    ] {
        let at = page * PAGE_SIZE + ENTRIES_OFFSET + slot * 32;
        assert_eq!(
            image[at..at + 32] == plain[at..at + 32],
            same,
            "page {page}, entry {slot}"
        );
    }
    let cipher = image.clone();
    crypt::decrypt(&mut image, &keys).unwrap();
    assert!(image == plain);
    image.copy_from_slice(&cipher);
    let wrong = crypt::decrypt(&mut image, &crypt::Keys::from_bytes([8; 64]));
    assert!(matches!(wrong, Err(Error::WrongKey { encrypted: true, .. })));
    assert_eq!(
        crypt::encrypt(&mut image[..100], &keys),
        Err(Error::PartitionSize { size: 100 })
    );
}
