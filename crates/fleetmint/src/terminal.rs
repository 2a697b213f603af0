//! Messages, tables and progress. Messages and progress go to standard error, so that standard output holds only the answer.
//!
//! This room escapes everything that it prints, so that no command can forget it.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::iter;
use std::ops::Deref;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use fleetmint_board::escape;
use fleetmint_board::wiped::WipedText;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::exit::Failure;
use crate::standard_output::{answered, write_all, write_with};

/// The format of an answer that is either read or processed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Reports what was done.
pub(crate) fn say(message: impl Display) {
    let message = message.to_string();
    // A closed standard error is not a failure.
    let _ = writeln!(io::stderr(), "{}", escape::line(&message));
}

/// Warns of what the caller may not have meant.
pub(crate) fn warn(message: impl Display) {
    say(format_args!("warning: {message}"));
}

/// Prints an answer for people. Foreign text within a line must have passed `shown` or `escape::line`.
pub(crate) fn print(answer: &str) -> Result<(), Failure> {
    print_parts((!answer.is_empty()).then_some(answer))
}

/// Prints a text for people that may be a secret, in a line of its own.
pub(crate) fn print_line(text: &str) -> Result<(), Failure> {
    print_parts([text, "\n"])
}

/// Prints data for programs unchanged. On a terminal it is escaped.
pub(crate) fn print_data(data: &[u8]) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return print(&String::from_utf8_lossy(data));
    }
    print_bytes(data)
}

/// Prints an answer for people in parts of one or several lines, so that a long answer is never in memory as a whole.
pub(crate) fn print_parts(parts: impl IntoIterator<Item = impl Deref<Target = str>>) -> Result<(), Failure> {
    let mut parts = parts.into_iter().peekable();
    if parts.peek().is_none() {
        return Ok(());
    }
    answered(write_with(|out| {
        parts.try_for_each(|part| escape::write_lines(&part, out))
    }))
}

fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    if bytes.is_empty() {
        return Ok(());
    }
    answered(write_all(bytes))
}

/// Prints an array as JSON, one element per line, so that a long array is never in memory as a whole.
pub(crate) fn print_json_lines<T: Serialize>(elements: impl IntoIterator<Item = T>) -> Result<(), Failure> {
    answered(write_with(|out| {
        let mut begin = "[\n ";
        for element in elements {
            out.write_all(begin.as_bytes())?;
            serde_json::to_writer(JsonOutput(out), &element)?;
            begin = ",\n ";
        }
        let end = if begin.starts_with('[') { "[\n]\n" } else { "\n]\n" };
        out.write_all(end.as_bytes())
    }))
}

/// Prints the answer as JSON, indented.
pub(crate) fn print_json(answer: &impl Serialize) -> Result<(), Failure> {
    answered(write_with(|out| {
        serde_json::to_writer_pretty(JsonOutput(out), answer)?;
        out.write_all(b"\n")
    }))
}

/// Escapes JSON as the serializer writes it, which is in whole characters. An answer may hold secrets: no copy of it is made.
struct JsonOutput<'a>(&'a mut dyn Write);

impl Write for JsonOutput<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        escape::write_json(text, self.0)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A table with a header and two spaces between its columns. The columns in `right` are aligned to the right.
///
/// `rows` is called twice, first for the widths of the columns, so that a long table is never in memory as a whole.
pub(crate) fn table<const N: usize, R: Iterator<Item = [String; N]>>(
    header: [&str; N],
    right: &[usize],
    rows: impl Fn() -> R,
) -> impl Iterator<Item = WipedText> {
    let mut widths = header.map(UnicodeWidthStr::width);
    for row in rows().map(|row| row.map(WipedText::from)) {
        for (width, cell) in widths.iter_mut().zip(&row) {
            *width = cell.width().max(*width);
        }
    }
    let line = move |row: [String; N]| {
        let row = row.map(WipedText::from);
        let room = row.iter().zip(&widths).map(|(cell, width)| cell.len() + width + 2);
        // Nothing moves the line, which may hold a secret.
        let mut line = String::with_capacity(room.sum::<usize>() + 1);
        for (place, (width, cell)) in widths.iter().zip(&row).enumerate() {
            let blanks = width - cell.width();
            let (before, behind) = if right.contains(&place) {
                (blanks, 0)
            } else {
                (0, blanks)
            };
            line.extend(iter::repeat_n(' ', before));
            line.push_str(cell);
            line.extend(iter::repeat_n(' ', behind + 2));
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        WipedText::from(line)
    };
    iter::once(header.map(String::from)).chain(rows()).map(line)
}

/// A number and a noun: `1 page`, `2 pages`, `2 entries`.
pub(crate) fn count(number: usize, one: &str) -> String {
    match (number, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {one}s"),
    }
}

/// Foreign text in a line: invisible characters are escaped, and there are at most `limit` characters.
pub(crate) fn shown(text: &str, limit: usize) -> String {
    /// Of `\u{10ffff}`.
    const ESCAPED_MAX: usize = 10;
    // Nothing moves the text, which may be a secret.
    let mut shown = String::with_capacity(text.len().min(limit) * ESCAPED_MAX + '…'.len_utf8());
    for (count, char) in text.chars().enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        escape::push(char, &mut shown);
    }
    shown
}

/// The progress of long work: a bar on a terminal, a line every few seconds elsewhere. Short work shows nothing.
pub(crate) struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    started: Instant,
    said: Instant,
    is_terminal: bool,
    bar: Option<ProgressBar>,
}

/// Work that takes less time shows no progress.
const PATIENCE: Duration = Duration::from_millis(700);
/// How often a line is written if standard error is not a terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

impl Progress {
    /// Begins work of `total` steps. `what` names them, in the plural.
    pub(crate) fn new(what: &'static str, total: usize) -> Self {
        let now = Instant::now();
        Self {
            what,
            total: total as u64,
            done: 0,
            started: now,
            said: now,
            is_terminal: io::stderr().is_terminal(),
            bar: None,
        }
    }

    /// One step is done.
    pub(crate) fn step(&mut self) {
        self.reach(self.done as usize + 1);
    }

    /// So many steps are done.
    pub(crate) fn reach(&mut self, done: usize) {
        self.done = done as u64;
        let now = Instant::now();
        match self.due(now, self.is_terminal) {
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

/// The shown text of the progress.
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
        let rows = || {
            [["k", "9", "ä"], ["longer", "10", ""], ["宽", "11", "b"]]
                .map(|row| row.map(String::from))
                .into_iter()
        };
        assert_eq!(
            table(["KEY", "SIZE", "VALUE"], &[1], rows)
                .map(|line| line.to_string())
                .collect::<String>(),
            "KEY     SIZE  VALUE\nk          9  ä\nlonger    10\n宽        11  b\n"
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
