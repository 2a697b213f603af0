//! Errors of the operating system, as messages show them.

use std::io;

/// The system's own words, without the number that Rust appends: `permission denied`.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((text, _)) => text.to_lowercase(),
        None => text,
    }
}
