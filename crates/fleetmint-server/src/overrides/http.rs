//! The overrides in requests and answers: the member `provisioning` of models and devices.

use std::fmt;
use std::sync::LazyLock;

use fleetmint_board::provisioning::{Facts, Kind, Setting, VALUE_MAX};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::{PartialSchema, ToSchema};

use super::{ChangeOverrides, is_secret};
use crate::change::FieldChange;
use crate::config::provisioning::target;
use crate::config::url::{MASK, Target};

/// A member of the object.
struct Member {
    name: String,
    setting: Setting,
    part: Part,
}

/// The part of a setting that a member has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Its value; for a secret, only in requests.
    Value,
    /// Whether this level has an override of the secret.
    Set,
    /// The state of the override.
    State,
}

impl Member {
    /// Whether answers contain it.
    fn is_shown(&self) -> bool {
        !(is_secret(self.setting) && self.part == Part::Value)
    }
}

/// All members, in the order of answers.
static MEMBERS: LazyLock<Vec<Member>> = LazyLock::new(|| {
    let mut members = Vec::new();
    for setting in Setting::OVERRIDABLE {
        let mut add = |name, part| members.push(Member { name, setting, part });
        add(setting.to_string(), Part::Value);
        if is_secret(setting) {
            add(format!("{setting}_set"), Part::Set);
            add(format!("{setting}_state"), Part::State);
        }
    }
    members
});

/// The overrides as answers show them.
pub(crate) struct Overrides(super::Overrides);

impl From<super::Overrides> for Overrides {
    fn from(overrides: super::Overrides) -> Self {
        Self(overrides)
    }
}

impl Serialize for Overrides {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for member in MEMBERS.iter().filter(|member| member.is_shown()) {
            let state = self.0.secret_state(member.setting);
            match member.part {
                Part::Value => object.serialize_entry(&member.name, &self.0.shown(member.setting))?,
                Part::Set => object.serialize_entry(&member.name, &(state != super::SecretState::Unset))?,
                Part::State => object.serialize_entry(&member.name, &state)?,
            }
        }
        object.end()
    }
}

impl<'de> Deserialize<'de> for ChangeOverrides {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = ChangeOverrides;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<ChangeOverrides, A::Error> {
                let mut change = ChangeOverrides::default();
                while let Some(name) = object.next_key::<String>()? {
                    let Some(member) = MEMBERS.iter().find(|member| member.name == name) else {
                        return Err(A::Error::unknown_field(&name, &[]));
                    };
                    let is_new = match member.part {
                        Part::Value => put(change.values.get_mut(member.setting), object.next_value()?),
                        Part::Set => put(&mut change.secrets.get_mut(member.setting).set, object.next_value()?),
                        Part::State => put(&mut change.secrets.get_mut(member.setting).state, object.next_value()?),
                    };
                    if !is_new {
                        return Err(A::Error::duplicate_field(&member.name));
                    }
                }
                Ok(change)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Stores the value that was read. Returns `false` if the member was already read.
fn put<T>(place: &mut FieldChange<T>, change: FieldChange<T>) -> bool {
    matches!(std::mem::replace(place, change), FieldChange::Keep)
}

impl ChangeOverrides {
    /// From the member `provisioning` of a merge patch: `null` removes every override.
    pub(crate) fn from_member(member: FieldChange<Self>) -> Self {
        match member {
            FieldChange::Keep => Self::default(),
            FieldChange::Set(Some(change)) => change,
            FieldChange::Set(None) => Self::remove_all(),
        }
    }
}

impl ToSchema for Overrides {}

impl PartialSchema for Overrides {
    fn schema() -> RefOr<Schema> {
        let mut object = ObjectBuilder::new().description(Some(
            "The overrides as they are shown: `null` inherits, an empty text means that this level has no value.",
        ));
        for member in MEMBERS.iter().filter(|member| member.is_shown()) {
            let schema = match member.part {
                Part::Value => shown_value(member.setting),
                Part::Set => {
                    let text = format!("Whether this level overrides the `{}`.", member.setting);
                    let text = format!("{text} The value itself is never shown.");
                    ObjectBuilder::new().schema_type(Type::Boolean).description(Some(text))
                }
                Part::State => secret_state(member.setting),
            };
            object = object.property(&member.name, schema).required(&member.name);
        }
        object.into()
    }
}

impl ToSchema for ChangeOverrides {}

impl PartialSchema for ChangeOverrides {
    fn schema() -> RefOr<Schema> {
        let mut object = ObjectBuilder::new()
            .description(Some(
                "Overrides of the provisioning settings: device over model over settings. Absent keeps (or, in a new one, \
                 inherits), `null` inherits, and an empty text is this level's answer: an optional key is left out of the \
                 image, and a required one stops provisioning with a 422.",
            ))
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        for member in MEMBERS.iter() {
            let schema = match member.part {
                Part::Value => value(member.setting),
                Part::Set => ObjectBuilder::new()
                    .schema_type(Type::Boolean)
                    .description(Some("Only unchanged."))
                    .read_only(true),
                Part::State => secret_state(member.setting).read_only(true),
            };
            object = object.property(&member.name, schema);
        }
        object.into()
    }
}

/// A text or `null`.
fn nullable() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]))
}

fn shown_value(setting: Setting) -> ObjectBuilder {
    let Facts { about, example, .. } = setting.facts();
    match target(setting) {
        None => nullable().description(Some(format!("{about}."))),
        Some(Target::Web) => nullable().description(Some(format!(
            "{about}. In a URL of an earlier version `{MASK}` stands for a user name and password."
        ))),
        Some(Target::Broker) => nullable()
            .description(Some(format!(
                "{about}, with `{MASK}` in place of its user name and password, which are never shown. A query is shown."
            )))
            .examples(example.map(|url| url.replace("://", &format!("://{MASK}@")))),
    }
}

/// The value of a setting in a request. A schema counts characters, and the rules count bytes: the description has the rest.
fn value(setting: Setting) -> ObjectBuilder {
    let Facts {
        about, example, kind, ..
    } = setting.facts();
    let (rule, pattern, max) = match kind {
        Kind::Identity => (String::new(), String::new(), None),
        Kind::Text { max } => (format!("at most {max} bytes"), r"^[^\u0000]*$".to_owned(), Some(max)),
        Kind::WebUrl => (
            format!("an http or https URL without user name and password, at most {VALUE_MAX} bytes"),
            url_pattern("[Hh][Tt][Tt][Pp][Ss]?://", Target::Web),
            Some(VALUE_MAX),
        ),
        Kind::BrokerUrl => (
            format!(
                "an mqtt, mqtts, ws or wss URL without fragment, at most {VALUE_MAX} bytes. A user name and password in it \
                 are sealed at rest and shown as `{MASK}`; a URL that is sent back as it was shown keeps them. A query is \
                 shown as it is, so it is no place for a secret"
            ),
            broker_pattern(),
            Some(VALUE_MAX),
        ),
        Kind::Secret { rule, pattern } => (
            format!("{rule}. Write-only: it is sealed at rest and never shown"),
            pattern.to_owned(),
            None,
        ),
    };
    let schema = nullable()
        .description(Some(format!("{about}: {rule}.")))
        .pattern(Some(pattern))
        .max_length(max)
        .examples(example);
    match kind {
        Kind::Secret { .. } => schema
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .write_only(true),
        _ => schema,
    }
}

fn secret_state(setting: Setting) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["unset", "empty", "set"]))
        .description(Some(format!(
            "`unset` inherits the `{setting}`, `empty` leaves it out, `set` is a value of this level."
        )))
}

/// A pattern of an empty text, or of a URL that begins with `start`: it has a host and no spaces. Hosts whose names are
/// not ASCII have their `xn--` form.
fn url_pattern(start: &str, target: Target) -> String {
    const NAME: &str =
        r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    const BYTE: &str = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    const GROUP: &str = "[0-9A-Fa-f]{1,4}";
    const PORT: &str = "[1-9][0-9]{0,3}|[1-5][0-9]{4}";
    const BLANKS: &str = r"\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
    let (begin, not) = match target {
        Target::Web => ("/?#", ""),
        Target::Broker => ("/?", "#"),
    };
    let v4 = format!(r"{BYTE}(?:\.{BYTE}){{3}}");
    let v6 = format!(r"\[(?:(?:{GROUP}:){{7}}{GROUP}|(?:{GROUP}:){{1,4}}(?::{GROUP}){{1,3}}|::{GROUP})\]");
    format!("^(?:{start}(?:{NAME}|{v4}|{v6})(?::(?:{PORT}))?(?:[{begin}][^{not}\\\\{BLANKS}]*)?)?$")
}

/// The user name and password of a broker may be percent-encoded, but no control characters: 00 to 1F, 7F, C2 80 to C2 9F.
fn broker_pattern() -> String {
    const HEX: &str = "[0-9A-Fa-f]";
    let encoded = format!("%(?:[2-6]{HEX}|7[0-9A-Ea-e]|[89ABDEFabdef]{HEX}|[Cc][013-9A-Fa-f]|[Cc]2%[ABab]{HEX})");
    let start = format!("(?:[Mm][Qq][Tt][Tt]|[Ww][Ss])[Ss]?://(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|{encoded})*@)?");
    url_pattern(&start, Target::Broker)
}
