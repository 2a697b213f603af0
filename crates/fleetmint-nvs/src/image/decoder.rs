//! Reading a fresh image back: the inverse of [`Writer`](super::Writer), without the repairs and searches of `storage`.

use super::check_size;
use crate::entry::{Entry, ItemType, Number, crc_fits};
use crate::error::Error;
use crate::fast;
use crate::key::RawName;
use crate::layout::{
    CHUNK_START_0, ENTRY_COUNT, EntryBytes, NAMESPACE_INDEX, PAGE_BITMAP, PAGE_HEADER, PageBytes, Version, crc32,
    entries, entry_offset, page_offset,
};
use crate::page::{PageHeader, PageState};
use core::fmt;

/// An item of a fresh image. It borrows from the image.
#[derive(Clone, Debug)]
pub struct Decoded<'a> {
    /// The namespace.
    pub namespace: RawName,
    /// The key.
    pub key: RawName,
    /// The value.
    pub value: DecodedValue<'a>,
}

/// A value of a fresh image. Values may be secrets, so `Debug` shows only type and size.
#[derive(Clone)]
pub enum DecodedValue<'a> {
    /// An integer, float or double.
    Number(Number),
    /// A text's bytes, without the NUL that ends it.
    Str(&'a [u8]),
    /// Bytes, in one piece for each chunk of the blob.
    Blob(Chunks<'a>),
}

impl fmt::Debug for DecodedValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{:?}(..)", number.item_type()),
            Self::Str(text) => write!(f, "Str({} bytes)", text.len()),
            Self::Blob(chunks) => write!(f, "Blob({} bytes)", chunks.size),
        }
    }
}

/// Reads a fresh image item by item, in the order of writing. Allocates nothing.
///
/// A fresh image is unencrypted and as [`encode`](super::encode) or Espressif's generator made it. An image that a firmware
/// has written to, or that is damaged, is an error here, which says where it stops being fresh; use
/// [`Storage`](crate::storage::Storage) for it. A key that is there twice is not noticed.
///
/// ```
/// use fleetmint_nvs::image::{self, DecodedValue, Item};
/// use fleetmint_nvs::{Key, Namespace};
///
/// let item = Item::new(Namespace::new("prov")?, Key::new("device_key")?, "k1234567");
/// let image = image::encode(&[item], 0x3000)?;
/// let decoded = image::decode(&image)?.next().expect("one item")?;
/// assert_eq!((decoded.namespace.as_bytes(), decoded.key.as_bytes()), (&b"prov"[..], &b"device_key"[..]));
/// assert!(matches!(decoded.value, DecodedValue::Str(b"k1234567")));
/// # Ok::<(), fleetmint_nvs::Error>(())
/// ```
///
/// # Errors
/// [`Error::PartitionSize`]; [`Error::NotFresh`]. The iterator's: [`Error::NotFresh`], after which it ends.
pub fn decode(image: &[u8]) -> Result<Decoder<'_>, Error> {
    check_size(image.len())?;
    let (pages, _) = image.as_chunks();
    let mut reader = ItemReader {
        pages,
        page: 0,
        next: 0,
        written: 0,
        last: false,
    };
    reader.open()?;
    Ok(Decoder {
        reader,
        namespaces: 0,
        current: (RawName::EMPTY, NAMESPACE_INDEX),
        ended: false,
    })
}

/// The items of a fresh image; see [`decode`].
#[derive(Clone)]
pub struct Decoder<'a> {
    reader: ItemReader<'a>,
    namespaces: u8,
    /// The namespace of the previous item, and its index.
    current: (RawName, u8),
    ended: bool,
}

impl<'a> Iterator for Decoder<'a> {
    type Item = Result<Decoded<'a>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.item().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

impl<'a> Decoder<'a> {
    #[inline]
    fn item(&mut self) -> Result<Option<Decoded<'a>>, Error> {
        loop {
            let Some((entry, data)) = self.reader.item()? else {
                return Ok(None);
            };
            if entry.ns_index == NAMESPACE_INDEX {
                self.namespace(&entry)?;
                continue;
            }
            if entry.ns_index > self.namespaces {
                return Err(self.reader.not_fresh("an item without a namespace"));
            }
            if entry.ns_index != self.current.1 {
                self.current = (self.name_of(entry.ns_index)?, entry.ns_index);
            }
            let value = match entry_type(&entry) {
                ItemType::Str => DecodedValue::Str(self.text(data)?),
                ItemType::BlobData => DecodedValue::Blob(self.blob(&entry, data)?),
                ItemType::Blob => DecodedValue::Blob(Chunks::one(data)),
                number => match Number::from_data(number, entry.data) {
                    Some(number) => DecodedValue::Number(number),
                    None => return Err(self.reader.not_fresh("a blob index without its chunks")),
                },
            };
            return Ok(Some(Decoded {
                namespace: self.current.0,
                key: entry.name(),
                value,
            }));
        }
    }

    #[inline(never)]
    fn namespace(&mut self, entry: &Entry) -> Result<(), Error> {
        let index = entry.index();
        if entry_type(entry) != ItemType::U8 || Some(index) != self.namespaces.checked_add(1) {
            return Err(self.reader.not_fresh("a namespace out of turn"));
        }
        self.namespaces = index;
        self.current = (entry.name(), index);
        Ok(())
    }

    /// The name of an earlier namespace.
    #[cold]
    fn name_of(&self, index: u8) -> Result<RawName, Error> {
        let mut earlier = decode(self.reader.pages.as_flattened())?.reader;
        while let Some((entry, _)) = earlier.item()? {
            if entry.ns_index == NAMESPACE_INDEX && entry.index() == index {
                return Ok(entry.name());
            }
        }
        Err(self.reader.not_fresh("an item without a namespace"))
    }

    #[inline]
    fn text(&self, data: &'a [u8]) -> Result<&'a [u8], Error> {
        match data.split_last() {
            Some((0, text)) => Ok(text),
            _ => Err(self.reader.not_fresh("a string without a NUL at its end")),
        }
    }

    /// The blob that begins with this chunk. Checks that all its chunks and its index follow.
    #[inline(never)]
    fn blob(&mut self, first: &Entry, data: &'a [u8]) -> Result<Chunks<'a>, Error> {
        let mut chunks = Chunks {
            first: Some(data),
            rest: Some(self.reader.clone()),
            size: data.len(),
        };
        let mut count = 1;
        if first.chunk != CHUNK_START_0 {
            return Err(self.reader.not_fresh("a blob whose chunks do not begin with 0"));
        }
        loop {
            let next = self.reader.item()?;
            let Some((entry, data)) =
                next.filter(|(entry, _)| entry.ns_index == first.ns_index && entry.key == first.key)
            else {
                return Err(self.reader.not_fresh("a blob without its index"));
            };
            match entry_type(&entry) {
                ItemType::BlobData if entry.chunk == count => {
                    chunks.size += data.len();
                    count += 1;
                }
                ItemType::BlobIndex
                    if entry.blob_size() as usize == chunks.size
                        && entry.chunk_count() == count
                        && entry.chunk_start() == CHUNK_START_0 =>
                {
                    return Ok(chunks);
                }
                _ => return Err(self.reader.not_fresh("a blob whose chunks do not fit its index")),
            }
        }
    }
}

/// Shows no content.
impl fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("page", &self.reader.page)
            .field("next", &self.reader.next)
            .finish_non_exhaustive()
    }
}

/// The bytes of a blob, chunk by chunk.
#[derive(Clone)]
pub struct Chunks<'a> {
    first: Option<&'a [u8]>,
    rest: Option<ItemReader<'a>>,
    size: usize,
}

impl<'a> Chunks<'a> {
    fn one(data: &'a [u8]) -> Self {
        Self {
            first: Some(data),
            rest: None,
            size: data.len(),
        }
    }

    /// Bytes of the whole blob.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        // The decoder has read these items before, so there are no errors.
        let (entry, data) = self.rest.as_mut()?.item().ok()??;
        if entry_type(&entry) == ItemType::BlobData {
            return Some(data);
        }
        self.rest = None;
        None
    }
}

/// Shows no content.
impl fmt::Debug for Chunks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunks({} bytes)", self.size)
    }
}

/// Reads the items of a fresh image one after another, and checks pages, entries and data on the way.
#[derive(Clone)]
struct ItemReader<'a> {
    pages: &'a [PageBytes],
    page: u16,
    /// The next entry in the page.
    next: u8,
    /// The number of entries that are written in the page.
    written: u8,
    /// Whether this is the last page in use.
    last: bool,
}

impl<'a> ItemReader<'a> {
    /// Begins the page: checks its header and bitmap.
    fn open(&mut self) -> Result<(), Error> {
        self.next = 0;
        let Some(page) = self.pages.get(usize::from(self.page)) else {
            return Err(self.bad_page());
        };
        let header = PageHeader::decode(PAGE_HEADER.of(page));
        let bitmap = PAGE_BITMAP.of(page);
        let state = PageState::from_word(header.state_word);
        self.last = state == Some(PageState::Active);
        self.written = fast::leading_written(bitmap);
        let in_turn = header.sequence == u32::from(self.page) && (self.last || state == Some(PageState::Full));
        let blank_after = || {
            self.pages
                .iter()
                .skip(usize::from(self.page) + 1)
                .all(|page| page.starts_with(&[0xFF; 4]))
        };
        if !header.crc_fits()
            || !in_turn
            || Version::from_byte(header.version).is_none()
            || *bitmap != fast::written_up_to(usize::from(self.written))
            || self.last && !blank_after()
        {
            return Err(self.bad_page());
        }
        Ok(())
    }

    /// The next item: its entry and its data, both checked.
    #[inline]
    fn item(&mut self) -> Result<Option<(Entry, &'a [u8])>, Error> {
        while self.next >= self.written {
            if self.last {
                return Ok(None);
            }
            self.page += 1;
            self.open()?;
        }
        let slots = self.pages.get(usize::from(self.page)).map_or(&[][..], entries);
        let rest = slots
            .get(usize::from(self.next)..usize::from(self.written))
            .and_then(<[EntryBytes]>::split_first);
        let Some((slot, rest)) = rest.filter(|(slot, _)| crc_fits(slot)) else {
            return Err(self.not_fresh("an entry whose checksum does not fit"));
        };
        let entry = Entry::from_bytes(slot);
        if entry.field_fault(usize::from(self.next)).is_some() || entry.key.starts_with(&[0]) {
            return Err(self.not_fresh("an entry that no firmware takes"));
        }
        let mut data = &[][..];
        if entry_type(&entry).has_data() {
            data = rest.as_flattened().get(..entry.data_size()).unwrap_or_default();
            if data.len() != entry.data_size() || crc32(data) != entry.data_crc() {
                return Err(self.not_fresh("a value whose checksum does not fit"));
            }
        }
        self.next = self.next.saturating_add(entry.span);
        Ok(Some((entry, data)))
    }

    fn bad_page(&self) -> Error {
        Error::NotFresh {
            offset: page_offset(usize::from(self.page)),
            what: "a page out of turn, or with erased entries",
        }
    }

    #[cold]
    fn not_fresh(&self, what: &'static str) -> Error {
        Error::NotFresh {
            offset: entry_offset(usize::from(self.page), usize::from(self.next).min(ENTRY_COUNT - 1)),
            what,
        }
    }
}

/// The type of an entry without a fault.
#[inline]
fn entry_type(entry: &Entry) -> ItemType {
    entry.item_type().unwrap_or(ItemType::BlobIndex)
}
