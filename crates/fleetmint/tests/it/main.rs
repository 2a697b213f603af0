//! Runs the program as users do. One binary, since each would be linked anew; one file per subcommand, as in `src`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod command_tree;
mod completions;
mod espressif;
mod folder;
mod help;
mod nvs;
mod reference;
