//! What a device type requires.

mod http;
mod store;
