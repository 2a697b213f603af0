//! The end of a start, once the pages are loaded: `Storage::init` of `nvs_storage.cpp`.

use super::fast::BlobTable;
use super::flash::Flash;
use super::medium::Step;
use super::query::{Query, StoredItem};
use super::{RepairKind, Storage};
use crate::entry::{Entry, ItemType};
use alloc::vec::Vec;

impl<F: Flash> Storage<F> {
    /// The namespaces, by their entries.
    pub(super) fn load_namespaces(&mut self) -> Step<()> {
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            let Some(page) = self.pages.get(number) else { break };
            for index in page.items().namespaces() & page.heads() {
                let entry = page.read(&mut self.medium, index)?;
                // An item of namespace 0 that is not a u8 ends the search on its page.
                if entry.item_type() != Some(ItemType::U8) {
                    break;
                }
                let [ns_index, ..] = entry.data;
                self.namespaces.push((entry.name(), ns_index));
            }
        }
        Ok(())
    }

    /// `eraseMismatchedBlobIndexes`, then `eraseOrphanDataBlobs`: blob indexes whose chunks do not add up, then chunks
    /// without an index.
    pub(super) fn repair_blobs(&mut self) -> Step<()> {
        let has_blobs = |number| !self.page(number).items().blob_parts().is_empty() || self.page(number).is_scanned();
        if !self.used_pages().any(has_blobs) {
            return Ok(());
        }
        let mut blobs = BlobTable::new(&self.blob_indexes()?);
        self.for_each_chunk(|chunk| {
            blobs.count(chunk);
            Keep::Yes
        })?;
        let (complete, mismatched) = blobs.judge();
        for same in mismatched {
            for _ in 0..same.count {
                if !self.erase_mismatched_index(&same.query())? {
                    // Nor will the others be found.
                    break;
                }
            }
        }
        self.for_each_chunk(|chunk| if complete.owns(chunk) { Keep::Yes } else { Keep::No })
    }

    /// `populateBlobIndices`: in the order of the flash.
    fn blob_indexes(&mut self) -> Step<Vec<Entry>> {
        let mut indexes = Vec::new();
        let query = Query::of_type(ItemType::BlobIndex);
        for position in 0..self.in_use {
            let Some((page, medium)) = self.page_in_use(position) else {
                break;
            };
            let mut from = 0;
            while let Some((index, entry)) = page.find(medium, &query, from)? {
                indexes.push(entry);
                from = index + 1;
            }
        }
        Ok(indexes)
    }

    /// Erases the first index that the query finds, which may be another one than was judged. Whether there was one.
    fn erase_mismatched_index(&mut self, query: &Query) -> Step<bool> {
        while let Some(StoredItem { page, index, .. }) = self.find(query)? {
            let (page, medium) = self.page_and_medium(page);
            let erased = page.repair_item(medium, index, RepairKind::BlobMismatch);
            if erased.is_ok() || page.is_used() {
                return Ok(true);
            }
            // Read-only, the firmware ignores that it fails; the page is invalid now, and the next one is tried.
        }
        Ok(false)
    }

    /// Calls `judge` with each chunk of a blob, and erases those that are not to be kept.
    fn for_each_chunk(&mut self, mut judge: impl FnMut(&Entry) -> Keep) -> Step<()> {
        let query = Query::of_type(ItemType::BlobData);
        for position in 0..self.in_use {
            let Some((page, medium)) = self.page_in_use(position) else {
                break;
            };
            let mut from = 0;
            while let Some((index, entry)) = page.find(medium, &query, from)? {
                from = index + usize::from(entry.span);
                if judge(&entry) == Keep::Yes {
                    continue;
                }
                // The firmware looks the chunk up again by its name, so of equal ones the first on the page is erased. It
                // ignores a failure.
                let chunk = Query::blob_data(entry.ns_index, *entry.name().field(), entry.chunk);
                if let Some((index, _)) = page.find(medium, &chunk, 0)? {
                    let _ = page.repair_item(medium, index, RepairKind::OrphanChunk);
                }
            }
        }
        Ok(())
    }
}

/// Whether a chunk stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Yes,
    No,
}
