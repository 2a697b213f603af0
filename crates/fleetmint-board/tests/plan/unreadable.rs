//! Partitions that only their keys open, and those that are overwritten because nothing opens them.

use super::*;

#[test]
fn keys_come_from_the_chip_or_from_a_person() {
    let image = image_of(&values());
    let keys = keys();
    let key_partition = |bytes: &[u8]| ("nvs_keys".to_string(), wiped(bytes));
    let fitting = || PartitionKeys::OnChip(vec![key_partition(&keys.encode()[..])]);
    let encrypted = in_use(
        4,
        Some(keys.xts()),
        &[Call::Number(0, 0, 7), Call::Text(1, 1, "text".into())],
    );
    let plain = in_use(4, None, &[Call::Number(0, 0, 7)]);
    let blank = vec![0xFF; 4 * PAGE_SIZE];
    let noise: Vec<u8> = (0..PAGE_SIZE as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let noisy = || PartitionKeys::OnChip(vec![key_partition(&noise)]);
    let erased = || PartitionKeys::OnChip(vec![key_partition(&[0xFF; PAGE_SIZE])]);
    let none = || PartitionKeys::OnChip(vec![]);
    let others = || PartitionKeys::OnChip(vec![key_partition(&Keys::from_bytes([9; 64]).encode()[..])]);
    let wanted = || Wanted::Image(&image);

    // The chip's own keys are used where they fit: also for a blank partition.
    for (partition, is_encrypted) in [(&encrypted, true), (&blank, true), (&plain, false)] {
        let plan = plan_with(partition, fitting(), wanted(), false).unwrap();
        assert_eq!((plan.is_encrypted, &plan.warnings), (is_encrypted, &vec![]));
    }
    // A key partition that does not matter.
    for keys in [noisy(), erased(), others()] {
        assert!(!plan_with(&plain, keys, wanted(), false).unwrap().is_encrypted);
    }
    let plan = plan_with(&blank, erased(), wanted(), false).unwrap();
    assert!(matches!(&plan.warnings[..], [Warning::NoKeysYet { partition }] if partition == "nvs_keys"));

    let refused = |partition: &[u8], keys| plan_with(partition, keys, wanted(), false).unwrap_err();
    assert!(matches!(
        refused(&encrypted, none()),
        Refusal::KeyMissing { written: 5 }
    ));
    assert!(matches!(refused(&encrypted, erased()), Refusal::KeyMissing { .. }));
    assert!(matches!(refused(&encrypted, noisy()), Refusal::KeysUnreadable { .. }));
    assert!(matches!(refused(&blank, noisy()), Refusal::KeysUnreadable { .. }));
    assert!(matches!(refused(&encrypted, others()), Refusal::KeysDoNotFit { .. }));
    let wrong = PartitionKeys::Given(Keys::from_bytes([9; 64]));
    assert!(matches!(refused(&encrypted, wrong), Refusal::WrongKey { .. }));
    let needless = PartitionKeys::Given(keys.clone());
    assert!(matches!(refused(&plain, needless), Refusal::NotEncrypted { .. }));

    // With overwrite a fresh partition replaces it, with the keys that the firmware will use.
    let overwritten = plan_with(&encrypted, others(), wanted(), true).unwrap();
    assert!(overwritten.is_encrypted && overwritten.warnings.is_empty());
    let after = written(&encrypted, &overwritten);
    assert_eq!(
        string(&after, Some(Keys::from_bytes([9; 64]).xts()), "device_key").as_deref(),
        Some("abcd1234")
    );
    let what = overwritten.overwritten.unwrap();
    assert!(matches!(what.why, Refusal::KeysDoNotFit { .. }));
    assert_eq!(what.lost.to_string(), "5 entries that cannot be read");
    let plain = plan_with(&encrypted, none(), wanted(), true).unwrap();
    assert_eq!(plain.warnings, [Warning::NoLongerEncrypted]);
    assert!(matches!(
        plan_with(&encrypted, noisy(), wanted(), true),
        Err(Refusal::KeysUnreadable { .. })
    ));
}

#[test]
fn what_the_firmware_would_erase_is_overwritten_only_if_asked() {
    let image = image_of(&values());
    // Every page is in use: the firmware finds none free, and stock start-up code erases the partition.
    let mut full = with_neighbours();
    let first: Vec<u8> = full[..PAGE_SIZE].to_vec();
    for (number, page) in full.chunks_exact_mut(PAGE_SIZE).enumerate() {
        page.copy_from_slice(&first);
        let state = if number == 5 {
            fleetmint_nvs::page::PageState::Active
        } else {
            fleetmint_nvs::page::PageState::Full
        };
        let header = fleetmint_nvs::page::PageHeader::encode(state, number as u32, fleetmint_nvs::layout::Version::V2);
        page[..32].copy_from_slice(&header);
    }
    let noise: Vec<u8> = (0..6 * PAGE_SIZE as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for before in [full, noise] {
        let none = || PartitionKeys::OnChip(vec![]);
        let refused = plan_with(&before, none(), Wanted::Image(&image), false).unwrap_err();
        assert!(
            refused.is_overwritable() && refused.to_string().contains("overwrite"),
            "{refused}"
        );
        let plan = plan_with(&before, none(), Wanted::Image(&image), true).unwrap();
        let what = plan.overwritten.as_ref().unwrap();
        assert_eq!(what.why, refused);
        match refused {
            Refusal::WouldBeErased {
                cause: Error::NoFreePages { .. },
            } => assert!(what.lost.namespaces >= 2 && what.lost.keys >= 4, "{}", what.lost),
            Refusal::NotNvs {
                cause: NotNvs::NoPage { .. },
                ..
            } => assert_eq!(what.lost, Lost::default()),
            other => panic!("{other}"),
        }
        assert_eq!(plan.sectors().len(), 6);
        let after = written(&before, &plan);
        assert_eq!(list(&after, None).len(), 6);
        assert!(after[PAGE_SIZE..].iter().all(|byte| *byte == 0xFF));
    }
    // A sound partition stays, whatever the option.
    let sound = with_neighbours();
    let plan = plan_with(&sound, PartitionKeys::OnChip(vec![]), Wanted::Image(&image), true).unwrap();
    assert_eq!((plan.overwritten, plan.others.values), (None, 14));
}
