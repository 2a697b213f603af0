//! The signals that end the program, and those that its caller ignores.

use std::ffi::c_int;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// The signals that end the program after it has cleaned up.
const ENDING: [c_int; 3] = [SIGINT, SIGTERM, SIGHUP];

/// The signals that end the program, except those that its caller ignores: `nohup`, a job in the background of a shell.
pub(crate) fn ending() -> impl Iterator<Item = c_int> {
    let ignored = ignored();
    ENDING
        .into_iter()
        .filter(move |signal| ignored >> (signal - 1) & 1 == 0)
}

/// The same for a server, where a caller can only ignore SIGHUP (`nohup`). A shell lets its background jobs ignore SIGINT,
/// but a script ends a server with it.
#[cfg(feature = "serve")]
pub(crate) fn ending_a_server() -> impl Iterator<Item = c_int> {
    let ignored = ignored();
    let ends = move |signal: &c_int| *signal != SIGHUP || ignored >> (signal - 1) & 1 == 0;
    ENDING.into_iter().filter(ends)
}

/// The ignored signals as a set: bit n-1 is signal n. Only Linux reports them without `unsafe`.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.map_or(0, |set| u64::from_str_radix(set.trim(), 16).unwrap_or_default())
}
