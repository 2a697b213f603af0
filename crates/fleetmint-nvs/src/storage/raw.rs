//! Every slot of every page as it is in the flash, valid or not: for display.

use crate::crypt::Xts;
use crate::entry::{Entry, EntryFault, ItemType};
use crate::layout::{BITMAP_SIZE, ENTRY_COUNT, ENTRY_SIZE, HEADER_SIZE, PAGE_SIZE, Version, entry_offset, page_offset};
use crate::page::{Bitmap, EntryState, PageHeader, PageState};

/// Why the firmware does not accept a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageFault {
    /// The header's checksum is wrong.
    HeaderCrc,
    /// The state word is not one of the known states.
    State,
    /// The header is blank, but the page is not.
    NotBlank,
    /// The format is newer than the ones that the firmware knows.
    Version,
}

/// A page as it is in the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPage {
    /// Its number, from 0.
    pub number: usize,
    /// Its offset in the partition, in bytes.
    pub offset: usize,
    /// Its header.
    pub header: PageHeader,
    /// Its bitmap. Without a valid header it is meaningless.
    pub bitmap: Bitmap,
    /// Its state, if the state word is known.
    pub state: Option<PageState>,
    /// Why the firmware does not accept it. `None`: it does.
    pub fault: Option<PageFault>,
}

/// What an entry's slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotContent {
    /// 32 bytes of 0xFF.
    Blank,
    /// The first entry of an item, present or erased.
    Item {
        /// The entry.
        entry: Entry,
        /// Why the firmware would erase it. `None`: it is sound.
        fault: Option<EntryFault>,
    },
    /// Data of the item that begins at this entry of the page.
    Data {
        /// The number of the item's first entry.
        of: usize,
    },
}

/// A slot of a page: its state in the bitmap and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawSlot {
    /// The page's number, from 0.
    pub page: usize,
    /// The entry's number in its page, from 0 to 125.
    pub entry: usize,
    /// Its offset in the partition, in bytes.
    pub offset: usize,
    /// Its state in the bitmap.
    pub state: EntryState,
    /// The bytes, decrypted.
    pub bytes: [u8; ENTRY_SIZE],
    /// What they are.
    pub content: SlotContent,
}

/// The pages of an image, in physical order. Bytes after the last whole page are ignored.
pub fn pages(image: &[u8]) -> impl Iterator<Item = RawPage> + '_ {
    image.chunks_exact(PAGE_SIZE).enumerate().filter_map(|(number, page)| {
        let (header, rest) = page.split_first_chunk::<HEADER_SIZE>()?;
        let header = PageHeader::decode(header);
        let bitmap = Bitmap::from_bytes(rest.first_chunk::<BITMAP_SIZE>()?);
        let state = PageState::from_word(header.state_word);
        let fault = match state {
            Some(PageState::Uninitialized) => page.iter().any(|byte| *byte != 0xFF).then_some(PageFault::NotBlank),
            _ if !header.crc_fits() => Some(PageFault::HeaderCrc),
            _ if Version::from_byte(header.version).is_none() => Some(PageFault::Version),
            None => Some(PageFault::State),
            Some(_) => None,
        };
        Some(RawPage {
            number,
            offset: page_offset(number),
            header,
            bitmap,
            state,
            fault,
        })
    })
}

/// Every slot of every page, in physical order: 126 for each page.
///
/// The span of the valid item before a slot decides whether the slot is data or an item. An erased slot is shown by the
/// look of its own bytes.
pub fn slots<'a>(image: &'a [u8], cipher: Option<&'a Xts>) -> impl Iterator<Item = RawSlot> + 'a {
    pages(image).flat_map(move |page| {
        let mut data_of = None;
        (0..ENTRY_COUNT).filter_map(move |entry| {
            let offset = entry_offset(page.number, entry);
            let stored = image.get(offset..)?.first_chunk::<ENTRY_SIZE>()?;
            let mut bytes = *stored;
            let blank = bytes == [0xFF; ENTRY_SIZE];
            if let Some(cipher) = cipher.filter(|_| !blank) {
                cipher.decrypt_entry(offset as u32, &mut bytes);
            }
            let state = page.bitmap.get(entry);
            let content = match data_of {
                Some((of, end)) if entry < end => SlotContent::Data { of },
                _ if blank => SlotContent::Blank,
                _ => {
                    let item = Entry::from_bytes(&bytes);
                    let fault = item.fault(entry);
                    let has_data = item.item_type().is_some_and(ItemType::has_data);
                    // Data without a sound first entry cannot be told from items.
                    let spans = has_data && fault.is_none();
                    data_of = spans.then_some((entry, entry + usize::from(item.span)));
                    SlotContent::Item { entry: item, fault }
                }
            };
            Some(RawSlot {
                page: page.number,
                entry,
                offset,
                state,
                bytes,
                content,
            })
        })
    })
}
