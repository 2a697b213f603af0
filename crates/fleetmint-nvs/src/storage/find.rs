//! Finding an item among all pages.
//!
//! The firmware asks page after page, in order. So does this, until it has asked often enough to pay for an index,
//! which only says which pages are worth asking: the answer is the pages' own in either case.

use super::Storage;
use super::flash::{Flash, Step};
use super::page::{Bits, Page, Query, START_ANY};
use crate::entry::{Entry, ItemType};
use crate::layout::{ENTRY_COUNT, NAME_FIELD};
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

/// Low bits of a [`Index`] row that number the place; a partition has fewer items than that.
const PLACE_BITS: u32 = 20;

/// Which pages hold a name: a sorted table of hash and place, places in the order of the pages.
#[derive(Default)]
pub(super) struct Index {
    searches: usize,
    built: bool,
    sorted: Vec<u64>,
    /// Rows of items written since, not sorted.
    recent: Vec<u64>,
    places: Vec<Place>,
    /// The hash that was looked for last, and its first row whose item was still live: those before stay dead.
    last: (u64, usize),
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
            .is_some_and(|page| page.life == self.life && page.heads >> self.index & 1 == 1)
    }
}

/// 44 bits for a name; `chunk_start` only for a blob index that is looked for by it.
#[inline]
pub(super) fn name_hash(ns_index: u8, key: &[u8; NAME_FIELD], chunk: u8, chunk_start: u8) -> u64 {
    let key = u128::from_le_bytes(*key);
    let rest = u32::from_le_bytes([ns_index, chunk, chunk_start, 0]);
    let mut hash = u64::from(rest).wrapping_add(0x9E37_79B9_7F4A_7C15);
    for word in [key as u64, (key >> 64) as u64] {
        hash = (hash ^ word).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        hash ^= hash >> 32;
    }
    hash.wrapping_mul(0xD6E8_FEB8_6659_FD93) & !((1 << PLACE_BITS) - 1)
}

impl Index {
    fn add(&mut self, page: &Page, index: usize, entry: &Entry, sorted: bool) {
        let place = self.places.len() as u64;
        self.places.push(Place {
            page: page.number,
            index: index as u8,
            life: page.life,
        });
        let key = *entry.name().field();
        let rows = if sorted { &mut self.sorted } else { &mut self.recent };
        rows.push(name_hash(entry.ns_index, &key, entry.chunk, START_ANY) | place);
        if entry.item_type() == Some(ItemType::BlobIndex) && entry.chunk_start() != START_ANY {
            rows.push(name_hash(entry.ns_index, &key, entry.chunk, entry.chunk_start()) | place);
        }
    }

    /// Where in the table to begin with a hash: at its first place, or at the first that was still live last time.
    fn begin(&self, hash: u64) -> usize {
        let (last_hash, first_live) = self.last;
        if last_hash == hash {
            first_live
        } else {
            self.sorted.partition_point(|row| *row < hash)
        }
    }

    /// The place in a row of the table, if the row is of this hash.
    fn place(&self, row: u64, hash: u64) -> Option<Place> {
        let number = row.checked_sub(hash).filter(|number| number >> PLACE_BITS == 0)?;
        self.places.get(number as usize).copied()
    }
}

impl<F: Flash> Storage<F> {
    /// The first page's first item that matches.
    pub(super) fn find(&mut self, query: &Query) -> Step<Option<Found>> {
        let Some(key) = query.hashed_key() else {
            return self.find_by_scan(query);
        };
        self.index.searches += 1;
        if self.index.searches <= PATIENCE || self.medium.in_doubt {
            return self.find_by_scan(query);
        }
        self.build_index()?;
        let hash = name_hash(query.ns_index, &key, query.chunk, query.chunk_start);
        let begin = self.index.begin(hash);
        let mut first_live = None;
        let mut asked = None;
        // Sorted rows of this hash, then the recent ones, whose places are later than all sorted ones.
        let mut at = begin;
        let mut recent = 0;
        loop {
            let sorted = self.index.sorted.get(at).and_then(|row| self.index.place(*row, hash));
            let place = match sorted {
                Some(place) => {
                    at += 1;
                    place
                }
                None => match self.index.recent.get(recent) {
                    Some(row) => {
                        recent += 1;
                        let Some(place) = self.index.place(*row, hash) else {
                            continue;
                        };
                        place
                    }
                    None => break,
                },
            };
            if asked == Some(place.page) || !place.is_live(&self.pages) {
                continue;
            }
            if first_live.is_none() && sorted.is_some() {
                first_live = Some(at - 1);
                self.index.last = (hash, at - 1);
            }
            asked = Some(place.page);
            // No item of this name and chunk is before that place; one with another chunk start may be.
            let from = if query.chunk_start == START_ANY {
                usize::from(place.index)
            } else {
                0
            };
            let (page, medium) = self.page_and_medium(place.page);
            if let Some((index, entry)) = page.find(medium, query, from)? {
                return Ok(Some(Found {
                    page: place.page,
                    index,
                    entry,
                }));
            }
        }
        Ok(None)
    }

    fn find_by_scan(&mut self, query: &Query) -> Step<Option<Found>> {
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            let (page, medium) = self.page_and_medium(number);
            if let Some((index, entry)) = page.find(medium, query, 0)? {
                return Ok(Some(Found {
                    page: number,
                    index,
                    entry,
                }));
            }
        }
        Ok(None)
    }

    fn build_index(&mut self) -> Step<()> {
        let stale = self.index.places.len() >= (1 << PLACE_BITS) - ENTRY_COUNT;
        if self.index.built && !stale {
            if self.index.recent.len() > 64 + self.index.sorted.len() / 32 {
                let recent = core::mem::take(&mut self.index.recent);
                self.index.sorted.extend(recent);
                self.index.sorted.sort_unstable();
                self.index.last = (0, 0);
            }
            return Ok(());
        }
        self.index = Index {
            searches: PATIENCE,
            built: true,
            ..Index::default()
        };
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            let (page, medium, index) = (&self.pages.get(number), &mut self.medium, &mut self.index);
            let Some(page) = page else { continue };
            for head in Bits::of(page.heads_from(0)) {
                let entry = page.read(medium, head)?;
                index.add(page, head, &entry, true);
            }
        }
        self.index.sorted.sort_unstable();
        Ok(())
    }

    /// Tells the index of an item that was written.
    pub(super) fn index_item(&mut self, number: usize, index: usize, entry: &Entry) {
        if self.index.built
            && let Some(page) = self.pages.get(number)
        {
            self.index.add(page, index, entry, false);
        }
    }

    /// Tells the index of a page that items were moved to.
    pub(super) fn index_page(&mut self, number: usize) -> Step<()> {
        if !self.index.built {
            return Ok(());
        }
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
