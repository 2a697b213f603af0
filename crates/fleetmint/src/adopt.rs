use std::sync::Arc;

use clap::Args;
use fleetmint_board::escape;
use fleetmint_server::clock::SystemClock;
use fleetmint_server::config::Provider;
use fleetmint_server::database::Database;
use fleetmint_server::enrolment::adoption::{self, Strays, Verdict};
use fleetmint_server::identity::keycloak::Keycloak;
use fleetmint_server::metrics::Metrics;
use fleetmint_server::os_user;
use fleetmint_server::random::SystemRandom;
use fleetmint_server::serve;

use crate::exit::Failure;
use crate::settings::SettingsArgs;
use crate::standard_output;
use crate::terminal;

/// Characters of a client's name that are shown. Keycloak allows 255.
const CLIENT_ID_MAX: usize = 255;

/// Find clients in Keycloak that belong to no device, and create devices for them
///
/// The command lists the clients of the realm whose names are iotdevice-<model code>-<device key> and that no device has. With
/// --apply it creates a device for each of them; its model must exist. The client keeps its secret. The command also works
/// while the server runs.
#[derive(Debug, Args)]
#[expect(rustdoc::invalid_html_tags, reason = "this is the text of --help")]
pub(crate) struct Adopt {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Only the clients of this model
    #[arg(long, value_name = "CODE")]
    model: Option<String>,
    /// Create the devices; without this option the clients are only listed
    #[arg(long)]
    apply: bool,
}

pub(crate) fn run(command: &Adopt) -> Result<(), Failure> {
    standard_output::expect()?;
    let (settings, _) = command.settings.load(Vec::new())?;
    let Provider::Keycloak(keycloak) = &settings.identity.provider else {
        return Err(Failure::unusable(
            "identity.provider is not keycloak: every client of the built-in provider has its device",
        ));
    };
    let keycloak = Keycloak::start(
        keycloak,
        &Metrics::default(),
        Arc::new(SystemRandom),
        Arc::new(SystemClock),
    )
    .map_err(Failure::no)?;
    let (_, database) = serve::attach(&settings.data).map_err(Failure::no)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::no)?;
    runtime.block_on(go_through(command, &database, &keycloak))
}

async fn go_through(command: &Adopt, database: &Database, keycloak: &Keycloak) -> Result<(), Failure> {
    let mut strays = Strays::new(database, keycloak, command.model.as_deref());
    let actor = os_user::current_actor();
    let (mut good, mut bad) = (0_u64, 0_u64);
    while let Some(page) = strays.next_page().await.map_err(Failure::no)? {
        for stray in page {
            let client_id = terminal::shown(&stray.found.client_id, CLIENT_ID_MAX);
            let outcome = match &stray.verdict {
                Verdict::Obstacle(obstacle) => Err(obstacle.to_string()),
                Verdict::Adoptable { .. } if !command.apply => Ok("can be adopted".to_owned()),
                Verdict::Adoptable { .. } => adoption::adopt(database, keycloak, &stray, &actor, &SystemClock)
                    .await
                    .map(|device| format!("adopted as device {}", device.id))
                    .map_err(|error| error.to_string()),
            };
            let outcome = outcome.map_err(|obstacle| escape::line(&obstacle).into_owned());
            match outcome {
                Ok(done) => {
                    good += 1;
                    terminal::print(&format!("{client_id}: {done}\n"))?;
                }
                Err(obstacle) => {
                    bad += 1;
                    terminal::print(&format!("{client_id}: not adoptable: {obstacle}\n"))?;
                }
            }
        }
    }
    if !command.apply {
        return terminal::print(&format!(
            "{good} can be adopted, {bad} cannot; --apply creates the devices\n"
        ));
    }
    terminal::print(&format!("{good} adopted, {bad} not\n"))?;
    if bad > 0 {
        return Err(Failure::no(format_args!("{bad} clients were not adopted; see above")));
    }
    Ok(())
}
