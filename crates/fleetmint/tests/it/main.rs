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
mod command_tree;
mod completions;
mod docs;
mod espressif;
mod folder;
mod help;
mod nvs;
mod reference;
#[cfg(feature = "serve")]
mod running;
#[cfg(feature = "serve")]
mod serve;
