use std::sync::Arc;

use clap::Args;
use fleetmint_server::access::TokenOrigin;
use fleetmint_server::clock::SystemClock;
use fleetmint_server::random::SystemRandom;
use fleetmint_server::serve::Service;

use crate::exit::Failure;
use crate::local_server::AddressFile;
use crate::log;
use crate::page;
use crate::settings::SettingsArgs;
use crate::stop;
use crate::terminal;

/// Run the server
///
/// Without any settings it stores everything in the folder fleetmint-data, is its own identity provider and listens on
/// loopback. The administrator token is in fleetmint-data/admin-token. Ctrl-C, SIGTERM or SIGHUP ends it after the calls in
/// progress, within ten seconds; a second one ends it at once.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Where to listen [default: 127.0.0.1:8080]; port 0 selects a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Create an empty database if the earlier one is missing: without this, a data folder that has a master key but
    /// no database stops the start
    #[arg(long)]
    new_database: bool,
}

pub(crate) fn run(command: &Serve) -> Result<(), Failure> {
    let flags = command
        .listen
        .iter()
        .map(|listen| ("server.listen", "--listen", listen.clone()))
        .collect();
    let (mut settings, warnings) = command.settings.load(flags)?;
    settings.data.new_database = command.new_database;
    log::start()?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    memory_stays_private();
    let mut runtime = match workers() {
        // A single thread needs no scheduler that distributes work among threads.
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime
        .worker_threads(workers())
        .enable_all()
        .build()
        .map_err(Failure::no)?;
    let served = runtime.block_on(async {
        let service = Service::start(settings, page::ASSETS, Arc::new(SystemClock), Arc::new(SystemRandom))
            .await
            .map_err(Failure::no)?;
        let stop = stop::asked_to_end().map_err(Failure::no)?;
        let _address = write_address(&service);
        // The service works also if nobody reads its output.
        if let Err(failure) = announce(&service) {
            tracing::warn!(
                error = failure.message,
                "the address of the service could not be printed"
            );
        }
        service.serve(stop).await;
        Ok(())
    });
    // Work that still runs on other threads is abandoned: nobody waits for it.
    runtime.shutdown_timeout(stop::GRACE);
    served
}

/// Keeps the process's memory, with its keys and secrets, out of core files and away from other processes of this user.
#[cfg(unix)]
fn memory_stays_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core files could not be turned off");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process's memory could not be kept from other processes");
    }
}

#[cfg(not(unix))]
fn memory_stays_private() {}

/// The number of threads for requests: one for two processors, at least one. The disk's commits and the identity provider
/// need the other processors; more threads than that mostly wake each other for nothing.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}

/// Writes the address into the data folder, for commands that call the service from the same folder. It works also without.
fn write_address(service: &Service) -> Option<AddressFile> {
    let token = service.token_path();
    let written = AddressFile::write(token.parent()?, service.address());
    if let Err(error) = &written {
        tracing::warn!(%error, "the address could not be written into the data folder: commands need --server");
    }
    written.ok()
}

/// Prints for people and scripts where the service is, and where the token is, never the token.
fn announce(service: &Service) -> Result<(), Failure> {
    let path = service.token_path();
    let token = match service.token() {
        TokenOrigin::Created => format!("an administrator token was created and stored in {}", path.display()),
        TokenOrigin::Existing if path.exists() => format!("the administrator token is in {}", path.display()),
        TokenOrigin::Existing => format!(
            "the administrator token is unchanged, but {} is gone; `fleetmint admin reset-token` creates a new one",
            path.display()
        ),
        TokenOrigin::Unproven => {
            let mismatch = match path.exists() {
                true => "does not match the database: one of the two was restored or replaced",
                false => "is missing, and the token in the database was not written by this server",
            };
            let warning = format!(
                "nobody is administrator: the file {} {mismatch}; run `fleetmint admin reset-token`, which creates a new \
                 token",
                path.display()
            );
            tracing::warn!("{warning}");
            warning
        }
        TokenOrigin::Setting => "the administrator token is the setting access.bootstrap_token".to_owned(),
    };
    tracing::info!(address = %service.address(), version = env!("CARGO_PKG_VERSION"), "ready");
    terminal::print(&format!(
        "fleetmint {} listens on http://{}\n{token}\n",
        env!("CARGO_PKG_VERSION"),
        service.address()
    ))
}
