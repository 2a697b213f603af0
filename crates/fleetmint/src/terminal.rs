//! What people read: messages, tables, progress. Messages and progress go to standard error, so that standard output
//! holds the answer alone.
//!
//! Everything passes `escape` on its way out, so that no command can forget it.

pub(crate) mod escape;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, ColumnConstraint, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit::Failure;

/// Says what was done.
pub(crate) fn say(message: impl Display) {
    let message = message.to_string();
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr(), "{}", escape::line(&message));
}

/// Says what may not have been meant.
pub(crate) fn warn(message: impl Display) {
    say(format_args!("warning: {message}"));
}

/// Prints an answer for people. What it shows of others' text within a line has passed `shown` or `escape::line`.
pub(crate) fn print(answer: &str) -> Result<(), Failure> {
    print_bytes(escape::lines(answer).as_bytes())
}

/// Prints data for programs as they are; on a terminal only what can be seen of them.
pub(crate) fn print_data(data: &[u8]) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return print(&String::from_utf8_lossy(data));
    }
    print_bytes(data)
}

/// Whoever closes the pipe early (`| head`) has enough of it.
fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::unusable(format_args!(
            "standard output: {}",
            crate::files::reason(&error)
        ))),
        _ => Ok(()),
    }
}

/// Prints the answer as JSON, indented.
pub(crate) fn print_json(answer: &impl serde::Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(answer)
        .map_err(|error| Failure::unusable(format_args!("the answer can't be written as JSON: {error}")))?;
    text.push('\n');
    print_bytes(escape::json(&text).as_bytes())
}

/// A table with a header, columns two blanks apart. Columns named in `right` are aligned to the right.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    right: &[usize],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if place + 1 == N { 0 } else { 2 }));
        column.set_constraint(ColumnConstraint::ContentWidth);
        if right.contains(&place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A number with what it counts: `1 page`, `2 pages`, `2 entries`.
pub(crate) fn count(number: usize, one: &str) -> String {
    match (number, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {one}s"),
    }
}

/// A part of a line: what is unseen is escaped, and there are at most `limit` characters.
pub(crate) fn shown(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for (count, char) in text.chars().enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        if escape::is_unseen(char) {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// How far long work is: a bar on a terminal, a line now and then elsewhere. Short work shows nothing.
pub(crate) struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    started: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

/// Work that takes less shows no progress.
const PATIENCE: Duration = Duration::from_millis(700);
/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

impl Progress {
    /// Begins work of `total` steps; `what` are they, in the plural.
    pub(crate) fn new(what: &'static str, total: usize) -> Self {
        let now = Instant::now();
        Self {
            what,
            total: total as u64,
            done: 0,
            started: now,
            said: now,
            bar: None,
        }
    }

    /// One step is done.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        let now = Instant::now();
        match self.due(now, io::stderr().is_terminal()) {
            Due::Nothing => {}
            Due::Bar => {
                let total = self.total;
                let bar = self.bar.get_or_insert_with(|| {
                    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
                    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {eta} left") {
                        bar.set_style(style);
                    }
                    bar
                });
                bar.set_message(self.what);
                bar.set_position(self.done);
            }
            Due::Line => {
                self.said = now;
                say(format_args!("{} of {} {}", self.done, self.total, self.what));
            }
        }
    }

    fn due(&self, now: Instant, terminal: bool) -> Due {
        if terminal && now.duration_since(self.started) >= PATIENCE {
            Due::Bar
        } else if !terminal && now.duration_since(self.said) >= LINE_EVERY {
            Due::Line
        } else {
            Due::Nothing
        }
    }
}

/// What is to be shown of the progress.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Bar,
    Line,
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["k", "9", "ä"], ["longer", "10", ""]].map(|row| row.map(String::from));
        assert_eq!(
            table(["KEY", "SIZE", "VALUE"], &[1], rows),
            "KEY     SIZE  VALUE\nk          9  ä\nlonger    10\n"
        );
    }

    #[test]
    fn only_long_work_shows_its_progress() {
        let mut progress = Progress::new("tables", 3);
        let started = progress.started;
        let due = |progress: &Progress, millis: u64, terminal| {
            progress.due(started + Duration::from_millis(millis), terminal)
        };
        assert_eq!(due(&progress, 600, true), Due::Nothing);
        assert_eq!(due(&progress, 800, true), Due::Bar);
        assert_eq!(due(&progress, 4_900, false), Due::Nothing);
        assert_eq!(due(&progress, 5_100, false), Due::Line);
        progress.said = started + Duration::from_millis(5_100);
        assert_eq!(due(&progress, 10_000, false), Due::Nothing);
        assert_eq!(due(&progress, 10_200, false), Due::Line);
    }

    #[test]
    fn one_and_many() {
        let counted = [count(1, "page"), count(0, "page"), count(2, "entry"), count(1, "entry")];
        assert_eq!(counted, ["1 page", "0 pages", "2 entries", "1 entry"]);
    }

    #[test]
    fn what_a_flash_holds_does_not_drive_the_terminal() {
        assert_eq!(shown("a\x1b[31mb\n\u{202E}c", 99), "a\\u{1b}[31mb\\n\\u{202e}c");
        assert_eq!(shown("äöü", 2), "äö…");
        assert_eq!(shown("äöü", 3), "äöü");
    }
}
