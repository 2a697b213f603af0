//! `[data]`: where everything is stored, and the key that secrets are sealed with.

use std::path::PathBuf;

use super::Error;
use super::values::Values;
use crate::seal::MasterKey;

/// The default data folder, in the current folder.
const DEFAULT_DIR: &str = "fleetmint-data";

#[derive(Clone, Debug)]
pub struct Data {
    /// The data folder: database, master key, administrator token, lock.
    pub dir: PathBuf,
    /// The database file: `data.database_url`, else `<dir>/fleetmint.db`.
    pub database: PathBuf,
    /// Whether `data.database_url` sets it.
    pub database_is_named: bool,
    /// The setting `data.master_key`; without it the key is in `<dir>/master-key`.
    pub master_key: Option<MasterKey>,
    /// Whether the data folder may be one that other users can write to.
    pub allow_shared_dir: bool,
    /// Whether a new database is created if the earlier one is missing. It is not a setting: an operator allows it once,
    /// with `serve --new-database`.
    pub new_database: bool,
}

impl Data {
    pub(super) fn take(values: &mut Values) -> Result<Self, Error> {
        let dir = values
            .text("data.dir", dir)?
            .unwrap_or_else(|| PathBuf::from(DEFAULT_DIR));
        let named = values.secret("data.database_url", |url| database(url.expose()))?;
        let database_is_named = named.is_some();
        let database = named.unwrap_or_else(|| dir.join("fleetmint.db"));
        let master_key = values.secret("data.master_key", |key| {
            MasterKey::from_base64(key.expose()).map_err(|error| error.to_string())
        })?;
        let allow_shared_dir = values.boolean("data.allow_shared_dir")?.unwrap_or(false);
        Ok(Self {
            dir,
            database,
            database_is_named,
            master_key,
            allow_shared_dir,
            new_database: false,
        })
    }
}

fn dir(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("must be the path of a folder".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// `sqlite://relative/path` or `sqlite:///absolute/path`.
fn database(text: &str) -> Result<PathBuf, String> {
    match text.split_once("://") {
        Some(("sqlite", path)) if path.is_empty() || path == ":memory:" || path.contains(['\0', '?']) => {
            Err("must be sqlite:// and the path of a file".to_owned())
        }
        Some(("sqlite", path)) => Ok(PathBuf::from(path)),
        Some(("postgres" | "postgresql", _)) => {
            Err("PostgreSQL is not supported by this version; use sqlite:// and the path of a file".to_owned())
        }
        _ => Err("must be sqlite:// followed by the path of a file".to_owned()),
    }
}
