//! JSON forms that several subcommands share.

use fleetmint_nvs::RawName;
use fleetmint_nvs::entry::Number;
use fleetmint_nvs::storage::{Listed, Value};
use serde::Serialize;
use serde_json::Value as Json;

use crate::exit::Failure;
use crate::terminal::escape;

/// `namespace`, or `namespace_hex` where it is not UTF-8; and the same of `key`.
#[derive(Serialize)]
pub(super) struct Name<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hex: Option<String>,
}

impl<'a> Name<'a> {
    pub(super) fn new(namespace: Option<&'a RawName>, key: Option<&'a RawName>) -> Self {
        let text = |name: Option<&'a RawName>| name.and_then(RawName::as_str);
        let hex = |name: Option<&RawName>| {
            name.filter(|name| name.as_str().is_none())
                .map(|name| hex::encode(name.as_bytes()))
        };
        Self {
            namespace: text(namespace),
            namespace_hex: hex(namespace),
            key: text(key),
            key_hex: hex(key),
        }
    }
}

impl<'a> From<&'a Listed> for Name<'a> {
    fn from(listed: &'a Listed) -> Self {
        Self::new(Some(&listed.namespace), Some(&listed.key))
    }
}

/// `value`, `value_hex` where a string is not UTF-8, the `bits` of a float or double; or the getter's `error`.
#[derive(Default, Serialize)]
pub(super) struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

impl From<&Listed> for Shown {
    fn from(listed: &Listed) -> Self {
        match &listed.value {
            Ok(Value::Number(number)) => Self::from(*number),
            Ok(Value::Str(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::value(text),
                Err(_) => Self {
                    value_hex: Some(hex::encode(bytes)),
                    ..Self::default()
                },
            },
            Ok(Value::Blob(bytes)) => Self::value(hex::encode(bytes)),
            Err(error) => Self {
                error: Some(error.name()),
                ..Self::default()
            },
        }
    }
}

impl Shown {
    fn value(value: impl Into<Json>) -> Self {
        Self {
            value: Some(value.into()),
            ..Self::default()
        }
    }
}

impl From<Number> for Shown {
    fn from(number: Number) -> Self {
        let (value, bits) = match number {
            Number::U8(n) => return Self::value(n),
            Number::I8(n) => return Self::value(n),
            Number::U16(n) => return Self::value(n),
            Number::I16(n) => return Self::value(n),
            Number::U32(n) => return Self::value(n),
            Number::I32(n) => return Self::value(n),
            Number::U64(n) => return Self::value(n),
            Number::I64(n) => return Self::value(n),
            // By way of its shortest text, so that 0.1 doesn't become 0.10000000149011612.
            Number::Float(n) => (
                float(n.to_string().parse().unwrap_or(n.into())),
                format!("{:08x}", n.to_bits()),
            ),
            Number::Double(n) => (float(n), format!("{:016x}", n.to_bits())),
        };
        Self {
            bits: Some(bits),
            ..Self::value(value)
        }
    }
}

/// JSON has no infinities, and no NaN.
fn float(number: f64) -> Json {
    if number.is_finite() {
        number.into()
    } else if number.is_nan() {
        "nan".into()
    } else if number > 0.0 {
        "inf".into()
    } else {
        "-inf".into()
    }
}

/// An array, one element a line.
pub(super) fn lines<T: Serialize>(elements: impl IntoIterator<Item = T>) -> Result<String, Failure> {
    let mut text = String::from("[");
    for element in elements {
        text.push_str(if text.len() == 1 { "\n " } else { ",\n " });
        let line = serde_json::to_string(&element)
            .map_err(|error| Failure::unusable(format_args!("a value can't be written as JSON: {error}")))?;
        text.push_str(&line);
    }
    text.push_str("\n]\n");
    Ok(escape::json(&text).into_owned())
}
