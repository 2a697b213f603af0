//! Where an output goes, and whether it may go there.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::identity::Identity;
use super::input::inputs;
use super::is_standard;
use super::output::{Output, OutputKind};
use super::path::resolved;
use super::precious::precious;
use crate::exit::Failure;
use crate::standard_output;

/// Other names of standard output.
const STANDARD_OUTPUT: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// An output that may be written to its destination.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) output: &'a Output<'a>,
    pub(super) destination: Destination,
    /// Whether the caller wants it to replace a table or keys.
    pub(super) force: bool,
}

#[derive(Debug)]
pub(super) enum Destination {
    StandardOutput,
    /// Not a regular file: a pipe, a device.
    Device(PathBuf),
    File {
        path: PathBuf,
        /// The file that exists there already.
        existing: Option<Identity>,
    },
}

impl<'a> Target<'a> {
    /// Finds the destination, and checks that the output is not also an input, and replaces no file that it must not
    /// replace.
    pub(super) fn find(output: &'a Output<'a>, force: bool) -> Result<Self, Failure> {
        Ok(Self {
            output,
            destination: find_destination(output, force)?,
            force,
        })
    }

    /// Whether it creates a file of keys where none exists.
    pub(super) fn is_new_key(&self) -> bool {
        self.output.kind == OutputKind::Keys && matches!(self.destination, Destination::File { existing: None, .. })
    }

    /// Whether two outputs go to the same place.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        use Destination::{File, StandardOutput};
        match (&self.destination, &other.destination) {
            (StandardOutput, StandardOutput) => true,
            (
                File {
                    path: a,
                    existing: file_a,
                },
                File {
                    path: b,
                    existing: file_b,
                },
            ) => a == b || file_a.is_some() && file_a == file_b,
            _ => false,
        }
    }

    /// Writes the bytes to a destination that has no temporary file.
    pub(super) fn write_directly(&self) -> io::Result<()> {
        match &self.destination {
            Destination::StandardOutput => standard_output::write_all(self.output.bytes),
            Destination::Device(path) | Destination::File { path, .. } => {
                File::options().write(true).open(path)?.write_all(self.output.bytes)
            }
        }
    }
}

fn find_destination(output: &Output<'_>, force: bool) -> Result<Destination, Failure> {
    if is_standard(output.path) {
        standard_output::expect_open().map_err(|error| output.failed(&error))?;
        if io::stdout().is_terminal() {
            return Err(Failure::unusable(
                "standard output is a terminal: send the image to a file or to a program",
            ));
        }
        if let Some(identity) = standard_output_file() {
            check_is_no_input(output, &identity)?;
        }
        return Ok(Destination::StandardOutput);
    }
    // A pipe behind /dev/stdout has a name that leads nowhere, so its type is looked up before the name is resolved.
    let is_device = |metadata: fs::Metadata| !metadata.is_file() && !metadata.is_dir();
    if fs::metadata(output.path).is_ok_and(is_device) {
        if STANDARD_OUTPUT.iter().any(|path| output.path == Path::new(path)) {
            standard_output::expect_open().map_err(|error| output.failed(&error))?;
        }
        return Ok(Destination::Device(output.path.to_path_buf()));
    }
    let path = resolved(output.path).map_err(|error| match error.kind() {
        ErrorKind::NotADirectory => output.uncreated(output.path, &error),
        _ => output.failed(&error),
    })?;
    let Ok(metadata) = fs::metadata(&path) else {
        return Ok(Destination::File { path, existing: None });
    };
    if metadata.is_dir() {
        return Err(output.failed(&ErrorKind::IsADirectory.into()));
    }
    let existing = Identity::of(&path, &metadata);
    if let Some(identity) = &existing {
        check_is_no_input(output, identity)?;
    }
    if !force {
        check_may_replace(output, &path, metadata.len())?;
    }
    Ok(Destination::File { path, existing })
}

fn check_is_no_input(output: &Output<'_>, identity: &Identity) -> Result<(), Failure> {
    match inputs().iter().find(|input| input.identity.as_ref() == Some(identity)) {
        Some(input) if input.name == output.name() => Err(output.refused("is an input too: name another output")),
        Some(input) => Err(output.refused(format_args!(
            "is the same file as the input {}: name another output",
            input.name
        ))),
        None => Ok(()),
    }
}

fn check_may_replace(output: &Output<'_>, path: &Path, size: u64) -> Result<(), Failure> {
    let what = match output.kind {
        OutputKind::Keys => {
            Some("exists, and a file of keys replaces no other: what was encrypted with the keys in it would be lost")
        }
        OutputKind::Image => precious(path, size).map_err(|error| output.failed(&error))?,
    };
    match what {
        Some(what) => Err(output.refused(format_args!("{what}; --force replaces it"))),
        None => Ok(()),
    }
}

/// The file that standard output goes to, if it is one.
#[cfg(unix)]
fn standard_output_file() -> Option<Identity> {
    use std::os::fd::AsFd;
    let file = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
    Identity::of(Path::new(""), &metadata)
}

#[cfg(not(unix))]
fn standard_output_file() -> Option<Identity> {
    None
}
