//! Listing all values: what the firmware's iterator gives (`Storage::findEntry`, `Storage::nextEntry`), each read by its
//! getter.

use super::fast::{InPlaceListing, Repeats};
use super::flash::Flash;
use super::list::{Listed, ListedItem, Round, Value, ValueType, value_or_error};
use super::medium::Step;
use super::query::{Query, StoredItem};
use super::{Storage, plain_error};
use crate::entry::{Entry, ItemType, Number};
use crate::error::{Error, EspError};
use crate::key::RawName;
use crate::layout::{CHUNK_START_0, CHUNK_START_1, ENTRY_COUNT, NAMESPACE_ANY, NAMESPACE_INDEX};
use alloc::boxed::Box;
use alloc::vec::Vec;
use zeroize::Zeroizing;

impl<F: Flash> Storage<F> {
    /// All values, in the order of the firmware's iterator, the ones that it leaves out at the end.
    ///
    /// Reading a value whose data is damaged erases it, as in the firmware: read-write in the flash, read-only in
    /// what is known of it. Values that are listed again and again are read until they fill as much as the partition
    /// has bytes; what is more is listed with `ESP_ERR_NO_MEM`.
    ///
    /// # Errors
    /// [`Error::Flash`]: the flash cannot be read.
    pub fn list(&mut self) -> Result<Vec<Listed>, Error> {
        let mut list = Vec::with_capacity(self.count_items());
        self.visit(|listed| list.push(listed.into_owned()))?;
        Ok(list)
    }

    /// Calls `with` for each value, as [`Storage::list`] would list it, without keeping any.
    ///
    /// # Errors
    /// [`Error::Flash`]: the flash cannot be read.
    pub fn visit(&mut self, with: impl FnMut(Listed<&[u8]>)) -> Result<(), Error> {
        let visited = match InPlaceListing::of(self) {
            Ok(Some(listing)) => listing.visit(self, with),
            Ok(None) => self.visit_by_getters(with),
            Err(fail) => Err(fail),
        };
        visited.map_err(plain_error)
    }

    /// An application's way: it iterates over the items, then calls the getter of each.
    fn visit_by_getters(&mut self, mut with: impl FnMut(Listed<&[u8]>)) -> Step<()> {
        self.rebuild_index_if_changed();
        let items = self.all_items()?;
        let namespaces = OpenedNamespaces::of(&self.namespaces);
        let repeats = Repeats::of(items.len(), |number| {
            let entry = &items.get(number)?.entry;
            let item_type = entry.item_type().filter(|item_type| *item_type != ItemType::Blob)?;
            let ns_index = namespaces.opened(entry.ns_index).unwrap_or(entry.ns_index);
            is_listed(entry).then_some((ns_index, entry.name(), ValueType::of(item_type)))
        });
        let mut reader = Reader::new(self.medium.capacity());
        for round in [Round::Iterated, Round::LeftOut] {
            for (number, item) in items.iter().enumerate().filter(|(_, item)| is_listed(&item.entry)) {
                let Some(item_type) = item
                    .entry
                    .item_type()
                    .filter(|item_type| Round::of(*item_type) == round)
                else {
                    continue;
                };
                let listed = ListedItem {
                    item: *item,
                    item_type,
                    key: item.entry.name(),
                    namespace: namespaces.name(item.entry.ns_index),
                    repeat: repeats.contains(number),
                    iterated: round == Round::Iterated,
                };
                reader.read(self, &listed, namespaces.opened(item.entry.ns_index))?;
                with(reader.listed(&listed));
            }
        }
        Ok(())
    }

    /// Whether any item is of the namespace with this index.
    pub(crate) fn uses_index(&mut self, ns_index: u8) -> bool {
        self.all_items()
            .is_ok_and(|items| items.iter().any(|item| item.entry.ns_index == ns_index))
    }

    /// How many items the pages in use hold, or a few more.
    pub(super) fn count_items(&self) -> usize {
        let counts = self.used_pages().map(|number| self.page(number).items().heads().len());
        counts.sum()
    }

    /// The items on all pages, in order.
    fn all_items(&mut self) -> Step<Vec<StoredItem>> {
        let mut items = Vec::with_capacity(self.count_items());
        for position in 0..self.in_use {
            let Some((page, medium)) = self.page_in_use(position) else {
                break;
            };
            let number = page.number;
            let mut add = |index, entry| items.push(StoredItem::new(number, index, entry));
            if page.is_scanned() {
                let mut from = 0;
                while let Some((index, entry)) = page.find(medium, &Query::any(), from)? {
                    add(index, entry);
                    from = index + usize::from(entry.span);
                }
                continue;
            }
            medium.spend(ENTRY_COUNT)?;
            for index in page.heads() {
                add(index, page.read(medium, index)?);
            }
        }
        Ok(items)
    }

    /// Reads one value: a number, or bytes into `to`. With a namespace through the getter, else directly as stored.
    fn read_value(&mut self, listed: &ListedItem, ns_index: Option<u8>, to: &mut Vec<u8>) -> Step<Option<Number>> {
        let number = Number::from_data(listed.item_type, listed.item.entry.data);
        let Some(ns_index) = ns_index else {
            if number.is_none() {
                self.read_orphan(&listed.item, to)?;
            }
            return Ok(number);
        };
        let key = *listed.key.field();
        if number.is_some() {
            return self.get_number(ns_index, listed.item_type, &key).map(Some);
        }
        match listed.item_type {
            ItemType::Str => self.get_str(ns_index, &key, to),
            _ => self.get_blob(ns_index, &key, to),
        }?;
        Ok(None)
    }
}

/// Whether an item is a value in a listing, iterated or not.
fn is_listed(entry: &Entry) -> bool {
    let first_chunk = entry.chunk == CHUNK_START_0 || entry.chunk == CHUNK_START_1;
    entry.ns_index != NAMESPACE_INDEX
        && match entry.item_type() {
            None | Some(ItemType::BlobIndex) => false,
            Some(ItemType::BlobData) => first_chunk,
            Some(_) => true,
        }
}

/// The namespaces by their index: the name, and the index that opening that name gives.
struct OpenedNamespaces {
    by_index: Vec<Option<(RawName, u8)>>,
}

impl OpenedNamespaces {
    fn of(namespaces: &[(RawName, u8)]) -> Self {
        let mut by_index = alloc::vec![None; usize::from(NAMESPACE_ANY) + 1];
        for (name, index) in namespaces {
            if let Some(known @ None) = by_index.get_mut(usize::from(*index)) {
                // Of several namespaces of one name, the first is opened.
                let first = namespaces.iter().find(|(other, _)| other == name);
                *known = Some((*name, first.map_or(*index, |(_, index)| *index)));
            }
        }
        Self { by_index }
    }

    fn get(&self, ns_index: u8) -> Option<(RawName, u8)> {
        self.by_index.get(usize::from(ns_index)).copied().flatten()
    }

    fn name(&self, ns_index: u8) -> Option<RawName> {
        self.get(ns_index).map(|(name, _)| name)
    }

    fn opened(&self, ns_index: u8) -> Option<u8> {
        self.get(ns_index).map(|(_, index)| index)
    }
}

/// One value after the other, and the limit for those that are read again and again.
struct Reader {
    value: ReadValue,
    /// The stored value, if the getter returns that of another namespace with the same name.
    unreachable: Option<ReadValue>,
    /// Bytes of repeats. A blob whose first chunk is there a thousand times would be read as often.
    repeated: usize,
    repeated_max: usize,
}

/// A value as it was read: a number, or none and its bytes.
struct ReadValue {
    read: Result<Option<Number>, EspError>,
    bytes: Zeroizing<Vec<u8>>,
}

impl ReadValue {
    fn value(&self, item_type: ItemType) -> Result<Value<&[u8]>, EspError> {
        let number = self.read?;
        Ok(number.map_or_else(|| Value::of_bytes(item_type, &self.bytes), Value::Number))
    }
}

impl Reader {
    fn new(repeated_max: usize) -> Self {
        Self {
            value: ReadValue {
                read: Ok(None),
                bytes: Zeroizing::default(),
            },
            unreachable: None,
            repeated: 0,
            repeated_max,
        }
    }

    /// Reads the value of an item, whose namespace opens as this one.
    fn read<F: Flash>(&mut self, storage: &mut Storage<F>, listed: &ListedItem, opened: Option<u8>) -> Step<()> {
        let is_too_much = listed.repeat && self.repeated > self.repeated_max;
        let mut read = |ns_index, bytes: &mut Zeroizing<Vec<u8>>| {
            bytes.clear();
            if is_too_much {
                return Ok(Err(EspError::NoMem));
            }
            value_or_error(storage.read_value(listed, ns_index, bytes))
        };
        self.value.read = read(opened, &mut self.value.bytes)?;
        self.unreachable = None;
        if opened.is_some_and(|index| index != listed.item.entry.ns_index) {
            let mut bytes = Zeroizing::default();
            let read = read(None, &mut bytes)?;
            self.unreachable = Some(ReadValue { read, bytes });
        }
        if listed.repeat {
            let stored = self.unreachable.as_ref().map_or(0, |value| value.bytes.len());
            self.repeated += self.value.bytes.len() + stored;
        }
        Ok(())
    }

    /// The value that was read last, of this item.
    fn listed(&self, listed: &ListedItem) -> Listed<&[u8]> {
        let unreachable = self.unreachable.as_ref();
        Listed {
            unreachable: unreachable.map(|value| Box::new(value.value(listed.item_type))),
            ..listed.with(self.value.value(listed.item_type), &self.value.bytes)
        }
    }
}
