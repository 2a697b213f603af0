//! One search: from page to page that the index names.

use super::row::{IndexedName, SearchedName};
use super::{Address, FEW, NameIndex};
use crate::storage::journal::Journal;
use crate::storage::page::Page;
use alloc::collections::BTreeSet;

/// Where a query that was asked before goes on.
#[derive(Default)]
pub(super) struct Cursor {
    /// The first row whose page was not asked in vain yet.
    next: usize,
    /// Rows before `next` whose pages are to be asked again.
    again: BTreeSet<usize>,
}

impl Cursor {
    pub(super) fn ask_again(&mut self, row: usize) {
        if row < self.next {
            self.again.insert(row);
        }
    }
}

/// A search in progress.
pub(in crate::storage) struct NameSearch {
    searched: SearchedName,
    /// The name of the rows that it follows.
    name: IndexedName,
    cursor: Cursor,
    /// Where the cursor began.
    begin: usize,
    is_known: bool,
    /// The rows that led to the page that is asked now.
    asked: Option<Asked>,
    /// A page that is asked after the scanned ones before it.
    waiting: Option<PageToAsk>,
    /// How many of the scanned pages were asked.
    scanned: usize,
    /// The next row of those written since, and the page that the last of them led to.
    written: usize,
    written_page: Option<usize>,
    steps: usize,
}

/// A page that is worth asking, from this entry on.
#[derive(Clone, Copy)]
pub(in crate::storage) struct PageToAsk {
    pub(in crate::storage) number: usize,
    pub(in crate::storage) from: usize,
}

/// If the page answers in vain, so do the rows that led to it.
enum Asked {
    /// The row that is to be asked again.
    Again(usize),
    /// The first row of an item that still exists, and the number of the page.
    Rows { first: usize, number: usize },
}

impl NameSearch {
    /// The rows that were looked at since this was asked last.
    pub(in crate::storage) fn take_steps(&mut self) -> usize {
        core::mem::take(&mut self.steps)
    }

    fn page_to_ask(&self, address: Address) -> PageToAsk {
        // No item of this name and chunk is before that one; one with another chunk start may be.
        let from = if self.searched.is_by_start() {
            0
        } else {
            usize::from(address.index)
        };
        PageToAsk {
            number: address.page,
            from,
        }
    }
}

impl NameIndex {
    pub(in crate::storage) fn begin_search(&mut self, searched: SearchedName, journal: &mut Journal) -> NameSearch {
        let name = searched.name.of_rows();
        let mut known = None;
        if !self.cursors.is_empty() {
            self.apply_erased(journal);
            known = self.cursors.remove(&searched);
        }
        let is_known = known.is_some();
        let cursor = known.unwrap_or_else(|| Cursor {
            next: self.first_row(name),
            again: BTreeSet::new(),
        });
        NameSearch {
            searched,
            name,
            begin: cursor.next,
            cursor,
            is_known,
            asked: None,
            waiting: None,
            scanned: 0,
            written: 0,
            written_page: None,
            steps: 0,
        }
    }

    /// The next page to ask. Whoever asks for another has asked the one before in vain.
    pub(in crate::storage) fn next_page(&self, search: &mut NameSearch, pages: &[Page]) -> Option<PageToAsk> {
        if search.waiting.is_none() {
            search.waiting = self.next_named_page(search, pages);
        }
        let before = search.waiting.map(|page| page.number);
        if let Some(number) = self.scanned.next(search.scanned, before) {
            search.scanned += 1;
            return Some(PageToAsk { number, from: 0 });
        }
        search.waiting.take()
    }

    /// The search is over. A query that passed many rows is likely to be asked again.
    pub(in crate::storage) fn end_search(&mut self, search: NameSearch, journal: &mut Journal) {
        if search.is_known || search.cursor.next - search.begin > FEW {
            journal.record_erased();
            self.cursors.insert(search.searched, search.cursor);
        }
    }

    fn next_named_page(&self, search: &mut NameSearch, pages: &[Page]) -> Option<PageToAsk> {
        self.pass_asked_rows(search);
        while let Some(row) = search.cursor.again.first().copied() {
            if let (_, Some(page)) = self.page_of_rows(search, row, pages) {
                search.asked = Some(Asked::Again(row));
                return Some(page);
            }
            search.cursor.again.remove(&row);
        }
        while self.address(search.cursor.next, search.name).is_some() {
            let (row, page) = self.page_of_rows(search, search.cursor.next, pages);
            if let Some(PageToAsk { number, .. }) = page {
                search.asked = Some(Asked::Rows { first: row, number });
                return page;
            }
            search.cursor.next = row;
        }
        self.next_written_page(search, pages)
    }

    /// The page that this row and those after it lead to, and the row of the first item there that still exists. If none
    /// does, there is no page, and the row is the first of the next one.
    fn page_of_rows(&self, search: &mut NameSearch, row: usize, pages: &[Page]) -> (usize, Option<PageToAsk>) {
        let number = self.address(row, search.name).map(|address| address.page);
        let mut row = row;
        while let Some(address) = self.address(row, search.name)
            && Some(address.page) == number
        {
            search.steps += 1;
            if address.is_live(pages) {
                return (row, Some(search.page_to_ask(address)));
            }
            row += 1;
        }
        (row, None)
    }

    /// The page that was asked holds nothing: nor do the items after the first one match.
    fn pass_asked_rows(&self, search: &mut NameSearch) {
        match search.asked.take() {
            None => {}
            Some(Asked::Again(row)) => {
                search.cursor.again.remove(&row);
            }
            Some(Asked::Rows { first, number }) => {
                let mut next = first;
                while self
                    .address(next, search.name)
                    .is_some_and(|address| address.page == number)
                {
                    next += 1;
                }
                search.steps += next - first;
                search.cursor.next = next;
            }
        }
    }

    /// The next page of the rows that were written since the table was sorted.
    fn next_written_page(&self, search: &mut NameSearch, pages: &[Page]) -> Option<PageToAsk> {
        while let Some(row) = self.written.get(search.written) {
            search.written += 1;
            search.steps += 1;
            let address = self.addresses.get(row.address()).copied();
            let address = address.filter(|address| {
                row.name() == search.name && search.written_page != Some(address.page) && address.is_live(pages)
            });
            if let Some(address) = address {
                search.written_page = Some(address.page);
                // From the start: what was there before may be in the way.
                return Some(PageToAsk {
                    number: address.page,
                    from: 0,
                });
            }
        }
        None
    }
}
