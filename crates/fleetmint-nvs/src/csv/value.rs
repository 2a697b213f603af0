//! Values: what the text of a row, or a file, becomes under its encoding.

use super::error::{Error, ErrorKind, NumberLooks};
use super::header::is_typographically_quoted;
use super::row::{Action, Encoding, Row, Source, excerpt};
use crate::entry::Number;
use crate::image;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
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
        let value = match source {
            Source::Text(text) => decode(*encoding, &self.key, text.as_bytes(), || Ok(text)),
            Source::File(path) => match read_file(path) {
                Ok(bytes) => {
                    let bytes = Zeroizing::new(bytes.into());
                    decode(*encoding, &self.key, &bytes, || {
                        core::str::from_utf8(&bytes).map_err(|error| ErrorKind::FileNotUtf8 {
                            key: excerpt(&self.key),
                            path: path_excerpt(path),
                            offset: error.valid_up_to(),
                        })
                    })
                }
                Err(error) => Err(ErrorKind::File {
                    key: excerpt(&self.key),
                    path: path_excerpt(path),
                    reason: error.to_string(),
                }),
            },
        };
        value.map(Some).map_err(|kind| kind.at(self.line))
    }
}

/// A path as it is quoted in a message.
fn path_excerpt(path: &str) -> String {
    const MOST: usize = 256;
    match path.char_indices().nth(MOST) {
        Some((at, _)) => path.get(..at).unwrap_or_default().to_string() + "…",
        None => path.to_string(),
    }
}

fn decode<'a>(
    encoding: Encoding,
    key: &str,
    bytes: &[u8],
    text: impl FnOnce() -> Result<&'a str, ErrorKind>,
) -> Result<Value, ErrorKind> {
    macro_rules! integer {
        ($of:ty => $variant:ident, $min:literal, $max:literal) => {{
            let out_of_range = || ErrorKind::OutOfRange {
                key: excerpt(key),
                encoding: encoding.name(),
                min: $min,
                max: $max,
            };
            let text = text()?;
            let number = match integer(text) {
                Ok(number) => <$of>::try_from(number).map_err(|_| out_of_range())?,
                Err(Malformed::NotANumber) => return Err(not_a_number(encoding, key, text)),
                Err(Malformed::TooLarge) => return Err(out_of_range()),
            };
            Ok(Value::Number(Number::$variant(number)))
        }};
    }
    macro_rules! float {
        ($of:ty => $variant:ident, $min:literal, $max:literal) => {{
            let text = strip(text()?);
            let number: $of = text.parse().map_err(|_| not_a_number(encoding, key, text))?;
            // "inf" is a number that can be stored; digits that overflow to it are not what was meant.
            if number.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) {
                let (min, max) = ($min, $max);
                return Err(ErrorKind::OutOfRange {
                    key: excerpt(key),
                    encoding: encoding.name(),
                    min,
                    max,
                });
            }
            Ok(Value::Number(Number::$variant(number)))
        }};
    }
    match encoding {
        Encoding::U8 => integer!(u8 => U8, "0", "255"),
        Encoding::I8 => integer!(i8 => I8, "-128", "127"),
        Encoding::U16 => integer!(u16 => U16, "0", "65535"),
        Encoding::I16 => integer!(i16 => I16, "-32768", "32767"),
        Encoding::U32 => integer!(u32 => U32, "0", "4294967295"),
        Encoding::I32 => integer!(i32 => I32, "-2147483648", "2147483647"),
        Encoding::U64 => integer!(u64 => U64, "0", "18446744073709551615"),
        Encoding::I64 => integer!(i64 => I64, "-9223372036854775808", "9223372036854775807"),
        Encoding::Float => float!(f32 => Float, "-3.4028235e38", "3.4028235e38"),
        Encoding::Double => float!(f64 => Double, "-1.7976931348623157e308", "1.7976931348623157e308"),
        Encoding::String => Ok(Value::Str(text()?.to_string())),
        Encoding::Binary => Ok(Value::Blob(bytes.to_vec())),
        Encoding::Hex2bin => hex2bin(key, text()?).map(Value::Blob),
        Encoding::Base64 => base64_blob(key, text()?).map(Value::Blob),
        Encoding::BlobFill { size, fill } => filled(key, Vec::with_capacity(size), bytes, size, fill),
        Encoding::BlobSizeFill { size, fill } => {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            filled(key, length.to_le_bytes().to_vec(), bytes, size, fill)
        }
    }
}

fn not_a_number(encoding: Encoding, key: &str, text: &str) -> ErrorKind {
    ErrorKind::NotANumber {
        key: excerpt(key),
        encoding: encoding.name(),
        looks: looks(strip(text)),
    }
}

/// What spreadsheets show for true and false, in some of their languages.
const TRUTH_VALUES: [&str; 13] = [
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "wahr",
    "falsch",
    "vrai",
    "faux",
    "verdadero",
    "falso",
    "vero",
];

fn looks(text: &str) -> NumberLooks {
    let of_formatted = |char: char| char.is_ascii_digit() || char.is_whitespace() || ".,'\u{2019}eE+-%".contains(char);
    let has_digit = text.contains(|char: char| char.is_ascii_digit());
    if text.is_empty() {
        NumberLooks::Empty
    } else if is_typographically_quoted(text) {
        NumberLooks::TypographicQuotes
    } else if let Some(minus) = text
        .chars()
        .find(|char| is_typographic_minus(*char))
        .filter(|_| has_digit)
    {
        NumberLooks::TypographicMinus(minus)
    } else if text.contains(|char: char| char.is_numeric() && !char.is_ascii()) {
        NumberLooks::OtherDigits
    } else if has_digit && text.chars().all(of_formatted) {
        NumberLooks::Formatted
    } else if TRUTH_VALUES.iter().any(|value| value.eq_ignore_ascii_case(text)) {
        NumberLooks::TruthValue
    } else if is_of_another_radix(text) {
        NumberLooks::Radix
    } else if text.starts_with(['=', '#']) {
        NumberLooks::Formula
    } else {
        NumberLooks::Other
    }
}

/// Hyphens, dashes and minus signs other than the keyboard's.
fn is_typographic_minus(char: char) -> bool {
    matches!(
        char,
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}'
    )
}

/// Whether it is a number as other languages write hexadecimal, octal and binary ones: FF, 0o17, 0b101, 1Fh, #FF, &HFF.
fn is_of_another_radix(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let prefixes = ["0x", "0X", "0o", "0O", "0b", "0B", "x", "#", "$", "&H", "\\x"];
    let text = prefixes
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    let digits = text.strip_suffix(['h', 'H']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Without the white space around it, by Python's idea of white space.
fn strip(text: &str) -> &str {
    text.trim_matches(|char: char| char.is_whitespace() || ('\x1C'..='\x1F').contains(&char))
}

enum Malformed {
    NotANumber,
    TooLarge,
}

/// An integer as Python's `int` reads it, with single underscores between digits; `0x…` too.
fn integer(text: &str) -> Result<i128, Malformed> {
    let text = strip(text);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    let mut number: i128 = 0;
    let mut too_large = false;
    for group in digits.split('_') {
        if group.is_empty() {
            return Err(Malformed::NotANumber);
        }
        for char in group.chars() {
            let digit = char.to_digit(radix).ok_or(Malformed::NotANumber)?;
            match number
                .checked_mul(radix.into())
                .and_then(|number| number.checked_add(digit.into()))
            {
                Some(next) => number = next,
                None => too_large = true,
            }
        }
    }
    match too_large {
        true => Err(Malformed::TooLarge),
        false => Ok(if negative { -number } else { number }),
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
    hex::decode(digits).map_err(|_| ErrorKind::Hex {
        key: excerpt(key),
        at: digits.len(),
        odd: true,
    })
}

/// What Python's `a2b_base64` reads rightly: bits beyond the last whole byte don't matter, line ends neither.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

fn base64_blob(key: &str, text: &str) -> Result<Vec<u8>, ErrorKind> {
    let mut symbols = Zeroizing::new(Vec::with_capacity(text.len()));
    symbols.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    BASE64.decode(symbols.as_slice()).map_err(|error| ErrorKind::Base64 {
        key: excerpt(key),
        reason: match error {
            base64::DecodeError::InvalidByte(..) => "a character is none of A-Z, a-z, 0-9, + and /",
            base64::DecodeError::InvalidLength(_) => "its length is no multiple of 4",
            base64::DecodeError::InvalidLastSymbol(..) => "its last character doesn't fit",
            base64::DecodeError::InvalidPadding => "it doesn't end with the = that it needs",
        },
    })
}

fn filled(key: &str, mut blob: Vec<u8>, bytes: &[u8], size: usize, fill: u8) -> Result<Value, ErrorKind> {
    if bytes.len() > size {
        return Err(ErrorKind::FillTooLong {
            key: excerpt(key),
            size: bytes.len(),
            limit: size,
        });
    }
    blob.extend_from_slice(bytes);
    blob.append(&mut vec![fill; size - bytes.len()]);
    Ok(Value::Blob(blob))
}
