//! The control socket: commands beside a running server send it requests here.
//!
//! ```text
//! fleetmint admin reset-token                    fleetmint serve
//!         │  connect to <data.dir>/control.sock        │
//!         ├───────────────────────────────────────────►│  which user is it?
//!         │  {"command":"reset_admin_token", …}\n      │
//!         ├───────────────────────────────────────────►│  does it
//!         │                       {"outcome":"done"}\n │
//!         │◄───────────────────────────────────────────┤
//! ```
//!
//! One connection carries one request and one answer, each a line of JSON. The client keeps its side open until it has the
//! answer. No secret travels over the socket: a new token is in its file.
//!
//! Both sides check which user the other process belongs to, as the kernel reports it. Only the server's own user and
//! root may ask; the server must belong to the caller's own user, root or the owner of the data folder.

mod client;
#[cfg(unix)]
mod line;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod socket;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use serde::{Deserialize, Serialize};

pub use client::{ANSWER_TIMEOUT, Error, ask};
#[cfg(unix)]
pub(crate) use server::Control;

/// A command's request to a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    ResetAdminToken {
        /// The settings that the command has read name the administrator's token.
        bootstrap_token_is_set: bool,
    },
}

#[cfg(unix)]
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Answer {
    Done,
    Refused {
        /// One line for a person.
        reason: String,
    },
}

/// Systems without Unix sockets: nothing listens, and the commands work only while no server runs.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct Control;

#[cfg(not(unix))]
impl Control {
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) {
        stop.await;
    }

    pub(crate) fn listen(_folder: &crate::data_folder::DataFolder, _access: &crate::access::Access) -> Option<Self> {
        None
    }
}
