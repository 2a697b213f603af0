//! The credentials in an image that a device needs.
//!
//! ```
//! use fleetmint_board::credentials::{self, Fault};
//! use fleetmint_nvs::storage::{Mode, SliceFlash, Storage};
//! use fleetmint_nvs::{Key, Namespace};
//!
//! let mut image = vec![0xFF; 0x3000];
//! let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None)?;
//! let prov = storage.open_namespace(&Namespace::new("prov")?)?;
//! storage.set_str(prov, &Key::new("client_secret")?, "********")?;
//!
//! let findings = credentials::check(&storage.list()?);
//! assert_eq!(findings.len(), 5);
//! assert_eq!(findings[2].fault, Fault::Masked);
//! # Ok::<(), fleetmint_nvs::Error>(())
//! ```

use std::fmt;

use fleetmint_nvs::storage::{Listed, Value};

use crate::provisioning::{NAMESPACE, Setting};

/// A problem of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The key does not exist.
    Missing,
    /// The value is not a string.
    NotString,
    /// The string is empty or blank.
    Empty,
    /// The string has only asterisks: it comes from an answer in which secrets are masked.
    Masked,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "a device needs it, and it is missing",
            Self::NotString => "a device needs it as a string, and it is not one",
            Self::Empty => "a device needs it, and it is empty",
            Self::Masked => "it is a masked secret, not the secret",
        })
    }
}

/// A credential that no device can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The credential.
    pub setting: Setting,
    /// Its page and its entry, if it exists.
    pub page_and_entry: Option<(usize, usize)>,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Checks the values of an image that a device needs. A value that cannot be read is not reported here: the check of the
/// image reports it.
#[must_use]
pub fn check(listed: &[Listed]) -> Vec<Finding> {
    let of_device = |one: &&Listed| {
        one.namespace.as_bytes() == NAMESPACE.as_bytes() && !one.orphan && !one.repeat && one.unreachable.is_none()
    };
    let required = Setting::ALL.into_iter().filter(|setting| setting.is_required());
    required
        .filter_map(|setting| {
            let mut found = listed
                .iter()
                .filter(of_device)
                .filter(|one| one.key.as_bytes() == setting.key().as_bytes())
                .peekable();
            if found.peek().is_none() {
                return Some(Finding {
                    setting,
                    page_and_entry: None,
                    fault: Fault::Missing,
                });
            }
            // If the key has values of several types, the getter returns the string.
            let found: Vec<_> = found.map(|one| (one.place, fault(one))).collect();
            if found.iter().any(|(_, fault)| fault.is_none()) {
                return None;
            }
            let (page_and_entry, fault) = found.first().copied()?;
            Some(Finding {
                setting,
                page_and_entry: Some(page_and_entry),
                fault: fault?,
            })
        })
        .collect()
}

fn fault(listed: &Listed) -> Option<Fault> {
    match &listed.value {
        Ok(Value::Str(text)) if text.trim_ascii().is_empty() => Some(Fault::Empty),
        Ok(Value::Str(text)) if text.iter().all(|byte| *byte == b'*') => Some(Fault::Masked),
        Ok(Value::Str(_)) | Err(_) => None,
        Ok(_) => Some(Fault::NotString),
    }
}
