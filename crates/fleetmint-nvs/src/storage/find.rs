//! Finding an item on the pages: `Storage::findItem`.

use super::Storage;
use super::fast::{NameIndex, NameSearch, PageToAsk, SearchedName};
use super::flash::Flash;
use super::medium::Step;
use super::query::{Query, StoredItem};
use crate::entry::Entry;
use crate::layout::{NAME_FIELD, NAMESPACE_ANY};
use alloc::vec::Vec;

impl<F: Flash> Storage<F> {
    /// `findItem`: the first item that the query matches, on the pages in order.
    pub(super) fn find(&mut self, query: &Query) -> Step<Option<StoredItem>> {
        match SearchedName::of(query) {
            Some(name) if self.medium.may_use_shortcuts() && self.names.pays_for_search() => {
                self.find_by_index(query, name)
            }
            _ => self.find_on_each_page(query),
        }
    }

    /// The firmware's way: it asks page after page.
    fn find_on_each_page(&mut self, query: &Query) -> Step<Option<StoredItem>> {
        for position in 0..self.in_use {
            let Some((page, medium)) = self.page_in_use(position) else {
                break;
            };
            if let Some((index, entry)) = page.find(medium, query, 0)? {
                return Ok(Some(StoredItem::new(page.number, index, entry)));
            }
        }
        Ok(None)
    }

    /// Asks only the pages that the index names.
    fn find_by_index(&mut self, query: &Query, name: SearchedName) -> Step<Option<StoredItem>> {
        self.update_index(name.is_anywhere())?;
        let mut search = self.names.begin_search(name, &mut self.medium.journal);
        let found = self.find_on_named_pages(query, &mut search);
        self.names.end_search(search, &mut self.medium.journal);
        found
    }

    fn find_on_named_pages(&mut self, query: &Query, search: &mut NameSearch) -> Step<Option<StoredItem>> {
        loop {
            let page = self.names.next_page(search, &self.pages);
            self.medium.spend(search.take_steps())?;
            let Some(PageToAsk { number, from }) = page else {
                return Ok(None);
            };
            let (page, medium) = self.page_and_medium(number);
            if let Some((index, entry)) = page.find(medium, query, from)? {
                return Ok(Some(StoredItem::new(number, index, entry)));
            }
        }
    }

    /// The pages that may hold chunks of this blob, in order. The firmware asks all of them.
    pub(super) fn pages_with_chunks(&mut self, ns_index: u8, key: &[u8; NAME_FIELD]) -> Step<Vec<usize>> {
        if !self.medium.may_use_shortcuts() || !self.names.pays_for_list() {
            return Ok(self.used_pages().collect());
        }
        self.update_index(ns_index == NAMESPACE_ANY)?;
        let (pages, steps) = self.names.pages_with_chunks(ns_index, key, &self.pages);
        self.medium.spend(steps)?;
        Ok(pages)
    }

    /// Builds the index if there is none, or if too much was written since.
    fn update_index(&mut self, anywhere: bool) -> Step<()> {
        if !self.names.is_current(anywhere) {
            self.build_index(anywhere)?;
        }
        if self.medium.journal.scanned_pages > 0 {
            let used = self.order.get(..self.in_use).unwrap_or_default();
            let changes = (self.next_sequence, self.medium.journal.scanned_pages);
            self.names.update_scanned_pages(used, &self.pages, changes);
        }
        Ok(())
    }

    fn build_index(&mut self, anywhere: bool) -> Step<()> {
        self.medium.journal.forget_erased();
        self.names = NameIndex::new(self.pages.len(), self.names.has_anywhere() || anywhere);
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            let Some(page) = self.pages.get(number) else { continue };
            self.names.begin_page(number);
            let heads = page.heads();
            self.medium.spend(heads.len())?;
            for head in heads {
                let entry = page.read(&mut self.medium, head)?;
                self.names.add(page, head, &entry);
            }
        }
        self.names.sort();
        Ok(())
    }

    /// Before many searches: what was written since the index was built would be looked through in each.
    pub(super) fn rebuild_index_if_changed(&mut self) {
        self.names.expire_if_changed();
    }

    /// Adds an item that was written.
    pub(super) fn add_to_index(&mut self, number: usize, index: usize, entry: &Entry) {
        if let Some(page) = self.pages.get(number) {
            self.names.add_written(page, index, entry);
        }
    }

    /// Adds the items of a page that were moved there.
    pub(super) fn add_page_to_index(&mut self, number: usize) -> Step<()> {
        let Some(page) = self.pages.get(number).filter(|_| self.names.is_built()) else {
            return Ok(());
        };
        for head in page.heads() {
            let entry = page.read(&mut self.medium, head)?;
            self.names.add_written(page, head, &entry);
        }
        Ok(())
    }
}
