//! How much work an image may take: it grows with the image, not with its square.

use fleetmint_nvs::layout::{ENTRY_COUNT, PAGE_SIZE};

/// Counts steps, and fails when there are more than an image of this size may take: several looks at each entry for each
/// of those on its page.
pub fn meter(size: usize) -> impl FnMut(usize) -> bool {
    let most = size / PAGE_SIZE * ENTRY_COUNT * ENTRY_COUNT * 8;
    let mut taken = 0;
    move |steps| {
        taken += steps;
        assert!(taken <= most, "more than {most} steps for {size} bytes");
        true
    }
}
