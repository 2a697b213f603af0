//! The call that compares a chip's values with the current ones.

use std::fmt;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};

use crate::access::Caller;
use crate::app::App;
use crate::http::extract::{self, BODY_MAX, Id, IdParameter};
use crate::http::problem::Problem;
use crate::http::schema;
use crate::provisioning::verify::{self, KeyState};
use crate::secret::Secret;
use crate::violation::Violation;

/// The longest key in characters: NVS allows 15 bytes.
const KEY_MAX: usize = 15;

/// The strings of the namespace `prov`, as they were read from a chip.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyProvisioning {
    /// Every string of the namespace by its key. Numbers and blobs are left out.
    #[schema(schema_with = strings)]
    values: Strings,
}

fn strings() -> Schema {
    let key = schema::text().min_length(Some(1)).max_length(Some(KEY_MAX));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::RefOr(Schema::from(schema::text()).into())))
        .property_names(Some(Schema::from(key)))
        .description(Some(
            "Every string of the namespace by its key. Numbers and blobs are left out.",
        ))
        .examples([serde_json::json!({"device_key": "k3v9x0qa", "wifi_ssid": "workshop"})])
        .into()
}

/// Strings by their keys, in the order of the body.
struct Strings(Vec<(String, Secret)>);

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Strings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Strings, A::Error> {
                let mut strings = Vec::new();
                while let Some(entry) = object.next_entry()? {
                    strings.push(entry);
                }
                Ok(Strings(strings))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Strings {
    fn checked(self) -> Result<Vec<(String, Secret)>, Problem> {
        let mut violations = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for (key, _) in &self.0 {
            let rule = if !(1..=KEY_MAX).contains(&key.chars().count()) {
                format!("a key has 1 to {KEY_MAX} characters")
            } else if !seen.insert(key) {
                "the key is given more than once".to_owned()
            } else {
                continue;
            };
            let name = key.replace('~', "~0").replace('/', "~1");
            violations.push(Violation::new(format!("/values/{name}"), rule));
        }
        match violations.is_empty() {
            true => Ok(self.0),
            false => Err(Problem::invalid(violations)),
        }
    }
}

/// The body, in memory that is wiped.
pub(crate) struct VerifyBody(Vec<(String, Secret)>);

impl FromRequest<App> for VerifyBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _app: &App) -> Result<Self, Problem> {
        let body = extract::json(request, BODY_MAX).await?;
        let VerifyProvisioning { values } = extract::parse(body.as_ref())?;
        values.checked().map(Self)
    }
}

/// What is true of each key, without the values.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerifiedProvisioning {
    /// Whether a flash would change nothing: no key is `outdated` or `missing`.
    matches: bool,
    #[schema(schema_with = states)]
    keys: States,
}

fn states() -> Schema {
    let state = schema::text().enum_values(Some(KeyState::ALL.map(KeyState::name)));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::RefOr(Schema::from(state).into())))
        .description(Some(
            "`current`: the chip has the value that the device gets now. `outdated`: it has another one, or one where the \
             device gets none now. `missing`: it has none, and the device gets one. `foreign`: no key of Fleetmint's, which a \
             flash leaves as it is. An optional key that the chip does not have and the device does not get is not listed.",
        ))
        .examples([serde_json::json!({"device_key": "current", "client_secret": "outdated", "wifi_ssid": "missing"})])
        .into()
}

/// The states by their keys.
struct States(Vec<(String, KeyState)>);

impl Serialize for States {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for (key, state) in &self.0 {
            object.serialize_entry(key, state.name())?;
        }
        object.end()
    }
}

/// Compares a board with what its device gets now.
///
/// What is sent is never stored or logged, and the answer holds no value. Because it says whether a secret is right, it is sent
/// only after its audit record is on the disk, and must not be cached.
#[utoipa::path(
    post, path = "/api/devices/{id}/provisioning/verify", tag = "provisioning",
    params(IdParameter),
    request_body = VerifyProvisioning,
    responses(
        (status = 200, description = "What is true of each key", body = VerifiedProvisioning),
        (status = 409, description = "The client with the device's name at the identity provider is not the device's"),
        (status = 422, description = "A value or setting that the device needs is missing or too long, or a key is none"),
        (status = 502, description = "The identity provider failed, or has no usable secret"),
        (status = 504, description = "The identity provider did not answer in time"),
    )
)]
pub(crate) async fn verify_provisioning(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    VerifyBody(values): VerifyBody,
) -> Result<Json<VerifiedProvisioning>, Problem> {
    let verified = verify::verify(&app, &caller, id, values).await?;
    Ok(Json(VerifiedProvisioning {
        matches: verified.matches(),
        keys: States(verified.0),
    }))
}
