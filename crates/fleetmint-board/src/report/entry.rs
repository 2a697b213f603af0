//! One value of an image.

use fleetmint_nvs::storage::Listed;
use serde::Serialize;

use super::name::ItemName;
use super::value::ValueReport;
use super::{is_false, is_true};

/// A value with its name and its type. It may hold a secret.
#[derive(Clone, Debug, Serialize)]
pub struct EntryReport<'a> {
    #[serde(flatten)]
    name: ItemName<'a>,
    #[serde(rename = "type")]
    value_type: &'static str,
    #[serde(flatten)]
    value: ValueReport<'a>,
    /// Bytes of a string (with its NUL) or a blob as stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    ns_index: u8,
    /// No namespace has its index.
    #[serde(skip_serializing_if = "is_false")]
    orphan: bool,
    /// The same key and type came before: the getter gives that one.
    #[serde(skip_serializing_if = "is_false")]
    repeat: bool,
    /// A stored value that no getter returns, because another namespace has the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable: Option<StoredValue<'a>>,
    /// Whether the firmware's iterator gives it.
    #[serde(skip_serializing_if = "is_true")]
    iterated: bool,
}

#[derive(Clone, Debug, Serialize)]
struct StoredValue<'a> {
    #[serde(flatten)]
    value: ValueReport<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
}

impl<'a> From<&'a Listed> for EntryReport<'a> {
    fn from(listed: &'a Listed) -> Self {
        Self {
            name: listed.into(),
            value_type: listed.value_type.name(),
            value: (&listed.value).into(),
            size: listed.size,
            ns_index: listed.ns_index,
            orphan: listed.orphan,
            repeat: listed.repeat,
            unreachable: listed.unreachable.as_deref().map(|stored| StoredValue {
                value: stored.into(),
                size: listed.stored_size(),
            }),
            iterated: listed.iterated,
        }
    }
}
