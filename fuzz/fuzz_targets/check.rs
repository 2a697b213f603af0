//! Any bytes as an image: the findings agree with the firmware's start. An image that the start changes, or on which it
//! fails, has an error among its findings; an image without findings starts, unchanged.
#![no_main]

use fleetmint_fuzz::{image, mutate, steps};
use fleetmint_nvs::check::{Effect, FindingKind, Options, Severity, When, check_with};
use fleetmint_nvs::layout::READ_WRITE_MIN;
use fleetmint_nvs::storage::{Mode, SliceFlash, Storage};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// It opens the image read-only and read-write, and reads the values twice.
const PASSES: usize = 3;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate::input(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    let Some((mut image, cipher)) = image::of(data) else {
        return;
    };
    let before = image.clone();
    let mut meter = steps::meter(image.len() * PASSES + READ_WRITE_MIN);
    let options = Options {
        cipher: cipher.as_ref(),
        meter: Some(&mut meter),
        ..Options::default()
    };
    let report = check_with(&image, options).expect("1 to 8 whole pages");
    assert_eq!(image, before, "checking changed the image");

    let opened = Storage::open_as_firmware(SliceFlash::new(&mut image), Mode::ReadWrite, cipher);
    let starts = opened.is_ok();
    drop(opened);
    assert_eq!(starts, report.read_write.is_ok());
    if !starts || image != before {
        assert!(
            report.has_errors(),
            "the start fails or changes the image, and no finding says so: {report:?}"
        );
    }
    for finding in &report.findings {
        assert!(finding.offset < before.len(), "{finding:?} is outside of the image");
        assert!(!finding.to_string().is_empty());
        // These two findings are only possibilities: index 255 matters once there is something to erase, and the rule
        // for a wrong key also counts entries that the firmware never reads.
        let may = matches!(finding.kind, FindingKind::NamespaceAny | FindingKind::WrongKey { .. });
        if finding.when == When::Start && finding.effect != Effect::Nothing && !may {
            assert_eq!(finding.severity, Severity::Error, "{finding:?}");
            assert!(!starts || image != before, "{finding:?}, and the start changes nothing");
        }
    }
});
