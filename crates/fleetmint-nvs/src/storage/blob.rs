//! Writing blobs in chunks, over as many pages as it takes: `Storage::writeMultiPageBlob`.
//!
//! ```text
//!   page n    … │ data 0x80 ████████│      the rest of the page, if that is at least 400 bytes or enough
//!   page n+1  │ data 0x81 ██████████│      whole pages
//!   page n+2  │ data 0x82 ███ │ index │    what is left, and the index that makes it valid
//! ```
//!
//! The new chunks use the other half of the numbers, so until the old index is erased both versions are complete.

use super::Storage;
use super::flash::Flash;
use super::medium::{Fail, Step};
use super::query::{Query, StoredItem, TYPE_ANY};
use super::set::NewItem;
use crate::entry::Entry;
use crate::error::EspError;
use crate::key::Key;
use crate::layout::{CHUNK_MAX, CHUNK_START_0, CHUNK_START_1, ENTRY_SIZE, crc32};
use alloc::vec::Vec;

/// A blob to be written, and the number of its first chunk.
#[derive(Clone, Copy)]
struct NewBlob<'a> {
    ns_index: u8,
    key: &'a Key,
    bytes: &'a [u8],
    chunk_start: u8,
}

/// Why a blob was not written, and what the firmware does with the chunks that were.
enum NotWritten {
    /// It erases them.
    EraseChunks(Fail),
    /// It leaves them: it only asserts that this does not happen.
    LeaveChunks(Fail),
}

impl From<Fail> for NotWritten {
    fn from(fail: Fail) -> Self {
        Self::EraseChunks(fail)
    }
}

impl<F: Flash> Storage<F> {
    /// `writeItem` of a blob: writes the new one, then erases the one that it replaces.
    pub(super) fn write_blob(&mut self, ns_index: u8, key: &Key, bytes: &[u8]) -> Step<()> {
        let mut blob = NewBlob {
            ns_index,
            key,
            bytes,
            chunk_start: CHUNK_START_0,
        };
        let index = self.find(&Query::blob_index(ns_index, *key.field()))?;
        let (old, sequence) = if let Some(index) = index {
            if self.is_unchanged(&blob, &index)? {
                return Ok(());
            }
            blob.chunk_start = other_start(index.entry.chunk_start()).ok_or(index.fail(EspError::Fail))?;
            (Some(index), None)
        } else {
            let old = self.find(&Query::of(ns_index, TYPE_ANY, *key.field()))?;
            (old, old.map(|old| self.page(old.page).sequence))
        };
        self.write_chunks_and_index(&blob)?;
        self.erase_old(ns_index, old, sequence, false)
    }

    /// `cmpMultiPageBlob`: whether a blob passes for unchanged. The firmware compares each chunk with the *start* of the new
    /// value first, so a blob of several chunks only passes if all of them begin alike.
    fn is_unchanged(&mut self, blob: &NewBlob<'_>, index: &StoredItem) -> Step<bool> {
        let entry = &index.entry;
        if entry.blob_size() as usize != blob.bytes.len() {
            return Ok(false);
        }
        let key = *entry.name().field();
        let mut offset = 0;
        for number in 0..entry.chunk_count() {
            // Past 0xFF the firmware's number is not the chunk's.
            let Some(chunk) = entry.chunk_start().checked_add(number) else {
                return Ok(false);
            };
            let Some(found) = self.find(&Query::blob_data(blob.ns_index, key, chunk))? else {
                return Ok(false);
            };
            let size = found.entry.data_size();
            let (Some(start), Some(part)) = (blob.bytes.get(..size), blob.bytes.get(offset..offset + size)) else {
                return Ok(false);
            };
            if crc32(start) != found.entry.data_crc() || !self.data_is(&found, part)? {
                return Ok(false);
            }
            offset += size;
        }
        Ok(offset == blob.bytes.len())
    }

    /// `writeMultiPageBlob`
    fn write_chunks_and_index(&mut self, blob: &NewBlob<'_>) -> Step<()> {
        self.make_room_for_first_chunk(blob.bytes.len())?;
        let mut pages = Vec::new();
        match self.write_chunks(blob, &mut pages) {
            Ok(()) => Ok(()),
            Err(NotWritten::LeaveChunks(fail)) => Err(fail),
            Err(NotWritten::EraseChunks(fail)) => {
                self.erase_written_chunks(blob, &pages)?;
                Err(fail)
            }
        }
    }

    /// A page with little room is closed: a first chunk is not worth it there.
    fn make_room_for_first_chunk(&mut self, size: usize) -> Step<()> {
        loop {
            let room = self.page(self.current_page()?).tailroom();
            let is_too_small = room < size || room == 0;
            if !is_too_small || room >= CHUNK_MAX / 10 {
                return Ok(());
            }
            self.close_current_page()?;
            self.request_new_page()?;
            let page = self.page(self.current_page()?);
            if page.tailroom() == room {
                return Err(page.fail(EspError::NotEnoughSpace));
            }
        }
    }

    /// Fills page after page with chunks, then writes the index. `pages` gets the page of each chunk.
    fn write_chunks(&mut self, blob: &NewBlob<'_>, pages: &mut Vec<usize>) -> Result<(), NotWritten> {
        let NewBlob {
            ns_index,
            key,
            bytes,
            chunk_start,
        } = *blob;
        let mut rest = bytes;
        let mut count = 0u8;
        loop {
            let number = self.current_page()?;
            let room = self.page(number).tailroom();
            if room == 0 {
                return Err(self.page(number).fail(EspError::NotEnoughSpace).into());
            }
            let (data, after) = rest.split_at(rest.len().min(room));
            let head = Entry::blob_data(ns_index, key, chunk_start.wrapping_add(count), data);
            self.write_blob_part(&NewItem { head, data })?;
            count = count.wrapping_add(1);
            pages.push(number);
            rest = after;
            let is_full = room - data.len() < ENTRY_SIZE;
            if is_full || !rest.is_empty() {
                self.close_current_page()?;
                self.request_new_page()?;
            }
            if rest.is_empty() {
                break;
            }
        }
        let head = Entry::blob_index(ns_index, key, bytes.len() as u32, count, chunk_start);
        self.write_blob_part(&NewItem { head, data: &[] })
    }

    fn write_blob_part(&mut self, item: &NewItem<'_>) -> Result<(), NotWritten> {
        if self.write_to_current_page(item)? {
            return Ok(());
        }
        let page = self.page(self.current_page()?);
        Err(NotWritten::LeaveChunks(page.fail(EspError::NotEnoughSpace)))
    }

    /// The firmware cleans up by chunk numbers from 0 on, whatever the first one's number was.
    fn erase_written_chunks(&mut self, blob: &NewBlob<'_>, pages: &[usize]) -> Step<()> {
        for (chunk, number) in (0..=u8::MAX).zip(pages) {
            let (page, medium) = self.page_and_medium(*number);
            let query = Query::blob_data(blob.ns_index, *blob.key.field(), chunk);
            if let Some((index, _)) = page.find(medium, &query, 0)? {
                let _ = page.erase_item(medium, index, false);
            }
        }
        Ok(())
    }
}

/// The first chunk number of the blob that replaces one with this first chunk number.
fn other_start(start: u8) -> Option<u8> {
    match start {
        CHUNK_START_0 => Some(CHUNK_START_1),
        CHUNK_START_1 => Some(CHUNK_START_0),
        _ => None,
    }
}
