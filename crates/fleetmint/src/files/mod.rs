//! Reads input files, and writes output files so that none is ever half written.
//!
//! The room remembers every file that a call of the program has read, also those that a table's rows name. An output is
//! never written over one of them, whatever name it is given.
//!
//! ```text
//!   input ──► what was read ◄── target ──► commit ◄── write     all outputs of a call, or none
//!                                  ▲                  fill      one output that somebody else writes
//!                                  └────── appear ◄── stream    one output, written piece by piece
//!                                                     place     many outputs of one folder, each by itself
//!   comparison: whether an output is there already, without writing it
//! ```

mod appear;
mod commit;
mod comparison;
#[cfg(feature = "serve")]
mod fill;
mod identity;
mod input;
mod output;
mod path;
pub(crate) mod place;
mod precious;
mod stream;
mod target;
mod temporary;
mod write;

use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};

pub(crate) use comparison::Comparison;
#[cfg(feature = "serve")]
pub(crate) use fill::fill;
pub(crate) use input::{Beginning, read, read_beginning, read_file, read_up_to};
pub(crate) use output::{Output, OutputKind};
pub(crate) use stream::Stream;
pub(crate) use write::{created, write, write_all};

/// The name that stands for standard input and standard output.
const STANDARD: &str = "-";

/// Whether a path means standard input or standard output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path == Path::new(STANDARD)
}

/// Parses the name of a file that is never standard input or standard output: `-` is refused for this reason.
pub(crate) fn named(reason: &'static str) -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(move |path| match is_standard(&path) {
        true => Err(format!("{reason}; a file of that name is ./-")),
        false => Ok(path),
    })
}

/// The name of an input in messages.
pub(crate) fn input_name(path: &Path) -> String {
    if is_standard(path) {
        "standard input".to_string()
    } else {
        path.display().to_string()
    }
}
