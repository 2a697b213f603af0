//! Values: what the text of a row, or a file's content, becomes under its encoding.

use super::encoding::Encoding;
use super::error::{Error, ErrorKind, excerpt};
use super::number::{NumberFault, floating, integer, strip};
use super::row::{Action, Row, SourceRef};
use crate::entry::Number;
use crate::image;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, DecodeSliceError, Engine};
use core::fmt;
use zeroize::{Zeroize, Zeroizing};

/// A value that a row gives. Values may be secrets: `Debug` shows kind and size only, and they are wiped when dropped.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// An integer, float or double; NaN too, which only the firmware's call refuses.
    Number(Number),
    /// A text, without NUL at its end.
    Str(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        image::Value::from(self).fmt(f)
    }
}

/// Wipes the bytes.
impl Drop for Value {
    fn drop(&mut self) {
        match self {
            Self::Number(_) => {}
            Self::Str(text) => text.zeroize(),
            Self::Blob(bytes) => bytes.zeroize(),
        }
    }
}

impl<'a> From<&'a Value> for image::Value<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(*number),
            Value::Str(text) => Self::Str(text),
            Value::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

impl Row {
    /// The value of a `data` or `file` row, `None` for all others. `read_file` gives a file's bytes for the path in the row.
    ///
    /// ```
    /// use fleetmint_nvs::csv::{self, Value};
    /// let rows = csv::read(b"key,type,encoding,value\nca,file,hex2bin,ca.hex\n")?;
    /// let value = rows[0].value(|path| if path == "ca.hex" { Ok("3082\n") } else { Err("no such file") })?;
    /// assert_eq!(value, Some(Value::Blob(vec![0x30, 0x82])));
    /// # Ok::<(), csv::Error>(())
    /// ```
    ///
    /// # Errors
    /// The text isn't what the encoding asks for, or the file can't be read; with the row's line.
    pub fn value<B: Into<Vec<u8>>, E: fmt::Display>(
        &self,
        read_file: impl FnOnce(&str) -> Result<B, E>,
    ) -> Result<Option<Value>, Error> {
        let Action::Set { encoding, source } = &self.action else {
            return Ok(None);
        };
        value_of(*encoding, &self.key, source.as_ref(), read_file)
            .map(Some)
            .map_err(|kind| kind.at(self.line))
    }
}

/// The value of a key with this encoding and source.
pub(super) fn value_of<B: Into<Vec<u8>>, E: fmt::Display>(
    encoding: Encoding,
    key: &str,
    source: SourceRef<'_>,
    read_file: impl FnOnce(&str) -> Result<B, E>,
) -> Result<Value, ErrorKind> {
    let path = match source {
        SourceRef::Text(text) => return decode(encoding, key, text.as_bytes(), || Ok(text)),
        SourceRef::File(path) => path,
    };
    let bytes = read_file(path).map_err(|error| ErrorKind::File {
        key: excerpt(key),
        path: path_excerpt(path),
        reason: error.to_string(),
    })?;
    let bytes = Zeroizing::new(bytes.into());
    decode(encoding, key, &bytes, || {
        core::str::from_utf8(&bytes).map_err(|error| ErrorKind::FileNotUtf8 {
            key: excerpt(key),
            path: path_excerpt(path),
            offset: error.valid_up_to(),
        })
    })
}

/// The part of a path that a message shows.
fn path_excerpt(path: &str) -> String {
    const MOST: usize = 256;
    match path.char_indices().nth(MOST) {
        Some((at, _)) => path.get(..at).unwrap_or_default().to_string() + "…",
        None => path.to_string(),
    }
}

/// The value of a text or of a file's bytes. `text` gives the bytes as text, which not all encodings need.
fn decode<'a>(
    encoding: Encoding,
    key: &str,
    bytes: &[u8],
    text: impl FnOnce() -> Result<&'a str, ErrorKind>,
) -> Result<Value, ErrorKind> {
    let number = |parsed: Result<Number, NumberFault>| match parsed {
        Ok(number) => Ok(Value::Number(number)),
        Err(NumberFault::NotANumber(looks)) => Err(ErrorKind::NotANumber {
            key: excerpt(key),
            encoding: encoding.name(),
            looks,
        }),
        Err(NumberFault::OutOfRange([min, max])) => Err(ErrorKind::OutOfRange {
            key: excerpt(key),
            encoding: encoding.name(),
            min,
            max,
        }),
    };
    match encoding {
        Encoding::U8 => number(integer(text()?, ["0", "255"]).map(Number::U8)),
        Encoding::I8 => number(integer(text()?, ["-128", "127"]).map(Number::I8)),
        Encoding::U16 => number(integer(text()?, ["0", "65535"]).map(Number::U16)),
        Encoding::I16 => number(integer(text()?, ["-32768", "32767"]).map(Number::I16)),
        Encoding::U32 => number(integer(text()?, ["0", "4294967295"]).map(Number::U32)),
        Encoding::I32 => number(integer(text()?, ["-2147483648", "2147483647"]).map(Number::I32)),
        Encoding::U64 => number(integer(text()?, ["0", "18446744073709551615"]).map(Number::U64)),
        Encoding::I64 => number(integer(text()?, ["-9223372036854775808", "9223372036854775807"]).map(Number::I64)),
        Encoding::Float => {
            let range = ["-3.4028235e38", "3.4028235e38"];
            number(floating(text()?, f32::is_infinite, range).map(Number::Float))
        }
        Encoding::Double => {
            let range = ["-1.7976931348623157e308", "1.7976931348623157e308"];
            number(floating(text()?, f64::is_infinite, range).map(Number::Double))
        }
        Encoding::String => Ok(Value::Str(text()?.to_string())),
        Encoding::Binary => Ok(Value::Blob(bytes.to_vec())),
        Encoding::Hex2bin => hex2bin(key, text()?).map(Value::Blob),
        Encoding::Base64 => base64_blob(key, text()?).map(Value::Blob),
        Encoding::BlobFill { size, fill } => filled(key, &[], bytes, size, fill),
        Encoding::BlobSizeFill { size, fill } => {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            filled(key, &length.to_le_bytes(), bytes, size, fill)
        }
    }
}

fn hex2bin(key: &str, text: &str) -> Result<Vec<u8>, ErrorKind> {
    let digits = strip(text);
    if let Some(at) = digits.chars().position(|char| !char.is_ascii_hexdigit()) {
        return Err(ErrorKind::Hex {
            key: excerpt(key),
            at,
            odd: false,
        });
    }
    let odd = || ErrorKind::Hex {
        key: excerpt(key),
        at: digits.len(),
        odd: true,
    };
    // Allocated once: a vector that grows leaves copies of a secret behind.
    let mut bytes = vec![0; digits.len() / 2];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| odd())?;
    Ok(bytes)
}

/// Base64 as Python's `a2b_base64` reads it: bits after the last whole byte are ignored, line ends too.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

fn base64_blob(key: &str, text: &str) -> Result<Vec<u8>, ErrorKind> {
    let mut symbols = Zeroizing::new(Vec::with_capacity(text.len()));
    symbols.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    // Allocated once, as in `hex2bin`, and wiped if the text is not base64.
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(symbols.len())]);
    let length = BASE64
        .decode_slice(symbols.as_slice(), &mut bytes)
        .map_err(|error| ErrorKind::Base64 {
            key: excerpt(key),
            reason: match error {
                DecodeSliceError::DecodeError(DecodeError::InvalidByte(..)) => {
                    "a character is not one of A-Z, a-z, 0-9, + and /"
                }
                DecodeSliceError::DecodeError(DecodeError::InvalidLastSymbol(..)) => {
                    "its last character is impossible there"
                }
                DecodeSliceError::DecodeError(DecodeError::InvalidPadding) => "the = at its end is missing",
                // The slice is as long as the estimate, which is never too small.
                DecodeSliceError::DecodeError(DecodeError::InvalidLength(_))
                | DecodeSliceError::OutputSliceTooSmall => "its length is not a multiple of 4",
            },
        })?;
    bytes.truncate(length);
    Ok(core::mem::take(&mut *bytes))
}

/// A blob of `prefix`, then `bytes` filled up to `size`.
fn filled(key: &str, prefix: &[u8], bytes: &[u8], size: usize, fill: u8) -> Result<Value, ErrorKind> {
    if bytes.len() > size {
        return Err(ErrorKind::FillTooLong {
            key: excerpt(key),
            size: bytes.len(),
            limit: size,
        });
    }
    // Allocated once, as in `hex2bin`.
    let mut blob = Vec::with_capacity(prefix.len() + size);
    blob.extend_from_slice(prefix);
    blob.extend_from_slice(bytes);
    blob.resize(prefix.len() + size, fill);
    Ok(Value::Blob(blob))
}
