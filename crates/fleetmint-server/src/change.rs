//! One member of a change: left as it is, or set, which includes setting it to nothing.

use serde::{Deserialize, Deserializer};

use crate::violation::Violation;

/// A member of a merge patch (RFC 7396). Use it with `#[serde(default)]`: what is absent is kept, `null` removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    #[default]
    Keep,
    Set(Option<T>),
}

impl<T> Change<T> {
    /// The new value, where one is set that is not nothing.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(Some(value)) => Some(value),
            Self::Keep | Self::Set(None) => None,
        }
    }

    /// Adds a violation where what cannot be changed is given another value than the one that it has.
    pub(crate) fn check_fixed(&self, pointer: &str, now: &T, violations: &mut Vec<Violation>)
    where
        T: PartialEq,
    {
        if *self != Self::Keep && self.value() != Some(now) {
            let member = pointer.rsplit('/').next().unwrap_or_default();
            violations.push(Violation::new(
                pointer,
                format!("{member} cannot be changed; it may only be sent as it is"),
            ));
        }
    }

    /// The same change of something made of it.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Keep => Change::Keep,
            Self::Set(value) => Change::Set(value.map(make)),
        }
    }

    /// What becomes of a value that is `now`.
    pub fn apply(self, now: Option<T>) -> Option<T> {
        match self {
            Self::Keep => now,
            Self::Set(value) => value,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::Set)
    }
}
