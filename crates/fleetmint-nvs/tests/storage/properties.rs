//! Properties over bytes of any kind and over random histories.

use crate::history::{Call, Content, Model, calls, cipher, config, contents, key, namespace, of_model};
use crate::lost::loses_blob;
use crate::reference::cases;
use fleetmint_nvs::check::{Effect, When, check};
use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::diff::diff;
use fleetmint_nvs::entry::{Entry, ItemType};
use fleetmint_nvs::layout::{ENTRY_COUNT, PAGE_SIZE, entry_offset};
use fleetmint_nvs::page::EntryState;
use fleetmint_nvs::storage::{Mode, ReadOnlySlice, SliceFlash, SlotContent, Storage, check_key, slots};
use fleetmint_nvs::{Error, entry};
use proptest::prelude::*;

/// Opens, reads, checks and compares an image in every way; then writes to it.
fn use_all(image: &[u8], cipher: Option<&Xts>) {
    let _ = check_key(image, cipher);
    assert!(slots(image, cipher).count() <= image.len() / PAGE_SIZE * ENTRY_COUNT);
    let report = check(image, cipher).unwrap();
    assert!(report.findings.iter().all(|finding| !finding.to_string().is_empty()));
    let read_only = Storage::open_as_firmware(ReadOnlySlice::new(image), Mode::ReadOnly, cipher.cloned());
    let before = read_only.map(|mut storage| storage.list().unwrap()).unwrap_or_default();
    let mut copy = image.to_vec();
    let Ok(mut storage) = Storage::open_as_firmware(SliceFlash::new(&mut copy), Mode::ReadWrite, cipher.cloned())
    else {
        return;
    };
    let after = storage.list().unwrap();
    for difference in diff(&before, &after) {
        assert!(!difference.masked(b"salt").to_string().is_empty());
    }
    let written = storage.open_namespace(&namespace(0)).and_then(|ns| {
        storage.set_str(ns, &key(0), "text")?;
        storage.set_blob(ns, &key(1), &[7; 5000])?;
        storage.set_number(ns, &key(0), entry::Number::U8(1))?;
        storage.erase_all(ns)
    });
    // Whatever the image contains, a refusal has the firmware's error name.
    if let Err(error) = written {
        assert!(error.esp().is_some(), "{error}");
    }
}

/// Corrects the checksum of every written entry, so that changed entries pass it.
fn seal(image: &mut [u8]) {
    for page in 0..image.len() / PAGE_SIZE {
        for index in 0..ENTRY_COUNT {
            let at = entry_offset(page, index);
            let bytes: &mut [u8; 32] = (&mut image[at..at + 32]).try_into().unwrap();
            if Entry::from_bytes(bytes).item_type().is_some() {
                let crc = entry::entry_crc(bytes);
                bytes[4..8].copy_from_slice(&crc.to_le_bytes());
            }
        }
    }
}

/// Repairs until nothing is left to do. Returns the number of starts, or `None` if a start fails.
fn settle(image: &mut [u8], cipher: Option<&Xts>) -> Option<usize> {
    for round in 0..8 {
        let storage = Storage::open_as_firmware(SliceFlash::new(image), Mode::ReadWrite, cipher.cloned()).ok()?;
        if storage.ops() == Default::default() {
            return Some(round);
        }
    }
    panic!("not settled after 8 starts");
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn any_bytes_are_safe(
        pages in 1..4usize,
        seed in prop::collection::vec(any::<u8>(), 1..400),
        header in any::<bool>(),
        encrypted in any::<bool>(),
    ) {
        let mut image: Vec<u8> = seed.iter().copied().cycle().take(pages * PAGE_SIZE).collect();
        if header {
            for page in image.chunks_mut(PAGE_SIZE) {
                let header = fleetmint_nvs::page::PageHeader::encode(
                    fleetmint_nvs::page::PageState::Active,
                    u32::from(page[100]),
                    fleetmint_nvs::layout::Version::V2,
                );
                page[..32].copy_from_slice(&header);
            }
        }
        use_all(&image, cipher(encrypted).as_ref());
        seal(&mut image);
        use_all(&image, None);
    }

    #[test]
    fn damaged_images_are_safe_and_settle(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        sealed in any::<bool>(),
    ) {
        let cases = cases("golden");
        let case = which.get(&cases);
        let cipher = case.cipher();
        let mut image = case.image();
        for (at, bits) in flips {
            let at = at.index(image.len());
            image[at] ^= bits;
        }
        if sealed {
            seal(&mut image);
        }
        use_all(&image, cipher.as_ref());
        if settle(&mut image, cipher.as_ref()).is_some() {
            let report = check(&image, cipher.as_ref()).unwrap();
            let acts = report.findings.iter().find(|one| one.when == When::Start && one.effect != Effect::Nothing);
            prop_assert!(acts.is_none(), "{}", acts.unwrap());
        }
    }
}

/// Carries out a history in a new partition; stops when the space ends. Then repairs it, because a blob without space
/// may have left parts.
fn live(image: &mut [u8], encrypted: bool, history: &[Call]) -> Model {
    let (mut model, refused) = live_on(image, encrypted, history);
    let unsettled = image.to_vec();
    settle(image, cipher(encrypted).as_ref()).unwrap();
    let Some(refused) = refused else { return model };
    let mut storage = Storage::open(SliceFlash::new(image), Mode::ReadWrite, cipher(encrypted)).unwrap();
    let left = contents(&storage.list().unwrap());
    let spaces: Vec<_> = storage.namespaces().collect();
    model.retain(|name, content| {
        let lost = !left.iter().any(|(other, _)| other == name);
        if lost {
            assert!(matches!(content, Content::Blob(_)), "{name:?}");
            let space = spaces
                .iter()
                .find(|(space, _)| space.as_bytes() == namespace(name.0).as_bytes());
            let by_start = loses_blob(
                &unsettled,
                cipher(encrypted).as_ref(),
                space.unwrap().1,
                key(name.1).raw(),
            );
            // When the library cleans up, it erases chunks by numbers from 0 on, which may be those of the old value.
            let by_clean_up = matches!(refused, Call::Blob(..)) && refused.names(*name);
            assert!(by_start || by_clean_up, "{name:?} is lost after {refused:?}");
        }
        !lost
    });
    model
}

fn live_on(image: &mut [u8], encrypted: bool, history: &[Call]) -> (Model, Option<Call>) {
    let mut model = Model::new();
    let mut storage = Storage::open(SliceFlash::new(image), Mode::ReadWrite, cipher(encrypted)).unwrap();
    for call in history {
        match call.make(&mut storage) {
            Ok(()) => call.apply(&mut model),
            Err(Error::NotEnoughSpace { .. } | Error::ValueTooLong { .. }) => return (model, Some(call.clone())),
            Err(error) => panic!("{call:?}: {error}"),
        }
        assert_eq!(contents(&storage.list().unwrap()), of_model(&model), "{call:?}");
    }
    (model, None)
}

/// The place of each written item, with its bytes.
fn places(image: &[u8], encrypted: bool) -> Vec<(usize, Entry)> {
    let cipher = cipher(encrypted);
    let written = slots(image, cipher.as_ref()).filter(|slot| slot.state == EntryState::Written);
    written
        .filter_map(|slot| match slot.content {
            SlotContent::Item { entry, .. } => Some((slot.offset, entry)),
            _ => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn a_history_equals_that_of_a_map(
        pages in 3..7usize,
        encrypted in any::<bool>(),
        history in calls(6000, 60),
        changes in calls(3000, 8),
    ) {
        let mut image = vec![0xFF; pages * PAGE_SIZE];
        let mut model = live(&mut image, encrypted, &history);
        let before = places(&image, encrypted);
        let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, cipher(encrypted)).unwrap();
        prop_assert_eq!(contents(&storage.list().unwrap()), of_model(&model));
        let start = storage.ops();
        let mut complete = true;
        for call in &changes {
            match call.make(&mut storage) {
                Ok(()) => call.apply(&mut model),
                Err(Error::NotEnoughSpace { .. } | Error::ValueTooLong { .. }) => {
                    complete = false;
                    break;
                }
                Err(error) => panic!("{call:?}: {error}"),
            }
        }
        let erased = storage.ops().erases > start.erases;
        drop(storage);
        if !complete {
            return Ok(());
        }
        // Nothing for a repair to do, and the listing is the map.
        let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, cipher(encrypted)).unwrap();
        prop_assert!(storage.repairs().is_empty(), "{:?}", storage.repairs());
        prop_assert_eq!(contents(&storage.list().unwrap()), of_model(&model));
        let spaces: Vec<_> = storage.namespaces().collect();
        drop(storage);

        // Items that no change names stay in place, unless a page was moved.
        if !erased {
            let named = |item: &Entry| changes.iter().any(|call| {
                let ns = spaces.iter().find(|(name, _)| name.as_bytes() == namespace(call.namespace()).as_bytes());
                let keys = (0..10).filter(|k| call.names((call.namespace(), *k)));
                ns.is_some_and(|(_, index)| *index == item.ns_index) && keys.into_iter().any(|k| item.name() == key(k).raw())
            });
            let after = places(&image, encrypted);
            for (offset, item) in before.iter().filter(|(_, item)| !named(item)) {
                prop_assert!(after.contains(&(*offset, *item)), "{:?} at {offset:#x}", item.name());
            }
        }

        // The same changes again result in the same entries; unless something forces a rewrite, not a byte changes.
        let patched = image.clone();
        let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, cipher(encrypted)).unwrap();
        for call in &changes {
            if call.make(&mut storage).is_err() {
                return Ok(());
            }
        }
        prop_assert_eq!(contents(&storage.list().unwrap()), of_model(&model));
        drop(storage);
        let once = (0..3u8).flat_map(|ns| (0..7u8).map(move |k| (ns, k)))
            .all(|name| changes.iter().filter(|call| call.names(name)).count() <= 1);
        let erases = changes.iter().any(|call| call.content().is_none());
        let one_chunk = changes.iter().all(|call| match call.content() {
            Some(Content::Blob(_)) => chunks_of(&patched, encrypted, call, &spaces) == 1,
            _ => true,
        });
        if once && !erases && one_chunk {
            prop_assert!(image == patched, "the second run changed something");
        }
    }
}

fn chunks_of(image: &[u8], encrypted: bool, call: &Call, spaces: &[(fleetmint_nvs::RawName, u8)]) -> usize {
    let Call::Blob(ns, k, _) = call else { return 0 };
    let (_, index) = spaces
        .iter()
        .find(|(name, _)| name.as_bytes() == namespace(*ns).as_bytes())
        .unwrap();
    let is_chunk = |item: &Entry| {
        item.item_type() == Some(ItemType::BlobData) && item.ns_index == *index && item.name() == key(*k).raw()
    };
    places(image, encrypted)
        .iter()
        .filter(|(_, item)| is_chunk(item))
        .count()
}
