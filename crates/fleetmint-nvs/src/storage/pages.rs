//! Taking a new page, and making room by moving one.

use super::flash::{Fail, Flash, Step};
use super::page::State;
use super::{RepairKind, Storage};
use crate::error::EspError;
use crate::layout::{ENTRY_COUNT, page_offset};
use crate::page::PageState;

impl<F: Flash> Storage<F> {
    /// The page that is written to: the last in order.
    pub(super) fn current_page(&self) -> Step<usize> {
        self.last_page().ok_or(Fail {
            code: EspError::InvalidState,
            offset: 0,
        })
    }

    /// Takes the first free page. Its header is written with its first item.
    pub(super) fn activate_page(&mut self) -> Step<()> {
        let Some(number) = self.queue.get(self.in_use).copied() else {
            return Err(Fail {
                code: EspError::NotEnoughSpace,
                offset: 0,
            });
        };
        let (page, medium) = self.page_and_medium(number);
        page.settle(medium)?;
        if page.state == State::Corrupt {
            page.erase(medium)?;
            self.note_page(number, RepairKind::DirtyPage);
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

    /// A new page for writing. With one page left, the one with the most unused entries is moved there.
    pub(super) fn request_page(&mut self) -> Step<()> {
        match self.queue.len() - self.in_use {
            0 => {
                return Err(Fail {
                    code: EspError::InvalidState,
                    offset: 0,
                });
            }
            1 => {}
            _ => return self.activate_page(),
        }
        let mut victim = None;
        let mut most_unused = 0;
        for number in self.used_pages() {
            // On a page in doubt entries may count twice; the firmware's difference then wraps, too.
            let unused = ENTRY_COUNT.wrapping_sub(self.page(number).used);
            if unused > most_unused {
                (victim, most_unused) = (Some(number), unused);
            }
        }
        let offset = self.last_page().map_or(0, page_offset);
        let victim = victim.ok_or(Fail {
            code: EspError::NotEnoughSpace,
            offset,
        })?;
        let (page, medium) = self.page_and_medium(victim);
        page.mark(medium, PageState::Freeing)?;
        let used = page.used;
        let to = self.copy_to_fresh(victim)?;
        if self.page(to).used != used {
            // The page is blank now, but stays among those in use.
            return Err(self.page(to).fail(EspError::Fail));
        }
        self.free_page(victim);
        Ok(())
    }

    /// Copies a page's items to a fresh one, erases it and puts it at the end of the free pages.
    pub(super) fn move_items(&mut self, from: usize) -> Step<()> {
        self.copy_to_fresh(from)?;
        self.free_page(from);
        Ok(())
    }

    /// Copies a page's items to a fresh one, whose number it gives, and erases it.
    fn copy_to_fresh(&mut self, from: usize) -> Step<usize> {
        self.medium.spend(ENTRY_COUNT)?;
        self.activate_page()?;
        let to = self.current_page()?;
        let source = self.page(from).clone();
        let (target, medium) = self.page_and_medium(to);
        source.copy_items(medium, target)?;
        self.index_page(to)?;
        let (page, medium) = self.page_and_medium(from);
        page.erase(medium)?;
        Ok(to)
    }

    /// Puts a page in use at the end of the free ones.
    pub(super) fn free_page(&mut self, number: usize) {
        let Some(position) = self.used_pages().position(|page| page == number) else {
            return;
        };
        if let Some(rest) = self.queue.get_mut(position..) {
            rest.rotate_left(1);
            self.in_use -= 1;
        }
    }
}
