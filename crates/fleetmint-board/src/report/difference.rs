//! A key that differs between two images.
//!
//! The type of the values says whether they are masked: a report of [`MaskedValue`]s cannot hold a secret.

use std::fmt;

use fleetmint_nvs::diff::{Difference, fingerprint};
use fleetmint_nvs::storage::Listed;
use serde::Serialize;

use super::exact::ExactValue;
use super::name::ItemName;
use super::value::ValueReport;

/// A key that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
// The schema is that of a masked key: no server answers with revealed values.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(bound = ""))]
pub struct ChangedKey<'a, V> {
    /// `added`, `removed`, `changed` or `type-changed`.
    pub change: &'static str,
    #[serde(flatten)]
    pub name: ItemName<'a>,
    /// The index of the namespace, where another namespace has the same name and no getter reaches the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ns_index: Option<u8>,
    /// Absent if the key was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<MaskedValue>))]
    pub before: Option<V>,
    /// Absent if the key was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<MaskedValue>))]
    pub after: Option<V>,
}

/// A key that differs, without its values.
pub type MaskedKey<'a> = ChangedKey<'a, MaskedValue>;

/// A key that differs, with its values. It may hold secrets.
pub type RevealedKey<'a> = ChangedKey<'a, RevealedValue<'a>>;

/// The shown form of a value that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MaskedValue {
    /// One of u8 i8 u16 i16 u32 i32 u64 i64 float double str blob.
    #[serde(rename = "type")]
    pub value_type: &'static str,
    /// The stored size in bytes of a string (with its NUL) or a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Equal values of one answer have equal ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Why the firmware cannot read the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
}

/// A value with its type.
#[derive(Clone, Debug, Serialize)]
pub struct RevealedValue<'a> {
    #[serde(rename = "type")]
    value_type: &'static str,
    /// The stored size in bytes of a string (with its NUL) or a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    #[serde(flatten)]
    value: ValueReport<'a>,
}

/// The differences without the values.
///
/// `salt` should be random and new for each report, so that nobody can try values against the fingerprints later.
#[must_use]
pub fn masked<'a>(differences: &[Difference<'a>], salt: &[u8]) -> Vec<MaskedKey<'a>> {
    changed_keys(differences, |listed| MaskedValue::new(listed, salt))
}

/// The differences with the values, secrets included.
#[must_use]
pub fn revealed<'a>(differences: &[Difference<'a>]) -> Vec<RevealedKey<'a>> {
    changed_keys(differences, RevealedValue::from)
}

/// The differences with the values, secrets included, for programs whose numbers are doubles.
#[must_use]
pub fn exact<'a>(differences: &[Difference<'a>]) -> Vec<ChangedKey<'a, ExactValue<'a>>> {
    changed_keys(differences, ExactValue::from)
}

fn changed_keys<'a, V>(differences: &[Difference<'a>], value: impl Fn(&'a Listed) -> V) -> Vec<ChangedKey<'a, V>> {
    let changed_key = |difference: &Difference<'a>| {
        let entry = difference.entry()?;
        Some(ChangedKey {
            change: difference.change().name(),
            name: entry.into(),
            ns_index: entry.unreachable.is_some().then_some(entry.ns_index),
            before: difference.before.map(&value),
            after: difference.after.map(&value),
        })
    };
    differences.iter().filter_map(changed_key).collect()
}

impl<V> ChangedKey<'_, V> {
    /// The same, independent of the listings.
    #[must_use]
    pub fn into_owned(self) -> ChangedKey<'static, V> {
        ChangedKey {
            change: self.change,
            name: self.name.into_owned(),
            ns_index: self.ns_index,
            before: self.before,
            after: self.after,
        }
    }
}

/// In one line, as [`Difference::masked`] has it: `changed prov/client_secret: str of 44 bytes #1a2b3c4d → …`.
impl fmt::Display for MaskedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: Option<&str>, hex: Option<&String>| match (text, hex) {
            (Some(text), _) => text.to_string(),
            (None, Some(hex)) => format!("({hex})"),
            (None, None) => String::new(),
        };
        let ItemName {
            namespace,
            namespace_hex,
            key,
            key_hex,
        } = &self.name;
        write!(f, "{} ", self.change)?;
        match namespace.as_deref() {
            // No namespace has an empty name: the item's namespace does not exist.
            Some("") => f.write_str("(no namespace)")?,
            namespace => f.write_str(&text(namespace, namespace_hex.as_ref()))?,
        }
        if let Some(index) = self.ns_index {
            write!(f, " (index {index})")?;
        }
        write!(f, "/{}: ", text(key.as_deref(), key_hex.as_ref()))?;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "{before} → {after}"),
            (Some(one), None) | (None, Some(one)) => one.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for MaskedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.value_type)?;
        if let Some(size) = self.size {
            write!(f, " of {size} bytes")?;
        }
        match (&self.fingerprint, self.error) {
            (Some(fingerprint), _) => write!(f, " #{fingerprint}"),
            (None, Some(code)) => write!(f, " unreadable ({code})"),
            (None, None) => Ok(()),
        }
    }
}

impl MaskedValue {
    fn new(listed: &Listed, salt: &[u8]) -> Self {
        let (fingerprint, error) = match listed.stored() {
            Ok(value) => (Some(fingerprint(salt, value).to_string()), None),
            Err(error) => (None, Some(error.name())),
        };
        Self {
            value_type: listed.value_type.name(),
            size: listed.stored_size(),
            fingerprint,
            error,
        }
    }
}

impl<'a> From<&'a Listed> for RevealedValue<'a> {
    fn from(listed: &'a Listed) -> Self {
        Self {
            value_type: listed.value_type.name(),
            size: listed.stored_size(),
            value: listed.stored().into(),
        }
    }
}
