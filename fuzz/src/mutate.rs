//! Mutations that know the structure of an NVS image.

use fleetmint_nvs::layout::{
    BITMAP_OFFSET, BITMAP_SIZE, CHUNK_ANY, CHUNK_START_0, CHUNK_START_1, ENTRIES_OFFSET, ENTRY_COUNT, ENTRY_SIZE,
    PAGE_SIZE,
};
use fleetmint_nvs::page::{Bitmap, EntryState, PageHeader, PageState};

use crate::random::Random;
use crate::seal;

/// Every item type that the format knows, and two that it does not.
const TYPES: [u8; 16] = [
    0x01, 0x11, 0x02, 0x12, 0x04, 0x14, 0x08, 0x18, 0x24, 0x28, 0x21, 0x41, 0x42, 0x48, 0x00, 0xFF,
];
const STATES: [u32; 6] = [0xFFFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFC, 0xFFFF_FFF8, 0, 0xFFFF_FFF0];

/// For `fuzz_mutator!`: applies a mutation of libFuzzer, or of this module, to an input of [`crate::image`].
pub fn input(data: &mut [u8], size: usize, max: usize, seed: u32) -> usize {
    let mut random = Random::new(u64::from(seed));
    let mode = data[..size].chunks_exact(PAGE_SIZE).remainder().first().copied();
    // Room for the mode at the end.
    let max = max.saturating_sub(1);
    let size = if random.one_in(8) {
        let size = libfuzzer_sys::fuzzer_mutate(data, size.min(max), max);
        let whole = size - size % PAGE_SIZE;
        seal::image(&mut data[..whole]);
        whole
    } else {
        image(data, size - size % PAGE_SIZE, max, random.next())
    };
    let mode = if random.one_in(16) { Some(random.byte()) } else { mode };
    match mode {
        Some(mode) if size < data.len() => {
            data[size] = mode;
            size + 1
        }
        _ => size,
    }
}

/// One to four mutations of the image in `data[..size]`, which may grow by pages up to `max`; then, mostly, the CRCs
/// are sealed again. Returns the new size.
pub fn image(data: &mut [u8], size: usize, max: usize, seed: u64) -> usize {
    let mut random = Random::new(seed);
    let mut size = size.min(max).min(data.len());
    for _ in 0..=random.below(4) {
        size = mutate(data, size, max.min(data.len()), &mut random);
    }
    let image = &mut data[..size];
    // Images with damaged CRCs are inputs too, but rare ones.
    match random.below(16) {
        0 => {}
        1 => image.chunks_exact_mut(PAGE_SIZE).for_each(seal::header),
        _ => seal::image(image),
    }
    size
}

fn mutate(data: &mut [u8], size: usize, max: usize, random: &mut Random) -> usize {
    let pages = size / PAGE_SIZE;
    if pages == 0 {
        return if max < PAGE_SIZE {
            size
        } else {
            add_page(data, 0, random)
        };
    }
    let page_number = random.below(pages);
    let other = random.below(pages);
    let page = &mut data[page_number * PAGE_SIZE..][..PAGE_SIZE];
    let entry = ENTRIES_OFFSET + random.below(used(page) + 2).min(ENTRY_COUNT - 1) * ENTRY_SIZE;
    match random.below(16) {
        // A field of an entry: namespace, type, span, chunk.
        0 => page[entry] = random.below(5) as u8,
        1 => page[entry + 1] = random.choose(&TYPES),
        2 => page[entry + 2] = [random.byte(), random.below(5) as u8, 126, 0][random.below(4)],
        3 => {
            let chunk = [CHUNK_START_0, CHUNK_START_1, CHUNK_ANY, 1, 0x81, random.byte()];
            page[entry + 3] = random.choose(&chunk);
        }
        // A name: one byte changed, or the terminator removed.
        4 => page[entry + 8 + random.below(16)] = random.choose(b"\0ab\xFF"),
        // The data field: a size, a chunk count, a number.
        5 => page[entry + 24 + random.below(8)] = random.byte(),
        6 => {
            let size = [0, 1, 32, 33, 4000, 4001, 0xFFFF, random.below(4096)];
            let size = random.choose(&size) as u16;
            page[entry + 24..][..2].copy_from_slice(&size.to_le_bytes());
        }
        // The bitmap: the state of an entry.
        7 | 8 => {
            let states = [
                EntryState::Empty,
                EntryState::Written,
                EntryState::Erased,
                EntryState::Illegal,
            ];
            set_state(page, random.below(ENTRY_COUNT), random.choose(&states));
        }
        // The header.
        9 => page[..4].copy_from_slice(&random.choose(&STATES).to_le_bytes()),
        10 => {
            let sequence = [random.below(8) as u32, u32::MAX, u32::MAX - 1, random.next() as u32];
            page[4..8].copy_from_slice(&random.choose(&sequence).to_le_bytes());
        }
        11 => page[8] = random.choose(&[0xFE, 0xFF, 0xFD, 0x00]),
        // Whole pages: copied, blanked, added, removed.
        12 => {
            let copy = page.to_vec();
            data[other * PAGE_SIZE..][..PAGE_SIZE].copy_from_slice(&copy);
        }
        13 => {
            let slot = ENTRIES_OFFSET + random.below(ENTRY_COUNT) * ENTRY_SIZE;
            page.copy_within(entry..entry + ENTRY_SIZE, slot);
            set_state(page, (slot - ENTRIES_OFFSET) / ENTRY_SIZE, EntryState::Written);
        }
        14 if (pages + 1) * PAGE_SIZE <= max => return add_page(data, pages, random),
        15 if random.one_in(4) => {
            if random.one_in(2) {
                page.fill(0xFF);
            } else {
                return (pages - 1).max(1) * PAGE_SIZE;
            }
        }
        _ => page[random.below(PAGE_SIZE)] ^= 1 << random.below(8),
    }
    size
}

/// Appends a page, blank or with a header; returns the size with it.
fn add_page(data: &mut [u8], pages: usize, random: &mut Random) -> usize {
    let page = &mut data[pages * PAGE_SIZE..][..PAGE_SIZE];
    page.fill(0xFF);
    if random.one_in(2) {
        let version = fleetmint_nvs::layout::Version::V2;
        let header = PageHeader::encode(PageState::Active, random.below(8) as u32, version);
        page[..header.len()].copy_from_slice(&header);
    }
    (pages + 1) * PAGE_SIZE
}

fn bitmap(page: &[u8]) -> Bitmap {
    let bytes: &[u8; BITMAP_SIZE] = page[BITMAP_OFFSET..][..BITMAP_SIZE].try_into().expect("a whole page");
    Bitmap::from_bytes(bytes)
}

fn set_state(page: &mut [u8], entry: usize, state: EntryState) {
    let mut bitmap = bitmap(page);
    bitmap.set(entry, state);
    page[BITMAP_OFFSET..][..BITMAP_SIZE].copy_from_slice(&bitmap.to_bytes());
}

/// The number of entries that are not empty according to the bitmap.
fn used(page: &[u8]) -> usize {
    ENTRY_COUNT - bitmap(page).count(EntryState::Empty)
}
