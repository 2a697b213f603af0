//! The errors of one table, bounded in number.

use super::ERRORS_MAX;
use super::error::{Error, ErrorKind};
use alloc::vec::Vec;

/// The errors of a table: the first [`ERRORS_MAX`], and how many more there are.
#[derive(Default)]
pub(super) struct Errors {
    list: Vec<Error>,
    more: usize,
    /// The line of the first that is not in the list.
    next_line: usize,
}

impl Errors {
    /// Adds an error, which is made only if it is shown.
    pub(super) fn add(&mut self, line: usize, kind: impl FnOnce() -> ErrorKind) {
        if self.list.len() < ERRORS_MAX {
            self.list.push(kind().at(line));
            return;
        }
        if self.more == 0 {
            self.next_line = line;
        }
        self.more += 1;
    }

    /// The value, if there was no error.
    pub(super) fn or<T>(self, value: impl FnOnce() -> T) -> Result<T, Vec<Error>> {
        let Self {
            mut list,
            more,
            next_line,
        } = self;
        if list.is_empty() {
            return Ok(value());
        }
        if more > 0 {
            list.push(ErrorKind::MoreErrors { count: more }.at(next_line));
        }
        Err(list)
    }

    /// Whether there was none.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// The result that has this error alone.
pub(super) fn only<T>(error: impl Into<Error>) -> Result<T, Vec<Error>> {
    Err(Vec::from([error.into()]))
}
