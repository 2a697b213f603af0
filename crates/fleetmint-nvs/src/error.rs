//! The errors of this crate ([`Error`]), and the error codes of the firmware ([`EspError`]).

use crate::layout::{NAME_MAX, NAMESPACE_LAST, PAGE_SIZE, PARTITION_MAX};
use crate::name::RawName;
use alloc::string::String;
use core::fmt;

/// Whether a name is a key's or a namespace's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// The name of a value inside a namespace.
    Key,
    /// The name of a namespace.
    Namespace,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Namespace => "namespace",
        })
    }
}

/// An error code of ESP-IDF's NVS library, named as in its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EspError {
    /// `ESP_FAIL`: an internal check of the library failed.
    Fail,
    /// `ESP_ERR_NO_MEM`
    NoMem,
    /// `ESP_ERR_INVALID_ARG`
    InvalidArg,
    /// `ESP_ERR_NOT_ALLOWED`: the library would have to write to a read-only partition.
    NotAllowed,
    /// `ESP_ERR_FLASH_OP_FAIL`
    FlashOpFail,
    /// `ESP_ERR_NVS_NOT_FOUND`
    NotFound,
    /// `ESP_ERR_NVS_TYPE_MISMATCH`
    TypeMismatch,
    /// `ESP_ERR_NVS_READ_ONLY`
    ReadOnly,
    /// `ESP_ERR_NVS_NOT_ENOUGH_SPACE`
    NotEnoughSpace,
    /// `ESP_ERR_NVS_INVALID_LENGTH`
    InvalidLength,
    /// `ESP_ERR_NVS_INVALID_STATE`
    InvalidState,
    /// `ESP_ERR_NVS_KEY_TOO_LONG`
    KeyTooLong,
    /// `ESP_ERR_NVS_INVALID_NAME`
    InvalidName,
    /// `ESP_ERR_NVS_PAGE_FULL`
    PageFull,
    /// `ESP_ERR_NVS_NO_FREE_PAGES`
    NoFreePages,
    /// `ESP_ERR_NVS_VALUE_TOO_LONG`
    ValueTooLong,
    /// `ESP_ERR_NVS_NEW_VERSION_FOUND`
    NewVersionFound,
    /// `ESP_ERR_NVS_REMOVE_FAILED`
    RemoveFailed,
}

impl EspError {
    /// The name in ESP-IDF's headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fail => "ESP_FAIL",
            Self::NoMem => "ESP_ERR_NO_MEM",
            Self::InvalidArg => "ESP_ERR_INVALID_ARG",
            Self::NotAllowed => "ESP_ERR_NOT_ALLOWED",
            Self::FlashOpFail => "ESP_ERR_FLASH_OP_FAIL",
            Self::NotFound => "ESP_ERR_NVS_NOT_FOUND",
            Self::TypeMismatch => "ESP_ERR_NVS_TYPE_MISMATCH",
            Self::ReadOnly => "ESP_ERR_NVS_READ_ONLY",
            Self::NotEnoughSpace => "ESP_ERR_NVS_NOT_ENOUGH_SPACE",
            Self::InvalidLength => "ESP_ERR_NVS_INVALID_LENGTH",
            Self::InvalidState => "ESP_ERR_NVS_INVALID_STATE",
            Self::KeyTooLong => "ESP_ERR_NVS_KEY_TOO_LONG",
            Self::InvalidName => "ESP_ERR_NVS_INVALID_NAME",
            Self::PageFull => "ESP_ERR_NVS_PAGE_FULL",
            Self::NoFreePages => "ESP_ERR_NVS_NO_FREE_PAGES",
            Self::ValueTooLong => "ESP_ERR_NVS_VALUE_TOO_LONG",
            Self::NewVersionFound => "ESP_ERR_NVS_NEW_VERSION_FOUND",
            Self::RemoveFailed => "ESP_ERR_NVS_REMOVE_FAILED",
        }
    }
}

impl fmt::Display for EspError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for EspError {}

/// An error of this crate. Sizes, limits and offsets are in bytes. Offsets count from the start of the partition.
///
/// Where ESP-IDF's library has a code for the same error, [`Error::esp`] returns it and the text names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A name has no bytes.
    NameEmpty {
        /// Key or namespace.
        kind: NameKind,
    },
    /// A name has more than 15 bytes.
    NameTooLong {
        /// Key or namespace.
        kind: NameKind,
        /// The name, with U+FFFD in place of what isn't UTF-8.
        name: String,
        /// Its length in bytes.
        size: usize,
    },
    /// A name holds a NUL byte.
    NameHasNul {
        /// Key or namespace.
        kind: NameKind,
        /// The name, with U+FFFD in place of what isn't UTF-8.
        name: String,
        /// The place of the NUL in the name.
        offset: usize,
    },
    /// A string holds a NUL byte, where a reader would end it.
    ValueHasNul {
        /// The key of the string.
        key: RawName,
        /// The place of the NUL in the string.
        offset: usize,
    },
    /// A value is longer than its type or the partition allows.
    ValueTooLong {
        /// The key of the value.
        key: RawName,
        /// Its stored size; of a string with the NUL.
        size: usize,
        /// The largest size that is allowed.
        limit: usize,
    },
    /// A float or double is NaN, which the firmware refuses.
    NotANumber {
        /// The key of the value.
        key: RawName,
    },
    /// A value doesn't fit into the rest of the partition.
    NotEnoughSpace {
        /// The key of the value, or the name of the namespace.
        key: RawName,
        /// Entries that it takes. A blob takes at least these, and more if it is divided into more chunks.
        needed: usize,
        /// Entries that were left before the attempt.
        free: usize,
    },
    /// A fresh image would have a key twice in one namespace.
    DuplicateKey {
        /// The namespace.
        namespace: RawName,
        /// The key.
        key: RawName,
    },
    /// All 254 namespace indices are in use.
    TooManyNamespaces {
        /// The namespace for which no index is left.
        namespace: RawName,
    },
    /// No such key or namespace exists.
    NotFound {
        /// The key or namespace that was looked for.
        name: RawName,
    },
    /// The partition's size isn't a multiple of 4096 between 4096 and 16 MiB.
    PartitionSize {
        /// The size given.
        size: usize,
    },
    /// A buffer is too short.
    BufferTooSmall {
        /// The size that is needed.
        needed: usize,
        /// The buffer's size.
        size: usize,
    },
    /// No page is free. The firmware's start fails, and then stock start-up code erases the partition.
    NoFreePages {
        /// Pages of the partition.
        pages: usize,
    },
    /// A page has a newer format than the firmware knows. Stock start-up code then erases the partition.
    NewVersion {
        /// The number of the page, from 0.
        page: usize,
        /// Its version byte (0xFE and 0xFF are known).
        version: u8,
    },
    /// Opening read-only would have to write, because the image needs a repair.
    NotAllowed {
        /// Where the first write would go.
        offset: usize,
    },
    /// Entries are marked as written and none has the right checksum: the encryption key is wrong or missing.
    WrongKey {
        /// Entries that are marked written.
        written: usize,
        /// Whether a key was given.
        encrypted: bool,
        /// Whether entries have the right checksum without the key that was given: the image is not encrypted.
        plain: bool,
    },
    /// An internal check of ESP-IDF's library fails at this place, and the call returns this code.
    Firmware {
        /// The library's code.
        code: EspError,
        /// The page, entry or item where the library stops.
        offset: usize,
    },
    /// Reading, writing or erasing the flash failed.
    Flash {
        /// Where.
        offset: usize,
    },
    /// The caller stopped the work; see [`Flash::may_go_on`](crate::storage::Flash::may_go_on).
    Stopped,
    /// An image is not as a generator makes it: a firmware has written to it, or it is damaged.
    NotFresh {
        /// The page or entry that differs.
        offset: usize,
        /// What is there.
        what: &'static str,
    },
    /// A file has no encryption keys.
    KeyFile {
        /// What is wrong with it.
        reason: &'static str,
        /// Where in the file.
        offset: usize,
    },
    /// A file has no HMAC key.
    HmacKeyFile {
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Error {
    /// The code that ESP-IDF's library returns for the same error, if it has one.
    #[must_use]
    pub const fn esp(&self) -> Option<EspError> {
        Some(match self {
            Self::NameEmpty { .. } | Self::NameHasNul { .. } => EspError::InvalidName,
            Self::NameTooLong { .. } => EspError::KeyTooLong,
            Self::ValueTooLong { .. } => EspError::ValueTooLong,
            Self::NotANumber { .. } => EspError::InvalidArg,
            Self::NotEnoughSpace { .. } | Self::TooManyNamespaces { .. } => EspError::NotEnoughSpace,
            Self::NotFound { .. } => EspError::NotFound,
            Self::NoFreePages { .. } => EspError::NoFreePages,
            Self::NewVersion { .. } => EspError::NewVersionFound,
            Self::NotAllowed { .. } => EspError::NotAllowed,
            Self::Firmware { code, .. } => *code,
            Self::Flash { .. } => EspError::FlashOpFail,
            Self::ValueHasNul { .. }
            | Self::DuplicateKey { .. }
            | Self::PartitionSize { .. }
            | Self::BufferTooSmall { .. }
            | Self::WrongKey { .. }
            | Self::Stopped
            | Self::NotFresh { .. }
            | Self::KeyFile { .. }
            | Self::HmacKeyFile { .. } => return None,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameEmpty { kind } => write!(f, "a {kind} needs 1 to {NAME_MAX} bytes, this one is empty"),
            Self::NameTooLong { kind, name, size } => {
                write!(f, "{kind} {name:?} has {size} bytes, at most {NAME_MAX} are allowed")
            }
            Self::NameHasNul { kind, name, offset } => write!(f, "{kind} {name:?} holds a NUL byte at offset {offset}"),
            Self::ValueHasNul { key, offset } => {
                write!(
                    f,
                    "the string of key \"{key}\" holds a NUL byte at offset {offset}, which would end it there"
                )
            }
            Self::ValueTooLong { key, size, limit } => {
                write!(
                    f,
                    "the value of key \"{key}\" takes {size} bytes, at most {limit} are allowed"
                )
            }
            Self::NotANumber { key } => write!(f, "the value of key \"{key}\" is NaN, which NVS refuses"),
            Self::NotEnoughSpace { key, needed, free } => {
                write!(
                    f,
                    "\"{key}\" needs {needed} entries of 32 bytes, {free} are left in the partition"
                )?;
                match free < needed {
                    true => Ok(()),
                    false => f.write_str(", but spread over its pages in parts that are too small"),
                }
            }
            Self::DuplicateKey { namespace, key } => {
                write!(f, "key \"{key}\" is there twice in namespace \"{namespace}\"")
            }
            Self::TooManyNamespaces { namespace } => {
                write!(
                    f,
                    "namespace \"{namespace}\" would be one more than the {NAMESPACE_LAST} that NVS can hold"
                )
            }
            Self::NotFound { name } => write!(f, "there is no \"{name}\""),
            Self::PartitionSize { size } => write!(
                f,
                "a partition of {size} bytes: the size must be a multiple of {PAGE_SIZE}, from {PAGE_SIZE} to {PARTITION_MAX}"
            ),
            Self::BufferTooSmall { needed, size } => write!(f, "the buffer has {size} bytes, {needed} are needed"),
            Self::NoFreePages { pages } => {
                write!(
                    f,
                    "none of the {pages} pages is free, and the firmware needs one at its start"
                )
            }
            Self::NewVersion { page, version } => write!(
                f,
                "page {page} (offset {:#x}) has format version {version:#04x}, 0xfe and 0xff are known",
                page * PAGE_SIZE
            ),
            Self::NotAllowed { offset } => write!(
                f,
                "opening read-only fails: the image needs a repair, the first write would go to offset {offset:#x}"
            ),
            Self::WrongKey {
                plain: true, written, ..
            } => write!(
                f,
                "the image is not encrypted: {written} entries are marked written, and they pass their checksum without \
                 the key; open it without one"
            ),
            Self::WrongKey {
                written,
                encrypted: true,
                ..
            } => write!(
                f,
                "the encryption key seems wrong: {written} entries are marked written and none passes its checksum"
            ),
            Self::WrongKey {
                written,
                encrypted: false,
                ..
            } => write!(
                f,
                "the encryption key seems missing: {written} entries are marked written and none passes its checksum"
            ),
            Self::Firmware { offset, .. } => write!(f, "the firmware's own check fails at offset {offset:#x}"),
            Self::Flash { offset } => write!(f, "the flash failed at offset {offset:#x}"),
            Self::Stopped => f.write_str("the work was stopped before it was done"),
            Self::NotFresh { offset, what } => write!(f, "not a fresh image: {what} at offset {offset:#x}"),
            Self::KeyFile { reason, offset } => write!(f, "not a file of NVS keys: {reason} (offset {offset:#x})"),
            Self::HmacKeyFile { reason } => write!(f, "not a file of an HMAC key: {reason}"),
        }?;
        match self.esp() {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Error {}
