//! The change of one field by a JSON merge patch: the field is kept, set, or removed.

use serde::{Deserialize, Deserializer};

use crate::violation::Violation;

/// The change of one field by a merge patch (RFC 7396). Use it with `#[serde(default)]`: an absent member keeps the field,
/// `null` removes its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FieldChange<T> {
    #[default]
    Keep,
    Set(Option<T>),
}

impl<T> FieldChange<T> {
    /// The new value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(Some(value)) => Some(value),
            Self::Keep | Self::Set(None) => None,
        }
    }

    /// Adds a violation if a field that never changes is given another value than `now`.
    pub(crate) fn check_fixed(&self, pointer: &str, now: &T, violations: &mut Vec<Violation>)
    where
        T: PartialEq,
    {
        self.check_fixed_optional(pointer, Some(now), violations);
    }

    /// The same for a field that may have no value.
    pub(crate) fn check_fixed_optional(&self, pointer: &str, now: Option<&T>, violations: &mut Vec<Violation>)
    where
        T: PartialEq,
    {
        if *self != Self::Keep && self.value() != now {
            let member = pointer.rsplit('/').next().unwrap_or_default();
            violations.push(Violation::new(
                pointer,
                format!("{member} cannot be changed; it may only be sent as it is"),
            ));
        }
    }

    /// The same change, with the new value converted.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> FieldChange<U> {
        match self {
            Self::Keep => FieldChange::Keep,
            Self::Set(value) => FieldChange::Set(value.map(make)),
        }
    }

    /// The value after the change; `now` is the current one.
    pub fn apply(self, now: Option<T>) -> Option<T> {
        match self {
            Self::Keep => now,
            Self::Set(value) => value,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for FieldChange<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::Set)
    }
}
