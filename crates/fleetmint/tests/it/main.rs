//! Runs the program as users do. It is one binary, because each one is linked separately, with one file per subcommand as in
//! `src`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[cfg(feature = "serve")]
mod admin;
#[cfg(feature = "serve")]
mod adopt;
#[cfg(feature = "cable")]
mod bench;
#[cfg(feature = "cable")]
mod board;
#[cfg(all(feature = "client", feature = "serve"))]
mod client_guide;
mod command_tree;
mod completions;
#[cfg(all(feature = "client", feature = "serve"))]
mod device;
mod docs;
mod espressif;
#[cfg(all(feature = "cable", feature = "client"))]
mod flash;
#[cfg(all(feature = "client", feature = "serve"))]
mod fleet;
mod folder;
mod help;
#[cfg(all(feature = "client", feature = "serve"))]
mod login;
#[cfg(all(feature = "client", feature = "serve"))]
mod logout;
mod man;
#[cfg(all(feature = "client", feature = "serve"))]
mod model;
mod nvs;
mod page;
mod reference;
#[cfg(feature = "serve")]
mod running;
#[cfg(feature = "serve")]
mod serve;
#[cfg(all(feature = "client", feature = "serve"))]
mod tls;
#[cfg(all(feature = "client", feature = "serve"))]
mod whoami;
