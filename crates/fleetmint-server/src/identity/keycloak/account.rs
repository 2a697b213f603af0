//! The user that stands for a client at Keycloak, its service account: without it the client gets no token.
//!
//! Our account may read this user (if it is missing, Keycloak creates it again when it is read), but can change it only
//! with the role `manage-users`, which Fleetmint does not require. So requesting a token is the only way to find out whether
//! the account works.

use fleetmint_board::escape::bounded_line;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::call::{Body, Call};
use super::client::Representation;
use super::lookup::is_segment;
use super::{Client, Error, Keycloak, Repair};
use crate::secret::Secret;

/// The most that is quoted of Keycloak's message, in bytes.
const REFUSAL_MAX: usize = 200;

/// RFC 6749 §5.2.
#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    error: String,
    error_description: Option<String>,
}

impl Keycloak {
    /// Requests a token as the device does, and returns Keycloak's message if there is none. The token itself is discarded.
    pub(super) async fn refusal(
        &self,
        client: Client<'_>,
        secret: &Secret,
        deadline: Instant,
    ) -> Result<Option<String>, Error> {
        let url = format!("{}/protocol/openid-connect/token", self.0.realm_url);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client.client_id),
            ("client_secret", secret.expose()),
        ];
        let call = Call {
            name: "get_device_token",
            method: &Method::POST,
            url: &url,
            body: Body::Form(&form),
        };
        let answer = self.0.transport.call(call, None, deadline).await?;
        match answer.status {
            StatusCode::OK => Ok(None),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let refused: Refused = answer.object().unwrap_or_default();
                Ok(Some(plain(&refused.error_description.unwrap_or(refused.error))))
            }
            _ => Err(answer.refusal()),
        }
    }

    /// Creates the client's user again or enables it; returns the reason if the client still gets no token.
    pub(super) async fn repair_account(
        &self,
        client: Client<'_>,
        now: &Representation,
        id: &str,
        refusal: String,
        deadline: Instant,
    ) -> Result<Result<Repair, String>, Error> {
        let Some(mut user) = self.service_account(id, deadline).await? else {
            return Ok(Err(refused(&refusal)));
        };
        let mut repair = Repair::AccountCreated;
        if user.get("enabled").and_then(Value::as_bool) == Some(false) {
            user.insert("enabled".to_owned(), Value::Bool(true));
            if !self.update_user(user, deadline).await? {
                return Ok(Err(format!(
                    "The client's service-account user is disabled, and Fleetmint's service account may not change \
                     users: enable service-account-{} in Keycloak, or give Fleetmint's service account the role \
                     manage-users.",
                    client.client_id
                )));
            }
            repair = Repair::AccountEnabled;
        }
        let Some(secret) = now.secret() else {
            return Ok(Err(refused(&refusal)));
        };
        Ok(match self.refusal(client, &secret, deadline).await? {
            None => Ok(repair),
            Some(refusal) => Err(refused(&refusal)),
        })
    }

    /// The client's user, which Keycloak creates if it is missing; `None` if Keycloak has none for this client.
    async fn service_account(&self, id: &str, deadline: Instant) -> Result<Option<Map<String, Value>>, Error> {
        let path = format!("/clients/{id}/service-account-user");
        let answer = self
            .call("get_service_account", &Method::GET, &path, Body::None, deadline)
            .await?;
        match answer.status {
            StatusCode::OK => answer.object().map(Some),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Ok(None),
            _ => Err(answer.refusal()),
        }
    }

    /// Saves a user; `false` if our account may not.
    async fn update_user(&self, user: Map<String, Value>, deadline: Instant) -> Result<bool, Error> {
        let id = user.get("id").and_then(Value::as_str).filter(|id| is_segment(id));
        let id = id.ok_or_else(|| Error::Unreadable("the user has no id".to_owned()))?;
        let path = format!("/users/{id}");
        let body = Value::Object(user);
        let answer = self
            .call("update_user", &Method::PUT, &path, Body::Json(&body), deadline)
            .await?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::OK => Ok(true),
            StatusCode::FORBIDDEN => Ok(false),
            _ => Err(answer.refusal()),
        }
    }
}

fn refused(refusal: &str) -> String {
    format!("Keycloak gives the client no token: {refusal}")
}

/// Text from another system as one bounded line, without characters that control a terminal.
fn plain(text: &str) -> String {
    match text.trim() {
        "" => "it does not say why".to_owned(),
        text => bounded_line(text, REFUSAL_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_keycloak_are_shown_in_one_bounded_line() {
        for (said, shown) in [
            ("Client disabled", "Client disabled"),
            ("Zugriff für „ä“ verweigert ✓", "Zugriff für „ä“ verweigert ✓"),
            (
                "a\u{202E}b\u{200B}c\u{FEFF}d\u{061C}e\u{2028}f",
                "a\\u{202e}b\\u{200b}c\\u{feff}d\\u{61c}e\\u{2028}f",
            ),
            ("a\r\n\u{1B}[31m\u{9B}\u{E0041}", "a\\r\\n\\u{1b}[31m\\u{9b}\\u{e0041}"),
            ("", "it does not say why"),
            (" \t\u{3000}", "it does not say why"),
        ] {
            assert_eq!(plain(said), shown);
        }
        let shown = plain(&"\u{202E}x".repeat(REFUSAL_MAX));
        assert!(shown.len() <= REFUSAL_MAX + '…'.len_utf8(), "{shown}");
        assert!(shown.ends_with('…'), "{shown}");
    }
}
