//! The settings, one file per section, validated at start.
//!
//! A key is given by a flag, by an environment variable (`FLEETMINT_SECTION__KEY`), in `fleetmint.toml`, or has a
//! default, the first of these wins. Each secret can also be read from the file that `FLEETMINT_SECTION__KEY_FILE`
//! names. An unknown key or a value of the wrong type stops the start.

mod access;
mod data;
mod identity;
mod keycloak;
pub(crate) mod provisioning;
mod server;
#[cfg(test)]
mod tests;
pub mod url;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use access::Access;
pub use data::Data;
pub use identity::{Identity, Provider};
pub use keycloak::Keycloak;
pub use provisioning::Provisioning;
pub use server::{ForwardedBy, Server};
pub use values::Origin;

use values::Values;

/// The keys outside `[provisioning]` that can also come from a file that `…_FILE` names. No error and no `Debug` shows
/// their values.
const SECRETS: &[&str] = &[
    "access.bootstrap_token",
    "data.database_url",
    "data.master_key",
    "identity.keycloak.client_secret",
];

/// All secrets: [`SECRETS`], and those among the provisioning settings.
fn secrets() -> impl Iterator<Item = &'static str> {
    SECRETS.iter().copied().chain(provisioning::secrets())
}

/// All settings.
#[derive(Clone, Debug)]
pub struct Settings {
    pub server: Server,
    pub data: Data,
    pub access: Access,
    pub identity: Identity,
    pub provisioning: Provisioning,
    /// The files that the settings were read from and those that they name. No command may overwrite one of them.
    pub files: Vec<PathBuf>,
    /// The problems that do not stop the start.
    pub warnings: Vec<Warning>,
}

/// The sources of the settings. The program passes the environment and the command line in.
#[derive(Clone, Default)]
pub struct Sources {
    /// The settings file's name, for messages, and its text.
    pub file: Option<(PathBuf, String)>,
    /// The environment's variables; those that are not settings are ignored.
    pub environment: Vec<(String, String)>,
    /// Keys that the command line sets: key, flag, value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// The sources hold secrets, so their content is not shown.
impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file.as_ref().map(|(path, _)| path))
            .finish_non_exhaustive()
    }
}

/// Why the settings cannot be used. The text is one line that names the place and the key, and never a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{origin}: {message}")]
    Syntax { origin: Origin, message: String },
    #[error("{origin}: unknown key {key}; {hint}")]
    Unknown { origin: Origin, key: String, hint: String },
    #[error("{origin}: {key}: {rule}")]
    Value {
        origin: Origin,
        key: &'static str,
        rule: String,
    },
}

/// A problem of the settings that does not stop the start, but that devices will have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub origin: Origin,
    pub key: &'static str,
    /// The stable name of the problem; `None` if it shows in the values that devices get.
    pub code: Option<&'static str>,
    pub message: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.key, self.message)
    }
}

impl Settings {
    /// Reads and validates the settings.
    ///
    /// # Errors
    /// The file is not TOML, a key is unknown, or a value has the wrong type: see [`Error`].
    pub fn load(sources: &Sources) -> Result<(Self, Vec<Warning>), Error> {
        let mut values = Values::gather(sources)?;
        let mut settings = Self {
            server: Server::take(&mut values)?,
            data: Data::take(&mut values)?,
            access: Access::take(&mut values)?,
            identity: Identity::take(&mut values)?,
            provisioning: Provisioning::take(&mut values)?,
            files: Vec::new(),
            warnings: Vec::new(),
        };
        settings.files = std::mem::take(&mut values.files);
        let warnings = values.finish()?;
        settings.warnings.clone_from(&warnings);
        Ok((settings, warnings))
    }

    /// Fills in what is known only once the listener has its address, and returns the problems that devices will have.
    #[must_use]
    pub fn listening(mut self, address: SocketAddr) -> (Self, Vec<Warning>) {
        let warnings = self.server.listening(address);
        self.warnings.extend_from_slice(&warnings);
        (self, warnings)
    }
}
