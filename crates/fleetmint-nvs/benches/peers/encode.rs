//! The 8 provisioning strings into an image of 24 KiB.

use crate::contest::Contest;
use crate::floor::crc;
use crate::provisioning::{NAMESPACE, SIZE, STRINGS, items};
use esp_nvs_partition_tool::{DataValue, NvsEntry, NvsPartition};
use fleetmint_nvs::image;
use std::hint::black_box;

pub(crate) fn measure() {
    let items = items();
    let mut ours = vec![0; SIZE];
    let entries = STRINGS
        .iter()
        .map(|(key, value)| NvsEntry::new_data(NAMESPACE.into(), (*key).into(), DataValue::String((*value).into())))
        .collect();
    let partition = NvsPartition { entries };
    let mut floor = vec![0; SIZE];
    Contest::new("encode 8 strings into 24 KiB")
        .contender("encode_into", || {
            image::encode_into(black_box(&items), black_box(&mut ours)).unwrap();
        })
        .contender("encode", || {
            black_box(image::encode(black_box(&items), SIZE).unwrap());
        })
        .contender("esp_nvs_partition_tool", || {
            black_box(black_box(&partition).generate_partition(SIZE).unwrap());
        })
        .contender("floor", || lay_out(black_box(&mut floor), black_box(&STRINGS)))
        .goal("encode_into", "floor", 2.0)
        .goal("encode_into", "esp_nvs_partition_tool", 0.1)
        .run();
}

/// The least that any encoder does: fill, copy keys and values, and one CRC call each for the page's header, for each
/// entry and for each value.
fn lay_out(image: &mut [u8], strings: &[(&str, &str)]) {
    image.fill(0xFF);
    black_box(crc(&image[4..28]));
    let mut at = 64;
    let mut entry = |key: &str, value: &[u8]| {
        image[at + 8..at + 8 + key.len()].copy_from_slice(key.as_bytes());
        let start = at + 32;
        if !value.is_empty() {
            image[start..start + value.len()].copy_from_slice(value);
            black_box(crc(&image[start..start + value.len() + 1]));
        }
        black_box(crc(&image[at + 4..at + 32]));
        at = start + value.len().next_multiple_of(32);
    };
    entry(NAMESPACE, &[]);
    for (key, value) in strings {
        entry(key, value.as_bytes());
    }
}
