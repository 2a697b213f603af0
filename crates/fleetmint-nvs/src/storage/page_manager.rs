//! The order of the pages, and the one that is written to: ESP-IDF's `nvs_pagemanager.cpp`.

use super::fast::CleanPage;
use super::flash::Flash;
use super::medium::{Fail, Step};
use super::page::{Page, State};
use super::query::Query;
use super::{RepairKind, Storage};
use crate::entry::ItemType;
use crate::error::EspError;
use crate::layout::{ENTRY_COUNT, page_offset};
use crate::page::PageState;
use alloc::vec::Vec;

impl<F: Flash> Storage<F> {
    /// `PageManager::load`: loads all pages, puts them in order, and finishes what a power cut interrupted.
    pub(super) fn load_pages(&mut self, count: usize) -> Step<()> {
        self.pages = Vec::with_capacity(count);
        self.order = Vec::with_capacity(count);
        for number in 0..count {
            self.pages.push(Page::new(number));
            self.load_page(number)?;
            self.put_in_order(number);
        }
        let Some(last) = self.last_page() else {
            return self.activate_page();
        };
        self.next_sequence = self.page(last).sequence.wrapping_add(1);
        if self.medium.is_read_only() {
            return Ok(());
        }
        self.erase_duplicate_of_last_item(last)?;
        self.finish_interrupted_move()?;
        if self.in_use == self.order.len() {
            return Err(Fail::of_partition(EspError::NoFreePages));
        }
        Ok(())
    }

    fn load_page(&mut self, number: usize) -> Step<()> {
        let (page, medium) = self.page_and_medium(number);
        medium.spend(ENTRY_COUNT)?;
        let Some(written) = page.load_header(medium)? else {
            return Ok(());
        };
        if let Some(clean) = CleanPage::of(page, written, medium) {
            clean.load_into(page);
        } else {
            page.load_entries(medium)?;
        }
        page.scan_if_plain(medium)
    }

    /// Pages in use come first, by sequence number; then the free ones.
    fn put_in_order(&mut self, number: usize) {
        let page = self.page(number);
        if !page.is_used() {
            self.order.push(number);
            return;
        }
        let sequence = page.sequence;
        let used = self.order.get(..self.in_use).unwrap_or_default();
        let position = used.partition_point(|other| self.page(*other).sequence <= sequence);
        // There are 4096 pages at most, so what the insertions move is next to nothing.
        self.order.insert(position, number);
        self.in_use += 1;
    }

    /// A power cut between writing a new value and erasing the old one leaves both: the old one is erased.
    fn erase_duplicate_of_last_item(&mut self, last: usize) -> Step<()> {
        let Some(head) = self.page(last).heads().last() else {
            return Ok(());
        };
        let (page, medium) = self.page_and_medium(last);
        let item = page.read(medium, head)?;
        let key = *item.name().field();
        let query = Query {
            chunk: item.chunk,
            ..Query::of(item.ns_index, item.type_byte, key)
        };
        if self.erase_first_before(last, &query)? || item.item_type() != Some(ItemType::BlobIndex) {
            return Ok(());
        }
        // A blob of the old format that was being replaced.
        let query = Query {
            type_byte: ItemType::Blob.byte(),
            ..query
        };
        self.erase_first_before(last, &query)?;
        Ok(())
    }

    fn erase_first_before(&mut self, last: usize, query: &Query) -> Step<bool> {
        for position in 0..self.in_use {
            let Some((page, medium)) = self.page_in_use(position) else {
                break;
            };
            if page.number == last {
                break;
            }
            if page.state == State::Freeing {
                continue;
            }
            if let Some((index, _)) = page.find(medium, query, 0)?
                && page.repair_item(medium, index, RepairKind::Duplicate).is_ok()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A page that was being moved is moved again; an incomplete copy is erased first.
    fn finish_interrupted_move(&mut self) -> Step<()> {
        let freeing = self
            .used_pages()
            .find(|number| self.page(*number).state == State::Freeing);
        let Some(freeing) = freeing else { return Ok(()) };
        if let Some(last) = self.last_page()
            && self.page(last).state == State::Active
        {
            self.record_page_repair(last, RepairKind::HalfMoved);
            let (page, medium) = self.page_and_medium(last);
            page.erase(medium)?;
            self.free_page(last);
        }
        self.record_page_repair(freeing, RepairKind::Moved);
        self.copy_to_new_page(freeing)?;
        self.free_page(freeing);
        Ok(())
    }

    /// The page that is written to: the last in order.
    pub(super) fn current_page(&self) -> Step<usize> {
        self.last_page().ok_or(Fail::of_partition(EspError::InvalidState))
    }

    /// `activatePage`: takes the first free page. Its header is written with its first item.
    fn activate_page(&mut self) -> Step<()> {
        let Some(number) = self.order.get(self.in_use).copied() else {
            return Err(Fail::of_partition(EspError::NotEnoughSpace));
        };
        let (page, medium) = self.page_and_medium(number);
        page.check_blank(medium)?;
        if page.state == State::Corrupt {
            page.erase(medium)?;
            self.record_page_repair(number, RepairKind::DirtyPage);
        }
        self.in_use += 1;
        let sequence = self.next_sequence;
        let (page, _) = self.page_and_medium(number);
        if page.state == State::Uninitialized {
            page.sequence = sequence;
        }
        self.next_sequence = sequence.wrapping_add(1);
        Ok(())
    }

    /// `requestNewPage`: a new page to write to. If only one is free, the page with the most unused entries is moved there.
    pub(super) fn request_new_page(&mut self) -> Step<()> {
        match self.order.len() - self.in_use {
            0 => return Err(Fail::of_partition(EspError::InvalidState)),
            1 => {}
            _ => return self.activate_page(),
        }
        let victim = self.page_with_most_unused()?;
        let (page, medium) = self.page_and_medium(victim);
        page.mark(medium, PageState::Freeing)?;
        let used = page.used();
        let to = self.copy_to_new_page(victim)?;
        if self.page(to).used() != used {
            // The victim is blank now, but stays among the pages in use.
            return Err(self.page(to).fail(EspError::Fail));
        }
        self.free_page(victim);
        Ok(())
    }

    fn page_with_most_unused(&self) -> Step<usize> {
        let mut victim = None;
        let mut most_unused = 0;
        for number in self.used_pages() {
            // On a damaged page entries may count twice; the firmware's difference wraps then, too.
            let unused = ENTRY_COUNT.wrapping_sub(self.page(number).used());
            if unused > most_unused {
                (victim, most_unused) = (Some(number), unused);
            }
        }
        victim.ok_or(Fail {
            code: EspError::NotEnoughSpace,
            offset: self.last_page().map_or(0, page_offset),
        })
    }

    /// Copies a page's items to a new one, whose number it gives, and erases it.
    fn copy_to_new_page(&mut self, from: usize) -> Step<usize> {
        self.medium.spend(ENTRY_COUNT)?;
        self.activate_page()?;
        let to = self.current_page()?;
        let source = self.page(from).clone();
        let (target, medium) = self.page_and_medium(to);
        source.copy_items(medium, target)?;
        self.add_page_to_index(to)?;
        let (page, medium) = self.page_and_medium(from);
        page.erase(medium)?;
        Ok(to)
    }

    /// Puts a page in use at the end of the free ones.
    fn free_page(&mut self, number: usize) {
        let Some(position) = self.used_pages().position(|page| page == number) else {
            return;
        };
        if let Some(rest) = self.order.get_mut(position..) {
            rest.rotate_left(1);
            self.in_use -= 1;
        }
    }

    fn record_page_repair(&mut self, page: usize, kind: RepairKind) {
        self.medium.journal.repairs.push(super::Repair {
            page,
            entry: None,
            ns_index: 0,
            name: crate::key::RawName::EMPTY,
            kind,
        });
    }
}
