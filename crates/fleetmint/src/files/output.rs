//! The output of a command.

use std::io;
use std::path::Path;

use super::is_standard;
use super::path::{folder, no_file_in};
use crate::exit::Failure;
use crate::system_error::reason;

/// A file to be written.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    /// Where it goes; `-` is standard output.
    pub(crate) path: &'a Path,
    pub(crate) bytes: &'a [u8],
    pub(crate) kind: OutputKind,
}

/// The content of an output, which decides which files it may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputKind {
    /// An image: it may replace any file except a table or keys.
    Image,
    /// Keys: they may replace no file, because it may hold keys that another image needs.
    Keys,
}

impl Output<'_> {
    /// Its name in messages.
    pub(super) fn name(&self) -> String {
        if is_standard(self.path) {
            "standard output".to_string()
        } else {
            self.path.display().to_string()
        }
    }

    /// The output breaks a rule.
    pub(super) fn refused(&self, rule: impl std::fmt::Display) -> Failure {
        Failure::unusable(format_args!("{}: not written: it {rule}", self.name()))
    }

    /// No file can be created at `path`.
    pub(super) fn uncreated(&self, path: &Path, error: &io::Error) -> Failure {
        let reason = no_file_in(folder(path), error);
        Failure::unusable(format_args!("{}: not written: {reason}", self.name()))
    }

    /// The system reports an error.
    pub(super) fn failed(&self, error: &io::Error) -> Failure {
        Failure::unusable(format_args!("{}: not written: {}", self.name(), reason(error)))
    }
}
