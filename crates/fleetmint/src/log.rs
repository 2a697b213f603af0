//! The log, on standard error: lines for people on a terminal, JSON for machines otherwise.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::exit::Failure;
use crate::terminal::escape;

/// Starts the log. `RUST_LOG` says what it holds: `debug`, or `fleetmint_server=debug,info`.
pub(crate) fn start() -> Result<(), Failure> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => text
            .parse::<Targets>()
            .map_err(|error| Failure::unusable(format_args!("RUST_LOG: {error}")))?,
        _ => Targets::new().with_default(LevelFilter::INFO),
    };
    let format = tracing_subscriber::fmt::layer();
    let layer = if io::stderr().is_terminal() {
        format
            .with_writer(|| Escaping(escape::coloured_line))
            .with_target(false)
            .boxed()
    } else {
        format
            .with_writer(|| Escaping(escape::json))
            .with_ansi(false)
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed()
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()
        .map_err(Failure::unusable)
}

/// Standard error, to which callers' text goes as it can be seen. A line comes in one piece.
struct Escaping(fn(&str) -> Cow<'_, str>);

impl Write for Escaping {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().write_all((self.0)(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
