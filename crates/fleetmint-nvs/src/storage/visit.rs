//! Listing all values: what the firmware's iterator gives, each read by its getter.
//!
//! Where every name is there once and no blob is among them, a getter can only find the item that was listed, and it is
//! read where it lies. Else the items are listed first and each is asked for, as an application would.

use super::find::Found;
use super::flash::{Fail, Flash, Step};
use super::list::{Listed, Value, ValueType};
use super::page::{Bits, Query};
use super::{Storage, plain_error};
use crate::entry::{Entry, ItemType, Number};
use crate::error::{Error, EspError};
use crate::key::RawName;
use crate::layout::{
    CHUNK_ANY, CHUNK_START_0, CHUNK_START_1, ENTRY_COUNT, NAME_FIELD, NAMESPACE_ANY, NAMESPACE_INDEX, crc32,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// An item head as it lies in the flash.
struct Head {
    entry: Entry,
    page: usize,
    index: usize,
    /// The same namespace, key and type is before it.
    repeat: bool,
}

/// Whether an item stands for a value in a listing, be it that the iterator leaves it out.
fn is_listed(entry: &Entry) -> bool {
    let first_chunk = entry.chunk == CHUNK_START_0 || entry.chunk == CHUNK_START_1;
    entry.ns_index != NAMESPACE_INDEX
        && match entry.item_type() {
            None | Some(ItemType::BlobIndex) => false,
            Some(ItemType::BlobData) => first_chunk,
            Some(_) => true,
        }
}

/// More namespaces than this are listed the long way.
const FEW_NAMESPACES: usize = 16;

/// Places of [`Seen`] that are looked at for one name: more are only needed where names were made to collide.
const PROBES: usize = 64;

#[inline]
fn name_hash(ns_index: u8, key: &[u8; NAME_FIELD]) -> u64 {
    let key = u128::from_le_bytes(*key);
    let mut hash = u64::from(ns_index).wrapping_add(0x9E37_79B9_7F4A_7C15);
    for word in [key as u64, (key >> 64) as u64] {
        hash = (hash ^ word).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        hash ^= hash >> 32;
    }
    hash.wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// Which names were seen, by their hashes: a name that is new may seem known, never the other way round.
struct Seen {
    /// Open addressing, half full at most. 0 is an empty place.
    table: Vec<u64>,
}

impl Seen {
    fn new(names: usize) -> Self {
        Self {
            table: alloc::vec![0; (names * 2).next_power_of_two()],
        }
    }

    /// Whether the name is new for sure.
    #[inline]
    fn add(&mut self, hash: u64) -> bool {
        let hash = hash | 1;
        let mut place = (hash >> 32) as usize;
        for _ in 0..PROBES {
            place &= self.table.len() - 1;
            match self.table.get_mut(place) {
                Some(known @ 0) => {
                    *known = hash;
                    return true;
                }
                Some(known) if *known != hash => place += 1,
                _ => return false,
            }
        }
        false
    }
}

/// What the namespaces' entries say, by index.
struct Names {
    /// Name, and the index that opening it gives.
    by_index: Vec<Option<(RawName, u8)>>,
}

impl<F: Flash> Storage<F> {
    /// All values, in the order of the firmware's iterator, the ones that it leaves out at the end.
    ///
    /// Reading a value whose data is damaged erases it, as in the firmware: read-write in the flash, read-only in
    /// what is known of it. Values that are listed again and again are read until they fill as much as the partition
    /// has bytes; what is more is listed with `ESP_ERR_NO_MEM`.
    ///
    /// # Errors
    /// [`Error::Flash`]: the flash can't be read.
    pub fn list(&mut self) -> Result<Vec<Listed>, Error> {
        let items = self
            .used_pages()
            .map(|number| self.page(number).heads.count_ones() as usize)
            .sum();
        let mut list = Vec::with_capacity(items);
        self.visit(|listed| list.push(listed.into_owned()))?;
        Ok(list)
    }

    /// Calls `with` for each value, as [`Storage::list`] would list it, without keeping any.
    ///
    /// # Errors
    /// [`Error::Flash`]: the flash can't be read.
    pub fn visit(&mut self, with: impl FnMut(Listed<&[u8]>)) -> Result<(), Error> {
        let plain = self.is_plain().map_err(plain_error)?;
        if plain {
            self.visit_in_place(with)
        } else {
            self.visit_by_name(with)
        }
        .map_err(plain_error)
    }

    /// Whether each name is there once, as the firmware writes it, and no blob is among them.
    fn is_plain(&mut self) -> Step<bool> {
        if self.medium.in_doubt() {
            return Ok(false);
        }
        let mut items = 0;
        for number in self.used_pages() {
            let page = self.page(number);
            items += page.heads.count_ones() as usize;
            if page.blob_heads & page.heads != 0 || page.hashed != page.heads {
                return Ok(false);
            }
        }
        if self.namespaces.len() > FEW_NAMESPACES {
            return Ok(false);
        }
        // A getter in namespace 255 searches all of them.
        if self.namespaces.iter().any(|(_, index)| *index == NAMESPACE_ANY) {
            return Ok(false);
        }
        let mut rest = self.namespaces.as_slice();
        while let [(name, index), others @ ..] = rest {
            if others
                .iter()
                .any(|(other, other_index)| other == name || other_index == index)
            {
                return Ok(false);
            }
            rest = others;
        }
        let told_apart = self.in_use == 1 && self.last_page().is_some_and(|only| self.page(only).distinct);
        let mut seen = (!told_apart).then(|| Seen::new(items));
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            let (page, medium) = self.page_and_medium(number);
            let heads = page.heads_from(0);
            medium.spend(heads.count_ones() as usize)?;
            for index in Bits::of(heads) {
                let entry = Entry::from_bytes(medium.entry(number, index)?);
                if entry.key != *entry.name().field() || entry.chunk != CHUNK_ANY {
                    return Ok(false);
                }
                let hash = name_hash(entry.ns_index, &entry.key);
                if seen.as_mut().is_some_and(|seen| !seen.add(hash)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn visit_in_place(&mut self, mut with: impl FnMut(Listed<&[u8]>)) -> Step<()> {
        let mut bytes = Zeroizing::new(Vec::new());
        let mut known: (u8, Option<RawName>) = (NAMESPACE_INDEX, None);
        let mut old_blobs = false;
        // The page that became invalid while it was read: read-only, where an item of one entry can't be erased.
        let mut gone = None;
        for iterated in [true, false] {
            if !iterated && !old_blobs {
                break;
            }
            for position in 0..self.in_use {
                let Some(number) = self.used_page(position) else { break };
                self.medium.spend(ENTRY_COUNT)?;
                for index in Bits::of(self.page(number).heads_from(0)) {
                    let entry = Entry::from_bytes(self.medium.entry(number, index)?);
                    let Some(item_type) = entry.item_type().filter(|_| entry.ns_index != NAMESPACE_INDEX) else {
                        continue;
                    };
                    let old_blob = item_type == ItemType::Blob;
                    old_blobs |= old_blob;
                    if old_blob == iterated {
                        continue;
                    }
                    if known.0 != entry.ns_index {
                        let mut names = self.namespaces.iter();
                        known = (
                            entry.ns_index,
                            names.find(|(_, index)| *index == entry.ns_index).map(|(name, _)| *name),
                        );
                    }
                    let head = Head {
                        entry,
                        page: number,
                        index,
                        repeat: false,
                    };
                    let entry = (&head, RawName::of_clean(head.entry.key), item_type, known.1, iterated);
                    if gone == Some(number) && known.1.is_some() {
                        with(listed(entry, Err(EspError::NotFound), &[]));
                        continue;
                    }
                    if let Some(value) = Number::from_data(item_type, head.entry.data) {
                        with(listed(entry, Ok(Value::Number(value)), &[]));
                        continue;
                    }
                    let size = head.entry.data_size();
                    let data = self.medium.data(number, index + 1, size);
                    if let Some(data) = data.filter(|data| crc32(data) == head.entry.data_crc()) {
                        with(listed(entry, Ok(bytes_value(item_type, data)), data));
                        continue;
                    }
                    bytes.clear();
                    let found = Found {
                        page: number,
                        index,
                        entry: head.entry,
                    };
                    let read = if known.1.is_some() {
                        self.read_checked(&found, &mut bytes)
                    } else {
                        self.read_orphan(&found, &mut bytes)
                    };
                    let value = shown(read)?.map(|()| bytes_value(item_type, &bytes));
                    with(listed(entry, value, &bytes));
                    if !self.page(number).is_searchable() {
                        gone = Some(number);
                    }
                }
            }
        }
        Ok(())
    }

    fn visit_by_name(&mut self, mut with: impl FnMut(Listed<&[u8]>)) -> Step<()> {
        self.settle_index();
        let mut heads = self.heads()?;
        let names = self.names();
        mark_repeats(&mut heads, &names);
        let mut bytes = Zeroizing::new(Vec::new());
        let mut stored = Zeroizing::new(Vec::new());
        // A blob whose first chunk is there a thousand times would be read as often.
        let (mut repeated, most) = (0, self.medium.capacity());
        for iterated in [true, false] {
            for head in heads.iter().filter(|head| is_listed(&head.entry)) {
                let Some(item_type) = head.entry.item_type() else {
                    continue;
                };
                if (item_type == ItemType::Blob) == iterated {
                    continue;
                }
                let named = names.by_index.get(usize::from(head.entry.ns_index)).copied().flatten();
                bytes.clear();
                stored.clear();
                let too_much = head.repeat && repeated > most;
                let mut read = |ns_index: Option<u8>, bytes: &mut Vec<u8>| {
                    if too_much {
                        return Ok(Err(EspError::NoMem));
                    }
                    shown(self.read_listed(head, item_type, ns_index, bytes))
                };
                let opened = named.map(|(_, index)| index);
                let value = read(opened, &mut bytes)?;
                let unreachable = match opened {
                    Some(index) if index != head.entry.ns_index => Some(read(None, &mut stored)?),
                    _ => None,
                };
                repeated += if head.repeat { bytes.len() + stored.len() } else { 0 };
                let value = value.map(|number| number_or_bytes(number, item_type, &bytes));
                let unreachable = unreachable.map(|stored_value| {
                    Box::new(stored_value.map(|number| number_or_bytes(number, item_type, &stored)))
                });
                let entry = (
                    head,
                    head.entry.name(),
                    item_type,
                    named.map(|(name, _)| name),
                    iterated,
                );
                with(Listed {
                    unreachable,
                    ..listed(entry, value, &bytes)
                });
            }
        }
        Ok(())
    }

    /// Reads one value by its name: a number, or bytes into `to`.
    fn read_listed(
        &mut self,
        head: &Head,
        item_type: ItemType,
        ns_index: Option<u8>,
        to: &mut Vec<u8>,
    ) -> Step<Option<Number>> {
        let number = Number::from_data(item_type, head.entry.data);
        let Some(ns_index) = ns_index else {
            // An orphan can't be asked for by name: it is shown as it is.
            let found = Found {
                page: head.page,
                index: head.index,
                entry: head.entry,
            };
            if number.is_none() {
                self.read_orphan(&found, to)?;
            }
            return Ok(number);
        };
        let key = *head.entry.name().field();
        if number.is_some() {
            return self.get_number(ns_index, item_type, &key).map(Some);
        }
        match item_type {
            ItemType::Str => self.get_str(ns_index, &key, to),
            _ => self.get_blob(ns_index, &key, to),
        }?;
        Ok(None)
    }

    /// Whether any item is of the namespace with this index.
    pub(crate) fn uses_index(&mut self, ns_index: u8) -> bool {
        self.heads()
            .is_ok_and(|heads| heads.iter().any(|head| head.entry.ns_index == ns_index))
    }

    fn heads(&mut self) -> Step<Vec<Head>> {
        let count = self
            .used_pages()
            .map(|number| self.page(number).heads.count_ones() as usize)
            .sum();
        let mut heads = Vec::with_capacity(count);
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            let (page, medium) = self.page_and_medium(number);
            let head = |index, entry| Head {
                entry,
                page: number,
                index,
                repeat: false,
            };
            if page.doubt.is_some() {
                let mut from = 0;
                while let Some((index, entry)) = page.find(medium, &Query::any(), from)? {
                    heads.push(head(index, entry));
                    from = index + usize::from(entry.span);
                }
                continue;
            }
            medium.spend(ENTRY_COUNT)?;
            for index in Bits::of(page.heads_from(0)) {
                heads.push(head(index, page.read(medium, index)?));
            }
        }
        Ok(heads)
    }

    fn names(&self) -> Names {
        let mut by_index = alloc::vec![None; usize::from(NAMESPACE_ANY) + 1];
        for (name, index) in &self.namespaces {
            if let Some(known @ None) = by_index.get_mut(usize::from(*index)) {
                // Opened by name, the first namespace of that name answers.
                let opened = self
                    .namespaces
                    .iter()
                    .find(|(other, _)| other == name)
                    .map_or(*index, |(_, index)| *index);
                *known = Some((*name, opened));
            }
        }
        Names { by_index }
    }
}

fn number_or_bytes(number: Option<Number>, item_type: ItemType, bytes: &[u8]) -> Value<&[u8]> {
    number.map_or_else(|| bytes_value(item_type, bytes), Value::Number)
}

#[inline]
fn bytes_value(item_type: ItemType, bytes: &[u8]) -> Value<&[u8]> {
    if item_type != ItemType::Str {
        return Value::Blob(bytes);
    }
    // The getter's caller sees a C string. Its NUL is the last byte, unless others are before.
    let text = match bytes {
        [text @ .., 0] if !text.contains(&0) => text,
        _ => bytes.split(|byte| *byte == 0).next().unwrap_or_default(),
    };
    Value::Str(text)
}

/// The firmware's error in place of a value is a part of the listing; a flash that fails ends it.
fn shown<T>(read: Step<T>) -> Step<Result<T, EspError>> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(
            fail @ Fail {
                code: EspError::FlashOpFail,
                ..
            },
        ) => Err(fail),
        Err(fail) => Ok(Err(fail.code)),
    }
}

/// An item with its key, its type, its namespace's name and whether it is iterated; the value, and the bytes that it was read as.
// Always: see `Number::from_data`.
#[inline(always)]
fn listed<'a>(
    (head, key, item_type, namespace, iterated): (&Head, RawName, ItemType, Option<RawName>, bool),
    value: Result<Value<&'a [u8]>, EspError>,
    bytes: &[u8],
) -> Listed<&'a [u8]> {
    let size = matches!(value, Ok(Value::Str(_) | Value::Blob(_))).then_some(bytes.len());
    Listed {
        namespace: namespace.unwrap_or(RawName::EMPTY),
        key,
        value_type: ValueType::of(item_type),
        ns_index: head.entry.ns_index,
        size,
        value,
        orphan: namespace.is_none(),
        repeat: head.repeat,
        place: (head.page, head.index),
        unreachable: None,
        iterated,
    }
}

/// Marks of the items with one name and type all but the first. Namespaces of one name are one namespace.
fn mark_repeats(heads: &mut [Head], names: &Names) {
    let ns_index = |head: &Head| {
        let named = names.by_index.get(usize::from(head.entry.ns_index)).copied().flatten();
        named.map_or(head.entry.ns_index, |(_, index)| index)
    };
    let mut rows: Vec<(u64, u32)> = Vec::with_capacity(heads.len());
    for (number, head) in (0..).zip(heads.iter()) {
        rows.push((name_hash(ns_index(head), head.entry.name().field()), number));
    }
    rows.sort_unstable();
    for run in rows.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
        // Sorted by the name itself, should two names have one hash, and then in the order of the flash.
        let mut run: Vec<_> = run.iter().map(|(_, number)| *number as usize).collect();
        run.sort_by_key(|number| heads.get(*number).map(|head| (ns_index(head), head.entry.name())));
        let mut before = None;
        let mut seen = 0u16;
        for number in run {
            let Some(head) = heads.get_mut(number) else { continue };
            let name = (ns_index(head), head.entry.name());
            if before != Some(name) {
                (before, seen) = (Some(name), 0);
            }
            if let Some(item_type) = head
                .entry
                .item_type()
                .filter(|item_type| is_listed(&head.entry) && *item_type != ItemType::Blob)
            {
                let bit = 1 << ValueType::of(item_type) as u16;
                head.repeat = seen & bit != 0;
                seen |= bit;
            }
        }
    }
}
