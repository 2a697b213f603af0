//! Which signals tell the program to end, and what its caller has said about them.

use std::ffi::c_int;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Those that end the program, which it watches to clean up first.
const ENDING: [c_int; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Those that end the program and that the caller has not told it to ignore: `nohup`, a shell's job in the background.
pub(crate) fn ending() -> impl Iterator<Item = c_int> {
    let ignored = ignored();
    ENDING
        .into_iter()
        .filter(move |signal| ignored >> (signal - 1) & 1 == 0)
}

/// The same for a server: SIGHUP alone can be ignored (`nohup`). A shell has its background jobs ignore SIGINT, and a
/// script still ends a server with it.
#[cfg(feature = "serve")]
pub(crate) fn ending_a_server() -> impl Iterator<Item = c_int> {
    let ignored = ignored();
    let heeded = move |signal: &c_int| *signal != SIGHUP || ignored >> (signal - 1) & 1 == 0;
    ENDING.into_iter().filter(heeded)
}

/// The signals that are ignored, as a set: bit n-1 is signal n. Only Linux tells it without `unsafe`.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.map_or(0, |set| u64::from_str_radix(set.trim(), 16).unwrap_or_default())
}
