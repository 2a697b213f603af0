//! One secret is changed in a partition that also has values of others. How many of those survive with this crate's storage,
//! with the crate `esp-nvs`, and with `esp-nvs-partition-tool`, which reads everything and generates a new image? What counts
//! is the firmware's listing after the next start, as [`Storage::list`] models it. docs/nvs.md quotes these numbers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use esp_nvs::Nvs;
use esp_nvs::mem_flash::MemFlash;
use esp_nvs_partition_tool::{DataValue, NvsPartition};
use fleetmint_nvs::crypt::{Keys, Xts};
use fleetmint_nvs::entry::Number;
use fleetmint_nvs::storage::{Listed, Mode, SliceFlash, Storage, Value};
use fleetmint_nvs::{Key, Namespace};
use std::path::Path;

const SECRET: &str = "n3w-secret";

fn reference(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storage/reference/patch");
    std::fs::read(folder.join(name)).unwrap()
}

fn open<'a>(image: &'a mut [u8], cipher: Option<&Xts>) -> Storage<SliceFlash<'a>> {
    Storage::open(SliceFlash::new(image), Mode::ReadWrite, cipher.cloned()).unwrap()
}

fn list(image: &[u8], cipher: Option<&Xts>) -> Vec<Listed> {
    open(&mut image.to_vec(), cipher).list().unwrap()
}

/// How many values of others are unchanged, how many there were, and whether the secret is the new one.
fn survivors(before: &[u8], after: &[u8], cipher: Option<&Xts>) -> (usize, usize, bool) {
    let (before, after) = (list(before, cipher), list(after, cipher));
    let foreign: Vec<&Listed> = before
        .iter()
        .filter(|one| one.namespace.as_bytes() != b"prov")
        .collect();
    let same = |one: &Listed, other: &Listed| {
        (one.namespace, one.key, one.value_type) == (other.namespace, other.key, other.value_type)
            && one.value == other.value
    };
    let survive = foreign
        .iter()
        .filter(|one| after.iter().any(|other| same(one, other)))
        .count();
    let is_new = |one: &Listed| matches!(&one.value, Ok(Value::Str(text)) if text.as_slice() == SECRET.as_bytes());
    let changed = after
        .iter()
        .any(|one| one.key.as_bytes() == b"client_secret" && is_new(one));
    (survive, foreign.len(), changed)
}

fn by_this_crate(image: &[u8], cipher: Option<&Xts>) -> Vec<u8> {
    let mut image = image.to_vec();
    let mut storage = open(&mut image, cipher);
    let prov = storage.open_namespace(&Namespace::new("prov").unwrap()).unwrap();
    storage
        .set_str(prov, &Key::new("client_secret").unwrap(), SECRET)
        .unwrap();
    image
}

fn by_esp_nvs(image: &[u8]) -> Vec<u8> {
    let mut nvs = Nvs::new(0, image.len(), MemFlash::from_bytes(image.to_vec())).unwrap();
    let (prov, key) = (esp_nvs::Key::from_str("prov"), esp_nvs::Key::from_str("client_secret"));
    nvs.set(&prov, &key, SECRET).unwrap();
    nvs.into_inner().into_inner()
}

/// `None`: it doesn't find the key.
fn by_generating_anew(image: &[u8]) -> Option<Vec<u8>> {
    let mut partition = NvsPartition::try_from_bytes(image.to_vec()).unwrap();
    partition
        .find_mut("client_secret")?
        .set_data(DataValue::String(SECRET.into()));
    Some(partition.generate_partition(image.len()).unwrap())
}

#[test]
fn integers_strings_and_blobs_survive_all_three() {
    let board = reference("foreign_reprov.before.bin");
    assert_eq!(survivors(&board, &by_this_crate(&board, None), None), (22, 22, true));
    assert_eq!(survivors(&board, &by_esp_nvs(&board), None), (22, 22, true));
    assert_eq!(
        survivors(&board, &by_generating_anew(&board).unwrap(), None),
        (22, 22, true)
    );
}

#[test]
fn floats_doubles_and_empty_blobs_survive_only_this_crate() {
    let mut board = reference("foreign_reprov.before.bin");
    let mut storage = open(&mut board, None);
    let app = storage.open_namespace(&Namespace::new("app").unwrap()).unwrap();
    let key = |name: &str| Key::new(name).unwrap();
    storage.set_number(app, &key("gain"), Number::Float(0.5)).unwrap();
    storage.set_number(app, &key("ratio"), Number::Double(-1.25)).unwrap();
    storage.set_number(app, &key("uptime"), Number::U64(1 << 40)).unwrap();
    storage.set_blob(app, &key("none"), &[]).unwrap();
    storage.set_blob(app, &key("log"), &[7; 3500]).unwrap();
    drop(storage);
    assert_eq!(survivors(&board, &by_this_crate(&board, None), None), (27, 27, true));
    assert_eq!(survivors(&board, &by_esp_nvs(&board), None), (25, 27, true));
    assert_eq!(
        survivors(&board, &by_generating_anew(&board).unwrap(), None),
        (24, 27, true)
    );
}

#[test]
fn on_an_encrypted_board_nothing_survives_the_others() {
    let board = reference("enc_foreign.before.bin");
    let cipher = Keys::decode(&reference("keyfile-b.bin")).unwrap().xts();
    assert_eq!(
        survivors(&board, &by_this_crate(&board, Some(&cipher)), Some(&cipher)),
        (22, 22, true)
    );
    // esp-nvs has no encryption: every entry looks damaged to it, and it erases them all.
    assert_eq!(survivors(&board, &by_esp_nvs(&board), Some(&cipher)), (0, 22, false));
    assert!(by_generating_anew(&board).is_none());
}
