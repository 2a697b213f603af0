//! The pages that every search scans, and where they are among the others.

use crate::storage::page::Page;
use alloc::vec::Vec;

/// The index does not contain the items of these pages, so each page is searched.
#[derive(Default)]
pub(super) struct ScannedPages {
    /// The state that this belongs to: it changes with each page that is allocated, freed or begins to be scanned.
    made_for: Option<(usize, (u32, u32))>,
    /// The position of each page in the order, by page number.
    positions: Vec<usize>,
    /// The numbers of the scanned pages, in order.
    numbers: Vec<usize>,
}

impl ScannedPages {
    pub(super) fn update(&mut self, used: &[usize], pages: &[Page], changes: (u32, u32)) {
        let made_for = Some((used.len(), changes));
        if self.made_for == made_for {
            return;
        }
        let mut positions = alloc::vec![usize::MAX; pages.len()];
        for (position, number) in used.iter().enumerate() {
            if let Some(place) = positions.get_mut(*number) {
                *place = position;
            }
        }
        let is_scanned = |number: &usize| pages.get(*number).is_some_and(Page::is_scanned);
        *self = Self {
            made_for,
            positions,
            numbers: used.iter().copied().filter(is_scanned).collect(),
        };
    }

    /// In order.
    pub(super) fn numbers(&self) -> &[usize] {
        &self.numbers
    }

    pub(super) fn position(&self, page: usize) -> usize {
        self.positions.get(page).copied().unwrap_or(usize::MAX)
    }

    /// The next scanned page after `asked` others, if it comes before the page `before`.
    pub(super) fn next(&self, asked: usize, before: Option<usize>) -> Option<usize> {
        let next = self.numbers.get(asked).copied()?;
        let comes_first = before.is_none_or(|before| self.position(next) < self.position(before));
        comes_first.then_some(next)
    }
}
