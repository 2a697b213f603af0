//! Encodings: how the text in a row, or a file's content, becomes a value.

use crate::layout::BLOB_MAX;

/// How the text in a row, or a file's content, becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the first ten are the types' own names")]
pub enum Encoding {
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
    /// Text, stored as a string.
    String,
    /// Bytes as they are, stored as a blob.
    Binary,
    /// Hexadecimal digits, stored as a blob.
    Hex2bin,
    /// Base64, stored as a blob.
    Base64,
    /// `blob_fill(size;0xXX)`: bytes as they are, filled up to a size.
    BlobFill {
        /// The blob's size in bytes.
        size: usize,
        /// The byte that fills it up.
        fill: u8,
    },
    /// `blob_sz_fill(size;0xXX)`: the number of bytes in 4 bytes little-endian, then as `blob_fill`.
    BlobSizeFill {
        /// The size in bytes of what follows the 4 bytes.
        size: usize,
        /// The byte that fills it up.
        fill: u8,
    },
}

/// Why a name is not an encoding.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EncodingFault {
    /// No encoding has this name.
    Unknown,
    /// The name asks for a longer blob than NVS can store.
    FillTooLarge,
}

impl Encoding {
    /// The name in a table; for `blob_fill` and `blob_sz_fill` without the parentheses and what they hold.
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
            Self::String => "string",
            Self::Binary => "binary",
            Self::Hex2bin => "hex2bin",
            Self::Base64 => "base64",
            Self::BlobFill { .. } => "blob_fill",
            Self::BlobSizeFill { .. } => "blob_sz_fill",
        }
    }

    /// The names of the encodings of numbers.
    pub(super) const NUMBER_NAMES: [&'static str; 10] =
        ["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "float", "double"];

    /// The names of the other encodings without parameters.
    pub(super) const OTHER_NAMES: [&'static str; 4] = ["string", "binary", "hex2bin", "base64"];

    /// The encoding of this name, if it is one without parameters.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::parse_plain(name)
    }

    /// The encoding that a row names.
    pub(super) fn parse(name: &str) -> Result<Self, EncodingFault> {
        Self::parse_plain(name).map_or_else(|| Self::parse_fill(name), Ok)
    }

    /// An encoding without parameters.
    fn parse_plain(name: &str) -> Option<Self> {
        // Espressif's generator ignores case in most names. It would store `String` without a NUL, so that is refused.
        Some(match name {
            "string" => Self::String,
            "hex2bin" => Self::Hex2bin,
            "base64" => Self::Base64,
            _ => match name.to_ascii_lowercase().as_str() {
                "u8" => Self::U8,
                "i8" => Self::I8,
                "u16" => Self::U16,
                "i16" => Self::I16,
                "u32" => Self::U32,
                "i32" => Self::I32,
                "u64" => Self::U64,
                "i64" => Self::I64,
                "float" => Self::Float,
                "double" => Self::Double,
                "binary" => Self::Binary,
                _ => return None,
            },
        })
    }

    /// `blob_fill(size;0xXX)` or `blob_sz_fill(size;0xXX)`.
    fn parse_fill(name: &str) -> Result<Self, EncodingFault> {
        let (parameters, prefix) = if let Some(rest) = name.strip_prefix("blob_fill(") {
            (rest, 0)
        } else if let Some(rest) = name.strip_prefix("blob_sz_fill(") {
            (rest, SIZE_PREFIX)
        } else {
            return Err(EncodingFault::Unknown);
        };
        let (digits, fill) = parameters
            .strip_suffix(')')
            .and_then(|parameters| parameters.split_once(";0x"))
            .ok_or(EncodingFault::Unknown)?;
        let is_size = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_byte = fill.len() == 2 && fill.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Ok(fill) = u8::from_str_radix(fill, 16) else {
            return Err(EncodingFault::Unknown);
        };
        if !is_size || !is_byte {
            return Err(EncodingFault::Unknown);
        }
        // A text of digits only fails to parse if it has too many of them.
        match digits.parse::<usize>() {
            Ok(size) if size <= BLOB_MAX - prefix && prefix == 0 => Ok(Self::BlobFill { size, fill }),
            Ok(size) if size <= BLOB_MAX - prefix => Ok(Self::BlobSizeFill { size, fill }),
            _ => Err(EncodingFault::FillTooLarge),
        }
    }
}

/// Bytes of the size that `blob_sz_fill` stores first.
const SIZE_PREFIX: usize = 4;
