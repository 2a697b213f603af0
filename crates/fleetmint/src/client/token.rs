//! A token, and where it comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use fleetmint_board::wiped::Wiped;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::files;
use crate::system_error::reason;

/// The largest file of a token in bytes.
const FILE_MAX: u64 = 64 << 10;

const VARIABLE: &str = "FLEETMINT_TOKEN";
const FILE_VARIABLE: &str = "FLEETMINT_TOKEN_FILE";

/// A bearer token: overwritten in memory when it is dropped, and never printed.
#[derive(Clone)]
pub(crate) struct Token(Zeroizing<String>);

impl Token {
    /// Takes a text with blanks and line breaks around the token.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(crate) fn new(text: &str) -> Result<Self, &'static str> {
        let token = text.trim();
        if token.is_empty() {
            return Err("is empty");
        }
        // RFC 6750 §2.1 allows even less; the rest must not get into the header's line.
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("is not a token: it must be one word of printable ASCII characters");
        }
        Ok(Self(Zeroizing::new(token.to_owned())))
    }

    /// Reads a file whose only content is the token.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let content = files::read_file(path, FILE_MAX)?;
        let text = std::str::from_utf8(&content).map_err(|_| "is not UTF-8");
        text.and_then(Self::new)
            .map_err(|rule| Failure::unusable(format_args!("{}: the token in it {rule}", path.display())))
    }

    /// Reads the first line of standard input.
    pub(crate) fn read_standard_input() -> Result<Self, Failure> {
        let max = usize::try_from(FILE_MAX).unwrap_or(usize::MAX);
        let read = Wiped::read(std::io::stdin().lock(), 0, max)
            .map_err(|error| Failure::unusable(format_args!("standard input: {}", reason(&error))))?;
        let text = std::str::from_utf8(read.content.as_ref()).map_err(|_| "is not UTF-8");
        text.and_then(|text| Self::new(text.trim_start().lines().next().unwrap_or_default()))
            .map_err(|rule| Failure::unusable(format_args!("standard input: the token {rule}")))
    }

    /// The token itself. The caller is responsible for where it goes.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// For the login file alone.
impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Where a token was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenSource {
    /// The environment variable with the token itself.
    Variable,
    /// The file that an environment variable names.
    File(PathBuf),
    /// The file that `fleetmint login` writes.
    Login(PathBuf),
    /// The data folder of the server that runs here.
    DataFolder(PathBuf),
    /// Standard input or the terminal.
    Entered,
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str(VARIABLE),
            Self::File(path) => write!(f, "{FILE_VARIABLE}, {}", path.display()),
            Self::Login(path) | Self::DataFolder(path) => write!(f, "{}", path.display()),
            Self::Entered => f.write_str("the terminal or standard input"),
        }
    }
}

/// The token that the environment gives.
///
/// # Errors
/// Both variables are set, or the one that is set is unusable.
pub(super) fn of_environment() -> Result<Option<(Token, TokenSource)>, Failure> {
    let text = variable(VARIABLE)?;
    let path = std::env::var_os(FILE_VARIABLE).map(PathBuf::from);
    match (text, path) {
        (Some(_), Some(_)) => Err(Failure::unusable(format_args!(
            "{VARIABLE} and {FILE_VARIABLE} are both set: unset one of them"
        ))),
        (Some(text), None) => {
            let token = Token::new(&text).map_err(|rule| Failure::unusable(format_args!("{VARIABLE}: {rule}")))?;
            Ok(Some((token, TokenSource::Variable)))
        }
        (None, Some(path)) if path.as_os_str().is_empty() => {
            Err(Failure::unusable(format_args!("{FILE_VARIABLE}: is empty")))
        }
        (None, Some(path)) => Ok(Some((Token::read(&path)?, TokenSource::File(path)))),
        (None, None) => Ok(None),
    }
}

/// The value of an environment variable that is set.
pub(super) fn variable(name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    match std::env::var_os(name).map(std::ffi::OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(Zeroizing::new(text))),
        Some(Err(_)) => Err(Failure::unusable(format_args!("{name}: the value is not UTF-8"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_is_not_printed() {
        assert_eq!(Token::new(" fma_abc\r\n").unwrap().expose(), "fma_abc");
        for text in ["", " \n", "two words", "a\nb", "hüter", "a\0"] {
            assert!(Token::new(text).is_err(), "{text:?}");
        }
        assert_eq!(format!("{:?}", Token::new("hunter2").unwrap()), "[redacted]");
    }
}
