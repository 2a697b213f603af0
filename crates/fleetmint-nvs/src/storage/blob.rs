//! Writing blobs in chunks, over as many pages as it takes.
//!
//! ```text
//!   page n    … │ data 0x80 ████████│      the rest of the page, if that is at least 400 bytes or enough
//!   page n+1  │ data 0x81 ██████████│      whole pages
//!   page n+2  │ data 0x82 ███ │ index │    what is left, and the index that makes it valid
//! ```
//!
//! The new chunks use the other half of the numbers, so until the old index is erased both versions are whole.

use super::Storage;
use super::find::Found;
use super::flash::{Flash, Step};
use super::page::{Query, TYPE_ANY};
use super::set::{Item, next_start};
use crate::entry::{Entry, ItemType};
use crate::error::EspError;
use crate::key::Key;
use crate::layout::{CHUNK_MAX, CHUNK_START_0, ENTRY_SIZE};
use alloc::vec::Vec;

impl<F: Flash> Storage<F> {
    pub(super) fn write_blob(&mut self, ns_index: u8, key: &Key, blob: &[u8]) -> Step<()> {
        let field = *key.field();
        let mut start = CHUNK_START_0;
        let mut sequence = None;
        let old = match self.find(&Query::of(ns_index, ItemType::BlobIndex.byte(), field))? {
            Some(index) => {
                if self.blob_is(ns_index, &index, blob)? {
                    return Ok(());
                }
                start = next_start(index.entry.chunk_start()).ok_or(index.fail(EspError::Fail))?;
                Some(index)
            }
            None => {
                let old = self.find(&Query::of(ns_index, TYPE_ANY, field))?;
                sequence = old.as_ref().map(|old| self.page(old.page).sequence);
                old
            }
        };
        self.write_chunks(ns_index, key, blob, start)?;
        self.erase_old(ns_index, old, sequence, false)
    }

    /// Whether a blob passes for unchanged. The firmware compares each chunk with the *start* of the new value first,
    /// so one of several chunks is only taken as unchanged if all of them begin alike.
    fn blob_is(&mut self, ns_index: u8, index: &Found, blob: &[u8]) -> Step<bool> {
        let entry = &index.entry;
        if entry.blob_size() as usize != blob.len() {
            return Ok(false);
        }
        let key = *entry.name().field();
        let mut offset = 0;
        for number in 0..entry.chunk_count() {
            // Past 0xFF the firmware's number isn't the chunk's.
            let Some(chunk) = entry.chunk_start().checked_add(number) else {
                return Ok(false);
            };
            let Some(found) = self.find(&Query::blob_data(ns_index, key, chunk))? else {
                return Ok(false);
            };
            let size = found.entry.data_size();
            let (Some(begin), Some(part)) = (blob.get(..size), blob.get(offset..).and_then(|rest| rest.get(..size)))
            else {
                return Ok(false);
            };
            if crate::layout::crc32(begin) != found.entry.data_crc() || !self.data_is(&found, part)? {
                return Ok(false);
            }
            offset += size;
        }
        Ok(offset == blob.len())
    }

    fn write_chunks(&mut self, ns_index: u8, key: &Key, blob: &[u8], start: u8) -> Step<()> {
        let mut pages = Vec::new();
        let written = self.try_write_chunks(ns_index, key, blob, start, &mut pages);
        if written.is_err() {
            // The firmware cleans up after itself, always by chunk numbers from 0 on.
            for (chunk, number) in (0..=u8::MAX).zip(pages) {
                let (page, medium) = self.page_and_medium(number);
                if let Some((index, _)) = page.find(medium, &Query::blob_data(ns_index, *key.field(), chunk), 0)? {
                    let _ = page.erase_item(medium, index, false);
                }
            }
        }
        written
    }

    fn try_write_chunks(
        &mut self,
        ns_index: u8,
        key: &Key,
        blob: &[u8],
        start: u8,
        pages: &mut Vec<usize>,
    ) -> Step<()> {
        let mut rest = blob;
        let mut count = 0u8;
        loop {
            let number = self.current_page()?;
            let room = self.page(number).tailroom();
            let too_small = room < blob.len() || room == 0 && blob.is_empty();
            if count == 0 && too_small && room < CHUNK_MAX / 10 {
                // Not worth a first chunk.
                self.close_current()?;
                self.request_page()?;
                let number = self.current_page()?;
                if self.page(number).tailroom() == room {
                    return Err(self.page(number).fail(EspError::NotEnoughSpace));
                }
                continue;
            }
            if room == 0 {
                return Err(self.page(number).fail(EspError::NotEnoughSpace));
            }
            let (data, after) = rest.split_at(rest.len().min(room));
            let head = Entry::blob_data(ns_index, key, start.wrapping_add(count), data);
            if !self.write_to_page(&Item { head, data })? {
                // Here, and where the index doesn't fit, the firmware doesn't clean up.
                pages.clear();
                return Err(self.page(number).fail(EspError::NotEnoughSpace));
            }
            count = count.wrapping_add(1);
            pages.push(number);
            rest = after;
            if !rest.is_empty() || room - data.len() < ENTRY_SIZE {
                self.close_current()?;
                self.request_page()?;
            }
            if rest.is_empty() {
                break;
            }
        }
        let head = Entry::blob_index(ns_index, key, blob.len() as u32, count, start);
        if self.write_to_page(&Item { head, data: &[] })? {
            return Ok(());
        }
        pages.clear();
        let number = self.current_page()?;
        Err(self.page(number).fail(EspError::NotEnoughSpace))
    }
}
