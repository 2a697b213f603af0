//! `storage` against images that Espressif's own library wrote: `reference/` describes their origin.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod check;
mod golden;
mod history;
mod large;
mod lost;
mod odd_images;
mod patch;
mod power_cut;
mod properties;
mod reference;
