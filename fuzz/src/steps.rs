//! How much work an image may take: it grows with the image, not with its square.

use fleetmint_nvs::layout::{ENTRY_COUNT, PAGE_SIZE};

/// Counts steps, and fails if there are more than allowed for an image of this size: reading each entry several times
/// for each entry on its page.
pub fn meter(size: usize) -> impl FnMut(usize) -> bool {
    let most = size / PAGE_SIZE * ENTRY_COUNT * ENTRY_COUNT * 8;
    let mut taken = 0;
    move |steps| {
        taken += steps;
        assert!(taken <= most, "more than {most} steps for {size} bytes");
        true
    }
}
