//! The name of a value: its namespace and its key.

use std::borrow::Cow;

use fleetmint_nvs::RawName;
use fleetmint_nvs::storage::Listed;
use serde::Serialize;

/// A namespace and a key, each as text, or in hexadecimal where it is not UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemName<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Cow<'a, str>>,
    /// The bytes of a namespace that is not UTF-8, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
    /// The bytes of a key that is not UTF-8, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_hex: Option<String>,
}

impl<'a> ItemName<'a> {
    /// Names as a flash holds them.
    #[must_use]
    pub fn new(namespace: Option<&'a RawName>, key: Option<&'a RawName>) -> Self {
        let (namespace, namespace_hex) = text_or_hex(namespace);
        let (key, key_hex) = text_or_hex(key);
        Self {
            namespace,
            namespace_hex,
            key,
            key_hex,
        }
    }

    /// Names that are known to be text.
    #[must_use]
    pub const fn of_texts(namespace: &'a str, key: &'a str) -> Self {
        Self {
            namespace: Some(Cow::Borrowed(namespace)),
            namespace_hex: None,
            key: Some(Cow::Borrowed(key)),
            key_hex: None,
        }
    }

    /// The same names, independent of what they were read from.
    #[must_use]
    pub fn into_owned(self) -> ItemName<'static> {
        let owned = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        ItemName {
            namespace: owned(self.namespace),
            namespace_hex: self.namespace_hex,
            key: owned(self.key),
            key_hex: self.key_hex,
        }
    }
}

pub(super) fn text_or_hex(name: Option<&RawName>) -> (Option<Cow<'_, str>>, Option<String>) {
    let Some(name) = name else { return (None, None) };
    match name.as_str() {
        Some(text) => (Some(Cow::Borrowed(text)), None),
        None => (None, Some(hex::encode(name.as_bytes()))),
    }
}

impl<'a> From<&'a Listed> for ItemName<'a> {
    fn from(listed: &'a Listed) -> Self {
        Self::new(Some(&listed.namespace), Some(&listed.key))
    }
}
