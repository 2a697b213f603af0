//! `check` of the reference images: everything that the library repairs, refuses or cannot read is a finding, and an
//! image that it accepts unchanged has no error.

use crate::reference::{Case, cases};
use fleetmint_nvs::check::{Effect, FindingKind, Options, Severity, When, check, check_with};
use fleetmint_nvs::diff::diff;
use fleetmint_nvs::entry::{Entry, Number};
use fleetmint_nvs::image::{self, Item};
use fleetmint_nvs::layout::{BITMAP_OFFSET, ENTRIES_OFFSET, ENTRY_SIZE, PAGE_SIZE, Version};
use fleetmint_nvs::page::{Bitmap, EntryState, PageHeader, PageState};
use fleetmint_nvs::storage::{Mode, ReadOnlySlice, RepairKind, SliceFlash, Storage, Value};
use fleetmint_nvs::{Error, EspError, Key, Namespace};

fn is_flawed(case: &Case) -> bool {
    let ops = &case.json["init_flash_ops"];
    let entries = case.json["entries"].as_array().cloned().unwrap_or_default();
    case.init() != "ESP_OK"
        || ops["writes"].as_u64().unwrap_or(0) + ops["erases"].as_u64().unwrap_or(0) > 0
        || entries.iter().any(|entry| entry.get("error").is_some())
}

#[test]
fn images_that_the_library_changes_have_errors_and_clean_images_have_none() {
    for case in cases("golden") {
        let report = check(&case.image(), case.cipher().as_ref()).unwrap();
        assert_eq!(
            report.has_errors(),
            is_flawed(&case),
            "{}: {:#?}",
            case.name,
            report.findings
        );
        let at_start = report
            .findings
            .iter()
            .any(|one| one.severity == Severity::Error && one.when == When::Start);
        let acts = case.init() != "ESP_OK" || case.json.get("sha256_after_init").is_some();
        if acts {
            assert!(at_start, "{}: {:#?}", case.name, report.findings);
        }
        assert_eq!(
            report.read_write.map_or_else(EspError::name, |()| "ESP_OK"),
            case.init(),
            "{}",
            case.name
        );
        let read_only = case.json["readonly"]["init"].as_str().unwrap();
        assert_eq!(
            report.read_only.map_or_else(EspError::name, |()| "ESP_OK"),
            read_only,
            "{}",
            case.name
        );
    }
}

#[test]
fn healthy_images_have_no_finding_except_that_they_are_full() {
    for case in cases("golden") {
        let kind = case.json["kind"].as_str().unwrap();
        if kind.contains("power cut") || kind.contains("corrupted") || kind.contains("key") || kind.contains("moved") {
            continue;
        }
        let report = check(&case.image(), case.cipher().as_ref()).unwrap();
        let but_full = report
            .findings
            .iter()
            .find(|one| !matches!(one.kind, FindingKind::NoRoom | FindingKind::LowRoom { .. }));
        assert!(but_full.is_none(), "{}: {but_full:?}", case.name);
    }
}

#[test]
fn after_a_repair_the_next_start_changes_nothing() {
    for case in cases("golden") {
        let mut image = case.image();
        if Storage::open_as_firmware(SliceFlash::new(&mut image), Mode::ReadWrite, case.cipher()).is_err() {
            continue;
        }
        let report = check(&image, case.cipher().as_ref()).unwrap();
        let acts = report
            .findings
            .iter()
            .find(|one| one.when == When::Start && one.effect != Effect::Nothing);
        assert!(acts.is_none(), "{}: {acts:?}", case.name);
    }
}

fn finding(name: &str, wanted: impl Fn(FindingKind) -> bool) -> String {
    let case = cases("golden").into_iter().find(|case| case.name == name).unwrap();
    let report = check(&case.image(), case.cipher().as_ref()).unwrap();
    let found = report.findings.iter().find(|one| wanted(one.kind));
    found
        .unwrap_or_else(|| panic!("{name}: {:#?}", report.findings))
        .to_string()
}

#[test]
fn the_traps_of_the_library() {
    let line = finding("enc_wrong_key", |kind| {
        matches!(kind, FindingKind::WrongKey { encrypted: true, .. })
    });
    assert!(
        line.contains("key seems wrong") && line.ends_with("erases every entry"),
        "{line}"
    );
    finding("enc_no_key", |kind| {
        matches!(kind, FindingKind::WrongKey { encrypted: false, .. })
    });
    let line = finding("trunc_nofree", |kind| matches!(kind, FindingKind::NoFreePages { .. }));
    assert!(
        line.contains("ESP_ERR_NVS_NO_FREE_PAGES") && line.contains("erases the partition"),
        "{line}"
    );
    finding("bad_version_fd", |kind| {
        kind == FindingKind::NewVersion { version: 0xFD }
    });
    finding("bad_bm_unerased", |kind| kind == FindingKind::Duplicate);
    finding("bad_free_dirty", |kind| kind == FindingKind::PageNotBlank);
    finding("bad_hdrcrc_first", |kind| kind == FindingKind::PageHeader);
    finding("bad_hdrcrc_first", |kind| kind == FindingKind::Orphan);
    finding("bad_strdata", |kind| matches!(kind, FindingKind::Unreadable { .. }));
    finding("cut_blob_smallupd_01", |kind| kind == FindingKind::BlobLost);
    finding("bad_dup_active", |kind| {
        kind == FindingKind::Repair(RepairKind::Duplicate)
    });
    let full = cases("patch")
        .into_iter()
        .find(|case| case.name == "space_all_used")
        .unwrap();
    let report = check(&full.file("space_all_used.before.bin"), None).unwrap();
    assert!(report.findings.iter().any(|one| one.kind == FindingKind::NoRoom) && !report.has_errors());
    let vanishes = finding("cut_blob_smallupd_03", |kind| kind == FindingKind::ReadOnlyVanishes);
    assert!(vanishes.contains("read-only"), "{vanishes}");
}

#[test]
fn places_are_reported() {
    let line = finding("bad_ent_span", |kind| {
        matches!(kind, FindingKind::Repair(RepairKind::Damaged(_)))
    });
    assert!(
        line.starts_with("page ") && line.contains(" entry ") && line.contains("(offset 0x"),
        "{line}"
    );
}

/// A namespace that a generator opened twice has two entries, and the getters only find the first.
#[test]
fn a_duplicate_namespace_is_one_finding() {
    let named = |name: &str, index| Entry::namespace(&Namespace::new(name).unwrap(), index);
    let text = |index, name: &str, text: &[u8]| (Entry::string(index, &Key::new(name).unwrap(), text), text.to_vec());
    let items = [
        (named("wifi", 1), vec![]),
        text(1, "ssid", b"plant\0"),
        (named("dev", 2), vec![]),
        (named("wifi", 3), vec![]),
        text(3, "ssid", b"office\0"),
        text(3, "pass", b"secret\0"),
        (named("wifi", 4), vec![]),
    ];
    let image = one_page(&items, 3);
    let report = check(&image, None).unwrap();
    let reported: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        reported,
        [
            "namespace wifi is there twice (index 1 and 3): the getters reach index 1 alone; what index 3 holds (ssid, pass) \
             can't be read by name; the firmware does nothing about it",
            "namespace wifi is there twice (index 1 and 4): the getters reach index 1 alone; index 4 holds nothing; the \
             firmware does nothing about it",
        ]
    );

    let mut storage = Storage::open(ReadOnlySlice::new(&image), Mode::ReadOnly, None).unwrap();
    let listed = storage.list().unwrap();
    let show = |value: &Result<Value, EspError>| match value {
        Ok(Value::Str(text)) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    };
    let reported: Vec<_> = listed
        .iter()
        .map(|one| {
            let stored = one.unreachable.as_deref().map(show);
            (one.ns_index, one.key.to_string(), show(&one.value), one.repeat, stored)
        })
        .collect();
    let entry = |index, key: &str, value: &str, repeat, stored: Option<&str>| {
        (
            index,
            key.to_string(),
            value.to_string(),
            repeat,
            stored.map(String::from),
        )
    };
    assert_eq!(
        reported,
        [
            entry(1, "ssid", "plant", false, None),
            entry(3, "ssid", "plant", true, Some("office")),
            entry(3, "pass", "Err(NotFound)", false, Some("secret")),
        ]
    );

    // By index, so that a change of unreadable values is detected, and is distinguished from that of readable ones.
    let mut other = items.clone();
    other[5] = text(3, "pass", b"Secret\0");
    let other = one_page(&other, 3);
    let other = Storage::open(ReadOnlySlice::new(&other), Mode::ReadOnly, None)
        .unwrap()
        .list()
        .unwrap();
    let lines: Vec<String> = diff(&listed, &other)
        .iter()
        .map(|one| one.revealed().to_string())
        .collect();
    assert_eq!(
        lines,
        ["changed wifi (index 3)/pass: str of 7 bytes \"secret\" → str of 7 bytes \"Secret\""]
    );
}

/// These items on the first page of a partition.
fn one_page(items: &[(Entry, Vec<u8>)], pages: usize) -> Vec<u8> {
    let mut image = vec![0xFF; pages * PAGE_SIZE];
    page_of(&mut image[..PAGE_SIZE], 0, PageState::Full, items);
    image
}

fn page_of(page: &mut [u8], sequence: u32, state: PageState, items: &[(Entry, Vec<u8>)]) {
    let mut bitmap = Bitmap::EMPTY;
    let mut index = 0;
    for (entry, data) in items {
        let end = index + usize::from(entry.span);
        (index..end).for_each(|entry| bitmap.set(entry, EntryState::Written));
        page[ENTRIES_OFFSET + index * ENTRY_SIZE..][..ENTRY_SIZE].copy_from_slice(&entry.to_bytes());
        page[ENTRIES_OFFSET + (index + 1) * ENTRY_SIZE..][..data.len()].copy_from_slice(data);
        index = end;
    }
    page[..BITMAP_OFFSET].copy_from_slice(&PageHeader::encode(state, sequence, Version::V2));
    page[BITMAP_OFFSET..ENTRIES_OFFSET].copy_from_slice(&bitmap.to_bytes());
}

#[test]
fn the_wasted_space_of_a_page_closed_early_is_reported() {
    let number = |n: usize| {
        (
            Entry::number(1, &Key::new(format!("k{n}")).unwrap(), Number::U8(1)),
            vec![],
        )
    };
    let mut image = vec![0xFF; 3 * PAGE_SIZE];
    let mut first = vec![(Entry::namespace(&Namespace::new("n").unwrap(), 1), vec![])];
    first.extend((0..50).map(number));
    page_of(&mut image[..PAGE_SIZE], 0, PageState::Full, &first);
    page_of(
        &mut image[PAGE_SIZE..2 * PAGE_SIZE],
        1,
        PageState::Active,
        &[number(50)],
    );
    let findings = check(&image, None).unwrap().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].kind, FindingKind::ClosedEarly { entries: 75 });

    // An item that does not fit closes a page as intended.
    let data = vec![7; 75 * ENTRY_SIZE];
    let large = (Entry::old_blob(1, &Key::new("large").unwrap(), &data), data);
    page_of(&mut image[PAGE_SIZE..2 * PAGE_SIZE], 1, PageState::Active, &[large]);
    assert_eq!(check(&image, None).unwrap().findings, []);
}

#[test]
fn a_value_that_cannot_be_changed_is_a_finding() {
    let value = "x".repeat(3900);
    let item = |name: &str| {
        Item::new(
            Namespace::new("n").unwrap(),
            Key::new(name).unwrap(),
            image::Value::Str(&value),
        )
    };
    let roomy = image::encode(&[item("a")], 0x3000).unwrap();
    assert_eq!(check(&roomy, None).unwrap().findings, []);
    let tight = image::encode(&[item("a"), item("b")], 0x3000).unwrap();
    let findings = check(&tight, None).unwrap().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(
        findings[0].kind,
        FindingKind::LowRoom {
            needed: 123,
            available: 5
        }
    );
    assert!(
        findings[0]
            .to_string()
            .starts_with("key \"a\" of namespace \"n\": it takes 123 entries and 5 are left")
    );
}

/// The finding of `check` before the change and the error of the change itself have the same figures.
#[test]
fn changing_such_a_value_fails_with_the_same_figures() {
    let (namespace, key) = (Namespace::new("n").unwrap(), Key::new("k").unwrap());
    for (size, pages, blob) in [(9000, 5, true), (4000, 3, true), (3990, 3, false), (20_000, 10, true)] {
        let mut image = vec![0xFF; pages * PAGE_SIZE];
        let set = |image: &mut [u8], byte: u8| {
            let mut storage = Storage::open(SliceFlash::new(image), Mode::ReadWrite, None)?;
            let index = storage.open_namespace(&namespace)?;
            match blob {
                true => storage.set_blob(index, &key, &vec![byte; size]),
                false => storage.set_str(index, &key, vec![byte; size]),
            }
        };
        set(&mut image, b'x').unwrap();
        let before = check(&image, None).unwrap().findings;
        let [finding] = before.as_slice() else {
            panic!("{before:?}")
        };
        let FindingKind::LowRoom { needed, available } = finding.kind else {
            panic!("{finding:?}")
        };
        let expected = Error::NotEnoughSpace {
            key: key.raw(),
            needed,
            free: available,
        };
        assert_eq!(set(&mut image, b'y'), Err(expected), "{size}");
    }
}

/// There are enough entries, but not in one page.
#[test]
fn space_that_is_spread_over_pages_is_reported() {
    let mut image = vec![0xFF; 3 * PAGE_SIZE];
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None).unwrap();
    let index = storage.open_namespace(&Namespace::new("n").unwrap()).unwrap();
    for name in ["a", "b"] {
        storage
            .set_str(index, &Key::new(name).unwrap(), [b'x'; 65 * ENTRY_SIZE])
            .unwrap();
    }
    let error = storage
        .set_str(index, &Key::new("c").unwrap(), [b'x'; 65 * ENTRY_SIZE])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"c\" needs 67 entries of 32 bytes, 117 are left in the partition, but spread over its pages in parts that are too small \
         (ESP_ERR_NVS_NOT_ENOUGH_SPACE)"
    );
}

#[test]
fn a_read_only_partition_is_checked_as_read_only() {
    let item = Item::new(
        Namespace::new("n").unwrap(),
        Key::new("k").unwrap(),
        image::Value::Str("text"),
    );
    let image = image::encode(&[item], 0x1000).unwrap();
    let read_only = |image: &[u8]| {
        let options = Options {
            mode: Mode::ReadOnly,
            ..Options::default()
        };
        check_with(image, options).unwrap()
    };
    assert_eq!(read_only(&image).findings, []);
    assert_eq!(read_only(&image).stats.unwrap().used_entries, 3);
    let line = check(&image, None).unwrap().findings[0].to_string();
    assert!(line.contains("belongs at the start of an erased partition"), "{line}");
    assert!(
        line.contains("in a partition of its own size the firmware's next start fails"),
        "{line}"
    );

    let mut damaged = image;
    damaged[ENTRIES_OFFSET + 2 * ENTRY_SIZE] ^= 1;
    for findings in [read_only(&damaged).findings, check(&damaged, None).unwrap().findings] {
        let found = findings
            .iter()
            .any(|one| matches!(one.kind, FindingKind::Unreadable { .. }));
        assert!(found, "{findings:?}");
    }
    let line = read_only(&damaged).findings[0].to_string();
    assert!(line.ends_with("the firmware does nothing about it"), "{line}");
}
