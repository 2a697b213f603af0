use std::sync::Arc;

use clap::Args;
use fleetmint_server::access::{Access, Keeping};
use fleetmint_server::clock::SystemClock;
use fleetmint_server::random::{Random, SystemRandom};
use fleetmint_server::serve;

use crate::actor;
use crate::exit::Failure;
use crate::settings::SettingsArgs;
use crate::terminal;

/// Make a new administrator token, in place of the one before
///
/// The new token is in the file admin-token of the data folder; the one before opens nothing any more, at once, also at
/// a server that is running. While access.bootstrap_token is set, that is the token, and nothing is reset.
#[derive(Debug, Args)]
pub(crate) struct ResetToken {
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) fn run(command: &ResetToken) -> Result<(), Failure> {
    let (settings, _) = command.settings.load(Vec::new())?;
    let (folder, database) = serve::attach(&settings.data).map_err(Failure::no)?;
    let bootstrap_token = settings.access.bootstrap_token.as_ref();
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let seal = serve::existing_seal(&settings.data, &folder, &database, &random).map_err(Failure::no)?;
    let keeping = Keeping {
        database: &database,
        folder: &folder,
        seal: &seal,
        random: &*random,
        clock: &SystemClock,
    };
    Access::reset(keeping, bootstrap_token, &actor::name()).map_err(Failure::no)?;
    terminal::print(&format!(
        "a new administrator token was created and stored in {}\n",
        folder.admin_token_path().display()
    ))
}
