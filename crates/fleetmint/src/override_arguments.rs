//! The options with which a model or a device gets values in place of the server's provisioning settings.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use fleetmint_board::provisioning::Setting;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::client::{Override, OverridesChange};
use crate::exit::Failure;
use crate::files;

/// The largest file with one value in bytes.
const FILE_MAX: u64 = 64 << 10;

/// The heading of the options in the help.
const HEADING: &str = "Values in place of those of the model and the server";

/// What stands in place of a secret in an answer of the server.
pub(crate) const MASK: &str = "***";

/// The values. Secrets come from files, because the arguments of a program are visible to other users.
#[derive(Debug, Args)]
pub(crate) struct ValueArguments {
    /// The service that devices talk to
    #[arg(long, help_heading = HEADING, value_name = "URL")]
    base_url: Option<String>,

    /// Where devices get their tokens
    #[arg(long, help_heading = HEADING, value_name = "URL")]
    token_url: Option<String>,

    /// The MQTT broker, without user name and password
    #[arg(long, help_heading = HEADING, value_name = "URL")]
    mqtt_url: Option<String>,

    /// A file with the URL of the MQTT broker, which may have a user name and password; - is standard input
    #[arg(long, help_heading = HEADING, value_name = "FILE", conflicts_with = "mqtt_url")]
    mqtt_url_file: Option<PathBuf>,

    /// The Wi-Fi network
    #[arg(long, help_heading = HEADING, value_name = "SSID")]
    wifi_ssid: Option<String>,

    /// A file with the Wi-Fi network's password; - is standard input
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    wifi_password_file: Option<PathBuf>,

    /// A value that devices do not get, even if the model or the server has one; may be repeated
    #[arg(long, help_heading = HEADING, value_name = "SETTING", value_parser = setting())]
    empty: Vec<Setting>,
}

/// The same for something that has values already.
#[derive(Debug, Args)]
pub(crate) struct ChangeArguments {
    #[command(flatten)]
    values: ValueArguments,

    /// A value to remove, so that the one of the model or the server applies again; may be repeated
    #[arg(
        long,
        value_name = "SETTING",
        value_parser = setting(),
        help_heading = HEADING
    )]
    inherit: Vec<Setting>,
}

fn setting() -> impl TypedValueParser<Value = Setting> {
    PossibleValuesParser::new(Setting::OVERRIDABLE.map(Setting::key)).try_map(|name| {
        let mut settings = Setting::OVERRIDABLE.into_iter();
        settings.find(|setting| setting.key() == name).ok_or("it is no setting")
    })
}

impl ValueArguments {
    /// Reads the files, and checks the values as far as their rules are known here.
    pub(crate) fn read(&self) -> Result<OverridesChange, Failure> {
        if self.mqtt_url.as_deref().is_some_and(has_userinfo) {
            return Err(Failure::unusable(
                "--mqtt-url: the URL has a user name or a password, and other users can see the arguments of a program: \
                 use --mqtt-url-file",
            ));
        }
        let mut change = OverridesChange::default();
        for (setting, value) in [
            (Setting::BaseUrl, &self.base_url),
            (Setting::TokenUrl, &self.token_url),
            (Setting::MqttUrl, &self.mqtt_url),
            (Setting::WifiSsid, &self.wifi_ssid),
        ] {
            if let Some(value) = value {
                set(&mut change, setting, Override::Value(Zeroizing::new(value.clone())))?;
            }
        }
        for (setting, path) in [
            (Setting::MqttUrl, &self.mqtt_url_file),
            (Setting::WifiPassword, &self.wifi_password_file),
        ] {
            if let Some(path) = path {
                set(&mut change, setting, Override::Value(read_value(path)?))?;
            }
        }
        for &setting in &self.empty {
            set(&mut change, setting, Override::Value(Zeroizing::default()))?;
        }
        Ok(change)
    }
}

impl ChangeArguments {
    /// See [`ValueArguments::read`].
    pub(crate) fn read(&self) -> Result<OverridesChange, Failure> {
        let mut change = self.values.read()?;
        for &setting in &self.inherit {
            set(&mut change, setting, Override::Inherit)?;
        }
        Ok(change)
    }
}

fn set(change: &mut OverridesChange, setting: Setting, value: Override) -> Result<(), Failure> {
    if change.get(setting).is_some() {
        return Err(Failure::unusable(format_args!("{setting} is given twice")));
    }
    change.set(setting, value);
    Ok(())
}

/// A value from a file, without the line break at its end.
fn read_value(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let content = files::read_up_to(path, FILE_MAX)?;
    let unusable = |rule| Failure::unusable(format_args!("{}: {rule}", files::input_name(path)));
    let text = std::str::from_utf8(&content).map_err(|_| unusable("it is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(unusable("it is empty; --empty gives a device no value"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn has_userinfo(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default().contains('@')
}

/// The names under which the overrides in an answer are shown.
pub(crate) fn shown_names() -> impl Iterator<Item = String> {
    Setting::OVERRIDABLE.into_iter().map(shown_name)
}

/// The server shows a secret's state only.
fn shown_name(setting: Setting) -> String {
    match is_secret(setting) {
        true => format!("{setting}_state"),
        false => setting.to_string(),
    }
}

pub(crate) const fn is_secret(setting: Setting) -> bool {
    matches!(setting.facts().kind, fleetmint_board::provisioning::Kind::Secret { .. })
}

/// The overrides in an answer, in the order of [`shown_names`].
pub(crate) fn shown_values(provisioning: &Map<String, Value>) -> impl Iterator<Item = String> {
    Setting::OVERRIDABLE
        .into_iter()
        .map(|setting| shown(provisioning, setting).unwrap_or_default().to_owned())
}

/// The value of a setting in an answer, or a secret's state; `None` if it is not overridden.
pub(crate) fn shown(provisioning: &Map<String, Value>, setting: Setting) -> Option<&str> {
    let value = provisioning.get(&shown_name(setting))?.as_str()?;
    (value != "unset" || !is_secret(setting)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_in_a_url_is_found() {
        for (url, has) in [
            ("mqtts://broker.example", false),
            ("mqtts://a:b@broker.example", true),
            ("mqtts://a@broker.example/x", true),
            ("mqtts://broker.example/a@b", false),
            ("a@b", true),
        ] {
            assert_eq!(has_userinfo(url), has, "{url}");
        }
    }
}
