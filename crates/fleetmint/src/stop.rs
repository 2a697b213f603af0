//! The signals that end a server: SIGINT, SIGTERM or SIGHUP. A second signal or a time limit ends the program at once,
//! whatever is still running.
//!
//! The signals have their own thread, so that a thread that computes cannot delay them.

use std::io;
use std::time::Duration;

use fleetmint_server::listener::SHUTDOWN_TIMEOUT;
use tokio::sync::oneshot;

#[cfg(unix)]
use crate::signals;

/// The time that the program may take to end, in addition to the time for requests in progress.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Resolves when a signal asks the program to end.
#[cfg(unix)]
pub(crate) fn asked_to_end() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::{emulate_default_handler, signal_name};

    let mut signals = Signals::new(signals::ending_a_server())?;
    let (tell, asked) = oneshot::channel();
    let mut tell = Some(tell);
    let watch = move || {
        for signal in signals.forever() {
            let name = signal_name(signal).unwrap_or("a signal");
            if let Some(tell) = tell.take() {
                tracing::info!(signal = name, "a signal asks the server to end");
                // The server may have ended already.
                let _ = tell.send(());
                give_up_later();
            } else {
                tracing::warn!(signal = name, "a second signal: the server ends at once");
                if emulate_default_handler(signal).is_err() {
                    std::process::exit(128 + signal);
                }
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    Ok(async move { drop(asked.await) })
}

/// Resolves when a signal asks the program to end.
#[cfg(not(unix))]
pub(crate) fn asked_to_end() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async move {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        tracing::info!("a signal asks the server to end");
        give_up_later();
    })
}

/// Ends the program if it has not ended in time.
fn give_up_later() {
    let wait = || {
        std::thread::sleep(SHUTDOWN_TIMEOUT + GRACE);
        tracing::warn!("the time limit has passed: the server ends although something is still running");
        std::process::exit(0);
    };
    if let Err(error) = std::thread::Builder::new().name("deadline".to_owned()).spawn(wait) {
        tracing::warn!(%error, "no time limit for the end could be set");
    }
}
