//! JSON forms that several subcommands share.

use fleetmint_nvs::entry::Number;
use fleetmint_nvs::storage::{Listed, Value};
use fleetmint_nvs::{EspError, RawName};
use serde::Serialize;
use serde_json::value::RawValue;

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

impl<'a> Name<'a> {
    /// Names that are text.
    pub(super) const fn of_texts(namespace: &'a str, key: &'a str) -> Self {
        Self {
            namespace: Some(namespace),
            namespace_hex: None,
            key: Some(key),
            key_hex: None,
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
    value: Option<Printed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

/// A value as JSON has it; a number's digits are those of every other output.
#[derive(Serialize)]
#[serde(untagged)]
enum Printed {
    Text(String),
    Number(Box<RawValue>),
}

impl From<&Result<Value, EspError>> for Shown {
    fn from(value: &Result<Value, EspError>) -> Self {
        match value {
            Ok(Value::Number(number)) => Self::from(*number),
            Ok(Value::Str(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::value(Printed::Text(text.to_string())),
                Err(_) => Self {
                    value_hex: Some(hex::encode(bytes)),
                    ..Self::default()
                },
            },
            Ok(Value::Blob(bytes)) => Self::value(Printed::Text(hex::encode(bytes))),
            Err(error) => Self {
                error: Some(error.name()),
                ..Self::default()
            },
        }
    }
}

impl Shown {
    fn value(value: Printed) -> Self {
        Self {
            value: Some(value),
            ..Self::default()
        }
    }
}

impl From<Number> for Shown {
    fn from(number: Number) -> Self {
        let bits = match number {
            Number::Float(n) => Some(format!("{:08x}", n.to_bits())),
            Number::Double(n) => Some(format!("{:016x}", n.to_bits())),
            _ => None,
        };
        let text = number.to_string();
        // JSON has no infinities, and no NaN.
        let value = RawValue::from_string(text.clone()).map_or(Printed::Text(text), Printed::Number);
        Self {
            bits,
            ..Self::value(value)
        }
    }
}

/// The JSON of one value.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    #[serde(flatten)]
    name: Name<'a>,
    #[serde(rename = "type")]
    value_type: &'static str,
    #[serde(flatten)]
    shown: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    ns_index: u8,
    #[serde(skip_serializing_if = "is_false")]
    orphan: bool,
    #[serde(skip_serializing_if = "is_false")]
    repeat: bool,
    /// What is stored where no getter reaches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable: Option<Stored>,
    #[serde(skip_serializing_if = "is_true")]
    iterated: bool,
}

#[derive(Serialize)]
struct Stored {
    #[serde(flatten)]
    shown: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_true(flag: &bool) -> bool {
    *flag
}

impl<'a> From<&'a Listed> for Entry<'a> {
    fn from(listed: &'a Listed) -> Self {
        Self {
            name: listed.into(),
            value_type: listed.value_type.name(),
            shown: (&listed.value).into(),
            size: listed.size,
            ns_index: listed.ns_index,
            orphan: listed.orphan,
            repeat: listed.repeat,
            unreachable: listed.unreachable.as_deref().map(|stored| Stored {
                shown: stored.into(),
                size: listed.stored_size(),
            }),
            iterated: listed.iterated,
        }
    }
}
