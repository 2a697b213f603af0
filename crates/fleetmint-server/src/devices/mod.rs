//! What exists.

mod http;
mod store;
