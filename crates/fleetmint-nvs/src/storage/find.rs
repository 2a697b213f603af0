//! Finding an item among all pages.
//!
//! The firmware asks page after page, in order. So does this, until it has asked often enough to pay for an index,
//! which only says which pages are worth asking: the answer is the pages' own in either case.
//!
//! ```text
//!   rows      key ┊ namespace ┊ chunk ┊ start ┊ place       sorted, so that the rows of a name are the pages' in order
//!   cursor    ─────────────────────▲                        rows before it were asked in vain, or their items are gone
//!   again     ──────▲                                       of those, pages where an item of the name was erased since
//! ```
//!
//! A row holds the whole name, not a hash of it: images that are made to collide take no longer than others. A cursor
//! is made for a query that was asked many pages in vain, so that asking it again and again costs no more than once.

use super::Storage;
use super::flash::{Flash, Step};
use super::page::{Bits, Page, Query, START_ANY};
use crate::entry::{Entry, ItemType};
use crate::layout::{CHUNK_ANY, NAME_FIELD, NAMESPACE_ANY};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Where an item was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) page: usize,
    pub(super) index: usize,
    pub(super) entry: Entry,
}

/// Searches without an index before one is made: it costs about as much as that many.
const PATIENCE: usize = 4;

/// Rows that a search passes in vain before a cursor is made for it.
const FEW: usize = 16;

/// What rows are sorted by: three words, as comparing those is quick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    key: u64,
    end_of_key: u64,
    /// From the highest byte: namespace index, chunk, and the chunk start of a blob index that is looked for by it. The
    /// other bytes are 0.
    rest: u64,
}

impl Name {
    fn new(ns_index: u8, key: &[u8; NAME_FIELD], chunk: u8, chunk_start: u8) -> Self {
        let key = u128::from_be_bytes(*key);
        Self {
            key: (key >> 64) as u64,
            end_of_key: key as u64,
            rest: Self::rest(ns_index, chunk, chunk_start),
        }
    }

    const fn rest(ns_index: u8, chunk: u8, chunk_start: u8) -> u64 {
        u64::from_be_bytes([ns_index, chunk, chunk_start, 0, 0, 0, 0, 0])
    }

    /// The name in any namespace, as index 255 means it: whatever the chunk.
    fn anywhere(key: &[u8; NAME_FIELD]) -> Self {
        Self::new(NAMESPACE_ANY, key, CHUNK_ANY, START_ANY)
    }

    /// What the query asks for; `None` where all pages are to be asked.
    fn of(query: &Query) -> Option<Self> {
        let key = match query.ns_index {
            NAMESPACE_ANY => query.key,
            _ => query.hashed_key(),
        }?;
        Some(Self::new(query.ns_index, &key, query.chunk, query.chunk_start))
    }

    fn is_anywhere(self) -> bool {
        self.rest.to_be_bytes().first() == Some(&NAMESPACE_ANY)
    }

    /// The name of the rows that lead to all pages that can answer a query for this.
    fn of_rows(self) -> Self {
        if self.is_anywhere() {
            let rest = Self::rest(NAMESPACE_ANY, CHUNK_ANY, START_ANY);
            Self { rest, ..self }
        } else {
            self
        }
    }
}

/// A name, and in the low bytes of its last word the number of a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row(Name);

impl Row {
    #[inline]
    const fn new(name: Name, place: u32) -> Self {
        Self(Name {
            rest: name.rest | place as u64,
            ..name
        })
    }

    #[inline]
    const fn place(self) -> usize {
        self.0.rest as u32 as usize
    }

    #[inline]
    const fn name(self) -> Name {
        Name {
            rest: self.0.rest & !(u32::MAX as u64),
            ..self.0
        }
    }
}

#[derive(Clone, Copy)]
struct Place {
    page: usize,
    index: u8,
    life: u32,
}

impl Place {
    fn is_live(self, pages: &[Page]) -> bool {
        pages
            .get(self.page)
            .is_some_and(|page| page.life == self.life && page.heads >> self.index & 1 == 1 && page.doubt.is_none())
    }
}

/// Where a query that was asked before goes on.
#[derive(Default)]
struct Cursor {
    next: usize,
    /// Rows before `next` with which pages begin that are to be asked again.
    again: BTreeSet<usize>,
}

/// An item that was erased.
#[derive(Clone, Copy, Debug)]
pub(super) struct Erased {
    pub(super) page: usize,
    pub(super) entry: Entry,
}

/// The pages in their order, as far as searches need it: while a page is in doubt.
#[derive(Default)]
struct Order {
    /// What it was made for: it changes with each page that is taken, freed or begins to be in doubt.
    stamp: Option<(usize, u32, u32)>,
    /// By page number.
    position: Vec<usize>,
    /// Pages in doubt.
    doubtful: Vec<usize>,
}

/// Which pages hold a name: a sorted table of names and places, places in the order of the pages.
#[derive(Default)]
pub(super) struct Index {
    searches: usize,
    built: bool,
    /// Namespace index 255 was asked for: the table also has the rows for that.
    anywhere: bool,
    sorted: Vec<Row>,
    /// Rows of items written since, not sorted.
    recent: Vec<Row>,
    places: Vec<Place>,
    /// The first place of each page, by page number.
    first_place: Vec<u32>,
    /// By what is asked for, and its type.
    cursors: BTreeMap<(Name, u8), Cursor>,
    order: Order,
    /// Never used: the firmware's own way, which must give the same answers.
    #[cfg(test)]
    unused: bool,
}

impl Index {
    fn add(&mut self, page: &Page, index: usize, entry: &Entry, sorted: bool) {
        let place = self.places.len() as u32;
        self.places.push(Place {
            page: page.number,
            index: index as u8,
            life: page.life,
        });
        let name = entry.name();
        let rows = if sorted { &mut self.sorted } else { &mut self.recent };
        let mut row = |name| rows.push(Row::new(name, place));
        if self.anywhere {
            row(Name::anywhere(name.field()));
        }
        if entry.ns_index == NAMESPACE_ANY {
            return;
        }
        row(Name::new(entry.ns_index, name.field(), entry.chunk, START_ANY));
        if entry.item_type() == Some(ItemType::BlobIndex) && entry.chunk_start() != START_ANY {
            row(Name::new(
                entry.ns_index,
                name.field(),
                entry.chunk,
                entry.chunk_start(),
            ));
        }
    }

    /// The place of a row of the sorted table, if the row is of this name.
    fn place(&self, row: usize, name: Name) -> Option<Place> {
        let row = self.sorted.get(row).filter(|row| row.name() == name)?;
        self.places.get(row.place()).copied()
    }

    fn begin(&self, name: Name) -> usize {
        let first = Row::new(name, 0);
        self.sorted.partition_point(|row| *row < first)
    }

    /// Items were written: what was asked in vain may be answered now.
    fn forget_cursors(&mut self) {
        self.cursors.clear();
    }

    /// An item was erased: a page may now answer what it did not before, as that item was in the way.
    ///
    /// It was in the way of no query for another chunk or chunk start: those skip it.
    fn ask_again(&mut self, erased: &Erased) {
        let Some(place) = self.first_place.get(erased.page).copied() else {
            return;
        };
        let Erased { entry, .. } = erased;
        let mut names = [CHUNK_ANY, entry.chunk].map(|chunk| {
            [START_ANY, entry.chunk_start()].map(|start| {
                [entry.ns_index, NAMESPACE_ANY].map(|ns_index| Name::new(ns_index, entry.name().field(), chunk, start))
            })
        });
        let names = names.as_flattened_mut().as_flattened_mut();
        names.sort_unstable();
        for same in names.chunk_by(|a, b| a == b) {
            let [name, ..] = same else { continue };
            for ((_, _), cursor) in self.cursors.range_mut((*name, 0)..=(*name, u8::MAX)) {
                let row = Row::new(name.of_rows(), place);
                let row = self.sorted.partition_point(|other| *other < row);
                if row < cursor.next {
                    cursor.again.insert(row);
                }
            }
        }
    }
}

/// A search that is under way.
struct Search<'a> {
    query: &'a Query,
    /// Of the rows.
    name: Name,
    /// Of the pages in doubt, how many were asked.
    doubtful: usize,
}

impl<F: Flash> Storage<F> {
    /// The first page's first item that matches.
    pub(super) fn find(&mut self, query: &Query) -> Step<Option<Found>> {
        let Some(name) = Name::of(query) else {
            return self.find_by_scan(query);
        };
        self.index.searches += 1;
        #[cfg(test)]
        if self.index.unused {
            return self.find_by_scan(query);
        }
        if self.index.searches <= PATIENCE {
            return self.find_by_scan(query);
        }
        self.build_index(name.is_anywhere())?;
        if self.medium.in_doubt() {
            self.update_order();
        }
        let mut search = Search {
            query,
            name: name.of_rows(),
            doubtful: 0,
        };
        let found = self.find_by_index(&mut search, (name, query.type_byte))?;
        if found.is_some() || !self.medium.in_doubt() {
            return Ok(found);
        }
        self.ask_doubtful(&mut search, None)
    }

    fn find_by_index(&mut self, search: &mut Search<'_>, id: (Name, u8)) -> Step<Option<Found>> {
        let mut cursor = None;
        if !self.index.cursors.is_empty() {
            if let Some(erased) = &mut self.medium.erased {
                for erased in core::mem::take(erased) {
                    self.index.ask_again(&erased);
                }
            }
            cursor = self.index.cursors.remove(&id);
        }
        let is_known = cursor.is_some();
        let mut cursor = cursor.unwrap_or_else(|| Cursor {
            next: self.index.begin(search.name),
            again: BTreeSet::new(),
        });
        let begin = cursor.next;
        let found = self.follow(search, &mut cursor);
        if is_known || cursor.next - begin > FEW {
            self.medium.erased.get_or_insert_default();
            self.index.cursors.insert(id, cursor);
        }
        match found? {
            None => self.find_recent(search),
            found => Ok(found),
        }
    }

    /// Asks the pages that the sorted rows lead to, from where the cursor is.
    fn follow(&mut self, search: &mut Search<'_>, cursor: &mut Cursor) -> Step<Option<Found>> {
        while let Some(row) = cursor.again.first().copied() {
            if let (found @ Some(_), _) = self.ask_row(search, row)? {
                return Ok(found);
            }
            cursor.again.remove(&row);
        }
        while self.index.place(cursor.next, search.name).is_some() {
            let (found, next) = self.ask_row(search, cursor.next)?;
            if found.is_some() {
                return Ok(found);
            }
            cursor.next = next;
        }
        Ok(None)
    }

    /// Asks the page that this row leads to. Also gives the first row of the next page.
    #[inline]
    fn ask_row(&mut self, search: &mut Search<'_>, row: usize) -> Step<(Option<Found>, usize)> {
        let mut next = row;
        let mut asked = None;
        while let Some(place) = self.index.place(next, search.name) {
            if *asked.get_or_insert(place.page) != place.page {
                break;
            }
            if place.is_live(&self.pages) {
                let found = self.ask_place(search, place)?;
                if found.is_some() {
                    self.medium.spend(next - row + 1)?;
                    return Ok((found, next));
                }
                // Nor do its later items match.
                while self
                    .index
                    .place(next, search.name)
                    .is_some_and(|other| other.page == place.page)
                {
                    next += 1;
                }
                break;
            }
            next += 1;
        }
        self.medium.spend(next - row)?;
        Ok((None, next))
    }

    #[inline]
    fn ask_place(&mut self, search: &mut Search<'_>, place: Place) -> Step<Option<Found>> {
        if self.medium.in_doubt() {
            let found = self.ask_doubtful(search, Some(place.page))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        // No item of this name and chunk is before that place; one with another chunk start may be.
        let by_start = search.query.chunk_start != START_ANY;
        self.ask_page(
            place.page,
            search.query,
            if by_start { 0 } else { usize::from(place.index) },
        )
    }

    #[inline]
    fn ask_page(&mut self, number: usize, query: &Query, from: usize) -> Step<Option<Found>> {
        let (page, medium) = self.page_and_medium(number);
        let found = page.find(medium, query, from)?;
        Ok(found.map(|(index, entry)| Found {
            page: number,
            index,
            entry,
        }))
    }

    /// Asks the items that were written since the table was sorted, which lie after all others.
    fn find_recent(&mut self, search: &mut Search<'_>) -> Step<Option<Found>> {
        let mut asked = None;
        self.medium.spend(self.index.recent.len())?;
        for number in 0..self.index.recent.len() {
            let row = self.index.recent.get(number).filter(|row| row.name() == search.name);
            let place = row.and_then(|row| self.index.places.get(row.place())).copied();
            let Some(place) = place.filter(|place| asked != Some(place.page) && place.is_live(&self.pages)) else {
                continue;
            };
            asked = Some(place.page);
            let found = self.ask_place(search, place)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Asks the pages in doubt that come before this one, or all that are left. The index knows nothing of them.
    fn ask_doubtful(&mut self, search: &mut Search<'_>, before: Option<usize>) -> Step<Option<Found>> {
        let end = before.and_then(|page| self.index.order.position.get(page)).copied();
        while let Some(number) = self.index.order.doubtful.get(search.doubtful).copied() {
            let position = self.index.order.position.get(number).copied();
            if position >= end && end.is_some() {
                break;
            }
            search.doubtful += 1;
            let found = self.ask_page(number, search.query, 0)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// While a page is in doubt: which ones are, and where they lie among the others.
    fn update_order(&mut self) {
        let stamp = Some((self.in_use, self.next_sequence, self.medium.doubts));
        if self.index.order.stamp == stamp {
            return;
        }
        let mut order = Order {
            stamp,
            position: alloc::vec![usize::MAX; self.pages.len()],
            doubtful: Vec::new(),
        };
        for (position, number) in self.used_pages().enumerate() {
            if let Some(place) = order.position.get_mut(number) {
                *place = position;
            }
            if self.page(number).doubt.is_some() {
                order.doubtful.push(number);
            }
        }
        self.index.order = order;
    }

    fn find_by_scan(&mut self, query: &Query) -> Step<Option<Found>> {
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            let found = self.ask_page(number, query, 0)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Pages that may hold chunks of this blob, in order.
    pub(super) fn pages_with_chunks(&mut self, ns_index: u8, key: &[u8; NAME_FIELD]) -> Step<Vec<usize>> {
        if self.index.searches < PATIENCE {
            return Ok(self.used_pages().collect());
        }
        self.build_index(ns_index == NAMESPACE_ANY)?;
        if self.medium.in_doubt() {
            self.update_order();
        }
        let (first, last) = if ns_index == NAMESPACE_ANY {
            (Name::anywhere(key), Name::anywhere(key))
        } else {
            let of = |chunk| Name::new(ns_index, key, chunk, START_ANY);
            (of(0), of(u8::MAX))
        };
        let sorted = self.index.sorted.get(self.index.begin(first)..).unwrap_or_default();
        let rows = sorted.iter().take_while(|row| row.name() <= last);
        let recent = self
            .index
            .recent
            .iter()
            .filter(|row| (first..=last).contains(&row.name()));
        let mut places: Vec<usize> = rows.chain(recent).map(|row| row.place()).collect();
        self.medium.spend(places.len() + self.index.recent.len())?;
        places.sort_unstable();
        let places = places.iter().filter_map(|place| self.index.places.get(*place));
        let live = places.filter(|place| place.is_live(&self.pages));
        let mut pages: Vec<usize> = live.map(|place| place.page).collect();
        pages.dedup();
        if self.medium.in_doubt() {
            pages.extend_from_slice(&self.index.order.doubtful);
            pages.sort_by_key(|page| self.index.order.position.get(*page));
        }
        Ok(pages)
    }

    #[inline]
    fn build_index(&mut self, anywhere: bool) -> Step<()> {
        let stale = self.index.recent.len() > 64 + self.index.sorted.len() / 32;
        if self.index.built && !stale && (self.index.anywhere || !anywhere) {
            return Ok(());
        }
        self.build_new_index(anywhere)
    }

    fn build_new_index(&mut self, anywhere: bool) -> Step<()> {
        self.medium.erased = None;
        self.index = Index {
            searches: PATIENCE + 1,
            #[cfg(test)]
            unused: self.index.unused,
            anywhere: self.index.anywhere || anywhere,
            first_place: alloc::vec![u32::MAX; self.pages.len()],
            ..Index::default()
        };
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            let (page, medium, index) = (&self.pages.get(number), &mut self.medium, &mut self.index);
            let Some(page) = page else { continue };
            if let Some(first) = index.first_place.get_mut(number) {
                *first = index.places.len() as u32;
            }
            let heads = page.heads_from(0);
            medium.spend(heads.count_ones() as usize)?;
            for head in Bits::of(heads) {
                let entry = page.read(medium, head)?;
                index.add(page, head, &entry, true);
            }
        }
        self.index.sorted.sort_unstable();
        self.index.built = true;
        Ok(())
    }

    /// Before many searches: what was written since the table was sorted would be looked through in each.
    pub(super) fn settle_index(&mut self) {
        if !self.index.recent.is_empty() {
            self.index.built = false;
        }
    }

    /// Tells the index of an item that was written.
    pub(super) fn index_item(&mut self, number: usize, index: usize, entry: &Entry) {
        if self.index.built
            && let Some(page) = self.pages.get(number)
        {
            self.index.forget_cursors();
            self.index.add(page, index, entry, false);
        }
    }

    /// Tells the index of a page that items were moved to.
    pub(super) fn index_page(&mut self, number: usize) -> Step<()> {
        if !self.index.built {
            return Ok(());
        }
        self.index.forget_cursors();
        let Some(page) = self.pages.get(number) else {
            return Ok(());
        };
        for head in Bits::of(page.heads_from(0)) {
            let entry = page.read(&mut self.medium, head)?;
            self.index.add(page, head, &entry, false);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::entry::{Entry, Number};
    use crate::error::EspError;
    use crate::key::{Key, Namespace};
    use crate::layout::{ENTRY_COUNT, ENTRY_SIZE, PAGE_SIZE, Version, entry_offset, page_offset};
    use crate::page::{Bitmap, EntryState, PageHeader, PageState};
    use crate::storage::{FlashOps, Listed, Mode, ReadOnlySlice, Repair, SliceFlash, Storage};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Few names, so that they are there again and again, with other types and chunks and in other namespaces.
    fn item() -> impl Strategy<Value = (Entry, Vec<u8>)> {
        let ns_index = prop_oneof![8 => 1..3u8, 2 => Just(255), 1 => Just(3)];
        let name = prop_oneof![4 => Just("a"), 2 => Just("b"), 1 => Just("c")];
        let chunk = prop_oneof![4 => 0..3u8, 2 => 0x80..0x82u8];
        let sizes = (0..3usize, 0..3u32, 0..3u8);
        (0..8u8, ns_index, name, chunk, sizes, any::<bool>()).prop_map(
            |(kind, ns_index, name, chunk, (size, whole, chunks), damaged)| {
                let key = Key::new(name).unwrap();
                let mut data = alloc::vec![b'x'; size];
                let alone = |entry| (entry, Vec::new());
                let (entry, data) = match kind {
                    0 => alone(Entry::number(ns_index, &key, Number::U8(chunk))),
                    1 => alone(Entry::number(ns_index, &key, Number::U32(7))),
                    2 | 3 => {
                        data.push(0);
                        (Entry::string(ns_index, &key, &data), data)
                    }
                    4 => (Entry::old_blob(ns_index, &key, &data), data),
                    5 | 6 => (Entry::blob_data(ns_index, &key, chunk, &data), data),
                    _ => alone(Entry::blob_index(ns_index, &key, whole, chunks, chunk & 0x80)),
                };
                let data = data.into_iter().map(|byte| byte ^ u8::from(damaged)).collect();
                (entry, data)
            },
        )
    }

    fn image(items: &[(Entry, Vec<u8>)], per_page: usize) -> Vec<u8> {
        let named = [("one", 1), ("any", 255), ("two", 2)];
        let names = named.map(|(name, index)| (Entry::namespace(&Namespace::new(name).unwrap(), index), Vec::new()));
        let all: Vec<_> = names.iter().chain(items).collect();
        let mut image = alloc::vec![0xFF; (all.len() / per_page + 2) * PAGE_SIZE];
        for (page, items) in all.chunks(per_page).enumerate() {
            let mut bitmap = Bitmap::EMPTY;
            let mut index = 0;
            for (entry, data) in items {
                let end = index + usize::from(entry.span);
                (index..end.min(ENTRY_COUNT)).for_each(|entry| bitmap.set(entry, EntryState::Written));
                image[entry_offset(page, index)..][..ENTRY_SIZE].copy_from_slice(&entry.to_bytes());
                image[entry_offset(page, index + 1)..][..data.len()].copy_from_slice(data);
                index = end;
            }
            let header = PageHeader::encode(PageState::Full, page as u32, Version::V2);
            image[page_offset(page)..][..32].copy_from_slice(&header);
            image[page_offset(page) + 32..][..32].copy_from_slice(&bitmap.to_bytes());
        }
        image
    }

    type Outcome = (
        Vec<Listed>,
        Vec<Result<(), EspError>>,
        Vec<Repair>,
        FlashOps,
        Vec<Listed>,
    );

    /// What a storage answers to many calls.
    fn calls<F: crate::storage::Flash>(storage: &mut Storage<F>, by_scan: bool) -> Outcome {
        storage.index.unused = by_scan;
        let listed = storage.list().unwrap();
        let mut done = Vec::new();
        for (round, name) in (0u8..).zip(["one", "any", "two", "one", "any"]) {
            let Ok(ns) = storage.open_namespace(&Namespace::new(name).unwrap()) else {
                continue;
            };
            for key in ["a", "b", "c", "d"].map(|key| Key::new(key).unwrap()) {
                let set = match round {
                    0 => storage.set_number(ns, &key, Number::U8(round)),
                    1 | 2 => storage.set_blob(ns, &key, &alloc::vec![round; 700]),
                    3 => storage.erase_key(ns, &key),
                    _ => storage.set_str(ns, &key, "text"),
                };
                done.push(set.map_err(|error| error.esp().unwrap_or(EspError::Fail)));
            }
        }
        let after = storage.list().unwrap();
        (listed, done, storage.repairs().to_vec(), storage.ops(), after)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn the_index_finds_what_asking_each_page_finds(
            items in prop::collection::vec(item(), 20..200), per_page in prop_oneof![1..6usize, 40..41usize],
        ) {
            let image = image(&items, per_page);
            let read_only = |by_scan| {
                let mut storage = Storage::open(ReadOnlySlice::new(&image), Mode::ReadOnly, None).ok()?;
                Some(calls(&mut storage, by_scan))
            };
            prop_assert_eq!(read_only(false), read_only(true));
            let read_write = |by_scan| {
                let mut image = image.clone();
                let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None).ok()?;
                let outcome = calls(&mut storage, by_scan);
                drop(storage);
                Some((outcome, image))
            };
            let (by_index, by_scan) = (read_write(false), read_write(true));
            prop_assert!(by_index == by_scan, "{:?}\n{:?}", by_index.map(|(it, _)| it), by_scan.map(|(it, _)| it));
        }
    }
}
