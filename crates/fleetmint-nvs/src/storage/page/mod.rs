//! A page as the firmware has it in memory, and the operations on a single page: ESP-IDF's `nvs_page.cpp`.
//!
//! | file | `nvs::Page::` |
//! |---|---|
//! | `load` | `load`, `mLoadEntryTable` |
//! | this one | `findItem` |
//! | `write` | `writeItem`, `copyItems`, `initialize`, `getVarDataTailroom` |
//! | `erase` | `eraseEntryAndSpan`, `erase`, `markFull`, `markFreeing` |
//! | `hash_list` | `mHashList` |
//!
//! The firmware scans a page's entries again in each search. Here a page remembers where its [`Items`] begin, so that a
//! search goes from item to item. `scan` is the firmware's way, for pages where the two could differ.

mod erase;
mod hash_list;
mod items;
mod load;
mod scan;
mod write;

pub(super) use hash_list::Hash24;
pub(super) use items::Items;
pub(super) use load::is_found_by_hash;

use super::entry_set::EntrySet;
use super::flash::Flash;
use super::medium::{Fail, Medium, Step};
use super::query::{Query, Verdict};
use crate::entry::Entry;
use crate::error::EspError;
use crate::layout::{ENTRY_COUNT, NAME_FIELD, Version, page_offset};
use crate::page::Bitmap;
use alloc::boxed::Box;
use hash_list::HashList;

/// The firmware's view of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Uninitialized,
    /// The state word is erased and the rest was not looked at yet: the page is blank or corrupt.
    Unchecked,
    Active,
    Full,
    Freeing,
    /// Not a page. It counts as free and is erased before it is used.
    Corrupt,
    /// A flash operation failed: the firmware does not touch the page any more.
    Invalid,
}

/// A page in memory.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) number: usize,
    pub(super) state: State,
    pub(super) sequence: u32,
    version: Version,
    /// The state of each entry.
    bitmap: Bitmap,
    /// Where items begin.
    items: Items,
    /// No two of them have the same hash, and so no two have the same name. `false` where that is not known.
    hashes_differ: bool,
    first_used: Option<usize>,
    /// Where the next item is written; [`ENTRY_COUNT`] on a page that takes no more.
    next_free: usize,
    /// Entries that are marked written, as the firmware counts them.
    used: usize,
    /// How often the page was erased: what was found on it before an erase is not there any more.
    erases: u32,
    /// What comes after the items was checked: [`Page::check_tail`].
    tail_is_checked: bool,
    /// Set on a page whose [`Items`] cannot be relied on: it is searched by [`Page::find_by_scan`].
    scanned: Option<Box<HashList>>,
}

impl Page {
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            state: State::Invalid,
            sequence: u32::MAX,
            version: Version::V2,
            bitmap: Bitmap::EMPTY,
            items: Items::default(),
            hashes_differ: false,
            first_used: None,
            next_free: ENTRY_COUNT,
            used: 0,
            erases: 0,
            tail_is_checked: false,
            scanned: None,
        }
    }

    /// Whether the page is one of those in use rather than free.
    #[inline]
    pub(super) fn is_used(&self) -> bool {
        matches!(self.state, State::Active | State::Full | State::Freeing)
    }

    /// Whether searches scan the page entry by entry, as its [`Items`] cannot be relied on.
    #[inline]
    pub(super) fn is_scanned(&self) -> bool {
        self.scanned.is_some()
    }

    #[inline]
    pub(super) fn used(&self) -> usize {
        self.used
    }

    #[inline]
    pub(super) fn erases(&self) -> u32 {
        self.erases
    }

    #[inline]
    pub(super) fn items(&self) -> &Items {
        &self.items
    }

    #[inline]
    pub(super) fn hashes_differ(&self) -> bool {
        self.hashes_differ
    }

    /// The first entries of the items that a search comes to: of all those on a page in use.
    #[inline]
    pub(super) fn heads(&self) -> EntrySet {
        self.heads_from(0)
    }

    #[inline]
    fn heads_from(&self, from: usize) -> EntrySet {
        match self.first_used {
            Some(first) if self.is_used() => self.items.heads() & EntrySet::range(from.max(first), self.next_free),
            _ => EntrySet::EMPTY,
        }
    }

    #[inline]
    pub(super) fn read<F: Flash>(&self, medium: &mut Medium<F>, index: usize) -> Step<Entry> {
        Ok(Entry::from_bytes(medium.entry(self.number, index)?))
    }

    /// `findItem`: the first item from this entry on that the query matches.
    pub(super) fn find<F: Flash>(
        &mut self,
        medium: &mut Medium<F>,
        query: &Query,
        from: usize,
    ) -> Step<Option<(usize, Entry)>> {
        if self.is_scanned() {
            return self.find_by_scan(medium, query, from);
        }
        let mut heads = self.heads_from(from);
        let mut steps = 1;
        if let Some(key) = query.hashed_key() {
            let hashed = heads & self.items.hashed();
            let begin = self.find_hashed(medium, query, &key, hashed)?;
            steps += (hashed & EntrySet::range(0, begin.unwrap_or(ENTRY_COUNT))).len();
            let Some(begin) = begin else {
                medium.spend(steps)?;
                return Ok(None);
            };
            heads = heads & EntrySet::from(begin);
        }
        let mut found = None;
        for index in heads {
            steps += 1;
            let entry = self.read(medium, index)?;
            match query.verdict(&entry) {
                Verdict::Skip => continue,
                Verdict::Match => found = Some((index, entry)),
                Verdict::Mismatch => {}
            }
            break;
        }
        medium.spend(steps)?;
        Ok(found)
    }

    /// `mHashList.find`: the first of these items that has the name of the query.
    #[inline]
    fn find_hashed<F: Flash>(
        &self,
        medium: &mut Medium<F>,
        query: &Query,
        key: &[u8; NAME_FIELD],
        hashed: EntrySet,
    ) -> Step<Option<usize>> {
        if let Some(entries) = medium.entries(self.number) {
            let has_name = |index| {
                entries
                    .get(index)
                    .is_some_and(|entry| query.has_hashed_name(key, entry))
            };
            return Ok(hashed.find(has_name));
        }
        for index in hashed {
            if query.has_hashed_name(key, medium.entry(self.number, index)?) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    pub(super) fn fail(&self, code: EspError) -> Fail {
        Fail {
            code,
            offset: page_offset(self.number),
        }
    }
}
