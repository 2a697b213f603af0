//! Finds a device's client: by Keycloak's own id, by its client id, and by the attribute that names the device.

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::call::Body;
use super::client::Representation;
use super::{Client, Error, Keycloak};

impl Keycloak {
    /// The client by its id, or by its name if the id is not known or no longer in use.
    pub(super) async fn look_up(&self, client: Client<'_>, deadline: Instant) -> Result<Option<Representation>, Error> {
        if let Some(id) = client.provider_ref.filter(|id| is_id(id)) {
            let path = format!("/clients/{id}");
            let answer = self
                .call("get_client", &Method::GET, &path, Body::None, deadline)
                .await?;
            match answer.status {
                StatusCode::OK => return answer.json().map(|members| Some(Representation::new(members))),
                StatusCode::NOT_FOUND => {}
                _ => return Err(answer.refusal()),
            }
        }
        self.find_by_name(client.client_id, deadline).await
    }

    /// The device's own client, with its id. If the id belongs to a client of another device, the client's name
    /// decides: the id in a row may be wrong.
    pub(super) async fn own(
        &self,
        client: Client<'_>,
        deadline: Instant,
    ) -> Result<Option<(String, Representation)>, Error> {
        let Some(now) = self.look_up(client, deadline).await? else {
            return Ok(None);
        };
        match self.ours(client, &now) {
            Ok(id) => Ok(Some((id, now))),
            Err(foreign @ Error::ForeignClient { .. }) => match self.find(client, deadline).await? {
                Some(own) => Ok(Some(own)),
                // The device's own client may exist under another name, so the answer is not "none".
                None => Err(foreign),
            },
            Err(error) => Err(error),
        }
    }

    /// The client of this name, if it was created for this device.
    pub(super) async fn find(
        &self,
        client: Client<'_>,
        deadline: Instant,
    ) -> Result<Option<(String, Representation)>, Error> {
        match self.find_by_name(client.client_id, deadline).await? {
            Some(now) => Ok(Some((self.ours(client, &now)?, now))),
            None => Ok(None),
        }
    }

    /// An exact match on a unique index.
    pub(super) async fn find_by_name(
        &self,
        client_id: &str,
        deadline: Instant,
    ) -> Result<Option<Representation>, Error> {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("clientId", client_id)
            .finish();
        let path = format!("/clients?{query}");
        let answer = self
            .call("find_client", &Method::GET, &path, Body::None, deadline)
            .await?;
        if answer.status != StatusCode::OK {
            return Err(answer.refusal());
        }
        let found: Vec<Map<String, Value>> = answer.json()?;
        let exact = found.into_iter().map(Representation::new);
        Ok(exact
            .into_iter()
            .find(|representation| representation.client_id() == Some(client_id)))
    }

    /// Keycloak's id of the client, if it was created for this device.
    fn ours(&self, client: Client<'_>, now: &Representation) -> Result<String, Error> {
        match (now.id().filter(|id| is_id(id)), now.device_key()) {
            (None, _) => Err(Error::Unreadable("the client's id is not a UUID".to_owned())),
            (Some(id), Some(key)) if key == client.device_key => Ok(id.to_owned()),
            (Some(_), _) => Err(foreign(client)),
        }
    }
}

/// Whether this is an id as Keycloak assigns to clients: a UUID in its usual form of 8, 4, 4, 4 and 12 hexadecimal digits.
/// It becomes part of a path, and anybody who can write to the database could have put it into the row.
pub(crate) fn is_id(text: &str) -> bool {
    let groups = text.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Whether an id from Keycloak's own answer is safe as a segment of a path. Imported scopes and users may have ids that are
/// not UUIDs.
pub(super) fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

pub(super) fn client_missing(client: Client<'_>) -> Error {
    Error::ClientMissing {
        client_id: client.client_id.to_owned(),
    }
}

pub(super) fn foreign(client: Client<'_>) -> Error {
    Error::ForeignClient {
        client_id: client.client_id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid() {
        assert!(is_id("0b0f2ad0-1c3a-4d0b-9a3e-6f6d9f4f9f99"));
        for text in [
            "",
            "initial-access",
            "0b0f2ad01c3a4d0b9a3e6f6d9f4f9f99",
            "0b0f2ad0-1c3a-4d0b-9a3e-6f6d9f4f9f9",
            "0b0f2ad0-1c3a-4d0b-9a3e-6f6d9f4f9f999",
            "0b0f2ad0-1c3a-4d0b-9a3e-6f6d9f4f9f9g",
            "0b0f2ad01c3a-4d0b-9a3e-6f6d9f4f9f99",
            "{0b0f2ad0-1c3a-4d0b-9a3e-6f6d9f4f9f99}",
            "0b0f2ad0-1c3a-4d0b-9a3e-6f6d9f4f9f99/",
            "--------------------------------0000",
        ] {
            assert!(!is_id(text), "{text}");
        }
    }
}
