//! Calls for devices.

use fleetmint_board::wiped::Wiped;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::connection::{BYTES, Call, Server};
use super::error::Error;
use super::overrides::OverridesChange;
use super::page;

/// A device as the server shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) id: i64,
    pub(crate) key: String,
    pub(crate) client_id: String,
    pub(crate) name: String,
    pub(crate) serial: Option<String>,
    pub(crate) device_model_id: i64,
    pub(crate) provisioning: Map<String, Value>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    /// The board that carries it, and what a later version of the server adds.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl Device {
    /// The MAC of the board that carries it, as far as the server knows.
    pub(crate) fn board(&self) -> Option<&str> {
        self.more.get("board")?.get("mac")?.as_str()
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct NewDevice<'a> {
    pub(crate) device_model_id: i64,
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) serial: Option<&'a str>,
    #[serde(skip_serializing_if = "OverridesChange::is_empty")]
    pub(crate) provisioning: &'a OverridesChange,
}

/// What is `None` stays as it is.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceChange<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    /// `Some(None)` removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) serial: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "OverridesChange::is_empty")]
    pub(crate) provisioning: &'a OverridesChange,
}

/// A device that was created, now or by an earlier call with the same key.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) device: Device,
    pub(crate) is_replayed: bool,
}

/// Which devices to list.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DeviceFilter<'a> {
    pub(crate) model: Option<i64>,
    pub(crate) serial: Option<&'a str>,
    /// They contain this text.
    pub(crate) search: Option<&'a str>,
    pub(crate) sort: Option<&'a str>,
}

const PATH: [&str; 2] = ["api", "devices"];

impl Server {
    /// Makes a small call, to learn whether the server accepts the token.
    pub(crate) fn check_token(&self) -> Result<(), Error> {
        self.devices(DeviceFilter::default(), 1).map(drop)
    }

    /// The devices that a filter selects, up to `most` of them.
    pub(crate) fn devices(&self, filter: DeviceFilter<'_>, most: usize) -> Result<Vec<Device>, Error> {
        let model = filter.model.map(|id| id.to_string());
        let query: Vec<(&str, &str)> = [
            ("device_model_id", model.as_deref()),
            ("serial", filter.serial),
            ("q", filter.search),
            ("sort", filter.sort),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        page::list(self, &PATH, &query, most)
    }

    /// The device with this id, key or client id. A key begins with a letter, and an id has none.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn device(&self, reference: &str) -> Result<Device, Error> {
        let none = || Error::No(format!("there is no device with the id, key or client id {reference}"));
        if let Some(id) = page::id(reference) {
            return self.device_with_id(id)?.ok_or_else(none);
        }
        // The search also finds parts, and other members.
        let search = DeviceFilter {
            search: Some(reference),
            ..DeviceFilter::default()
        };
        let found = self.devices(search, usize::MAX)?;
        let mut exact = found
            .into_iter()
            .filter(|device| device.key == reference || device.client_id == reference);
        exact.next().ok_or_else(none)
    }

    /// The device with this id, if there is one.
    pub(crate) fn device_with_id(&self, id: i64) -> Result<Option<Device>, Error> {
        let [api, devices] = PATH;
        match self.call(Call::get(&[api, devices, &id.to_string()])) {
            Ok(answer) => answer.json().map(Some),
            Err(error) if error.is("not-found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a device. With a key it is created once, however often this is called within a day.
    pub(crate) fn create_device(&self, new: &NewDevice<'_>, key: Option<&str>) -> Result<Created, Error> {
        let answer = self.create(&PATH, new, key)?;
        Ok(Created {
            is_replayed: answer.is_replayed,
            device: answer.json()?,
        })
    }

    pub(crate) fn change_device(&self, id: i64, change: &DeviceChange<'_>) -> Result<Device, Error> {
        let [api, devices] = PATH;
        let id = id.to_string();
        self.call(Call::sending(Method::PATCH, &[api, devices, &id], change)?)?
            .json()
    }

    pub(crate) fn delete_device(&self, id: i64) -> Result<(), Error> {
        let [api, devices] = PATH;
        self.call(Call::new(Method::DELETE, &[api, devices, &id.to_string()]))?;
        Ok(())
    }

    /// The image of a partition of `size` bytes with the device's identity and settings. The server records who got it.
    pub(crate) fn provisioning_image(&self, id: i64, size: usize) -> Result<Wiped, Error> {
        let [api, devices] = PATH;
        let (id, partition_size) = (id.to_string(), size.to_string());
        let path = [api, devices, &id, "provisioning"];
        let call = Call {
            query: &[("partition_size", &partition_size)],
            accept: BYTES,
            ..Call::get(&path)
        };
        let image = self.call(call)?.body;
        match image.len() == size {
            true => Ok(image),
            false => Err(Error::Strange(format!(
                "{} answers with an image of {} bytes, {size} were requested",
                self.address(),
                image.len()
            ))),
        }
    }
}
