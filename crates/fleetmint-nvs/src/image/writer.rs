//! The writer that lays items out page by page.

use super::{Value, check_size};
use crate::entry::{Entry, ItemType, Number};
use crate::error::Error;
use crate::fast::{self, KeyFilter};
use crate::key::{Key, Namespace, RawName};
use crate::layout::{
    BLOB_CHUNKS_MAX, BLOB_MAX, CHUNK_ANY, CHUNK_MAX, CHUNK_START_0, ENTRY_COUNT, ENTRY_SIZE, EntryBytes, NAME_FIELD,
    NAMESPACE_ANY, NAMESPACE_INDEX, NAMESPACE_LAST, PAGE_BITMAP, PAGE_HEADER, PAGE_SIZE, PageBytes, READ_WRITE_MIN,
    STRING_MAX, V1_BLOB_MAX, Version, data_entries, entries, entries_mut,
};
use crate::page::{PageHeader, PageState};
use core::fmt;

/// Lays a fresh image out into a buffer, item by item. Allocates nothing.
///
/// ```
/// use fleetmint_nvs::image::Writer;
/// use fleetmint_nvs::layout::Version;
/// use fleetmint_nvs::{Key, Namespace};
///
/// let mut image = [0; 0x3000];
/// let mut writer = Writer::new(&mut image, Version::V2)?;
/// writer.set(&Namespace::new("storage")?, &Key::new("boot_count")?, 1_u32.into())?;
/// assert_eq!(writer.finish(), 0x1000);
/// # Ok::<(), fleetmint_nvs::Error>(())
/// ```
pub struct Writer<'a> {
    pages: &'a mut [PageBytes],
    version: Version,
    /// The page being written, and the next free entry in it.
    page: usize,
    next: usize,
    /// The number of pages that may be written.
    usable: usize,
    /// The namespace of the previous item and its index; before the first item, the empty name.
    current: (RawName, u8),
    /// The number of namespaces, which is the index of the latest.
    namespaces: u8,
    keys: KeyFilter,
}

impl<'a> Writer<'a> {
    /// Starts an image in this buffer, whose length is the partition's size. The buffer is filled with 0xFF.
    ///
    /// # Errors
    /// [`Error::PartitionSize`]: the length isn't a multiple of 4096 from 4096 to 16 MiB.
    #[inline]
    pub fn new(image: &'a mut [u8], version: Version) -> Result<Self, Error> {
        image.fill(0xFF);
        Self::over_blank(image, version)
    }

    /// [`Writer::new`] for a buffer that is already filled with 0xFF.
    #[inline]
    pub(super) fn over_blank(image: &'a mut [u8], version: Version) -> Result<Self, Error> {
        check_size(image.len())?;
        let reserved = usize::from(image.len() >= READ_WRITE_MIN);
        let (pages, _) = image.as_chunks_mut();
        Ok(Self {
            usable: pages.len() - reserved,
            pages,
            version,
            page: 0,
            next: 0,
            current: (RawName::EMPTY, NAMESPACE_INDEX),
            namespaces: 0,
            keys: KeyFilter::new(),
        })
    }

    /// Adds a value. A namespace is created with its first value, and may be used again after others.
    ///
    /// A namespace holds each key once. To check that among thousands of values, the writer searches what it has written.
    ///
    /// # Errors
    /// [`Error::ValueTooLong`] with the limit: strings of more than 4000 bytes with NUL, blobs of more than 508,000 bytes or
    /// 127 chunks (version 1: 1984 bytes for both); [`Error::NotEnoughSpace`] with the entries needed and free;
    /// [`Error::DuplicateKey`]; [`Error::TooManyNamespaces`]; [`Error::NotANumber`]: NaN; [`Error::ValueHasNul`].
    #[inline]
    pub fn set(&mut self, namespace: &Namespace, key: &Key, value: Value<'_>) -> Result<(), Error> {
        let index = self.namespace(namespace)?;
        if self.keys.insert(index, key.field()) && self.holds(index, key.field()) {
            return Err(Error::DuplicateKey {
                namespace: namespace.raw(),
                key: key.raw(),
            });
        }
        self.put(index, key, value)
    }

    /// The index of a namespace, which is created if it is new. A namespace may stay without values.
    ///
    /// # Errors
    /// [`Error::TooManyNamespaces`]: it would be the 255th. [`Error::NotEnoughSpace`].
    #[inline]
    pub fn namespace(&mut self, namespace: &Namespace) -> Result<u8, Error> {
        // Before the first namespace this is the empty name, which no namespace has.
        let (name, index) = self.current;
        if name == namespace.raw() {
            Ok(index)
        } else {
            self.other_namespace(namespace)
        }
    }

    fn other_namespace(&mut self, namespace: &Namespace) -> Result<u8, Error> {
        let known = if self.namespaces == 0 {
            None
        } else {
            self.find(NAMESPACE_INDEX, namespace.field())
        };
        let index = match known {
            Some(entry) => entry.index(),
            None => {
                if self.namespaces == NAMESPACE_LAST {
                    return Err(Error::TooManyNamespaces {
                        namespace: namespace.raw(),
                    });
                }
                let index = self.namespaces + 1;
                self.single(namespace.raw(), Entry::namespace(namespace, index))?;
                self.namespaces = index;
                index
            }
        };
        self.current = (namespace.raw(), index);
        Ok(index)
    }

    /// Writes what follows from the beginning of the space again. The image is lost.
    pub(crate) fn start_over(&mut self) {
        (self.page, self.next) = (0, 0);
    }

    /// Closes the image and returns the bytes in use, a multiple of 4096.
    #[inline]
    pub fn finish(mut self) -> usize {
        self.close(PageState::Active);
        (self.page + 1) * PAGE_SIZE
    }

    /// [`Writer::set`] for a key that is certainly new.
    #[inline]
    pub(crate) fn put(&mut self, ns_index: u8, key: &Key, value: Value<'_>) -> Result<(), Error> {
        match value {
            Value::Number(Number::Float(n)) if n.is_nan() => Err(Error::NotANumber { key: key.raw() }),
            Value::Number(Number::Double(n)) if n.is_nan() => Err(Error::NotANumber { key: key.raw() }),
            Value::Number(number) => self.single(key.raw(), Entry::number(ns_index, key, number)),
            Value::Str(text) => self.string(ns_index, key, text.as_bytes()),
            Value::Blob(bytes) if self.version == Version::V1 => self.whole(ns_index, ItemType::Blob, key, bytes, &[]),
            Value::Blob(bytes) => self.blob(ns_index, key, bytes),
        }
    }

    /// Adds an item of one entry.
    fn single(&mut self, name: RawName, entry: Entry) -> Result<(), Error> {
        if self.next >= ENTRY_COUNT {
            self.turn(name, 1, self.left())?;
        }
        if let Some((slot, _)) = self.slots() {
            *slot = entry.to_bytes();
        }
        self.next += 1;
        Ok(())
    }

    #[inline]
    fn string(&mut self, ns_index: u8, key: &Key, text: &[u8]) -> Result<(), Error> {
        if let Some(offset) = fast::first_nul(text) {
            return Err(Error::ValueHasNul { key: key.raw(), offset });
        }
        self.whole(ns_index, ItemType::Str, key, text, &[0])
    }

    /// Adds an item that must fit into one page. Its value is `data` followed by `tail`.
    #[inline]
    fn whole(&mut self, ns_index: u8, item_type: ItemType, key: &Key, data: &[u8], tail: &[u8]) -> Result<(), Error> {
        let size = data.len() + tail.len();
        let limit = if self.version == Version::V1 {
            V1_BLOB_MAX
        } else {
            STRING_MAX
        };
        if size > limit {
            return Err(Error::ValueTooLong {
                key: key.raw(),
                size,
                limit,
            });
        }
        let span = 1 + data_entries(size);
        // An item never ends on a page's last entry, unless it takes the whole page.
        let fits = if span == ENTRY_COUNT {
            self.next == 0
        } else {
            self.next + span < ENTRY_COUNT
        };
        if !fits {
            self.turn(key.raw(), span, self.left().saturating_sub(1))?;
        }
        if let Some((slot, rest)) = self.slots()
            && let Some((value, _)) = rest.as_flattened_mut().split_at_mut_checked(size)
        {
            let (start, end) = value.split_at_mut(data.len());
            start.copy_from_slice(data);
            end.copy_from_slice(tail);
            *slot = Entry::with_data(ns_index, item_type, CHUNK_ANY, key.field(), value).to_bytes();
        }
        self.next += span;
        Ok(())
    }

    /// Adds a blob in chunks.
    fn blob(&mut self, ns_index: u8, key: &Key, bytes: &[u8]) -> Result<(), Error> {
        let name = key.raw();
        if bytes.len() > BLOB_MAX {
            return Err(Error::ValueTooLong {
                key: name,
                size: bytes.len(),
                limit: BLOB_MAX,
            });
        }
        let plan = BlobPlan::new(self.next, bytes.len());
        if plan.chunks > BLOB_CHUNKS_MAX {
            return Err(Error::ValueTooLong {
                key: name,
                size: bytes.len(),
                limit: plan.first + (BLOB_CHUNKS_MAX - 1) * CHUNK_MAX,
            });
        }
        if self.page + plan.new_pages >= self.usable {
            return Err(Error::NotEnoughSpace {
                key: name,
                needed: plan.entries,
                free: self.free(),
            });
        }
        let (first, rest) = bytes.split_at_checked(plan.first).unwrap_or((bytes, &[]));
        let mut chunk = CHUNK_START_0;
        for data in core::iter::once(first).chain(rest.chunks(CHUNK_MAX)) {
            if self.next >= ENTRY_COUNT {
                self.turn(name, plan.entries, 0)?;
            }
            if let Some((slot, room)) = self.slots() {
                if let Some((to, _)) = room.as_flattened_mut().split_at_mut_checked(data.len()) {
                    to.copy_from_slice(data);
                }
                *slot = Entry::blob_data(ns_index, key, chunk, data).to_bytes();
            }
            self.next += 1 + data_entries(data.len());
            chunk += 1;
        }
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.single(name, Entry::blob_index(ns_index, key, size, chunk, CHUNK_START_0))
    }

    /// The next free entry of the current page, and those after it.
    #[inline]
    fn slots(&mut self) -> Option<(&mut EntryBytes, &mut [EntryBytes])> {
        let page = self.pages.get_mut(self.page)?;
        entries_mut(page).get_mut(self.next..)?.split_first_mut()
    }

    /// Entries left in the current page.
    #[inline]
    const fn left(&self) -> usize {
        ENTRY_COUNT - self.next
    }

    /// Entries left in all pages.
    const fn free(&self) -> usize {
        self.left() + (self.usable - self.page - 1) * ENTRY_COUNT
    }

    /// Goes to a new page, because an item needs `needed` entries and `free` are left.
    fn turn(&mut self, key: RawName, needed: usize, free: usize) -> Result<(), Error> {
        if self.page + 1 >= self.usable {
            return Err(Error::NotEnoughSpace { key, needed, free });
        }
        self.close(PageState::Full);
        self.page += 1;
        self.next = 0;
        Ok(())
    }

    /// Writes header and bitmap of the current page.
    #[inline]
    fn close(&mut self, state: PageState) {
        let Some(page) = self.pages.get_mut(self.page) else {
            return;
        };
        PAGE_HEADER.set(page, PageHeader::encode(state, self.page as u32, self.version));
        PAGE_BITMAP.set(page, fast::written_up_to(self.next));
    }

    /// Whether a namespace holds a key.
    #[cold]
    fn holds(&self, ns_index: u8, name: &[u8; NAME_FIELD]) -> bool {
        self.find(ns_index, name).is_some()
    }

    /// The first entry of an item by namespace index and name.
    fn find(&self, ns_index: u8, name: &[u8; NAME_FIELD]) -> Option<Entry> {
        for page in self.pages.iter().take(self.page + 1) {
            let mut rest = entries(page);
            while let Some(bytes) = rest.first() {
                let entry = Entry::from_bytes(bytes);
                // No item has this index: the rest of the page is blank.
                if entry.ns_index == NAMESPACE_ANY {
                    break;
                }
                if entry.ns_index == ns_index && entry.key == *name {
                    return Some(entry);
                }
                rest = rest.get(usize::from(entry.span).max(1)..).unwrap_or_default();
            }
        }
        None
    }
}

/// Shows no content.
impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("version", &self.version)
            .field("pages", &self.pages.len())
            .field("page", &self.page)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// How a blob is cut into chunks.
#[derive(Debug, PartialEq, Eq)]
struct BlobPlan {
    /// Bytes in the first chunk: all of them, or what fits into the page. None, if only one entry is left.
    first: usize,
    chunks: usize,
    /// Entries in all, the index included.
    entries: usize,
    /// Pages that are begun after the current one.
    new_pages: usize,
}

impl BlobPlan {
    /// For a blob of `size` bytes when `next` is the next free entry of the current page.
    const fn new(next: usize, size: usize) -> Self {
        let (next, turned) = if next >= ENTRY_COUNT { (0, 1) } else { (next, 0) };
        let room = (ENTRY_COUNT - 1 - next) * ENTRY_SIZE;
        let (first, full_pages, last_room, last) = if size <= room {
            (size, 0, room, size)
        } else {
            let rest = size - room;
            let pages = rest.div_ceil(CHUNK_MAX);
            (room, pages, CHUNK_MAX, rest - (pages - 1) * CHUNK_MAX)
        };
        // The index follows the last chunk, in a new page if the last one is full.
        let index_turns = (last_room - last < ENTRY_SIZE) as usize;
        let chunks = 1 + full_pages;
        Self {
            first,
            chunks,
            entries: chunks + data_entries(first) + data_entries(size - first) + 1,
            new_pages: turned + full_pages + index_turns,
        }
    }
}
