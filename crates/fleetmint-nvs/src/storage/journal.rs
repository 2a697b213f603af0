//! What happened to the partition since it was opened, for those who are not there when it happens.

use super::Repair;
use crate::entry::Entry;
use alloc::vec::Vec;

/// Written by pages while they change the flash.
#[derive(Default)]
pub(super) struct Journal {
    /// What the firmware repaired, in order.
    pub(super) repairs: Vec<Repair>,
    /// How many pages became ones that each search scans entry by entry.
    pub(super) scanned_pages: u32,
    /// The items that were erased, while somebody wants to know.
    erased: Option<Vec<ErasedItem>>,
}

/// An item that was erased: the number of its page, and its first entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErasedItem {
    pub(super) page: usize,
    pub(super) entry: Entry,
}

impl Journal {
    pub(super) fn item_erased(&mut self, page: usize, entry: Entry) {
        if let Some(erased) = &mut self.erased {
            erased.push(ErasedItem { page, entry });
        }
    }

    /// From here on erased items are recorded.
    pub(super) fn record_erased(&mut self) {
        self.erased.get_or_insert_default();
    }

    /// From here on they are not recorded any more.
    pub(super) fn forget_erased(&mut self) {
        self.erased = None;
    }

    /// The items erased since this was asked last.
    pub(super) fn take_erased(&mut self) -> Vec<ErasedItem> {
        self.erased.as_mut().map(core::mem::take).unwrap_or_default()
    }
}
