//! The router and what every answer has in common.

pub(crate) mod accept;
mod activity;
pub(crate) mod answer_headers;
mod arriving;
pub(crate) mod body;
pub(crate) mod caller;
mod compress;
pub(crate) mod conditional;
mod connections;
mod cursor;
pub(crate) mod extract;
mod forwarded;
mod health;
mod held_answers;
mod host;
pub(crate) mod large_bodies;
mod log_line;
mod media_range;
mod metrics;
mod observe;
mod openapi;
pub(crate) mod page;
mod prefix;
pub mod problem;
mod router;
mod routes;
pub(crate) mod schema;
mod server;
mod stream;
pub(crate) mod time;

pub use connections::Limits;
pub use large_bodies::LargeBodies;
pub use router::{Endpoints, PROBLEMS};
pub use server::{SHUTDOWN_TIMEOUT, serve};
