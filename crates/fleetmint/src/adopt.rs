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

/// How much of a client's name is shown; Keycloak allows 255 characters.
const SHOWN_MAX: usize = 255;

/// Find devices' clients in Keycloak that the server does not know, and make devices of them
///
/// Lists the clients of the realm whose names are iotdevice-<model code>-<device key> and that no device has; with
/// --apply each becomes a device of its model, which must be there. The client keeps its secret. It works beside a running
/// server.
#[derive(Debug, Args)]
pub(crate) struct Adopt {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Only the clients of this model
    #[arg(long, value_name = "CODE")]
    model: Option<String>,
    /// Make devices of them; without it they are only listed
    #[arg(long)]
    apply: bool,
}

pub(crate) fn run(command: &Adopt) -> Result<(), Failure> {
    standard_output::expect()?;
    let (settings, _) = command.settings.load(Vec::new())?;
    let Provider::Keycloak(keycloak) = &settings.identity.provider else {
        return Err(Failure::unusable(
            "identity.provider is not keycloak: the built-in provider's clients are never without their devices",
        ));
    };
    let keycloak =
        Keycloak::start(keycloak, &Metrics::default(), std::sync::Arc::new(SystemRandom)).map_err(Failure::no)?;
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
            let client_id = terminal::shown(&stray.found.client_id, SHOWN_MAX);
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
            "{good} can be adopted, {bad} cannot; --apply makes devices of those that can\n"
        ));
    }
    terminal::print(&format!("{good} adopted, {bad} not\n"))?;
    if bad > 0 {
        return Err(Failure::no(format_args!("{bad} clients were not adopted; see above")));
    }
    Ok(())
}
