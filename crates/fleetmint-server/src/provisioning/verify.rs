//! Whether a board holds what its device gets now: the values read from the chip, compared with the current ones.

use fleetmint_board::provisioning::Setting;
use subtle::ConstantTimeEq as _;

use super::{Chosen, Error, disclose, value_error};
use crate::access::Caller;
use crate::app::App;
use crate::operation::Operation;
use crate::secret::Secret;

/// What is true of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The chip has the value that the device gets now.
    Current,
    /// The chip has another value, or has one where the device gets none now.
    Outdated,
    /// The chip has no value, and the device gets one.
    Missing,
    /// It is no key of Fleetmint's: something else has stored it there, and a flash leaves it as it is.
    Foreign,
}

impl KeyState {
    pub const ALL: [Self; 4] = [Self::Current, Self::Outdated, Self::Missing, Self::Foreign];

    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Outdated => "outdated",
            Self::Missing => "missing",
            Self::Foreign => "foreign",
        }
    }
}

/// What is true of each key, without the values: the keys of Fleetmint in the order of the image, then the foreign ones. A key
/// that the chip does not have and the device does not get is not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified(pub Vec<(String, KeyState)>);

impl Verified {
    /// Whether a flash would change nothing: no key is outdated or missing.
    pub fn matches(&self) -> bool {
        let settled = |state: KeyState| matches!(state, KeyState::Current | KeyState::Foreign);
        self.0.iter().all(|(_, state)| settled(*state))
    }
}

/// Compares the strings of `prov`, as they were read from a chip, with the current values of a device. No key may be there twice.
///
/// It discloses whether a secret is right, so it returns only after the audit record of that is on the disk.
///
/// # Errors
/// See [`Error`]. The device's values must make an image.
pub async fn verify(app: &App, caller: &Caller, id: i64, values: Vec<(String, Secret)>) -> Result<Verified, Error> {
    let record = caller.record(app.clock.now(), Operation::VerifyProvisioning).device(id);
    disclose(app, record, move |app, material, secret| {
        let chosen = Chosen::new(app, &material)?;
        match chosen.values(&material, secret).checked_all() {
            Ok(current) => Ok(compare(&current, &values)),
            Err(cause) => Err(value_error(cause, &chosen, &material)),
        }
    })
    .await
}

fn compare(current: &[(Setting, Option<&str>)], values: &[(String, Secret)]) -> Verified {
    let mut states = Vec::with_capacity(current.len() + values.len());
    for (setting, current) in current {
        let read = values.iter().find(|(key, _)| key == setting.key());
        let state = match (current, read) {
            (None, None) => continue,
            (None, Some(_)) => KeyState::Outdated,
            (Some(_), None) => KeyState::Missing,
            (Some(current), Some((_, read))) => {
                if bool::from(current.as_bytes().ct_eq(read.expose().as_bytes())) {
                    KeyState::Current
                } else {
                    KeyState::Outdated
                }
            }
        };
        states.push((setting.key().to_owned(), state));
    }
    let is_ours = |key: &str| Setting::ALL.iter().any(|setting| setting.key() == key);
    let foreign = values.iter().map(|(key, _)| key).filter(|key| !is_ours(key));
    states.extend(foreign.map(|key| (key.clone(), KeyState::Foreign)));
    Verified(states)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_state() {
        let current = [
            (Setting::DeviceKey, Some("k3v9x0qa")),
            (Setting::ClientSecret, Some("secret")),
            (Setting::BaseUrl, Some("https://a")),
            (Setting::MqttUrl, None),
            (Setting::WifiSsid, None),
        ];
        let values = |pairs: &[(&str, &str)]| {
            let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), Secret::new((*value).to_owned()));
            pairs.iter().map(pair).collect::<Vec<_>>()
        };
        let read = values(&[
            ("other", "x"),
            ("mqtt_url", ""),
            ("device_key", "k3v9x0qa"),
            ("client_secret", "secres"),
        ]);
        let verified = compare(&current, &read);
        let states: Vec<_> = verified.0.iter().map(|(key, state)| (key.as_str(), *state)).collect();
        assert_eq!(
            states,
            [
                ("device_key", KeyState::Current),
                ("client_secret", KeyState::Outdated),
                ("base_url", KeyState::Missing),
                ("mqtt_url", KeyState::Outdated),
                ("other", KeyState::Foreign),
            ]
        );
        assert!(!verified.matches());
        let read = values(&[
            ("device_key", "k3v9x0qa"),
            ("client_secret", "secret"),
            ("base_url", "https://a"),
            ("other", "x"),
        ]);
        assert!(compare(&current, &read).matches());
    }
}
