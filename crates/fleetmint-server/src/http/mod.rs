//! The router and what every answer has in common.

mod accept;
pub(crate) mod caller;
pub(crate) mod extract;
mod health;
mod observe;
mod openapi;
pub(crate) mod page;
pub mod problem;
mod router;

pub use router::router;
