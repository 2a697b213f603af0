//! Numbers: what the text of a row becomes under the encoding of a number, and what a text that is no number looks like.

use super::error::NumberLooks;
use super::header::is_typographically_quoted;
use core::str::FromStr;

/// Why a text is not a number of the type that is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NumberFault {
    NotANumber(NumberLooks),
    /// It is a number below the first or above the second of these.
    OutOfRange([&'static str; 2]),
}

/// An integer as Python's `int` reads it, with single underscores between digits; `0x…` too. `range` is that of the type.
pub(super) fn integer<T: TryFrom<i128>>(text: &str, range: [&'static str; 2]) -> Result<T, NumberFault> {
    let text = strip(text);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    let magnitude = magnitude(digits, radix).ok_or_else(|| NumberFault::NotANumber(looks(text)))?;
    let number = if negative { -magnitude } else { magnitude };
    T::try_from(number).map_err(|_| NumberFault::OutOfRange(range))
}

/// The number with these digits, at most [`i128::MAX`]. `None`: something is not a digit.
fn magnitude(digits: &str, radix: u32) -> Option<i128> {
    let mut number: i128 = 0;
    for group in digits.split('_') {
        if group.is_empty() {
            return None;
        }
        for char in group.chars() {
            let digit = char.to_digit(radix)?;
            // A number that is too large for 128 bits is too large for any type.
            number = number.saturating_mul(radix.into()).saturating_add(digit.into());
        }
    }
    Some(number)
}

/// A float or double as Rust reads it. `range` is that of the type.
pub(super) fn floating<T: FromStr + Copy>(
    text: &str,
    is_infinite: impl Fn(T) -> bool,
    range: [&'static str; 2],
) -> Result<T, NumberFault> {
    let text = strip(text);
    let number: T = text.parse().map_err(|_| NumberFault::NotANumber(looks(text)))?;
    // `inf` can be stored. Digits that overflow to infinity are a mistake.
    if is_infinite(number) && text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(NumberFault::OutOfRange(range));
    }
    Ok(number)
}

/// The text without the white space around it, as Python defines white space.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(|char: char| char.is_whitespace() || ('\x1C'..='\x1F').contains(&char))
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

/// What a text that is not a number looks like.
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

/// Whether it is a hexadecimal, octal or binary number as other languages write it: FF, 0o17, 0b101, 1Fh, #FF, &HFF.
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
