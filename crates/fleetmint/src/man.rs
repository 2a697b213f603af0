//! `fleetmint man`: the manual pages.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use clap_mangen::Man;

use crate::exit::Failure;
use crate::files;
use crate::system_error::reason;
use crate::terminal::{count, say};

/// Write the manual pages of all commands
///
/// Each command has its page: fleetmint-nvs-dump.1 is the one of `fleetmint nvs dump`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  fleetmint man ~/.local/share/man/man1
  man fleetmint-nvs-dump")]
pub(crate) struct Arguments {
    /// The folder; it is created if it is missing
    #[arg(value_name = "DIR", value_parser = files::named("- is standard output, and the pages are several files"))]
    dir: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut program = crate::Program::command().disable_help_subcommand(true);
    // Gives each command the name with which it is called.
    program.build();
    let dir = &arguments.dir;
    fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
    let pages = write_pages(program, dir)?;
    say(format_args!("{}: {}", dir.display(), count(pages, "page")));
    Ok(())
}

/// Writes the pages of a command and of all below it, and returns how many they are.
fn write_pages(command: clap::Command, dir: &Path) -> Result<usize, Failure> {
    let mut pages = 1;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages += write_pages(below.clone(), dir)?;
    }
    let page = Man::new(command);
    let path = dir.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)
        .and_then(|()| write(&path, dir, &text))
        .map_err(|error| failed(&path, &error))?;
    Ok(pages)
}

/// Writes a page whole or not at all. It is for everybody, unlike the outputs of the other commands.
fn write(path: &Path, dir: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".fleetmint-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(dir)?;
    file.write_all(text)?;
    file.persist(path)?;
    Ok(())
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::unusable(format_args!("{}: {}", path.display(), reason(error)))
}
