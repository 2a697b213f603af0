//! The strings of the namespace `prov` in a partition, as a device reads them.

use std::borrow::Cow;

use fleetmint_nvs::storage::{Listed, Value};

use crate::provisioning::{NAMESPACE, Setting};

/// Each string as the firmware's getter returns it, by its key. They hold secrets.
pub fn strings(listed: &[Listed]) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
    let reached = |one: &&Listed| {
        one.namespace.as_bytes() == NAMESPACE.as_bytes() && !one.orphan && !one.repeat && one.unreachable.is_none()
    };
    listed.iter().filter(reached).filter_map(|one| match &one.value {
        Ok(Value::Str(text)) => Some((String::from_utf8_lossy(one.key.as_bytes()), text.as_slice())),
        _ => None,
    })
}

/// One of them.
#[must_use]
pub fn text(listed: &[Listed], setting: Setting) -> Option<Cow<'_, str>> {
    let (_, text) = strings(listed).find(|(key, _)| key == setting.key())?;
    Some(String::from_utf8_lossy(text))
}
