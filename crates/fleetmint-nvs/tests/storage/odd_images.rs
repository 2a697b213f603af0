//! Images that no regular history results in, each for a step of ESP-IDF's library that the reference images do not
//! reach. The expected results are from the library's source.

use fleetmint_nvs::entry::{Entry, Number, entry_crc};
use fleetmint_nvs::error::EspError;
use fleetmint_nvs::layout::{BITMAP_OFFSET, ENTRY_SIZE, PAGE_SIZE, Version, entry_offset};
use fleetmint_nvs::page::{Bitmap, EntryState, PageHeader, PageState};
use fleetmint_nvs::storage::{Mode, SliceFlash, Storage, Value};
use fleetmint_nvs::{Error, Key, Namespace};

/// An image that is put together entry by entry.
struct Image {
    bytes: Vec<u8>,
}

impl Image {
    fn blank(pages: usize) -> Self {
        Self {
            bytes: vec![0xFF; pages * PAGE_SIZE],
        }
    }

    fn page(mut self, page: usize, state: PageState, sequence: u32) -> Self {
        let header = PageHeader::encode(state, sequence, Version::V2);
        self.bytes[page * PAGE_SIZE..][..header.len()].copy_from_slice(&header);
        self
    }

    fn state(mut self, page: usize, index: usize, state: EntryState) -> Self {
        let at = page * PAGE_SIZE + BITMAP_OFFSET;
        let mut bitmap = Bitmap::from_bytes(self.bytes[at..at + 32].try_into().unwrap());
        bitmap.set(index, state);
        self.bytes[at..at + 32].copy_from_slice(&bitmap.to_bytes());
        self
    }

    fn bytes(mut self, page: usize, index: usize, bytes: &[u8]) -> Self {
        self.bytes[entry_offset(page, index)..][..bytes.len()].copy_from_slice(bytes);
        self
    }

    fn item(mut self, page: usize, index: usize, entry: &Entry, data: &[u8]) -> Self {
        for entry in index..index + 1 + data.len().div_ceil(ENTRY_SIZE) {
            self = self.state(page, entry, EntryState::Written);
        }
        self.bytes(page, index, &entry.to_bytes()).bytes(page, index + 1, data)
    }

    fn number(self, page: usize, index: usize, ns_index: u8, name: &str, number: Number) -> Self {
        self.item(page, index, &Entry::number(ns_index, &key(name), number), &[])
    }

    fn namespace(self, page: usize, index: usize, name: &str, ns_index: u8) -> Self {
        let entry = Entry::namespace(&Namespace::new(name).unwrap(), ns_index);
        self.item(page, index, &entry, &[])
    }

    fn open(&mut self) -> Storage<SliceFlash<'_>> {
        Storage::open(SliceFlash::new(&mut self.bytes), Mode::ReadWrite, None).unwrap()
    }

    fn entry(&self, page: usize, index: usize) -> &[u8] {
        &self.bytes[entry_offset(page, index)..][..ENTRY_SIZE]
    }
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn listed(storage: &mut Storage<SliceFlash<'_>>) -> Vec<String> {
    let list = storage.list().unwrap();
    let show = |value: &Result<Value, EspError>| match value {
        Ok(Value::Number(number)) => format!("{number:?}"),
        Ok(Value::Str(text)) => String::from_utf8_lossy(text).into_owned(),
        Ok(Value::Blob(bytes)) => hex::encode(bytes),
        Err(code) => code.to_string(),
    };
    list.iter()
        .map(|item| {
            let (namespace, key) = (item.namespace.to_string_lossy(), item.key.to_string_lossy());
            format!("{namespace}.{key}={}", show(&item.value))
        })
        .collect()
}

#[test]
fn a_namespace_wipes_the_item_that_it_replaces() {
    let mut image = Image::blank(3)
        .page(0, PageState::Active, 0)
        .number(0, 0, 0, "prov", Number::U16(7));
    image.open().open_namespace(&Namespace::new("prov").unwrap()).unwrap();
    assert_eq!(image.entry(0, 0), [0; ENTRY_SIZE]);
}

#[test]
fn a_getter_in_namespace_255_searches_all() {
    let mut image = Image::blank(3)
        .page(0, PageState::Active, 0)
        .namespace(0, 0, "one", 1)
        .namespace(0, 1, "any", 255)
        .number(0, 2, 1, "k", Number::U8(1))
        .number(0, 3, 255, "k", Number::U8(2))
        .number(0, 4, 1, "last", Number::U8(3));
    assert_eq!(
        listed(&mut image.open()),
        ["one.k=U8(1)", "any.k=U8(1)", "one.last=U8(3)"]
    );
}

/// With the index of "any", an item of another type and namespace hides what is written after it on its page: setting the
/// same value again does not find it, and replaces the item that hid it.
#[test]
fn a_setter_in_namespace_255_does_not_see_past_another_type() {
    let mut image = Image::blank(3)
        .page(0, PageState::Active, 0)
        .namespace(0, 0, "one", 1)
        .namespace(0, 1, "two", 2)
        .namespace(0, 2, "any", 255)
        .number(0, 3, 1, "k", Number::U8(1))
        .number(0, 4, 2, "k", Number::U8(2))
        .number(0, 5, 1, "last", Number::U8(3));
    let mut storage = image.open();
    let any = storage.open_namespace(&Namespace::new("any").unwrap()).unwrap();
    // After some searches there is an index of names, which must not find more.
    for _ in 0..8 {
        assert!(storage.erase_key(any, &key("absent")).is_err());
    }
    for _ in 0..2 {
        storage.set_number(any, &key("k"), Number::U16(7)).unwrap();
    }
    assert_eq!(listed(&mut storage), ["one.last=U8(3)", "any.k=U16(7)", "any.k=U16(7)"]);
}

/// With the index of "any", the replaced value is searched for in all namespaces, part by part: the first index with
/// that name is erased, and the first chunk, here another namespace's. The rest reads as one blob.
#[test]
fn a_setter_in_namespace_255_replaces_in_all() {
    let index = |ns_index| Entry::blob_index(ns_index, &key("k"), 3, 1, 0x80);
    let chunk = |ns_index, data: &[u8]| Entry::blob_data(ns_index, &key("k"), 0x80, data);
    let mut image = Image::blank(3)
        .page(0, PageState::Active, 0)
        .namespace(0, 0, "one", 1)
        .namespace(0, 1, "two", 2)
        .namespace(0, 2, "any", 255)
        .item(0, 3, &index(1), &[])
        .item(0, 4, &chunk(2, b"two"), b"two")
        .item(0, 6, &index(2), &[])
        .item(0, 7, &chunk(1, b"one"), b"one")
        .number(0, 9, 1, "last", Number::U8(3));
    let mut storage = image.open();
    let any = storage.open_namespace(&Namespace::new("any").unwrap()).unwrap();
    storage.set_blob(any, &key("k"), b"new").unwrap();
    assert_eq!(
        listed(&mut storage),
        ["one.k=ESP_ERR_NVS_NOT_FOUND", "one.last=U8(3)", "any.k=6f6e65"]
    );
}

/// A damaged value of no namespace is never read by the firmware, so it stays; one of a namespace is erased.
#[test]
fn a_damaged_orphan_is_not_erased() {
    let text = |ns_index| Entry::string(ns_index, &key("k"), b"text\0");
    let mut image = Image::blank(3)
        .page(0, PageState::Active, 0)
        .namespace(0, 0, "one", 1)
        .item(0, 1, &text(1), b"test\0")
        .item(0, 3, &text(2), b"test\0")
        .number(0, 5, 1, "last", Number::U8(3));
    let listed = listed(&mut image.open());
    assert_eq!(
        listed,
        [
            "one.k=ESP_ERR_NVS_NOT_FOUND",
            ".k=ESP_ERR_NVS_NOT_FOUND",
            "one.last=U8(3)"
        ]
    );
    assert_eq!(image.entry(0, 1), [0; ENTRY_SIZE]);
    assert_eq!(image.entry(0, 3), text(2).to_bytes());
}

/// Read-only, an empty value with a wrong checksum cannot be erased, and after the attempt its page is no longer read.
#[test]
fn a_page_is_lost_after_an_entry_cannot_be_erased() {
    let mut empty = Entry::string(1, &key("empty"), b"");
    empty.data[4] ^= 1;
    let bytes = empty.to_bytes();
    empty.crc = entry_crc(&bytes);
    let mut image = Image::blank(3)
        .page(0, PageState::Active, 0)
        .namespace(0, 0, "one", 1)
        .number(0, 1, 1, "k", Number::U8(3))
        .item(0, 2, &empty, &[])
        .number(0, 3, 1, "last", Number::U8(3));
    let mut storage = Storage::open(SliceFlash::new(&mut image.bytes), Mode::ReadOnly, None).unwrap();
    assert_eq!(
        listed(&mut storage),
        [
            "one.k=U8(3)",
            "one.empty=ESP_ERR_NOT_ALLOWED",
            "one.last=ESP_ERR_NVS_NOT_FOUND"
        ]
    );
}

/// Both formats of one blob. Because the new one's data is damaged, the getter reads the old one, with a buffer for the
/// new one; the next call finds the chunk erased.
#[test]
fn an_old_blob_is_read_into_the_new_one_s_buffer() {
    let chunk = Entry::blob_data(1, &key("k"), 0, b"new");
    let index = Entry::blob_index(1, &key("k"), 3, 1, 0);
    let mut image = Image::blank(4)
        .page(0, PageState::Full, 0)
        .namespace(0, 0, "one", 1)
        .item(0, 1, &chunk, b"now")
        .item(0, 3, &index, &[])
        .page(1, PageState::Full, 1)
        .item(1, 0, &Entry::old_blob(1, &key("k"), b"older"), b"older")
        .page(2, PageState::Active, 2)
        .number(2, 0, 1, "last", Number::U8(3));
    assert_eq!(
        listed(&mut image.open()),
        ["one.k=ESP_ERR_NVS_INVALID_LENGTH", "one.last=U8(3)", "one.k=ESP_FAIL"]
    );
}

/// Entry 0 has the state empty: everything after it counts as half written, and the firmware still takes entry 1 for
/// the first item. It cannot move such a page.
#[test]
fn a_page_without_its_first_item_cannot_be_moved() {
    let mut image = Image::blank(2).page(0, PageState::Active, 0);
    for index in 0..10 {
        image = image.number(0, index, 0, &format!("n{index}"), Number::U8(9));
    }
    let mut image = image.state(0, 0, EntryState::Empty);
    let mut storage = image.open();
    let namespace = storage.open_namespace(&Namespace::new("prov").unwrap()).unwrap();
    for number in 0..115 {
        storage.set_number(namespace, &key("k"), Number::U8(number)).unwrap();
    }
    let moved = storage.set_number(namespace, &key("k"), Number::U8(200));
    assert!(
        matches!(
            moved,
            Err(Error::Firmware {
                code: EspError::Fail,
                ..
            })
        ),
        "{moved:?}"
    );
}

/// An entry far behind the items is marked written but is not. It is copied unchanged, and its span of 255 ends the
/// move.
#[test]
fn a_stray_mark_in_the_bitmap_ends_a_move() {
    let mut image = Image::blank(2)
        .page(0, PageState::Active, 0)
        .namespace(0, 0, "prov", 1)
        .state(0, 100, EntryState::Written);
    let mut storage = image.open();
    let namespace = storage.open_namespace(&Namespace::new("prov").unwrap()).unwrap();
    let moved = storage.set_str(namespace, &key("k"), "x".repeat(3999));
    assert!(
        matches!(
            moved,
            Err(Error::Firmware {
                code: EspError::Fail,
                ..
            })
        ),
        "{moved:?}"
    );
    drop(storage);
    // The copy holds both.
    let bitmap = Bitmap::from_bytes(image.bytes[PAGE_SIZE + BITMAP_OFFSET..][..32].try_into().unwrap());
    assert_eq!(bitmap.count(EntryState::Written), 2);
}

/// An entry that is already marked written is written over and counts twice: the page seems to have more entries than a
/// page can have, so it is the first to be moved, and the copy has fewer.
#[test]
fn an_entry_that_counts_twice_ends_a_move() {
    let mut image = Image::blank(2)
        .page(0, PageState::Active, 0)
        .namespace(0, 0, "prov", 1)
        .state(0, 3, EntryState::Written);
    let mut storage = image.open();
    let namespace = storage.open_namespace(&Namespace::new("prov").unwrap()).unwrap();
    let moved = storage.set_blob(namespace, &key("k"), &[7; 4000]);
    assert!(
        matches!(
            moved,
            Err(Error::Firmware {
                code: EspError::Fail,
                ..
            })
        ),
        "{moved:?}"
    );
}

/// Entry 1 is free, but its last word is not blank: an item written there has a wrong checksum, and the next search
/// that reads it erases it.
#[test]
fn an_item_written_over_something_is_erased_by_the_next_search() {
    let mut image = Image::blank(3)
        .page(0, PageState::Active, 0)
        .namespace(0, 0, "prov", 1)
        .bytes(0, 1, &[[0xFF; 28].as_slice(), &[0; 4]].concat());
    let mut storage = image.open();
    let namespace = storage.open_namespace(&Namespace::new("prov").unwrap()).unwrap();
    storage.set_number(namespace, &key("k"), Number::U8(5)).unwrap();
    storage.set_number(namespace, &key("k"), Number::U8(5)).unwrap();
    assert_eq!(listed(&mut storage), ["prov.k=U8(5)"]);
    drop(storage);
    assert_eq!(image.entry(0, 1), [0; ENTRY_SIZE]);
    assert_eq!(image.bytes[BITMAP_OFFSET], 0b1110_0010);
}

/// The same under a string's data: the string reads as damaged, and is erased whole.
#[test]
fn data_written_over_something_is_damaged() {
    let mut image = Image::blank(3)
        .page(0, PageState::Active, 0)
        .namespace(0, 0, "prov", 1)
        .bytes(0, 2, &[[0xFF; 28].as_slice(), &[0; 4]].concat());
    let mut storage = image.open();
    let namespace = storage.open_namespace(&Namespace::new("prov").unwrap()).unwrap();
    let text = "a text that takes more than thirty-two bytes";
    storage.set_str(namespace, &key("k"), text).unwrap();
    assert_eq!(listed(&mut storage), ["prov.k=ESP_ERR_NVS_NOT_FOUND"]);
    storage.set_str(namespace, &key("k"), text).unwrap();
    assert_eq!(listed(&mut storage), [format!("prov.k={text}")]);
}

/// The first entry that is marked written lies behind the first free one, so nothing that is written before it is ever
/// found again.
#[test]
fn an_item_written_before_a_stray_mark_is_not_found() {
    let mut image = Image::blank(3)
        .page(0, PageState::Active, 0)
        .state(0, 50, EntryState::Written);
    let mut storage = image.open();
    let namespace = storage.open_namespace(&Namespace::new("prov").unwrap()).unwrap();
    storage.set_number(namespace, &key("k"), Number::U8(5)).unwrap();
    assert_eq!(listed(&mut storage), [""; 0]);
    // After the mark they are found again; the item over the mark is one of them.
    for number in 0..60 {
        storage.set_number(namespace, &key("k"), Number::U8(number)).unwrap();
    }
    assert_eq!(listed(&mut storage), ["prov.k=U8(59)"]);
}
