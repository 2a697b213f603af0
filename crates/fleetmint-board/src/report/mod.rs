//! The reports on an image, in the one JSON form that the command line, the server and the page share.
//!
//! | report | what it says | who gives it |
//! |---|---|---|
//! | [`EntryReport`] | one value of an image | `nvs dump`, `nvs get` |
//! | [`ChangedKey`] | one key that differs between two images, with its values masked or revealed | `nvs diff`, `nvs patch`, `POST …/provisioning/patch` |
//! | [`CheckReport`] | what is wrong with an image, and what the firmware does about it | `nvs check`, the page |
//! | [`ListingReport`], [`ExactValue`] | the values of an image without the values; one value | the page |
//! | [`MapReport`] | each page and each of its slots | the page |
//!
//! All of them name a key by an [`ItemName`]. Members without a value are absent.
//!
//! ```
//! use fleetmint_board::report;
//! use fleetmint_nvs::diff::diff;
//! use fleetmint_nvs::image::{self, Item, Value};
//! use fleetmint_nvs::storage::{Mode, ReadOnlySlice, Storage};
//! use fleetmint_nvs::{Key, Namespace};
//!
//! let list = |ssid| {
//!     let item = Item::new(Namespace::new("wifi")?, Key::new("ssid")?, Value::Str(ssid));
//!     let image = image::encode(&[item], 0x3000)?;
//!     Storage::open(ReadOnlySlice::new(&image), Mode::ReadOnly, None)?.list()
//! };
//! let (before, after) = (list("workshop")?, list("showroom")?);
//! let differences = diff(&before, &after);
//!
//! let revealed = serde_json::to_string(&report::revealed(&differences))?;
//! assert_eq!(
//!     revealed,
//!     r#"[{"change":"changed","namespace":"wifi","key":"ssid","before":{"type":"str","size":9,"value":"workshop"},"after":{"type":"str","size":9,"value":"showroom"}}]"#
//! );
//! let masked = serde_json::to_string(&report::masked(&differences, b"salt"))?;
//! assert!(masked.contains(r#""fingerprint":"#) && !masked.contains("showroom"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod difference;
mod entry;
mod exact;
mod finding;
mod listing;
mod map;
mod name;
mod value;

pub use difference::{ChangedKey, MaskedKey, MaskedValue, RevealedKey, RevealedValue, exact, masked, revealed};
pub use entry::EntryReport;
pub use exact::ExactValue;
pub use finding::{CheckReport, FindingReport, StartReport, UsageReport};
pub use listing::{Around, ListingReport};
pub use map::MapReport;
pub use name::ItemName;
pub use value::{Hex, ValueReport};

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_true(flag: &bool) -> bool {
    *flag
}
