//! Reading a fresh image back: the inverse of [`Writer`](super::Writer), without the storage's repairs and searches.

use super::check_size;
use super::writer::{Page, Slot, written_up_to};
use crate::entry::{Entry, ItemType, Number, crc_fits};
use crate::error::Error;
use crate::key::RawName;
use crate::layout::{
    BITMAP_OFFSET, BITMAP_SIZE, CHUNK_START_0, ENTRIES_OFFSET, ENTRY_COUNT, ENTRY_SIZE, HEADER_SIZE, NAMESPACE_INDEX,
    Version, crc32, entry_offset, page_offset,
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

/// A value of a fresh image. `Debug` shows its kind and size only, since values may be secrets.
#[derive(Clone)]
pub enum DecodedValue<'a> {
    /// An integer, float or double.
    Number(Number),
    /// A text's bytes, without the NUL that ends it.
    Str(&'a [u8]),
    /// Bytes, in as many pieces as the blob has chunks.
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

/// Reads a fresh image back, item by item, in the order in which they were written. Allocates nothing.
///
/// A fresh image is one as [`encode`](super::encode) or Espressif's generator make it, not encrypted. What a firmware has
/// written to since, or what is damaged, is for [`Storage`](crate::storage::Storage): here it is an error that says where
/// the image stops being fresh. Items are listed as they lie, a key that comes twice is not looked for.
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
    let mut place = Place {
        pages,
        page: 0,
        next: 0,
        written: 0,
        last: false,
    };
    place.open()?;
    Ok(Decoder {
        place,
        namespaces: 0,
        current: (RawName::EMPTY, NAMESPACE_INDEX),
        ended: false,
    })
}

/// The items of a fresh image; see [`decode`].
#[derive(Clone)]
pub struct Decoder<'a> {
    place: Place<'a>,
    namespaces: u8,
    /// The namespace of the item before, and its index.
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
            let Some((entry, data)) = self.place.item()? else {
                return Ok(None);
            };
            if entry.ns_index == NAMESPACE_INDEX {
                self.namespace(&entry)?;
                continue;
            }
            if entry.ns_index > self.namespaces {
                return Err(self.place.not_fresh("an item without a namespace"));
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
                    None => return Err(self.place.not_fresh("a blob index without its chunks")),
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
        let [index, ..] = entry.data;
        if entry_type(entry) != ItemType::U8 || Some(index) != self.namespaces.checked_add(1) {
            return Err(self.place.not_fresh("a namespace out of turn"));
        }
        self.namespaces = index;
        self.current = (entry.name(), index);
        Ok(())
    }

    /// The name of an earlier namespace.
    #[cold]
    fn name_of(&self, index: u8) -> Result<RawName, Error> {
        let mut earlier = decode(self.place.pages.as_flattened())?.place;
        while let Some((entry, _)) = earlier.item()? {
            let [value, ..] = entry.data;
            if entry.ns_index == NAMESPACE_INDEX && value == index {
                return Ok(entry.name());
            }
        }
        Err(self.place.not_fresh("an item without a namespace"))
    }

    #[inline]
    fn text(&self, data: &'a [u8]) -> Result<&'a [u8], Error> {
        match data.split_last() {
            Some((0, text)) => Ok(text),
            _ => Err(self.place.not_fresh("a string without a NUL at its end")),
        }
    }

    /// Checks that all chunks of a blob and its index follow.
    #[inline(never)]
    fn blob(&mut self, first: &Entry, data: &'a [u8]) -> Result<Chunks<'a>, Error> {
        let mut chunks = Chunks {
            first: Some(data),
            rest: Some(self.place.clone()),
            size: data.len(),
        };
        let mut count = 1;
        if first.chunk != CHUNK_START_0 {
            return Err(self.place.not_fresh("a blob whose chunks do not begin with 0"));
        }
        loop {
            let next = self.place.item()?;
            let Some((entry, data)) =
                next.filter(|(entry, _)| entry.ns_index == first.ns_index && entry.key == first.key)
            else {
                return Err(self.place.not_fresh("a blob without its index"));
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
                _ => return Err(self.place.not_fresh("a blob whose chunks do not fit its index")),
            }
        }
    }
}

/// Shows no content.
impl fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("page", &self.place.page)
            .field("next", &self.place.next)
            .finish_non_exhaustive()
    }
}

/// The bytes of a blob, chunk by chunk.
#[derive(Clone)]
pub struct Chunks<'a> {
    first: Option<&'a [u8]>,
    rest: Option<Place<'a>>,
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
        // It was walked before, so nothing is wrong with it.
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

/// Where in the image the next entry is.
#[derive(Clone)]
struct Place<'a> {
    pages: &'a [Page],
    page: u16,
    next: u8,
    /// How many entries of the page are written.
    written: u8,
    /// Whether this is the last page in use.
    last: bool,
}

impl<'a> Place<'a> {
    /// Checks header and bitmap of the page.
    fn open(&mut self) -> Result<(), Error> {
        self.next = 0;
        let Some(page) = self.pages.get(usize::from(self.page)) else {
            return Err(self.bad_page());
        };
        let (head, rest) = page.split_at(BITMAP_OFFSET);
        let (Some(header), Some(bitmap)) = (head.first_chunk::<HEADER_SIZE>(), rest.first_chunk::<BITMAP_SIZE>())
        else {
            return Err(self.bad_page());
        };
        let header = PageHeader::decode(header);
        let state = PageState::from_word(header.state_word);
        self.last = state == Some(PageState::Active);
        self.written = first_not_written(bitmap);
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
            || *bitmap != written_up_to(usize::from(self.written))
            || self.last && !blank_after()
        {
            return Err(self.bad_page());
        }
        Ok(())
    }

    /// The next item: its entry, checked, and its data, checked too.
    #[inline]
    fn item(&mut self) -> Result<Option<(Entry, &'a [u8])>, Error> {
        while self.next >= self.written {
            if self.last {
                return Ok(None);
            }
            self.page += 1;
            self.open()?;
        }
        let slots = self
            .pages
            .get(usize::from(self.page))
            .map_or(&[][..], |page| page.split_at(ENTRIES_OFFSET).1);
        let (slots, _): (&[Slot], _) = slots.as_chunks::<ENTRY_SIZE>();
        let rest = slots
            .get(usize::from(self.next)..usize::from(self.written))
            .and_then(<[Slot]>::split_first);
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

/// How many entries from the first on are written: 10 in two bits.
#[inline]
fn first_not_written(bitmap: &[u8; BITMAP_SIZE]) -> u8 {
    let (halves, _) = bitmap.as_chunks();
    let mut count = 0;
    for half in halves {
        let other = u128::from_le_bytes(*half) ^ u128::from_le_bytes([0b1010_1010; 16]);
        count += (other.trailing_zeros() / 2) as u8;
        if other != 0 {
            break;
        }
    }
    count.min(ENTRY_COUNT as u8)
}
