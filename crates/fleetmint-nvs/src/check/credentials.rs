//! The credentials in namespace `prov` that a device can't do without.

use super::finding::{CredentialFault, Finding};
use crate::key::RawName;
use crate::storage::{Listed, Value};
use alloc::vec::Vec;

/// The namespace.
const NAMESPACE: &[u8] = b"prov";
/// Its keys that a device needs.
const REQUIRED: [&[u8]; 5] = [b"device_key", b"client_id", b"client_secret", b"token_url", b"base_url"];

/// What was seen of them.
#[derive(Default)]
pub(super) struct Credentials {
    namespace: Option<RawName>,
    seen: [bool; REQUIRED.len()],
    faults: Vec<Finding>,
}

impl Credentials {
    pub(super) fn see(&mut self, listed: &Listed<&[u8]>) {
        if listed.namespace.as_bytes() != NAMESPACE {
            return;
        }
        let place = REQUIRED.iter().position(|key| *key == listed.key.as_bytes());
        let Some(seen) = place.and_then(|place| self.seen.get_mut(place)) else {
            return;
        };
        *seen = true;
        self.namespace = Some(listed.namespace);
        let fault = match &listed.value {
            Ok(Value::Str(text)) if text.trim_ascii().is_empty() => CredentialFault::Empty,
            Ok(Value::Str(text)) if text.iter().all(|byte| *byte == b'*') => CredentialFault::Masked,
            Ok(Value::Str(_)) | Err(_) => return,
            Ok(_) => CredentialFault::NotString,
        };
        self.faults.push(Finding::of_credential(
            listed.namespace,
            listed.key,
            Some(listed.place),
            fault,
        ));
    }

    /// A namespace of that name may be somebody else's: without any of the keys nothing is said.
    pub(super) fn judge(self, findings: &mut Vec<Finding>) {
        findings.extend(self.faults);
        let Some(namespace) = self.namespace else { return };
        for (key, seen) in REQUIRED.iter().zip(self.seen) {
            if !seen && let Ok(key) = crate::key::Key::new(key) {
                findings.push(Finding::of_credential(
                    namespace,
                    key.raw(),
                    None,
                    CredentialFault::Missing,
                ));
            }
        }
    }
}
