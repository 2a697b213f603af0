//! Flash plans: what they write, what they keep, and what they refuse.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test panics where it fails"
)]

#[allow(dead_code, reason = "the tests of the format use all of it")]
#[path = "../../fleetmint-nvs/tests/storage/history.rs"]
mod history;
#[path = "plan/target.rs"]
mod target;
#[path = "plan/unreadable.rs"]
mod unreadable;

use std::fs;
use std::path::Path;

use fleetmint_board::flash_dump::NotNvs;
use fleetmint_board::partition_table::{self, PartitionTable, Unfit};
use fleetmint_board::patch::{self, Others};
use fleetmint_board::plan::{
    ImageFault, Lost, Options, PartitionKeys, Plan, Read, Refusal, Target, Wanted, Warning, plan,
};
use fleetmint_board::plan::{has_all, table, target};
use fleetmint_board::provisioning::{self, Setting, Values};
use fleetmint_board::wiped::Wiped;
use fleetmint_nvs::crypt::{Keys, Xts};
use fleetmint_nvs::csv;
use fleetmint_nvs::entry::{Entry, Number, entry_crc};
use fleetmint_nvs::image::{self, Item};
use fleetmint_nvs::layout::{PAGE_SIZE, entry_offset};
use fleetmint_nvs::storage::{Listed, Mode, SliceFlash, Storage, Value};
use fleetmint_nvs::{Error, Key, Namespace};
use history::{Call, Content, calls, config};
use proptest::prelude::*;
use std::collections::HashSet;

const SALT: &[u8] = b"salt";
const TABLE: &str = "\
nvs,      data, nvs,      0x9000,  0x6000,
phy_init, data, phy,      ,        4K,
factory,  app,  factory,  0x10000, 1M,
nvs_keys, data, nvs_keys, ,        4K,   encrypted
fctry,    data, nvs,      ,        0x3000, readonly
";

fn partition_table(csv: &str) -> PartitionTable {
    PartitionTable::from_file(csv.as_bytes(), partition_table::OFFSET).unwrap()
}

/// A board whose partition `nvs` has so many pages.
fn board(pages: usize) -> Target {
    let csv = format!(
        "nvs,data,nvs,0x9000,{:#x},\nfactory,app,factory,,1M,\n",
        pages * PAGE_SIZE
    );
    target(&partition_table(&csv), partition_table::OFFSET, 4 << 20, None).unwrap()
}

fn values<'a>() -> Values<'a> {
    Values::default()
        .with(Setting::DeviceKey, Some("abcd1234"))
        .with(Setting::ClientId, Some("iotdevice-m-abcd1234"))
        .with(Setting::ClientSecret, Some("first secret"))
        .with(Setting::TokenUrl, Some("https://id.example/token"))
        .with(Setting::BaseUrl, Some("https://api.example"))
        .with(Setting::WifiSsid, Some("Home"))
}

fn image_of(values: &Values<'_>) -> Vec<u8> {
    let mut image = vec![0; 0x2000];
    values.encode_into(&mut image).unwrap();
    image
}

fn wiped(bytes: &[u8]) -> Wiped {
    let mut wiped = Wiped::with_capacity(bytes.len());
    wiped.push(bytes).unwrap();
    wiped
}

fn keys() -> Keys {
    Keys::from_bytes(std::array::from_fn(|n| if n < 32 { 0x11 } else { 0x22 }))
}

/// The plan for a partition that the chip's own keys do not encrypt.
fn plan_for(partition: &[u8], keys: Option<Keys>, wanted: Wanted<'_>) -> Result<Plan, Refusal> {
    plan_with(
        partition,
        keys.map_or(PartitionKeys::OnChip(Vec::new()), PartitionKeys::Given),
        wanted,
        false,
    )
}

fn plan_with(partition: &[u8], keys: PartitionKeys, wanted: Wanted<'_>, overwrite: bool) -> Result<Plan, Refusal> {
    let read = Read {
        target: &board(partition.len() / PAGE_SIZE),
        partition: wiped(partition),
        keys: &keys,
    };
    plan(read, wanted, &Options { overwrite, salt: SALT })
}

/// The flash after the plan's sectors were written as a chip does it: erased, then written.
fn written(partition: &[u8], plan: &Plan) -> Vec<u8> {
    let mut flash = partition.to_vec();
    let mut last = None;
    for sector in plan.sectors() {
        assert!(last < Some(sector.number), "in ascending order, each once");
        last = Some(sector.number);
        assert_eq!(sector.offset, 0x9000 + sector.number * PAGE_SIZE);
        let place = &mut flash[sector.number * PAGE_SIZE..][..PAGE_SIZE];
        assert!(*place == *sector.old && sector.old != sector.new);
        place.fill(0xFF);
        place.copy_from_slice(sector.new);
    }
    assert!(flash == plan.after() && partition == plan.before());
    flash
}

fn list(image: &[u8], cipher: Option<Xts>) -> Vec<Listed> {
    let mut copy = image.to_vec();
    let mut storage = Storage::open(SliceFlash::new(&mut copy), Mode::ReadWrite, cipher).unwrap();
    assert!(
        storage.repairs().is_empty(),
        "nothing is left for the firmware to repair"
    );
    storage.list().unwrap()
}

/// The values of other namespaces than `prov`.
fn foreign(image: &[u8], cipher: Option<Xts>) -> Vec<Listed> {
    let mut listed = list(image, cipher);
    listed.retain(|one| one.namespace.as_bytes() != b"prov");
    // A page that was moved has another place.
    listed.iter_mut().for_each(|one| one.place = (0, 0));
    listed.sort_by_key(|one| (one.namespace, one.key, one.value_type));
    listed
}

fn string(image: &[u8], cipher: Option<Xts>, key: &str) -> Option<String> {
    let found = list(image, cipher)
        .into_iter()
        .find(|one| one.namespace.as_bytes() == b"prov" && one.key.as_bytes() == key.as_bytes());
    found.map(|one| match one.value.unwrap() {
        Value::Str(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    })
}

/// A partition after this history.
fn in_use(pages: usize, cipher: Option<Xts>, history: &[Call]) -> Vec<u8> {
    let mut image = vec![0xFF; pages * PAGE_SIZE];
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, cipher.clone()).unwrap();
    for call in history {
        if call.make(&mut storage).is_err() {
            break;
        }
    }
    drop(storage);
    // A call without room may have left parts.
    drop(Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, cipher).unwrap());
    image
}

/// A row of a list of changes for each call.
fn rows_of(changes: &[Call]) -> String {
    let mut csv = "key,type,encoding,value\n".to_string();
    for call in changes {
        csv += &format!("space{},namespace,,\n", call.namespace());
        csv += &match call {
            Call::Number(_, key, number) => format!("key_{key},data,i32,{number}\n"),
            Call::Wide(_, key, number) => format!("key_{key},data,u64,{number}\n"),
            // The table has no row for an empty value.
            Call::Text(_, key, text) if text.is_empty() => format!("key_{key},delete,,\n"),
            Call::Blob(_, key, bytes) if bytes.is_empty() => format!("key_{key},delete,,\n"),
            Call::Text(_, key, text) => format!("key_{key},data,string,{text}\n"),
            Call::Blob(_, key, bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("key_{key},data,hex2bin,{digits}\n")
            }
            Call::Erase(_, key) => format!("key_{key},delete,,\n"),
            Call::EraseAll(_) => ",delete-all,,\n".to_string(),
        };
    }
    csv
}

fn changes<'a>(rows: &'a [csv::Row], read_file: patch::ReadFile<'a>) -> Wanted<'a> {
    Wanted::Changes { rows, read_file }
}

fn no_files(path: &str) -> Result<Vec<u8>, String> {
    Err(format!("{path}: no files here"))
}

proptest! {
    #![proptest_config(config(64))]

    /// The plan, written and started, is what `patch` gives, and every value of others stays.
    #[test]
    fn a_plan_equals_a_patch(
        pages in 3..6usize,
        encrypted in any::<bool>(),
        history in calls(3000, 60),
        secret in "[a-z0-9]{1,60}",
        ssid in prop::option::of("[a-z]{1,20}"),
        old in prop::option::of("[a-z0-9]{1,60}"),
    ) {
        let keys = encrypted.then(keys);
        let cipher = || keys.as_ref().map(Keys::xts);
        let mut before = in_use(pages, cipher(), &history);
        if let Some(old) = &old {
            let values = values().with(Setting::ClientSecret, Some(old));
            let mut copy = before.clone();
            if patch::patch(&mut copy, keys.as_ref(), &values, SALT, |_| true).is_ok() {
                before = copy;
            }
        }
        let new = values().with(Setting::ClientSecret, Some(&secret)).with(Setting::WifiSsid, ssid.as_deref());
        let mut patched = before.clone();
        let done = patch::patch(&mut patched, keys.as_ref(), &new, SALT, |_| true);
        let image = image_of(&new);
        let planned = plan_for(&before, keys.clone(), Wanted::Image(&image));
        let (plan, done) = match (planned, done) {
            (Ok(plan), Ok(done)) => (plan, done),
            (Err(Refusal::NoRoom { .. }), Err(patch::Error::DoesNotFit { .. })) => return Ok(()),
            (planned, done) => panic!("{planned:?}, {done:?}"),
        };
        let after = written(&before, &plan);
        prop_assert!(after == patched);
        prop_assert_eq!(plan.sectors().map(|sector| sector.number).collect::<Vec<_>>(), done.changed_sectors);
        prop_assert_eq!(&plan.differences, &done.differences);
        prop_assert_eq!(plan.is_encrypted, encrypted);
        prop_assert_eq!(&plan.warnings, &[]);

        // The firmware's start.
        let others = foreign(&before, cipher());
        prop_assert_eq!(&foreign(&after, cipher()), &others);
        prop_assert_eq!(plan.others.values, others.len());
        prop_assert_eq!(string(&after, cipher(), "client_secret"), Some(secret));
        prop_assert_eq!(string(&after, cipher(), "wifi_ssid"), ssid);

        // The same again writes nothing.
        let again = plan_for(&after, keys.clone(), Wanted::Image(&image)).unwrap();
        prop_assert!(again.is_unchanged() && again.sectors().len() == 0 && again.differences.is_empty());
    }

    /// The same for a list of changes.
    #[test]
    fn a_plan_of_changes_equals_the_calls(
        pages in 3..6usize,
        encrypted in any::<bool>(),
        history in calls(3000, 40),
        wanted in calls(500, 8),
    ) {
        let keys = encrypted.then(keys);
        let cipher = || keys.as_ref().map(Keys::xts);
        let before = in_use(pages, cipher(), &history);
        prop_assume!(!wanted.is_empty());
        let csv = rows_of(&wanted);
        let rows = csv::read_changes(csv.as_bytes()).unwrap();
        let mut expected = before.clone();
        let mut storage = Storage::open(SliceFlash::new(&mut expected), Mode::ReadWrite, cipher()).unwrap();
        let done = storage.patch(&rows, no_files);
        drop(storage);
        match (plan_for(&before, keys.clone(), changes(&rows, &mut no_files)), done) {
            (Ok(plan), Ok(_)) => prop_assert!(written(&before, &plan) == expected),
            (Err(Refusal::NoRoom { .. }), Err(_)) => {}
            (planned, done) => panic!("{planned:?}, {done:?}"),
        }
    }

    /// After a cut, a start of the firmware and some calls of it, `has_all` says what the firmware's own listing says.
    #[test]
    fn what_a_cut_and_the_firmware_leave_is_complete_or_not(
        pages in 3..6usize,
        encrypted in any::<bool>(),
        history in calls(3000, 40),
        since in calls(300, 6),
        written in 0..=PAGE_SIZE,
    ) {
        let keys = encrypted.then(keys);
        let cipher = || keys.as_ref().map(Keys::xts);
        let before = in_use(pages, cipher(), &history);
        let image = image_of(&values());
        let Ok(plan) = plan_for(&before, keys.clone(), Wanted::Image(&image)) else { return Ok(()) };
        let mut now = before.clone();
        if let Some(sector) = plan.sectors().next() {
            let place = &mut now[sector.number * PAGE_SIZE..][..PAGE_SIZE];
            place.fill(0xFF);
            place[..written].copy_from_slice(&sector.new[..written]);
        }
        let Ok(mut storage) = Storage::open(SliceFlash::new(&mut now), Mode::ReadWrite, cipher()) else { return Ok(()) };
        for call in &since {
            if call.make(&mut storage).is_err() {
                return Ok(());
            }
        }
        drop(storage);
        let names = |image: &[u8], readable: bool| -> HashSet<_> {
            let mut listed = list(image, cipher());
            listed.retain(|one| !readable || one.value.is_ok());
            listed.iter().map(|one| (one.namespace, one.key)).collect()
        };
        let (old, new, here) = (names(&before, false), names(plan.after(), false), names(&now, true));
        let given = keys.clone().map_or(PartitionKeys::OnChip(Vec::new()), PartitionKeys::Given);
        prop_assert_eq!(has_all(&now, [&before, plan.after()], &given), old.intersection(&new).all(|name| here.contains(name)));
    }
}

/// The flash after the plan is what Espressif's own library left there after the same calls.
#[test]
fn states_of_another_size_say_nothing_of_a_partition() {
    let image = |pages: usize| {
        let mut image = vec![0; pages * PAGE_SIZE];
        values().encode_into(&mut image).unwrap();
        image
    };
    let none = PartitionKeys::OnChip(Vec::new());
    assert!(has_all(&image(3), [&image(3), &image(3)], &none));
    for (now, before, after) in [(3, 4, 3), (3, 3, 4), (4, 3, 3), (3, 2, 2)] {
        assert!(!has_all(&image(now), [&image(before), &image(after)], &none));
    }
    assert!(!has_all(&[], [&[], &[]], &none));
    assert!(!has_all(&image(3)[1..], [&image(3)[1..], &image(3)[1..]], &none));
}

#[test]
fn a_plan_of_changes_equals_espressifs_library() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fleetmint-nvs/tests/storage/reference/patch");
    let read = |name: &str| fs::read(folder.join(name));
    let (mut compared, mut encrypted, mut refused) = (0, 0, Vec::new());
    for file in fs::read_dir(&folder).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".before.bin") else {
            continue;
        };
        // Without it, a call of the library failed.
        let Ok(after) = read(&format!("{name}.after.bin")) else {
            continue;
        };
        let facts: serde_json::Value = serde_json::from_slice(&read(&format!("{name}.json")).unwrap()).unwrap();
        let keyfile = facts["keyfile"].as_str().filter(|_| facts["encrypted"] == true);
        let keys = keyfile.map(|name| Keys::decode(&read(name).unwrap()).unwrap());
        let before = read(&file).unwrap();
        let csv = read(&format!("{name}.csv")).unwrap();
        let rows = csv::read_changes(&csv).unwrap();
        match plan_for(&before, keys, changes(&rows, &mut no_files)) {
            Ok(plan) => {
                assert!(written(&before, &plan) == after, "{name}");
                compared += 1;
                encrypted += usize::from(plan.is_encrypted);
            }
            Err(_) => refused.push(name.to_string()),
        }
    }
    assert!(compared > 60 && encrypted > 0, "{compared}, {encrypted} encrypted");
    // Where the library erases everything, uses a part of a name, or leaves a partition that it cannot open again.
    refused.sort();
    assert_eq!(
        refused,
        [
            "enc_wrong_key",
            "quirk_delete_16",
            "quirk_ns_16",
            "quirk_one_page_blank"
        ]
    );
}

#[test]
fn a_blank_partition_becomes_what_the_firmware_would_make_of_it() {
    let image = image_of(&values());
    for keys in [None, Some(keys())] {
        let blank = vec![0xFF; 6 * PAGE_SIZE];
        let plan = plan_for(&blank, keys.clone(), Wanted::Image(&image)).unwrap();
        let after = written(&blank, &plan);
        let mut firmware = blank.clone();
        let cipher = keys.as_ref().map(Keys::xts);
        let mut storage = Storage::open(SliceFlash::new(&mut firmware), Mode::ReadWrite, cipher.clone()).unwrap();
        let prov = storage.open_namespace(&Namespace::new("prov").unwrap()).unwrap();
        for one in image::decode(&image).unwrap().map(Result::unwrap) {
            let image::DecodedValue::Str(text) = one.value else {
                panic!()
            };
            storage
                .set_str(prov, &Key::new(one.key.as_bytes()).unwrap(), text)
                .unwrap();
        }
        drop(storage);
        assert!(after == firmware);
        assert_eq!(plan.sectors().map(|sector| sector.number).collect::<Vec<_>>(), [0]);
        assert_eq!(
            (plan.others, plan.overwritten, plan.warnings),
            (Others::default(), None, vec![])
        );
        assert!(plan.differences.iter().all(|one| one.change == "added"));
        assert_eq!(string(&after, cipher, "device_key").as_deref(), Some("abcd1234"));
    }
}

/// What other software leaves in a partition, in every type that NVS has.
fn with_neighbours() -> Vec<u8> {
    let mut image = vec![0xFF; 6 * PAGE_SIZE];
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None).unwrap();
    let key = |name: &str| Key::new(name).unwrap();
    let wifi = storage
        .open_namespace(&Namespace::new("nvs.net80211").unwrap())
        .unwrap();
    storage.set_blob(wifi, &key("sta.ssid"), &[b'x'; 36]).unwrap();
    storage.set_blob(wifi, &key("sta.pswd"), &[0; 65]).unwrap();
    storage.set_number(wifi, &key("sta.chan"), Number::U8(6)).unwrap();
    let phy = storage.open_namespace(&Namespace::new("phy").unwrap()).unwrap();
    storage.set_blob(phy, &key("cal_data"), &[0x5A; 1904]).unwrap();
    storage.set_blob(phy, &key("cal_mac"), &[1, 2, 3, 4, 5, 6]).unwrap();
    storage.set_number(phy, &key("cal_version"), Number::U32(5)).unwrap();
    let matter = storage.open_namespace(&Namespace::new("CHIP_KVS").unwrap()).unwrap();
    for fabric in 0..3 {
        storage
            .set_blob(matter, &key(&format!("f/{fabric}/n")), &vec![fabric; 400])
            .unwrap();
    }
    let app = storage.open_namespace(&Namespace::new("app").unwrap()).unwrap();
    storage.set_number(app, &key("gain"), Number::Float(0.5)).unwrap();
    storage.set_number(app, &key("ratio"), Number::Double(-1.25)).unwrap();
    storage.set_number(app, &key("uptime"), Number::I64(-1 << 40)).unwrap();
    storage.set_blob(app, &key("none"), &[]).unwrap();
    // A key of the device's name in a namespace of somebody else.
    storage.set_str(app, &key("client_secret"), "not ours").unwrap();
    storage.commit().unwrap();
    drop(storage);
    image
}

#[test]
fn everything_of_others_stays() {
    let before = with_neighbours();
    let image = image_of(&values());
    let plan = plan_for(&before, None, Wanted::Image(&image)).unwrap();
    let after = written(&before, &plan);
    assert_eq!(foreign(&before, None).len(), 14);
    assert_eq!(foreign(&after, None), foreign(&before, None));
    assert_eq!(
        plan.others,
        Others {
            values: 14,
            namespaces: 4
        }
    );
    assert_eq!(plan.differences.len(), 6);

    // A changed secret writes the page that it is on.
    let image = image_of(&values().with(Setting::ClientSecret, Some("second secret")));
    let plan = plan_for(&after, None, Wanted::Image(&image)).unwrap();
    let last = written(&after, &plan);
    assert_eq!(foreign(&last, None), foreign(&before, None));
    assert!(plan.sectors().len() <= 2);
    assert_eq!(plan.differences.len(), 1);
    let shown = format!(
        "{plan:?} {:?} {:?}",
        plan.differences,
        plan.sectors().collect::<Vec<_>>()
    );
    assert!(!shown.contains("first") && !shown.contains("second"), "{shown}");

    // A key of a later version of the server is set too.
    let mut items = vec![];
    for one in image::decode(&image).unwrap().map(Result::unwrap) {
        let image::DecodedValue::Str(text) = one.value else {
            panic!()
        };
        let text = std::str::from_utf8(text).unwrap();
        items.push(Item::new(
            Namespace::new("prov").unwrap(),
            Key::new(one.key.as_bytes()).unwrap(),
            text,
        ));
    }
    items.push(Item::new(
        Namespace::new("prov").unwrap(),
        Key::new("ntp_server").unwrap(),
        "time.example",
    ));
    let image = image::encode(&items, 0x1000).unwrap();
    let plan = plan_for(&last, None, Wanted::Image(&image)).unwrap();
    assert_eq!(
        string(&written(&last, &plan), None, "ntp_server").as_deref(),
        Some("time.example")
    );
    assert_eq!(plan.warnings, []);
}

#[test]
fn another_devices_identity_is_a_warning() {
    let image = image_of(&values());
    let blank = vec![0xFF; 3 * PAGE_SIZE];
    let first = plan_for(&blank, None, Wanted::Image(&image)).unwrap();
    let other = image_of(&values().with(Setting::DeviceKey, Some("zzzz9999")));
    let plan = plan_for(first.after(), None, Wanted::Image(&other)).unwrap();
    let key = "abcd1234".to_string();
    assert_eq!(plan.warnings, [Warning::OtherDevice { key }]);
}

/// Nothing that newer firmware has written is lost.
#[test]
fn an_item_of_an_unknown_type_is_not_lost() {
    let mut before = with_neighbours();
    let (at, mut entry) = (0..126)
        .map(|index| (entry_offset(0, index), index))
        .find_map(|(at, _)| {
            let entry: [u8; 32] = before[at..at + 32].try_into().unwrap();
            (Entry::from_bytes(&entry).name().as_bytes() == b"sta.chan").then_some((at, entry))
        })
        .unwrap();
    entry[1] = 0x77;
    let crc = entry_crc(&entry);
    entry[4..8].copy_from_slice(&crc.to_le_bytes());
    before[at..at + 32].copy_from_slice(&entry);
    let image = image_of(&values());
    for overwrite in [false, true] {
        let refused = plan_with(&before, PartitionKeys::OnChip(vec![]), Wanted::Image(&image), overwrite).unwrap_err();
        assert!(matches!(refused, Refusal::UnknownType { count: 1, .. }), "{refused}");
        assert!(refused.to_string().contains("\"sta.chan\""), "{refused}");
    }
}

#[test]
fn a_damaged_partition_is_planned_as_the_firmware_repairs_it() {
    let mut before = with_neighbours();
    before[entry_offset(0, 1) + 4] ^= 1;
    let image = image_of(&values());
    let plan = plan_for(&before, None, Wanted::Image(&image)).unwrap();
    assert!(
        matches!(plan.warnings[..], [Warning::Repairs { count: 1.. }]),
        "{:?}",
        plan.warnings
    );
    let mut patched = before.clone();
    patch::patch(&mut patched, None, &values(), SALT, |_| true).unwrap();
    assert!(written(&before, &plan) == patched);
}

#[test]
fn a_partition_without_room_is_refused() {
    let long = "x".repeat(3900);
    let image = {
        let values = values()
            .with(Setting::MqttUrl, Some(&long))
            .with(Setting::BaseUrl, Some(&long));
        let mut image = vec![0; 0x6000];
        values.encode_into(&mut image).unwrap();
        image
    };
    for overwrite in [false, true] {
        let refused = plan_with(
            &with_neighbours()[..3 * PAGE_SIZE],
            PartitionKeys::OnChip(vec![]),
            Wanted::Image(&image),
            overwrite,
        );
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Refusal::NoRoom { .. }), "{refused}");
    }
    let one = plan_for(&[0xFF; PAGE_SIZE], None, Wanted::Image(&image_of(&values()))).unwrap_err();
    assert_eq!(one, Refusal::OnePage);
    let two = plan_for(&[0xFF; 2 * PAGE_SIZE], None, Wanted::Image(&image_of(&values()))).unwrap();
    assert_eq!(two.warnings, [Warning::Small { size: 0x2000 }]);
    let read = Read {
        target: &board(4),
        partition: Wiped::filled(0xFF, 0x3000),
        keys: &PartitionKeys::OnChip(vec![]),
    };
    let cut = plan(read, Wanted::Image(&[]), &Options::default()).unwrap_err();
    assert!(
        matches!(
            cut,
            Refusal::CutShort {
                size: 0x4000,
                read: 0x3000,
                ..
            }
        ),
        "{cut}"
    );
}

#[test]
fn an_image_that_is_not_a_devices_is_refused() {
    let blank = vec![0xFF; 4 * PAGE_SIZE];
    let fault = |image: &[u8]| match plan_for(&blank, None, Wanted::Image(image)).unwrap_err() {
        Refusal::Image(fault) => fault,
        other => panic!("{other}"),
    };
    let encode = |items: &[(&str, &str, image::Value<'_>)]| {
        let items: Vec<_> = items
            .iter()
            .map(|(ns, key, value)| Item::new(Namespace::new(ns).unwrap(), Key::new(key).unwrap(), *value))
            .collect();
        image::encode(&items, 0x3000).unwrap()
    };
    assert!(matches!(fault(&blank), ImageFault::NotFresh(_)));
    assert!(matches!(fault(b"text"), ImageFault::NotFresh(_)));
    assert!(matches!(
        fault(&with_neighbours()),
        ImageFault::NotFresh(_) | ImageFault::OtherNamespace { .. }
    ));
    let other = encode(&[("wifi", "ssid", "x".into())]);
    assert!(matches!(fault(&other), ImageFault::OtherNamespace { .. }));
    let number = encode(&[("prov", "device_key", Number::U8(1).into())]);
    assert!(matches!(fault(&number), ImageFault::NotText { .. }));
    let missing = encode(&[("prov", "device_key", "abcd1234".into())]);
    let error = fault(&missing);
    assert!(
        matches!(
            &error,
            ImageFault::Values(provisioning::Error::Required {
                setting: Setting::ClientId,
                ..
            })
        ),
        "{error}"
    );
}

#[test]
fn a_failing_row_is_named() {
    let rows = csv::read_changes(b"key,type,encoding,value\napp,namespace,,\nca,file,binary,ca.der\n").unwrap();
    let blank = vec![0xFF; 4 * PAGE_SIZE];
    let refused = plan_for(&blank, None, changes(&rows, &mut no_files)).unwrap_err();
    assert!(
        matches!(refused, Refusal::Row(_)) && refused.to_string().contains("line 3"),
        "{refused}"
    );
    let mut files = |_: &str| Ok(b"certificate".to_vec());
    let plan = plan_for(&blank, None, changes(&rows, &mut files)).unwrap();
    assert_eq!(plan.differences.len(), 1);
    assert!(matches!(list(plan.after(), None)[0].value, Ok(Value::Blob(ref bytes)) if **bytes == *b"certificate"));
    let _ = Content::Number(Number::U8(0));
}
