use std::path::PathBuf;

use clap::Args;
use fleetmint_server::backup;
use fleetmint_server::clock::SystemClock;
use fleetmint_server::os_user;
use fleetmint_server::serve;

use crate::exit::Failure;
use crate::files;
use crate::local_server;
use crate::settings::SettingsArgs;
use crate::terminal;

/// Copy the database into a file, also beside a running server
///
/// The copy has the state of the database at one moment; the server keeps running. Only its owner can read the file, which
/// appears complete or not at all. The secrets in it are sealed under the master key, which is not in it: keep a copy of the
/// master key in another place, because without it the backup is worthless, and with it anyone can read every secret.
/// docs/backup.md describes how to restore it.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file of the copy, in an existing folder
    #[arg(value_name = "FILE", value_parser = files::named("- is standard output, and the copy needs a file of its own"))]
    file: PathBuf,
    /// Replace FILE if it exists, unless it is a file of the data folder or the settings
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
        .chain([local_server::address_path(&settings.data.dir)].map(named("a file of the data folder")))
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
        "the database was copied to {}; it can be read only with {key}, so keep a copy of that in another place\n",
        command.file.display()
    ))
}
