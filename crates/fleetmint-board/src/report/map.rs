//! Each page of a partition and each of its slots, as they are in the flash.

use std::collections::HashMap;

use fleetmint_nvs::RawName;
use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::entry::{Entry, EntryFault, ItemType};
use fleetmint_nvs::layout::NAMESPACE_INDEX;
use fleetmint_nvs::page::{EntryState, PageState};
use fleetmint_nvs::storage::{Listed, PageFault, RawPage, RawSlot, SlotContent, ValueType, pages, slots};
use serde::Serialize;

/// A picture of a partition before any repair. It has names, and no value.
#[derive(Clone, Debug, Serialize)]
pub struct MapReport {
    pages: Vec<MapPage>,
}

#[derive(Clone, Debug, Serialize)]
struct MapPage {
    number: usize,
    offset: usize,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    sequence: u32,
    version: u8,
    used: usize,
    erased: usize,
    free: usize,
    slots: Vec<MapSlot>,
}

#[derive(Clone, Debug, Serialize)]
struct MapSlot {
    state: &'static str,
    content: &'static str,
    /// The slot in this page where its item begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<usize>,
    /// The value in the listing that it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<MapItem>,
}

#[derive(Clone, Debug, Serialize)]
struct MapItem {
    ns_index: u8,
    #[serde(rename = "type")]
    item_type: String,
    span: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<u8>,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// What makes an item a part of a value.
type Name = (u8, RawName, ValueType);

impl MapReport {
    /// The picture of an image. `listed` are its values, to which the slots refer by their number.
    #[must_use]
    pub fn new(image: &[u8], cipher: Option<&Xts>, listed: &[Listed]) -> Self {
        let values = Values::new(listed);
        let mut slots = slots(image, cipher).peekable();
        let pages = pages(image).map(|page| {
            let mut of_page: Vec<MapSlot> = Vec::new();
            while let Some(slot) = slots.next_if(|slot| slot.page == page.number) {
                let slot = match slot.content {
                    SlotContent::Blank => MapSlot::new(&slot, "blank"),
                    SlotContent::Data { of } => MapSlot {
                        first: Some(of),
                        entry: of_page.get(of).and_then(|first| first.entry),
                        ..MapSlot::new(&slot, "data")
                    },
                    SlotContent::Item { entry, fault } => MapSlot {
                        first: Some(slot.entry),
                        entry: values.of(&slot, &entry, fault),
                        item: Some(MapItem::new(&entry, fault)),
                        ..MapSlot::new(&slot, content_of(&entry))
                    },
                };
                of_page.push(slot);
            }
            MapPage::new(&page, of_page)
        });
        Self { pages: pages.collect() }
    }
}

/// The values of a listing, to be found by name or by place.
struct Values {
    by_name: HashMap<Name, usize>,
    by_place: HashMap<(usize, usize), (Name, usize)>,
}

impl Values {
    fn new(listed: &[Listed]) -> Self {
        let (mut by_name, mut by_place) = (HashMap::new(), HashMap::new());
        for (number, value) in listed.iter().enumerate() {
            let name = (value.ns_index, value.key, value.value_type);
            by_name.entry(name).or_insert(number);
            by_place.insert(value.place, (name, number));
        }
        Self { by_name, by_place }
    }

    /// The value that a sound item is a part of. The place decides between values of one name, unless the start moves it.
    fn of(&self, slot: &RawSlot, entry: &Entry, fault: Option<EntryFault>) -> Option<usize> {
        if slot.state != EntryState::Written || fault.is_some() {
            return None;
        }
        let name = (entry.ns_index, entry.name(), ValueType::of(entry.item_type()?));
        match self.by_place.get(&(slot.page, slot.entry)) {
            Some((there, number)) if *there == name => Some(*number),
            _ => self.by_name.get(&name).copied(),
        }
    }
}

impl MapPage {
    fn new(page: &RawPage, slots: Vec<MapSlot>) -> Self {
        let count = |state| slots.iter().filter(|slot| slot.state == state).count();
        Self {
            number: page.number,
            offset: page.offset,
            state: match page.state {
                Some(PageState::Uninitialized) => "uninitialized",
                Some(PageState::Active) => "active",
                Some(PageState::Full) => "full",
                Some(PageState::Freeing) => "freeing",
                None => "unknown",
            },
            fault: page.fault.map(|fault| match fault {
                PageFault::HeaderCrc => "header-crc",
                PageFault::State => "state",
                PageFault::NotBlank => "not-blank",
                PageFault::Version => "version",
            }),
            sequence: page.header.sequence,
            version: page.header.version,
            used: count("written"),
            erased: count("erased"),
            free: count("empty"),
            slots,
        }
    }
}

impl MapSlot {
    fn new(slot: &RawSlot, content: &'static str) -> Self {
        Self {
            state: match slot.state {
                EntryState::Empty => "empty",
                EntryState::Written => "written",
                EntryState::Erased => "erased",
                EntryState::Illegal => "illegal",
            },
            content,
            first: None,
            entry: None,
            item: None,
        }
    }
}

fn content_of(entry: &Entry) -> &'static str {
    match entry.ns_index {
        NAMESPACE_INDEX => "namespace",
        _ => "item",
    }
}

impl MapItem {
    fn new(entry: &Entry, fault: Option<EntryFault>) -> Self {
        let item_type = entry.item_type();
        Self {
            ns_index: entry.ns_index,
            item_type: match item_type {
                None => format!("{:#04x}", entry.type_byte),
                Some(ItemType::Blob) => "blob-old".to_string(),
                Some(ItemType::BlobData) => "blob-data".to_string(),
                Some(ItemType::BlobIndex) => "blob-index".to_string(),
                Some(other) => ValueType::of(other).name().to_string(),
            },
            span: entry.span,
            chunk: (item_type == Some(ItemType::BlobData)).then_some(entry.chunk),
            // A damaged entry may have a piece of a value in place of its key.
            key: match fault {
                Some(_) => String::new(),
                None => entry.name().to_string(),
            },
            fault: fault.map(|fault| fault.to_string()),
        }
    }
}
