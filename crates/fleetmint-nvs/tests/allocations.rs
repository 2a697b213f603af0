//! `encode_into` allocates nothing. This is a separate program with one thread, because the test harness allocates as well.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleetmint_nvs::image::{self, Item};
use fleetmint_nvs::{Key, Namespace};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let names: Vec<String> = (0..300).map(|i| format!("key{i}")).collect();
    let blob = [7; 9000];
    let mut items = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let namespace = Namespace::new(if i % 2 == 0 { "even" } else { "odd" }).unwrap();
        items.push(Item::new(namespace, Key::new(name).unwrap(), name.as_str()));
    }
    items.push(Item::new(
        Namespace::new("more").unwrap(),
        Key::new("blob").unwrap(),
        &blob[..],
    ));
    let mut image = vec![0; 0x1_0000];
    let region = Region::new(ALLOCATOR);
    let used = image::encode_into(&items, &mut image);
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
    assert!(used.is_ok());
    // The counter works: `encode` allocates the image.
    let region = Region::new(ALLOCATOR);
    let encoded = image::encode(&items, 0x1_0000).unwrap();
    assert_eq!(region.change().allocations, 1);
    assert!(encoded == image);
}
