//! What a model or a device has in place of the server's provisioning settings, in calls: an absent setting stays as it
//! is, `null` inherits, a text is the value.

use fleetmint_board::provisioning::{BySetting, Setting};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// A change of overrides. `Debug` shows no value.
#[derive(Debug, Default)]
pub(crate) struct OverridesChange(BySetting<Option<Override>>);

/// The override of one setting.
pub(crate) enum Override {
    /// Removed: the level below decides.
    Inherit,
    /// It may be a secret.
    Value(Zeroizing<String>),
}

impl OverridesChange {
    pub(crate) fn set(&mut self, setting: Setting, value: Override) {
        *self.0.get_mut(setting) = Some(value);
    }

    pub(crate) fn get(&self, setting: Setting) -> Option<&Override> {
        self.0.get(setting).as_ref()
    }

    pub(crate) fn is_empty(&self) -> bool {
        Setting::OVERRIDABLE
            .into_iter()
            .all(|setting| self.get(setting).is_none())
    }
}

impl Serialize for OverridesChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for setting in Setting::OVERRIDABLE {
            match self.get(setting) {
                None => {}
                Some(Override::Inherit) => object.serialize_entry(setting.key(), &None::<&str>)?,
                Some(Override::Value(value)) => object.serialize_entry(setting.key(), value.as_str())?,
            }
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_only_what_changes_and_shows_no_secret() {
        let mut change = OverridesChange::default();
        assert!(change.is_empty());
        change.set(
            Setting::WifiPassword,
            Override::Value(Zeroizing::new("hunter2hunter2".to_owned())),
        );
        change.set(Setting::BaseUrl, Override::Inherit);
        assert_eq!(
            serde_json::to_string(&change).unwrap(),
            r#"{"base_url":null,"wifi_password":"hunter2hunter2"}"#
        );
        assert!(!change.is_empty() && !format!("{change:?}").contains("hunter2"));
    }
}
