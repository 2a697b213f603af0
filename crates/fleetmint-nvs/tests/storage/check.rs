//! `check` over the reference images: whatever the library repairs, refuses or can't read is a finding, and an image
//! that it takes as it is has no error.

use crate::reference::{Case, cases};
use fleetmint_nvs::check::{CredentialFault, Effect, FindingKind, Severity, When, check};
use fleetmint_nvs::image::{self, Item, Value};
use fleetmint_nvs::storage::{Mode, RepairKind, SliceFlash, Storage};
use fleetmint_nvs::{Key, Namespace};

fn is_flawed(case: &Case) -> bool {
    let ops = &case.json["init_flash_ops"];
    let entries = case.json["entries"].as_array().cloned().unwrap_or_default();
    case.init() != "ESP_OK"
        || ops["writes"].as_u64().unwrap_or(0) + ops["erases"].as_u64().unwrap_or(0) > 0
        || entries.iter().any(|entry| entry.get("error").is_some())
}

#[test]
fn what_the_library_acts_on_is_an_error_and_a_clean_image_has_none() {
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
            report
                .read_write
                .map_or_else(fleetmint_nvs::EspError::name, |()| "ESP_OK"),
            case.init(),
            "{}",
            case.name
        );
        let read_only = case.json["readonly"]["init"].as_str().unwrap();
        assert_eq!(
            report
                .read_only
                .map_or_else(fleetmint_nvs::EspError::name, |()| "ESP_OK"),
            read_only,
            "{}",
            case.name
        );
    }
}

#[test]
fn healthy_images_have_no_finding_at_all_but_that_they_are_full() {
    for case in cases("golden") {
        let kind = case.json["kind"].as_str().unwrap();
        if kind.contains("power cut") || kind.contains("corrupted") || kind.contains("key") || kind.contains("moved") {
            continue;
        }
        let report = check(&case.image(), case.cipher().as_ref()).unwrap();
        let but_full = report.findings.iter().find(|one| one.kind != FindingKind::NoRoom);
        assert!(but_full.is_none(), "{}: {but_full:?}", case.name);
    }
}

#[test]
fn a_repaired_image_has_nothing_for_the_next_start() {
    for case in cases("golden") {
        let mut image = case.image();
        if Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, case.cipher()).is_err() {
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
    let line = finding("trunc_nofree", |kind| kind == FindingKind::NoFreePages);
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
fn places_are_told() {
    let line = finding("bad_ent_span", |kind| {
        matches!(kind, FindingKind::Repair(RepairKind::Damaged(_)))
    });
    assert!(
        line.starts_with("page ") && line.contains(" entry ") && line.contains("(offset 0x"),
        "{line}"
    );
}

fn prov(items: &[(&str, Value<'_>)]) -> Vec<(String, CredentialFault)> {
    let namespace = Namespace::new("prov").unwrap();
    let item = |(key, value): &(&str, _)| Item::new(namespace, Key::new(key).unwrap(), *value);
    let items: Vec<_> = items.iter().map(item).collect();
    let report = check(&image::encode(&items, 0x3000).unwrap(), None).unwrap();
    let faults = report.findings.iter().filter_map(|one| match one.kind {
        FindingKind::Credential(fault) => Some((one.key.unwrap().to_string(), fault)),
        _ => None,
    });
    faults.collect()
}

#[test]
fn credentials_that_no_device_can_use() {
    let good = [
        ("device_key", Value::Str("k3x9a2b7")),
        ("client_id", Value::Str("iotdevice-tempsensor-k3x9a2b7")),
        ("client_secret", Value::Str("s3cret")),
        ("token_url", Value::Str("https://id.example/token")),
        ("base_url", Value::Str("https://api.example")),
    ];
    assert_eq!(prov(&good), []);
    let mut bad = good;
    bad[2].1 = Value::Str("**********");
    bad[3].1 = Value::Str(" ");
    bad[4].1 = Value::Blob(b"https://api.example");
    let mut faults = prov(&bad[1..]);
    faults.sort_by(|a, b| a.0.cmp(&b.0));
    let wanted = [
        ("base_url", CredentialFault::NotString),
        ("client_secret", CredentialFault::Masked),
        ("device_key", CredentialFault::Missing),
        ("token_url", CredentialFault::Empty),
    ];
    assert_eq!(faults, wanted.map(|(key, fault)| (key.to_owned(), fault)));
    assert_eq!(prov(&[("other", Value::Str(""))]), []);
}
