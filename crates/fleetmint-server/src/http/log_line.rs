//! The log line of each request: bounded, and without characters that control a terminal. It never holds the query string,
//! a header or a body.

use std::time::Duration;

use axum::http::Method;

use super::problem::Cause;
use crate::access::refusals::Telling;
use crate::operation::Operation;
use crate::source::Source;

/// The longest path in the log, in bytes.
const PATH_MAX: usize = 256;

/// The longest method in the log, in bytes: HTTP lets callers invent their own.
const METHOD_MAX: usize = 32;

/// The longest cause of an error in the log, in bytes: some come from the identity provider.
const CAUSE_MAX: usize = 2048;

/// The longest client id in the log, in bytes: strangers send what they like.
const CLIENT_MAX: usize = 128;

/// What the log says of an answered request.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) id: &'a str,
    pub(super) operation: Option<Operation>,
    pub(super) method: &'a Method,
    /// The template of the route, such as `/api/devices/{id}`.
    pub(super) route: Option<&'a str>,
    /// The path, where the route does not tell it.
    pub(super) path: Option<&'a str>,
    pub(super) device_id: Option<i64>,
    pub(super) client: Source,
    pub(super) status: u16,
    pub(super) took: Duration,
    pub(super) cause: Option<&'a Cause>,
    /// The caller was not let in: whether the log says so.
    pub(super) refused: Option<Telling>,
    /// The client that was not let in, as it called itself.
    pub(super) refused_client: Option<&'a str>,
}

impl Line<'_> {
    /// As much of a path as the log may need: what is logged, and a little to see that there was more.
    pub(super) fn beginning(path: &str) -> &str {
        path.get(..path.floor_char_boundary(PATH_MAX + 4)).unwrap_or_default()
    }

    /// What failed is an error, what was refused or changed is information, reads are for debugging. Of callers who were
    /// not let in only so many lines are written: anyone can make them.
    pub(super) fn log(&self) {
        macro_rules! answered {
            ($level:ident $($more:tt)*) => {
                tracing::$level!(
                    $($more)*
                    id = self.id,
                    operation = self.operation.map(Operation::name),
                    method = printable(self.method.as_str(), METHOD_MAX),
                    route = self.route,
                    path = self.path.map(|path| printable(path, PATH_MAX)),
                    device_id = self.device_id,
                    client = %self.client,
                    status = self.status,
                    duration_ms = self.took.as_secs_f64() * 1e3,
                    cause = self.cause.map(|cause| printable(&cause.0, CAUSE_MAX)),
                    "answered"
                )
            };
        }
        match self.refused {
            Some(Telling::Line { left_out }) => {
                let client_id = self.refused_client.map(|client| printable(client, CLIENT_MAX));
                let left_out = Some(left_out).filter(|left_out| *left_out > 0);
                answered!(warn client_id, refused_and_not_logged = left_out,);
                return;
            }
            Some(Telling::LeftOut) => return,
            None => {}
        }
        if self.status >= 500 {
            answered!(error);
        } else if self.status >= 400 || !self.method.is_safe() {
            answered!(info);
        } else {
            answered!(debug);
        }
    }
}

/// The text with everything escaped that is not to be printed (control characters, those that change the direction of
/// text), in at most `max` bytes and a mark that there was more.
fn printable(text: &str, max: usize) -> String {
    let mut printable = String::with_capacity(text.len().min(max));
    for character in text.chars() {
        let before = printable.len();
        if matches!(character, '"' | '\'' | '\\') {
            printable.push(character);
        } else {
            printable.extend(character.escape_debug());
        }
        if printable.len() > max {
            printable.truncate(before);
            printable.push('…');
            break;
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_bounded_and_controls_no_terminal() {
        assert_eq!(printable("/api/\"x\"\\ü", 256), "/api/\"x\"\\ü");
        assert_eq!(
            printable("a\r\n\u{1b}[31m\u{7f}\u{9b}\u{202e}\u{2028}z", 256),
            "a\\r\\n\\u{1b}[31m\\u{7f}\\u{9b}\\u{202e}\\u{2028}z"
        );
        assert_eq!(printable(&"x".repeat(256), 256), "x".repeat(256));
        assert_eq!(printable(&"x".repeat(257), 256), format!("{}…", "x".repeat(256)));
        // Cut between characters, the escaped ones included.
        assert_eq!(
            printable(&format!("{}ü", "x".repeat(255)), 256),
            format!("{}…", "x".repeat(255))
        );
        assert_eq!(
            printable(&format!("{}\u{1b}", "x".repeat(253)), 256),
            format!("{}…", "x".repeat(253))
        );
        assert_eq!(printable("", 0), "");
    }
}
