//! The sources of the settings: the command line, the environment, a file.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use fleetmint_server::bounded_file;
use fleetmint_server::config::{Settings, Sources, Warning};

use crate::exit::Failure;
use crate::files;

/// The settings file if the command line names none.
const DEFAULT_FILE: &str = "fleetmint.toml";

#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    /// The settings file [default: fleetmint.toml in the current folder, if it exists]
    ///
    /// An environment variable can set each key: FLEETMINT_SERVER__LISTEN sets server.listen. A variable with _FILE at
    /// its end names a file from which a secret is read.
    #[arg(
        long,
        value_name = "FILE",
        value_parser = files::named("- is standard input, and the settings are read from a file")
    )]
    pub(crate) config: Option<PathBuf>,
}

impl SettingsArgs {
    /// Reads the settings. `flags` are the keys that options of the command line set: key, option, value.
    pub(crate) fn load(
        &self,
        flags: Vec<(&'static str, &'static str, String)>,
    ) -> Result<(Settings, Vec<Warning>), Failure> {
        let sources = Sources {
            file: self.file()?,
            environment: environment()?,
            flags,
        };
        Settings::load(&sources).map_err(Failure::unusable)
    }

    /// A file that the command line names must exist; the default one may be missing.
    fn file(&self) -> Result<Option<(PathBuf, String)>, Failure> {
        let path = self.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        match bounded_file::read_text(path, bounded_file::SETTINGS_MAX) {
            Ok(mut text) => Ok(Some((path.to_owned(), std::mem::take(&mut *text)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.config.is_none() => Ok(None),
            Err(error) => Err(Failure::unusable(format_args!("{}: {error}", path.display()))),
        }
    }
}

/// The environment variables that can be settings. An error names a variable whose value is not UTF-8.
fn environment() -> Result<Vec<(String, String)>, Failure> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("FLEETMINT_")) else {
            continue;
        };
        let value = value
            .into_string()
            .map_err(|_| Failure::unusable(format_args!("{name}: the value is not UTF-8")))?;
        variables.push((name.to_owned(), value));
    }
    Ok(variables)
}
