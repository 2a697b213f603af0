//! How fast the crate is, each time beside its peers in the same run: `cargo bench -p fleetmint-nvs --bench peers`.
//!
//! `-- decode patch` after that measures only what has one of these words in its name.
//!
//! One JSON object a line. All times are medians in nanoseconds over rounds in which the contenders take turns, so that
//! what the machine does meanwhile hits all of them; `goal` and `met` say what the ratios should be.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement stops by panicking"
)]

mod contest;
mod decode;
mod encode;
mod encrypt;
mod floor;
mod patch;
mod provisioning;

fn main() {
    encode::measure();
    decode::measure();
    encrypt::measure();
    patch::measure();
}
