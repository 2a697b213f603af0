//! Listing all values: what the firmware's iterator gives, each read by its getter.

use super::find::{Found, name_hash};
use super::flash::{Fail, Flash};
use super::page::{Bits, START_ANY};
use super::{Storage, plain_error};
use crate::entry::{Entry, ItemType, Number};
use crate::error::{Error, EspError};
use crate::key::RawName;
use crate::layout::{CHUNK_ANY, CHUNK_START_0, CHUNK_START_1, NAMESPACE_ANY, NAMESPACE_INDEX};
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

/// The type of a value, as a user of NVS sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are ESP-IDF's own")]
pub enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    Float,
    Double,
    Str,
    /// A blob of either format.
    Blob,
}

impl ValueType {
    /// The name: `u8`, `i8`, …, `float`, `double`, `str`, `blob`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::Float => "float",
            Self::Double => "double",
            Self::Str => "str",
            Self::Blob => "blob",
        }
    }

    /// The type of the value that an item of this type is, or is a part of.
    #[must_use]
    pub const fn of(item_type: ItemType) -> Self {
        match item_type {
            ItemType::U8 => Self::U8,
            ItemType::I8 => Self::I8,
            ItemType::U16 => Self::U16,
            ItemType::I16 => Self::I16,
            ItemType::U32 => Self::U32,
            ItemType::I32 => Self::I32,
            ItemType::U64 => Self::U64,
            ItemType::I64 => Self::I64,
            ItemType::Float => Self::Float,
            ItemType::Double => Self::Double,
            ItemType::Str => Self::Str,
            ItemType::Blob | ItemType::BlobData | ItemType::BlobIndex => Self::Blob,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value. `B` holds bytes: owned and wiped after use, or `&[u8]`.
#[derive(Clone, PartialEq)]
pub enum Value<B: AsRef<[u8]> = Zeroizing<Vec<u8>>> {
    /// An integer, float or double.
    Number(Number),
    /// A string's bytes without the NUL that ends it, UTF-8 or not.
    Str(B),
    /// A blob's bytes.
    Blob(B),
}

/// Shows of strings and blobs only how long they are.
impl<B: AsRef<[u8]>> fmt::Debug for Value<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number:?}"),
            Self::Str(bytes) => write!(f, "Str({} bytes)", bytes.as_ref().len()),
            Self::Blob(bytes) => write!(f, "Blob({} bytes)", bytes.as_ref().len()),
        }
    }
}

/// One value of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<B: AsRef<[u8]> = Zeroizing<Vec<u8>>> {
    /// The namespace; empty for an orphan.
    pub namespace: RawName,
    /// The key.
    pub key: RawName,
    /// The type.
    pub value_type: ValueType,
    /// The index of the namespace.
    pub ns_index: u8,
    /// Bytes that are stored: a string's with its NUL, a blob's. `None` for numbers and where the getter fails.
    pub size: Option<usize>,
    /// The value, or the firmware's error.
    pub value: Result<Value<B>, EspError>,
    /// No namespace has this index. The firmware's iterator lists the item under the name of the item before it.
    pub orphan: bool,
    /// The same namespace, key and type was listed before; the getter gives the one that the firmware finds first.
    pub repeat: bool,
    /// The page and the entry where it lies: of a blob, where its first chunk does.
    pub place: (usize, usize),
    /// Whether the firmware's iterator lists it. It leaves out blobs of the old format, which its getter returns.
    pub iterated: bool,
}

/// An item head as it lies in the flash.
struct Head {
    entry: Entry,
    page: usize,
    index: usize,
    /// Several items of that name: which one a getter finds has to be asked.
    shared_name: bool,
    repeat: bool,
}

impl Head {
    fn item_type(&self) -> Option<ItemType> {
        self.entry.item_type()
    }

    /// Whether it stands for a value in a listing, be it that the iterator leaves it out.
    fn is_listed(&self) -> bool {
        let first_chunk = self.entry.chunk == CHUNK_START_0 || self.entry.chunk == CHUNK_START_1;
        self.entry.ns_index != NAMESPACE_INDEX
            && match self.item_type() {
                None | Some(ItemType::BlobIndex) => false,
                Some(ItemType::BlobData) => first_chunk,
                Some(_) => true,
            }
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
    /// what is known of it.
    ///
    /// # Errors
    /// [`Error::Flash`]: the flash can't be read.
    pub fn list(&mut self) -> Result<Vec<Listed>, Error> {
        let mut list = Vec::new();
        self.visit(|listed| list.push(listed.into_owned()))?;
        Ok(list)
    }

    /// Calls `with` for each value, as [`Storage::list`] would list it, without keeping any.
    ///
    /// # Errors
    /// [`Error::Flash`]: the flash can't be read.
    pub fn visit(&mut self, mut with: impl FnMut(Listed<&[u8]>)) -> Result<(), Error> {
        let mut heads = self.heads().map_err(plain_error)?;
        mark_shared_names(&mut heads);
        let names = self.names();
        let mut bytes = Zeroizing::new(Vec::new());
        let old_blob = |head: &Head| head.item_type() == Some(ItemType::Blob);
        for iterated in [true, false] {
            for head in heads
                .iter()
                .filter(|head| head.is_listed() && old_blob(head) != iterated)
            {
                let Some(item_type) = head.item_type() else { continue };
                let named = names.by_index.get(usize::from(head.entry.ns_index)).copied().flatten();
                bytes.clear();
                let read = self.read_listed(head, item_type, named.map(|(_, ns_index)| ns_index), &mut bytes);
                let value_type = ValueType::of(item_type);
                let size = matches!(value_type, ValueType::Str | ValueType::Blob).then_some(bytes.len());
                let value = match read {
                    Ok(Some(number)) => Ok(Value::Number(number)),
                    Ok(None) if value_type == ValueType::Str => {
                        // The getter's caller sees a C string.
                        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
                        Ok(Value::Str(text))
                    }
                    Ok(None) => Ok(Value::Blob(bytes.as_slice())),
                    Err(fail) if fail.code == EspError::FlashOpFail => return Err(plain_error(fail)),
                    Err(fail) => Err(fail.code),
                };
                with(Listed {
                    namespace: named.map_or(RawName::EMPTY, |(name, _)| name),
                    key: head.entry.name(),
                    value_type,
                    ns_index: head.entry.ns_index,
                    size: size.filter(|_| value.is_ok()),
                    value,
                    orphan: named.is_none(),
                    repeat: head.repeat,
                    place: (head.page, head.index),
                    iterated,
                });
            }
        }
        Ok(())
    }

    /// Reads one value: a number, or bytes into `to`.
    fn read_listed(
        &mut self,
        head: &Head,
        item_type: ItemType,
        ns_index: Option<u8>,
        to: &mut Vec<u8>,
    ) -> Result<Option<Number>, Fail> {
        let found = Found {
            page: head.page,
            index: head.index,
            entry: head.entry,
        };
        let known =
            self.page(head.page).hashed >> head.index & 1 == 1 && *found.entry.name().field() == found.entry.key;
        let alone = known && !head.shared_name && ns_index == Some(head.entry.ns_index);
        // An orphan can't be asked for by name: it is shown as it is.
        let direct = alone && head.entry.chunk == CHUNK_ANY || ns_index.is_none();
        let ns_index = ns_index.unwrap_or(head.entry.ns_index);
        let key = *head.entry.name().field();
        if let Some(number) = Number::from_data(item_type, head.entry.data) {
            return if direct {
                Ok(number)
            } else {
                self.get_number(ns_index, item_type, &key)
            }
            .map(Some);
        }
        match item_type {
            ItemType::Str | ItemType::Blob if direct => self.read_checked(&found, to),
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

    fn heads(&mut self) -> Result<Vec<Head>, Fail> {
        let count = self
            .order
            .iter()
            .map(|number| self.page(*number).heads.count_ones() as usize)
            .sum();
        let mut heads = Vec::with_capacity(count);
        for position in 0..self.order.len() {
            let Some(number) = self.order.get(position).copied() else {
                break;
            };
            let (page, medium) = self.page_and_medium(number);
            for index in Bits(page.heads_from(0)) {
                let entry = page.read(medium, index)?;
                heads.push(Head {
                    entry,
                    page: number,
                    index,
                    shared_name: false,
                    repeat: false,
                });
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

impl Listed<&[u8]> {
    /// The same, with its own copy of the value.
    #[must_use]
    pub fn into_owned(self) -> Listed {
        let Self {
            namespace,
            key,
            value_type,
            ns_index,
            size,
            value,
            orphan,
            repeat,
            place,
            iterated,
        } = self;
        let value = value.map(|value| match value {
            Value::Number(number) => Value::Number(number),
            Value::Str(bytes) => Value::Str(Zeroizing::new(bytes.to_vec())),
            Value::Blob(bytes) => Value::Blob(Zeroizing::new(bytes.to_vec())),
        });
        Listed {
            namespace,
            key,
            value_type,
            ns_index,
            size,
            value,
            orphan,
            repeat,
            place,
            iterated,
        }
    }
}

/// Marks the items that share their name with another, and of equal types all but the first.
fn mark_shared_names(heads: &mut [Head]) {
    let mut rows: Vec<(u64, u32)> = Vec::with_capacity(heads.len());
    for (number, head) in (0..).zip(heads.iter()) {
        rows.push((
            name_hash(head.entry.ns_index, head.entry.name().field(), CHUNK_ANY, START_ANY),
            number,
        ));
    }
    rows.sort_unstable();
    for run in rows.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
        // Sorted by the name itself, should two names have one hash, and then in the order of the flash.
        let mut run: Vec<_> = run.iter().map(|(_, number)| *number as usize).collect();
        run.sort_by_key(|number| heads.get(*number).map(|head| (head.entry.ns_index, head.entry.name())));
        let mut before = None;
        let mut seen = 0u16;
        for number in run {
            let Some(head) = heads.get_mut(number) else { continue };
            let name = (head.entry.ns_index, head.entry.name());
            if before != Some(name) {
                (before, seen) = (Some(name), 0);
            }
            head.shared_name = true;
            if let Some(item_type) = head
                .item_type()
                .filter(|_| head.is_listed() && head.item_type() != Some(ItemType::Blob))
            {
                let bit = 1 << ValueType::of(item_type) as u16;
                head.repeat = seen & bit != 0;
                seen |= bit;
            }
        }
    }
}
