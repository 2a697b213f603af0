//! Clients that already exist in the realm: they are listed page by page, never all at once, and marked as a device's.

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};

use super::call::Body;
use super::client::Representation;
use super::lookup::{client_missing, foreign, is_id};
use super::{Client, Error, Keycloak};

/// How many clients one page of the list has.
const PAGE: u32 = 100;

/// A client that already exists in the realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmClient {
    /// Keycloak's own id of the client: a UUID, unless the realm was imported with other ids.
    pub provider_ref: String,
    pub client_id: String,
    /// The name for people.
    pub name: Option<String>,
    /// The key of the device that the client was created for, from its attribute.
    pub device_key: Option<String>,
    pub enabled: bool,
}

impl Keycloak {
    /// One page of the realm's clients whose client ids contain `text`, beginning with number `first`. An empty page is the
    /// end.
    ///
    /// # Errors
    /// Every way that Keycloak can fail.
    pub async fn list(&self, text: &str, first: u32) -> Result<Vec<RealmClient>, Error> {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("clientId", text)
            .append_pair("search", "true")
            .append_pair("first", &first.to_string())
            .append_pair("max", &PAGE.to_string())
            .finish();
        let path = format!("/clients?{query}");
        let answer = self
            .call(
                "list_clients",
                &Method::GET,
                &path,
                Body::None,
                self.0.transport.deadline(),
            )
            .await?;
        if answer.status != StatusCode::OK {
            return Err(answer.refusal());
        }
        let clients: Vec<Map<String, Value>> = answer.json()?;
        clients
            .into_iter()
            .map(|members| {
                let client = Representation::new(members);
                match (client.id(), client.client_id()) {
                    (Some(id), Some(client_id)) => Ok(RealmClient {
                        provider_ref: id.to_owned(),
                        client_id: client_id.to_owned(),
                        name: client.name().map(str::to_owned),
                        device_key: client.device_key().map(str::to_owned),
                        enabled: client.enabled(),
                    }),
                    _ => Err(Error::Unreadable("a client has no id".to_owned())),
                }
            })
            .collect()
    }

    /// Marks a client that has no owner yet as this device's.
    ///
    /// # Errors
    /// [`Error::ClientMissing`]; [`Error::ForeignClient`] if it is another device's; every way that Keycloak can fail.
    pub async fn claim(&self, client: Client<'_>) -> Result<(), Error> {
        let deadline = self.0.transport.deadline();
        let mut now = self
            .look_up(client, deadline)
            .await?
            .ok_or_else(|| client_missing(client))?;
        match now.device_key() {
            Some(key) if key == client.device_key => return Ok(()),
            Some(_) => return Err(foreign(client)),
            None => {}
        }
        let id = now
            .id()
            .filter(|id| is_id(id))
            .map(str::to_owned)
            .ok_or_else(|| client_missing(client))?;
        now.set_device_key(client.device_key);
        self.update(client, &id, now, deadline).await
    }
}
