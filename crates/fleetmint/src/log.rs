//! The log, on standard error: lines for people on a terminal, JSON for machines otherwise.

use std::io::{self, IsTerminal as _, Write};

use fleetmint_board::escape;
use tracing_subscriber::Layer as _;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{self, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::exit::Failure;

/// Starts the log. `RUST_LOG` sets its levels: `debug`, or `fleetmint_server=debug,info`.
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
            .fmt_fields(escaped_fields())
            .with_writer(io::stderr)
            .with_target(false)
            .boxed()
    } else {
        format
            .with_writer(|| Escaping(io::stderr()))
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

/// The message and `field=value`, with callers' text escaped: only the log itself adds colours.
fn escaped_fields() -> impl for<'a> FormatFields<'a> + Send + Sync + 'static {
    format::debug_fn(|writer, field, value| {
        let value = format!("{value:?}");
        match field.name() {
            "message" => {}
            name => write!(writer, "{name}=")?,
        }
        writer.write_str(&escape::line(&value))
    })
    .delimited(" ")
}

/// Writes JSON with callers' text escaped. A line comes in one piece.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(escape::json(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_callers_send_drives_no_terminal() {
        let text = "a\n\u{1b}]0;title\u{7}\u{9b}31m\u{202e}\u{2028}ä";
        let lines = Lines::default();
        let (people, programs) = (lines.clone(), lines.clone());
        let for_people = tracing_subscriber::registry().with(
            tracing_subscriber::fmt::layer()
                .with_ansi(true)
                .fmt_fields(escaped_fields())
                .with_writer(move || people.clone()),
        );
        tracing::subscriber::with_default(for_people, || tracing::info!(path = %text, "{text}"));
        let for_programs = tracing_subscriber::registry().with(
            tracing_subscriber::fmt::layer()
                .json()
                .with_writer(move || Escaping(programs.clone())),
        );
        tracing::subscriber::with_default(for_programs, || tracing::info!(path = %text, "{text}"));

        let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let (people, programs) = lines.split_once('\n').unwrap();
        assert!(
            people.contains("\u{1b}[32m") && !people.contains("\u{1b}]"),
            "{people:?}"
        );
        assert!(people.contains(r"path=a\n\u{1b}]0;title"), "{people:?}");
        for unseen in ["\u{7}", "\u{9b}", "\u{202e}", "\u{2028}"] {
            assert!(!lines.contains(unseen), "{lines:?}");
        }
        let json: serde_json::Value = serde_json::from_str(programs).unwrap();
        assert_eq!(
            (&json["fields"]["message"], &json["fields"]["path"]),
            (&text.into(), &text.into())
        );
    }
}
