//! What devices will get, for the page's settings, a model and a device.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::http::extract::{Id, IdParameter};
use crate::http::problem::Problem;
use crate::identity::Identity;
use crate::overrides::is_secret;
use crate::provisioning::Level;
use crate::provisioning::preview::{self, Preview, Severity};

/// The value of one setting.
#[derive(Serialize, ToSchema)]
pub(crate) struct SettingValue {
    /// Its key in the image.
    #[schema(example = "base_url")]
    key: &'static str,
    /// Whether devices get a value.
    set: bool,
    /// The value, with `***` in place of a user name and password; `null` for a secret, and if there is none.
    #[schema(required, example = "https://api.example")]
    value: Option<String>,
    /// Whether the value is never shown.
    secret: bool,
    /// Whether no device can be provisioned without it.
    required: bool,
    source: Source,
    /// The key of the setting that it comes from, or of its default; `null` if it comes from the device or its model.
    #[schema(required, example = "provisioning.base_url")]
    setting: Option<&'static str>,
    /// What it is.
    #[schema(example = "The service that devices talk to")]
    description: &'static str,
}

/// Where a value comes from: `none` if no level has one. A device or model may say that there is none (`set` is `false`).
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Source {
    Device,
    Model,
    Settings,
    Provider,
    None,
}

/// Something that is missing or looks wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct Finding {
    /// The key of a value, or of a setting such as `server.public_url`.
    #[schema(example = "base_url")]
    key: String,
    severity: Severity,
    /// Its stable name; docs/api.md lists all.
    #[schema(example = "loopback-url")]
    code: &'static str,
    /// What is wrong this time.
    detail: String,
}

/// What devices will get, without secrets.
#[derive(Serialize, ToSchema)]
pub(crate) struct EffectiveSettings {
    /// In the order of the settings.
    values: Vec<SettingValue>,
    /// The errors first.
    findings: Vec<Finding>,
}

/// What every device gets, and the service itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServiceSettings {
    #[serde(flatten)]
    effective: EffectiveSettings,
    identity_provider: IdentityProvider,
    /// The version of the service.
    #[schema(example = "0.2.0")]
    version: &'static str,
    /// The address at which devices and people reach the service; `null` if it is not known.
    #[schema(required, example = "https://fleet.example")]
    public_url: Option<String>,
}

/// Where devices get their tokens.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum IdentityProvider {
    Builtin,
    Keycloak,
}

impl From<Preview> for EffectiveSettings {
    fn from(preview: Preview) -> Self {
        Self {
            values: preview.values.into_iter().map(SettingValue::from).collect(),
            findings: preview.findings.into_iter().map(Finding::from).collect(),
        }
    }
}

impl From<preview::Value> for SettingValue {
    fn from(value: preview::Value) -> Self {
        let facts = value.setting.facts();
        Self {
            key: facts.key,
            set: value.is_set,
            value: value.shown,
            secret: is_secret(value.setting),
            required: facts.is_required,
            source: match value.level {
                Some(Level::Device) => Source::Device,
                Some(Level::Model) => Source::Model,
                Some(Level::Settings) => Source::Settings,
                Some(Level::Provider(_)) => Source::Provider,
                None => Source::None,
            },
            setting: value.key,
            description: facts.about,
        }
    }
}

impl From<preview::Finding> for Finding {
    fn from(finding: preview::Finding) -> Self {
        Self {
            key: finding.key,
            severity: finding.severity,
            code: finding.code,
            detail: finding.detail,
        }
    }
}

/// What every device gets unless its model or the device itself says otherwise, and what looks wrong.
#[utoipa::path(
    get, path = "/api/settings", tag = "settings",
    responses((status = 200, description = "The values and the findings", body = ServiceSettings))
)]
pub(crate) async fn get_settings(State(app): State<App>, _caller: Caller) -> Result<Json<ServiceSettings>, Problem> {
    Ok(Json(ServiceSettings {
        effective: preview::of_settings(&app)?.into(),
        identity_provider: match app.identity {
            Identity::Builtin(_) => IdentityProvider::Builtin,
            Identity::Keycloak(_) => IdentityProvider::Keycloak,
        },
        version: env!("CARGO_PKG_VERSION"),
        public_url: app.settings.server.public_url.clone(),
    }))
}

/// What devices of a model get, where each value comes from, and what looks wrong.
#[utoipa::path(
    get, path = "/api/device-models/{id}/settings", tag = "settings", params(IdParameter),
    responses((status = 200, description = "The values and the findings", body = EffectiveSettings))
)]
pub(crate) async fn get_device_model_settings(
    State(app): State<App>,
    _caller: Caller,
    Id(id): Id,
) -> Result<Json<EffectiveSettings>, Problem> {
    Ok(Json(preview::of_model(&app, id).await?.into()))
}

/// What a device gets, where each value comes from, and what looks wrong.
#[utoipa::path(
    get, path = "/api/devices/{id}/settings", tag = "settings", params(IdParameter),
    responses((status = 200, description = "The values and the findings", body = EffectiveSettings))
)]
pub(crate) async fn get_device_settings(
    State(app): State<App>,
    _caller: Caller,
    Id(id): Id,
) -> Result<Json<EffectiveSettings>, Problem> {
    Ok(Json(preview::of_device(&app, id).await?.into()))
}
