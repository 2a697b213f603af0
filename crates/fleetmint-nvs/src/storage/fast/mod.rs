//! The shortcuts: every table, index and second path that is here for speed alone.
//!
//! Each is a type, and each has a plain path that gives the same answers. The tests beside this file compare them on random
//! and damaged images with a storage that is opened with `Medium::plain`. That storage uses only [`BlobTable`],
//! `BlobOwners` and [`Repeats`]: tests in their own files compare these with their plain paths.
//!
//! | shortcut | for | plain path |
//! |---|---|---|
//! | [`CleanPage`] | loading a page with nothing to repair | `Page::load_entries` |
//! | `HashSet24` | whether all items of a page have different hashes | `HashList` |
//! | [`NameIndex`] | which pages are worth asking for a name | asking each: `Storage::find_on_each_page` |
//! | [`BlobTable`], `BlobOwners` | which blob index a chunk belongs to | the first in a list that fits |
//! | [`InPlaceListing`] | listing values that only their own getter can find | `Storage::visit_by_getters` |
//! | `NameFilter` | whether a name was seen before | a set of names |
//! | [`Repeats`] | which items have the name and type of an earlier one | comparing each with each |
//!
//! Three more are parts of other types: a [`Page`](super::page::Page) remembers where its items begin, where the firmware
//! scans (`Page::find_by_scan`), and it does not look for a duplicate of an item whose hash no other item has; the
//! [`Medium`](super::medium::Medium) lends what is in memory instead of copying it.

mod blob_table;
mod clean_page;
mod hash_set;
mod in_place;
mod name_filter;
mod name_index;
mod repeats;
#[cfg(test)]
mod tests;

pub(super) use blob_table::BlobTable;
pub(super) use clean_page::CleanPage;
pub(super) use in_place::InPlaceListing;
pub(super) use name_index::{NameIndex, NameSearch, PageToAsk, SearchedName};
pub(super) use repeats::Repeats;
