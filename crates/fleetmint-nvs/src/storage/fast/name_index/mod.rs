//! Which pages hold a name.
//!
//! ```text
//!   rows      key ┊ namespace ┊ chunk ┊ start ┊ address     sorted, so that the rows of a name are in the pages' order
//!   cursor    ─────────────────────▲                        rows before it were asked in vain, or their items are gone
//!   again     ──────▲                                       of those, pages where an item of the name was erased since
//! ```

mod row;
mod scanned_pages;
mod search;

pub(in crate::storage) use row::SearchedName;
pub(in crate::storage) use search::{NameSearch, PageToAsk};

use crate::entry::{Entry, ItemType};
use crate::layout::{CHUNK_ANY, NAME_FIELD, NAMESPACE_ANY};
use crate::sorted::{sort, sort_by};
use crate::storage::journal::{ErasedItem, Journal};
use crate::storage::page::Page;
use crate::storage::query::START_ANY;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use row::{IndexedName, Row};
use scanned_pages::ScannedPages;
use search::Cursor;

/// Searches without the index before one is built: building it costs about as much as that many.
const PATIENCE: usize = 4;

/// Rows that a search passes in vain before its cursor is stored.
const FEW: usize = 16;

/// A sorted table of names and addresses, the addresses in the order of the pages. It only says which pages are worth
/// asking, and from which entry on: the answer is the pages' own.
///
/// A row holds the whole name, not a hash of it: images that are made to collide take no longer than others. A query that
/// asked many pages in vain leaves a cursor, so that asking it again and again costs no more than once.
///
/// Plain path: `Storage::find_on_each_page`, which asks all pages.
#[derive(Default)]
pub(in crate::storage) struct NameIndex {
    searches: usize,
    is_built: bool,
    /// Namespace index 255 was asked for: the table also has the rows for that.
    anywhere: bool,
    sorted: Vec<Row>,
    /// Rows of items written since, not sorted. Those items come after all others.
    written: Vec<Row>,
    addresses: Vec<Address>,
    /// The first address of each page, by page number.
    first_addresses: Vec<u32>,
    cursors: BTreeMap<SearchedName, Cursor>,
    scanned: ScannedPages,
}

/// Where an item was when it was added.
#[derive(Clone, Copy)]
struct Address {
    page: usize,
    index: u8,
    /// How often the page had been erased.
    erases: u32,
}

impl Address {
    /// Whether the item is still there.
    fn is_live(self, pages: &[Page]) -> bool {
        pages.get(self.page).is_some_and(|page| {
            page.erases() == self.erases && page.items().heads().contains(usize::from(self.index)) && !page.is_scanned()
        })
    }
}

impl NameIndex {
    /// An index without names, for a partition of so many pages.
    pub(in crate::storage) fn new(pages: usize, anywhere: bool) -> Self {
        Self {
            searches: PATIENCE + 1,
            anywhere,
            first_addresses: alloc::vec![u32::MAX; pages],
            ..Self::default()
        }
    }

    /// Items added from here on are on this page, which comes after the earlier pages.
    pub(in crate::storage) fn begin_page(&mut self, number: usize) {
        if let Some(first) = self.first_addresses.get_mut(number) {
            *first = self.addresses.len() as u32;
        }
    }

    /// Adds an item.
    pub(in crate::storage) fn add(&mut self, page: &Page, index: usize, entry: &Entry) {
        let mut rows = core::mem::take(&mut self.sorted);
        self.add_rows(page, index, entry, &mut rows);
        self.sorted = rows;
    }

    /// All items were added.
    pub(in crate::storage) fn sort(&mut self) {
        sort(&mut self.sorted);
        self.is_built = true;
    }

    /// Adds an item that was written since.
    pub(in crate::storage) fn add_written(&mut self, page: &Page, index: usize, entry: &Entry) {
        if !self.is_built {
            return;
        }
        // Queries that found nothing before may find something now.
        self.cursors.clear();
        let mut rows = core::mem::take(&mut self.written);
        self.add_rows(page, index, entry, &mut rows);
        self.written = rows;
    }

    fn add_rows(&mut self, page: &Page, index: usize, entry: &Entry, rows: &mut Vec<Row>) {
        let address = self.addresses.len() as u32;
        self.addresses.push(Address {
            page: page.number,
            index: index as u8,
            erases: page.erases(),
        });
        let name = entry.name();
        let key = name.field();
        let mut add = |name| rows.push(Row::new(name, address));
        if self.anywhere {
            add(IndexedName::anywhere(key));
        }
        if entry.ns_index == NAMESPACE_ANY {
            return;
        }
        add(IndexedName::new(entry.ns_index, key, entry.chunk, START_ANY));
        if entry.item_type() == Some(ItemType::BlobIndex) && entry.chunk_start() != START_ANY {
            add(IndexedName::new(entry.ns_index, key, entry.chunk, entry.chunk_start()));
        }
    }

    /// Counts a search by name. Whether there were enough to build the index.
    pub(in crate::storage) fn pays_for_search(&mut self) -> bool {
        self.searches += 1;
        self.searches > PATIENCE
    }

    /// [`NameIndex::pays_for_search`] for a list of pages, which is rarely asked for and not counted.
    pub(in crate::storage) fn pays_for_list(&self) -> bool {
        self.searches >= PATIENCE
    }

    pub(in crate::storage) fn is_built(&self) -> bool {
        self.is_built
    }

    pub(in crate::storage) fn has_anywhere(&self) -> bool {
        self.anywhere
    }

    /// Whether it can be used unchanged; `anywhere` if the query is for namespace index 255.
    #[inline]
    pub(in crate::storage) fn is_current(&self, anywhere: bool) -> bool {
        let is_stale = self.written.len() > 64 + self.sorted.len() / 32;
        self.is_built && !is_stale && (self.anywhere || !anywhere)
    }

    /// It is built again before it is used, if anything was written since.
    pub(in crate::storage) fn expire_if_changed(&mut self) {
        if !self.written.is_empty() {
            self.is_built = false;
        }
    }

    /// `used` are the pages in order; `changes` differs whenever they do, or whenever other ones of them are scanned.
    pub(in crate::storage) fn update_scanned_pages(&mut self, used: &[usize], pages: &[Page], changes: (u32, u32)) {
        self.scanned.update(used, pages, changes);
    }

    /// The pages that may hold chunks of this blob, in order, and the steps that it took.
    pub(in crate::storage) fn pages_with_chunks(
        &self,
        ns_index: u8,
        key: &[u8; NAME_FIELD],
        pages: &[Page],
    ) -> (Vec<usize>, usize) {
        let (first, last) = if ns_index == NAMESPACE_ANY {
            (IndexedName::anywhere(key), IndexedName::anywhere(key))
        } else {
            let of = |chunk| IndexedName::new(ns_index, key, chunk, START_ANY);
            (of(0), of(u8::MAX))
        };
        let sorted = self.sorted.get(self.first_row(first)..).unwrap_or_default();
        let sorted = sorted.iter().take_while(|row| row.name() <= last);
        let written = self.written.iter().filter(|row| (first..=last).contains(&row.name()));
        let mut addresses: Vec<usize> = sorted.chain(written).map(|row| row.address()).collect();
        let steps = addresses.len() + self.written.len();
        sort(&mut addresses);
        let addresses = addresses.iter().filter_map(|number| self.addresses.get(*number));
        let live = addresses.filter(|address| address.is_live(pages));
        let mut numbers: Vec<usize> = live.map(|address| address.page).collect();
        numbers.dedup();
        if !self.scanned.numbers().is_empty() {
            numbers.extend_from_slice(self.scanned.numbers());
            let position = |number: &usize| self.scanned.position(*number);
            sort_by(&mut numbers, |a, b| position(a).cmp(&position(b)));
        }
        (numbers, steps)
    }

    fn first_row(&self, name: IndexedName) -> usize {
        let first = Row::new(name, 0);
        self.sorted.partition_point(|row| *row < first)
    }

    /// The address in a row of the sorted table, if the row is of this name.
    #[inline]
    fn address(&self, row: usize, name: IndexedName) -> Option<Address> {
        let row = self.sorted.get(row).filter(|row| row.name() == name)?;
        self.addresses.get(row.address()).copied()
    }

    /// Items were erased since: pages may now answer what they did not before, as such an item was in the way.
    fn apply_erased(&mut self, journal: &mut Journal) {
        for erased in journal.take_erased() {
            self.ask_again(&erased);
        }
    }

    /// The item was in the way of no query for another chunk or chunk start: those skip it.
    fn ask_again(&mut self, erased: &ErasedItem) {
        let Some(address) = self.first_addresses.get(erased.page).copied() else {
            return;
        };
        let entry = &erased.entry;
        let mut names = BTreeSet::new();
        for chunk in [CHUNK_ANY, entry.chunk] {
            for start in [START_ANY, entry.chunk_start()] {
                for ns_index in [entry.ns_index, NAMESPACE_ANY] {
                    names.insert(IndexedName::new(ns_index, entry.name().field(), chunk, start));
                }
            }
        }
        for name in names {
            let of_type = |type_byte| SearchedName { name, type_byte };
            for (_, cursor) in self.cursors.range_mut(of_type(0)..=of_type(u8::MAX)) {
                let row = Row::new(name.of_rows(), address);
                let row = self.sorted.partition_point(|other| *other < row);
                cursor.ask_again(row);
            }
        }
    }
}
