//! Every slot of every page, also those that the firmware does not show.

use std::fmt::Write as _;

use fleetmint_board::report::{Hex, ValueReport};
use fleetmint_board::wiped::WipedText;
use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::entry::{Entry, EntryFault, ItemType, Number};
use fleetmint_nvs::layout::ENTRY_SIZE;
use fleetmint_nvs::page::{EntryState, PageState};
use fleetmint_nvs::storage::{self, PageFault, RawPage, RawSlot, SlotContent};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::terminal::shown;

#[derive(Serialize)]
struct Page {
    page: usize,
    offset: usize,
    /// `null` if the state word is not a known state.
    state: Option<&'static str>,
    state_word: String,
    sequence: u32,
    version: u8,
    header_crc_ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    slots: Vec<Slot>,
}

#[derive(Serialize)]
struct Slot {
    entry: usize,
    offset: usize,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Item>,
    /// The entry that the data belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_of: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Hex<Zeroizing<[u8; ENTRY_SIZE]>>>,
}

#[derive(Serialize)]
struct Item {
    ns_index: u8,
    /// Its name, or the byte if it is unknown.
    #[serde(rename = "type")]
    item_type: String,
    span: u8,
    chunk: u8,
    key: String,
    /// Only of a number.
    #[serde(flatten)]
    value: ValueReport<'static>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// An array of pages, each with its 126 slots.
pub(super) fn json<'a>(image: &'a [u8], cipher: Option<&'a Xts>) -> impl Iterator<Item = impl Serialize> + 'a {
    let mut slots = storage::slots(image, cipher).peekable();
    storage::pages(image).map(move |page| {
        let mut of_page = Vec::new();
        while let Some(slot) = slots.next_if(|slot| slot.page == page.number) {
            of_page.push(Slot::from(&slot));
        }
        Page {
            page: page.number,
            offset: page.offset,
            state: page.state.map(PageState::name),
            state_word: format!("{:08x}", page.header.state_word),
            sequence: page.header.sequence,
            version: page.header.version,
            header_crc_ok: page.header.crc_fits(),
            fault: page.fault.map(page_fault),
            slots: of_page,
        }
    })
}

impl From<&RawSlot> for Slot {
    fn from(slot: &RawSlot) -> Self {
        let bytes = Some(Hex(Zeroizing::new(slot.bytes)));
        let (item, data_of, bytes) = match &slot.content {
            SlotContent::Blank => (None, None, None),
            SlotContent::Item { entry, fault } => (Some(Item::new(entry, *fault)), None, bytes),
            SlotContent::Data { of } => (None, Some(*of), bytes),
        };
        Self {
            entry: slot.entry,
            offset: slot.offset,
            state: entry_state(slot.state),
            item,
            data_of,
            bytes,
        }
    }
}

impl Item {
    fn new(entry: &Entry, fault: Option<EntryFault>) -> Self {
        Self {
            ns_index: entry.ns_index,
            item_type: type_name(entry),
            span: entry.span,
            chunk: entry.chunk,
            key: entry.name().to_string(),
            value: number(entry, fault).map(ValueReport::from).unwrap_or_default(),
            fault: fault.map(|fault| fault.to_string()),
        }
    }
}

/// Page by page, one line for each slot, and one line for consecutive blank slots.
pub(super) fn text<'a>(image: &'a [u8], cipher: Option<&'a Xts>) -> impl Iterator<Item = WipedText> + 'a {
    let mut slots = storage::slots(image, cipher).peekable();
    storage::pages(image).map(move |page| {
        let mut text = WipedText::from(page_line(&page));
        while let Some(slot) = slots.next_if(|slot| slot.page == page.number) {
            let same = |next: &RawSlot| {
                next.page == page.number && next.content == SlotContent::Blank && next.state == slot.state
            };
            let mut last = slot.entry;
            if slot.content == SlotContent::Blank {
                while let Some(next) = slots.next_if(same) {
                    last = next.entry;
                }
            }
            write_slot(&slot, last, &mut text);
        }
        let _ = text.write_char('\n');
        text
    })
}

fn page_line(page: &RawPage) -> String {
    let state = match page.state {
        Some(state) => state.name().to_string(),
        None => format!("state {:#010x}", page.header.state_word),
    };
    let header = match page.state {
        Some(PageState::Uninitialized) => String::new(),
        _ => format!(
            ", sequence {}, version {:#04x}",
            page.header.sequence, page.header.version
        ),
    };
    let fault = page
        .fault
        .map_or_else(String::new, |fault| format!("; {}", page_fault(fault)));
    format!("page {} at {:#x}: {state}{header}{fault}\n", page.number, page.offset)
}

/// Writing to memory does not fail.
fn write_slot(slot: &RawSlot, last: usize, text: &mut WipedText) {
    let entries = if last == slot.entry {
        slot.entry.to_string()
    } else {
        format!("{}-{last}", slot.entry)
    };
    let _ = write!(
        text,
        "  {entries:>7}  {:#08x}  {:<7}  ",
        slot.offset,
        entry_state(slot.state)
    );
    let _ = match &slot.content {
        SlotContent::Blank => writeln!(text, "blank"),
        SlotContent::Item { entry, fault } => {
            let chunk = if entry.chunk == 0xFF {
                String::new()
            } else {
                format!(" chunk {:#04x}", entry.chunk)
            };
            let number = number(entry, *fault).map_or_else(String::new, |number| format!("  {number}"));
            let fault = fault.map_or_else(String::new, |fault| format!("; {fault}"));
            writeln!(
                text,
                "ns {} {} \"{}\" span {}{chunk}{number}{fault}",
                entry.ns_index,
                type_name(entry),
                shown(&entry.name().to_string(), 60),
                entry.span
            )
        }
        SlotContent::Data { of } => writeln!(text, "data of {of}  {}", Hex(slot.bytes)),
    };
}

/// The number that an entry holds, if the entry has no fault.
fn number(entry: &Entry, fault: Option<EntryFault>) -> Option<Number> {
    let item_type = entry.item_type().filter(|_| fault.is_none() && entry.ns_index != 0)?;
    Number::from_data(item_type, entry.data)
}

fn type_name(entry: &Entry) -> String {
    match entry.item_type() {
        None => format!("type {:#04x}", entry.type_byte),
        Some(_) if entry.ns_index == 0 => String::from("namespace"),
        Some(ItemType::Blob) => String::from("blob (old)"),
        Some(ItemType::BlobData) => String::from("blob_data"),
        Some(ItemType::BlobIndex) => String::from("blob_idx"),
        Some(item_type) => storage::ValueType::of(item_type).name().to_string(),
    }
}

const fn entry_state(state: EntryState) -> &'static str {
    match state {
        EntryState::Empty => "empty",
        EntryState::Written => "written",
        EntryState::Erased => "erased",
        EntryState::Illegal => "illegal",
    }
}

const fn page_fault(fault: PageFault) -> &'static str {
    match fault {
        PageFault::HeaderCrc => "the header's CRC does not match",
        PageFault::State => "unknown state",
        PageFault::NotBlank => "the header is blank, but the page is not",
        PageFault::Version => "a newer version than the firmware supports",
    }
}
