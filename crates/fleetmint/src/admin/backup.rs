use std::path::PathBuf;

use clap::Args;
use fleetmint_server::backup;
use fleetmint_server::clock::SystemClock;
use fleetmint_server::os_user;
use fleetmint_server::serve;

use crate::exit::Failure;
use crate::files;
use crate::settings::SettingsArgs;
use crate::terminal;

/// Copy the database into a file, also beside a running server
///
/// The copy is the database as it is at one moment; the server goes on meanwhile. Only its owner can read the file, which
/// appears whole or not at all. The secrets in it are sealed under the master key, which is not in it: keep a copy of the
/// master key in another place, since without it the backup is worth nothing, and with it has every secret.
/// docs/backup.md says how to restore it.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Where the copy goes, in a folder that is there
    #[arg(value_name = "FILE", value_parser = files::named("- is standard output, and the copy needs a file of its own"))]
    file: PathBuf,
    /// Replace FILE if it is there, unless it is a file of the data folder or the settings
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) fn run(command: &Backup) -> Result<(), Failure> {
    let (settings, _) = command.settings.load(Vec::new())?;
    let (folder, database) = serve::attach(&settings.data).map_err(Failure::no)?;
    let named = |what| move |path| (path, what);
    let never: Vec<_> = (database.files().into_iter().map(named("the database itself")))
        .chain(folder.files().into_iter().map(named("a file of the data folder")))
        .chain(settings.files.iter().cloned().map(named("a file of the settings")))
        .collect();
    let actor = os_user::current_actor();
    files::fill(&command.file, &never, command.force, |file| {
        backup::back_up(&database, file, &actor, &SystemClock).map_err(Failure::no)
    })?;
    let key = match &settings.data.master_key {
        Some(_) => "the master key in data.master_key".to_owned(),
        None => format!("the master key in {}", settings.data.dir.join("master-key").display()),
    };
    terminal::print(&format!(
        "the database was copied to {}; it can be read with {key} alone, so keep a copy of that in another place\n",
        command.file.display()
    ))
}
