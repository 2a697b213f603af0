//! How a subcommand ends: 0 done, 1 the answer is no, 2 the input or the call is unusable.

use std::fmt::Display;

/// Why a subcommand failed: one line for standard error, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Empty if the answer says everything.
    pub(crate) message: String,
    pub(crate) exit: u8,
}

impl Failure {
    /// The input is usable, and the answer is no.
    pub(crate) fn no(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            exit: 1,
        }
    }

    /// The input or the call is unusable.
    pub(crate) fn unusable(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            exit: 2,
        }
    }
}
