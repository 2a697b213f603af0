use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use fleetmint_server::access::{TokenError, TokenStore};
use fleetmint_server::clock::SystemClock;
use fleetmint_server::config::Settings;
use fleetmint_server::control::{self, ANSWER_TIMEOUT, Request};
use fleetmint_server::data_folder;
use fleetmint_server::os_user;
use fleetmint_server::random::{Random, SystemRandom};
use fleetmint_server::serve;

use crate::exit::Failure;
use crate::settings::SettingsArgs;
use crate::terminal;

/// Replace the administrator token by a new one
///
/// The new token is in the file admin-token of the data folder. The old one stops working at once, also at a running
/// server, which is asked over the socket control.sock of the data folder. While access.bootstrap_token is set, it is the
/// token, and the reset is refused.
#[derive(Debug, Args)]
pub(crate) struct ResetToken {
    #[command(flatten)]
    settings: SettingsArgs,
}

/// How long the command waits for a server that is starting or stopping.
const WAIT: Duration = Duration::from_secs(5);

/// How often it looks whether that server can be asked, or is gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) fn run(command: &ResetToken) -> Result<(), Failure> {
    let (settings, _) = command.settings.load(Vec::new())?;
    let folder = serve::folder_to_ask(&settings.data).map_err(Failure::no)?;
    let request = Request::ResetAdminToken {
        bootstrap_token_is_set: settings.access.bootstrap_token.is_some(),
    };
    let deadline = Instant::now() + WAIT;
    loop {
        let no_server = match control::ask(&folder, request, ANSWER_TIMEOUT) {
            Ok(()) => break,
            Err(error @ control::Error::NoServer { .. }) => error,
            Err(error) => return Err(Failure::no(error)),
        };
        match reset_without_server(&settings)? {
            Ok(()) => break,
            Err(ServerRuns { pid }) if Instant::now() >= deadline => {
                return Err(Failure::no(format_args!(
                    "{} is used by a running server (process {pid}), which cannot be asked: {no_server}; stop it, and run \
                     this command again; a server creates its socket only when it starts",
                    settings.data.dir.display()
                )));
            }
            Err(ServerRuns { .. }) => std::thread::sleep(LOOK_EVERY),
        }
    }
    terminal::print(&format!(
        "a new administrator token was created and stored in {}\n",
        folder.admin_token_path().display()
    ))
}

/// A server has locked the data folder.
struct ServerRuns {
    pid: String,
}

fn reset_without_server(settings: &Settings) -> Result<Result<(), ServerRuns>, Failure> {
    let (folder, database) = serve::attach(&settings.data).map_err(Failure::no)?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let seal = serve::existing_seal(&settings.data, &folder, &database, &random).map_err(Failure::no)?;
    let store = TokenStore {
        database,
        folder,
        seal,
        random,
        clock: Arc::new(SystemClock),
    };
    let bootstrap_token_is_set = settings.access.bootstrap_token.is_some();
    match store.reset_without_server(&os_user::current_actor(), bootstrap_token_is_set) {
        Ok(()) => Ok(Ok(())),
        Err(TokenError::Folder(data_folder::Error::Locked { pid, .. })) => Ok(Err(ServerRuns { pid })),
        Err(error) => Err(Failure::no(error)),
    }
}
