//! A value for programs whose numbers are doubles.

use fleetmint_nvs::EspError;
use fleetmint_nvs::entry::Number;
use fleetmint_nvs::storage::{Listed, Value};
use serde::Serialize;

use super::value::Hex;

/// A value in which a number is a text with its digits, because a double cannot hold each of them. It may hold a secret,
/// which `Debug` does not show.
#[derive(Clone, Serialize)]
pub struct ExactValue<'a> {
    #[serde(rename = "type")]
    value_type: &'static str,
    /// The stored size in bytes of a string (with its NUL) or a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    #[serde(flatten)]
    content: Content<'a>,
    /// Of a float or a double.
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<String>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "lowercase")]
enum Content<'a> {
    #[serde(rename = "text")]
    Number(String),
    Text(&'a str),
    Hex(Hex<&'a [u8]>),
    /// The firmware's getter fails.
    Error(&'static str),
}

impl std::fmt::Debug for ExactValue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExactValue")
            .field("value_type", &self.value_type)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// What is stored, also where no getter reaches it.
impl<'a> From<&'a Listed> for ExactValue<'a> {
    fn from(listed: &'a Listed) -> Self {
        let stored: &'a Result<Value, EspError> = listed.stored();
        let bits = match stored {
            Ok(Value::Number(Number::Float(number))) => Some(format!("{:08x}", number.to_bits())),
            Ok(Value::Number(Number::Double(number))) => Some(format!("{:016x}", number.to_bits())),
            _ => None,
        };
        let content = match stored {
            Ok(Value::Number(number)) => Content::Number(number.to_string()),
            Ok(Value::Str(bytes)) => std::str::from_utf8(bytes).map_or(Content::Hex(Hex(bytes)), Content::Text),
            Ok(Value::Blob(bytes)) => Content::Hex(Hex(bytes)),
            Err(error) => Content::Error(error.name()),
        };
        Self {
            value_type: listed.value_type.name(),
            size: listed.stored_size(),
            content,
            bits,
        }
    }
}
