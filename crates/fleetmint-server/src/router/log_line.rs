//! The log line of each request: bounded, and without characters that control a terminal. It never holds the query string,
//! a header or a body.

use std::time::Duration;

use axum::http::Method;
use fleetmint_board::escape::bounded_line;

use crate::access::refusals::Telling;
use crate::http::problem::Cause;
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
                    method = bounded_line(self.method.as_str(), METHOD_MAX),
                    route = self.route,
                    path = self.path.map(|path| bounded_line(path, PATH_MAX)),
                    device_id = self.device_id,
                    client = %self.client,
                    status = self.status,
                    duration_ms = self.took.as_secs_f64() * 1e3,
                    cause = self.cause.map(|cause| bounded_line(&cause.0, CAUSE_MAX)),
                    "answered"
                )
            };
        }
        match self.refused {
            Some(Telling::Line { left_out }) => {
                let client_id = self.refused_client.map(|client| bounded_line(client, CLIENT_MAX));
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
