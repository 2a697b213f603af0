//! What a listing holds.

use super::medium::Step;
use super::query::StoredItem;
use crate::entry::{ItemType, Number};
use crate::error::EspError;
use crate::key::RawName;
use alloc::boxed::Box;
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
    #[inline]
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

/// A value. `B` holds bytes: owned and wiped when dropped, or `&[u8]`.
#[derive(Clone, PartialEq)]
pub enum Value<B: AsRef<[u8]> = Zeroizing<Vec<u8>>> {
    /// An integer, float or double.
    Number(Number),
    /// A string's bytes without the NUL that ends it, UTF-8 or not.
    Str(B),
    /// A blob's bytes.
    Blob(B),
}

/// Shows only the length of strings and blobs.
impl<B: AsRef<[u8]>> fmt::Debug for Value<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number:?}"),
            Self::Str(bytes) => write!(f, "Str({} bytes)", bytes.as_ref().len()),
            Self::Blob(bytes) => write!(f, "Blob({} bytes)", bytes.as_ref().len()),
        }
    }
}

impl<'a> Value<&'a [u8]> {
    /// The value of a string or a blob that is stored as these bytes.
    #[inline]
    pub(super) fn of_bytes(item_type: ItemType, bytes: &'a [u8]) -> Self {
        if item_type != ItemType::Str {
            return Self::Blob(bytes);
        }
        // The getter's caller sees a C string. Its NUL is the last byte, unless there is one before.
        let text = match bytes {
            [text @ .., 0] if !text.contains(&0) => text,
            _ => bytes.split(|byte| *byte == 0).next().unwrap_or_default(),
        };
        Self::Str(text)
    }

    fn into_owned(self) -> Value {
        match self {
            Self::Number(number) => Value::Number(number),
            Self::Str(bytes) => Value::Str(Zeroizing::new(bytes.to_vec())),
            Self::Blob(bytes) => Value::Blob(Zeroizing::new(bytes.to_vec())),
        }
    }
}

impl<B: AsRef<[u8]>> Listed<B> {
    /// What is stored: the value, or the one that no getter can reach.
    ///
    /// # Errors
    /// The firmware's error, if it cannot be read.
    pub fn stored(&self) -> &Result<Value<B>, EspError> {
        self.unreachable.as_deref().unwrap_or(&self.value)
    }

    /// Its size in bytes as stored: a string's with its NUL.
    #[must_use]
    pub fn stored_size(&self) -> Option<usize> {
        match self.unreachable.as_deref() {
            None => self.size,
            Some(Ok(Value::Str(bytes))) => Some(bytes.as_ref().len() + 1),
            Some(Ok(Value::Blob(bytes))) => Some(bytes.as_ref().len()),
            Some(Ok(Value::Number(_)) | Err(_)) => None,
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
    /// Its size in bytes: a string's with its NUL. `None` for numbers and where the getter fails.
    pub size: Option<usize>,
    /// The value, or the firmware's error.
    pub value: Result<Value<B>, EspError>,
    /// No namespace has this index. The firmware's iterator lists the item under the name of the item before it.
    pub orphan: bool,
    /// This key and type was listed before in a namespace of the same name. The getter returns the value that the firmware
    /// finds first.
    pub repeat: bool,
    /// The numbers of its page and of its first entry there; of a blob, those of its first chunk.
    pub place: (usize, usize),
    /// What is stored here, if no getter can reach it, because another namespace of the same name is found first. `value` is
    /// then what the getters return for this name: the other namespace's value, or an error.
    pub unreachable: Option<Box<Result<Value<B>, EspError>>>,
    /// Whether the firmware's iterator lists it. The iterator leaves out blobs of the old format, which the getter returns.
    pub iterated: bool,
}

/// An item that is listed, and what is known of it before its value is read.
pub(super) struct ListedItem {
    pub(super) item: StoredItem,
    pub(super) item_type: ItemType,
    pub(super) key: RawName,
    /// `None`: an orphan.
    pub(super) namespace: Option<RawName>,
    pub(super) repeat: bool,
    pub(super) iterated: bool,
}

impl ListedItem {
    /// It with its value, and the bytes that the value was read from.
    // Always inlined: see `Number::from_data`.
    #[inline(always)]
    pub(super) fn with<'a>(&self, value: Result<Value<&'a [u8]>, EspError>, bytes: &[u8]) -> Listed<&'a [u8]> {
        let size = matches!(value, Ok(Value::Str(_) | Value::Blob(_))).then_some(bytes.len());
        Listed {
            namespace: self.namespace.unwrap_or(RawName::EMPTY),
            key: self.key,
            value_type: ValueType::of(self.item_type),
            ns_index: self.item.entry.ns_index,
            size,
            value,
            orphan: self.namespace.is_none(),
            repeat: self.repeat,
            place: (self.item.page, self.item.index),
            unreachable: None,
            iterated: self.iterated,
        }
    }
}

/// The two rounds of a listing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// What the firmware's iterator lists.
    Iterated,
    /// Blobs of the old format, which the iterator leaves out.
    LeftOut,
}

impl Round {
    /// The round that lists items of this type.
    #[inline]
    pub(super) fn of(item_type: ItemType) -> Self {
        if item_type == ItemType::Blob {
            Self::LeftOut
        } else {
            Self::Iterated
        }
    }
}

/// The firmware's error in place of a value is part of a listing; a flash that fails ends it.
pub(super) fn value_or_error<T>(read: Step<T>) -> Step<Result<T, EspError>> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(fail) if fail.code == EspError::FlashOpFail => Err(fail),
        Err(fail) => Ok(Err(fail.code)),
    }
}

impl Listed<&[u8]> {
    /// It with a copy of the value of its own.
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
            unreachable,
            iterated,
        } = self;
        let value = value.map(Value::into_owned);
        // Rare, so it is kept out of the way of the others.
        #[cold]
        fn own(stored: Result<Value<&[u8]>, EspError>) -> Box<Result<Value, EspError>> {
            Box::new(stored.map(Value::into_owned))
        }
        let unreachable = unreachable.map(|stored| own(*stored));
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
            unreachable,
            iterated,
        }
    }
}
