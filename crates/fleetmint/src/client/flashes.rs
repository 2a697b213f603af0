//! Calls for boards: which chip carries which device, and whether it has the current values.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::connection::{Call, Server};
use super::error::Error;
use crate::exit::Failure;

/// What is about to be written where.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FlashStart<'a> {
    /// `aa:bb:cc:dd:ee:ff`
    pub(crate) mac: &'a str,
    /// ESP-IDF's name of the target, such as `esp32c3`.
    pub(crate) chip: &'a str,
    pub(crate) partition: FlashPartition<'a>,
    /// The program and its version.
    pub(crate) tool: &'a str,
    /// The device may move to this board, or the board may get another device.
    pub(crate) replace_board: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct FlashPartition<'a> {
    pub(crate) name: &'a str,
    pub(crate) offset: u32,
    pub(crate) size: u32,
}

/// What became of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FlashEnd<'a> {
    pub(crate) outcome: FlashOutcome,
    pub(crate) sectors: u32,
    pub(crate) bytes: u64,
    /// Why it failed, without any secret.
    pub(crate) reason: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FlashOutcome {
    Written,
    Unchanged,
    Failed,
}

/// A flash that has begun.
#[derive(Debug, Deserialize)]
pub(crate) struct Flash {
    pub(crate) id: i64,
}

/// A board that was flashed before.
#[derive(Debug, Deserialize)]
struct Board {
    device: Option<Carried>,
}

/// The device that a board carries.
#[derive(Debug, Deserialize)]
pub(crate) struct Carried {
    pub(crate) id: i64,
    pub(crate) key: String,
}

/// Why a flash may not begin.
#[derive(Debug)]
pub(crate) enum BeginError {
    /// The device is on another board, or the board carries another device; the server's sentences name which.
    AnotherBoard(String),
    Other(Error),
}

impl From<BeginError> for Failure {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::AnotherBoard(detail) => Self::no(detail),
            BeginError::Other(error) => error.into(),
        }
    }
}

/// Whether a board has a device's current values, without the values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Verified {
    pub(crate) matches: bool,
    /// For each key of `prov`: `current`, `outdated`, `missing` or `foreign`.
    pub(crate) keys: BTreeMap<String, String>,
}

impl Server {
    /// Reports that a flash is about to begin. Nothing may be written to the board before the server has answered.
    pub(crate) fn begin_flash(&self, device_id: i64, start: &FlashStart<'_>) -> Result<Flash, BeginError> {
        let id = device_id.to_string();
        let path = ["api", "devices", &id, "flashes"];
        let outcome = self.create(&path, start, None).and_then(|answer| answer.json());
        outcome.map_err(|error| match error {
            Error::Problem(problem) if problem.kind() == "another-board" => {
                let others: Vec<String> = problem.errors.into_iter().map(|error| error.detail).collect();
                BeginError::AnotherBoard(if others.is_empty() {
                    problem.detail
                } else {
                    others.join("; ")
                })
            }
            error => BeginError::Other(error),
        })
    }

    /// The device that the board with this MAC carries.
    pub(crate) fn carried(&self, mac: &str) -> Result<Option<Carried>, Error> {
        let path = ["api", "boards", mac];
        match self.call_again(|| Ok(Call::get(&path))) {
            Ok(answer) => Ok(answer.json::<Board>()?.device),
            Err(Error::Problem(problem)) if problem.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reports what became of a flash.
    pub(crate) fn end_flash(&self, device_id: i64, flash_id: i64, end: &FlashEnd<'_>) -> Result<(), Error> {
        let (id, flash) = (device_id.to_string(), flash_id.to_string());
        let path = ["api", "devices", &id, "flashes", &flash];
        self.call_again(|| Call::sending(Method::PATCH, &path, end))?;
        Ok(())
    }

    /// Compares the strings of `prov`, as they were read from a board, with the device's current values.
    pub(crate) fn verify(&self, device_id: i64, values: &BTreeMap<String, &str>) -> Result<Verified, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            values: &'a BTreeMap<String, &'a str>,
        }
        let id = device_id.to_string();
        let path = ["api", "devices", &id, "provisioning", "verify"];
        self.call_again(|| Call::sending(Method::POST, &path, &Body { values }))?
            .json()
    }
}
