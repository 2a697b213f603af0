//! The parts of HTTP that every room needs: problems, reading requests, writing answers, connections and their limits.
//! It knows no noun of the service.

pub(crate) mod accept;
mod activity;
pub(crate) mod answer_headers;
pub(crate) mod arriving;
pub(crate) mod body;
pub(crate) mod compress;
pub(crate) mod conditional;
pub(crate) mod connections;
pub(crate) mod content_coding;
mod cursor;
pub(crate) mod extract;
pub(crate) mod forwarded;
pub(crate) mod held_answers;
pub(crate) mod host;
mod json;
pub(crate) mod large_bodies;
mod media_range;
pub(crate) mod own_origin;
pub(crate) mod page;
pub(crate) mod prefix;
pub mod problem;
pub(crate) mod schema;
pub(crate) mod sender;
pub(crate) mod stream;
pub(crate) mod time;

pub use connections::Limits;
pub use large_bodies::LargeBodies;
