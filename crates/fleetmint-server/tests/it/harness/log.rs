//! Everything that the service logs in this process, so that tests can search it for secrets.

use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, PoisonError};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Subscribes, once: the service's own events at every level, other crates' down to debug.
static SUBSCRIBED: LazyLock<()> = LazyLock::new(|| {
    tracing_subscriber::fmt()
        .json()
        .with_env_filter("fleetmint_server=trace,debug")
        .with_writer(|| Sink)
        .init();
});

pub(crate) fn subscribe() {
    LazyLock::force(&SUBSCRIBED);
}

pub(crate) fn text() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
