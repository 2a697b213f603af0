//! The log line of each request: limited in length, and without characters that control a terminal. It never holds the query
//! string, a header or a body.

use std::time::Duration;

use axum::http::Method;
use fleetmint_board::escape::bounded_line;

use crate::access::refusals::LogDecision;
use crate::http::problem::Cause;
use crate::operation::Operation;
use crate::source::Source;

/// The longest path in the log, in bytes.
const PATH_MAX: usize = 256;

/// The longest method in the log, in bytes: callers can send any.
const METHOD_MAX: usize = 32;

/// The longest cause of an error in the log, in bytes: some are texts of the identity provider.
const CAUSE_MAX: usize = 2048;

/// The longest client id in the log, in bytes: callers can send any.
const CLIENT_MAX: usize = 128;

/// The log line of an answered request.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) id: &'a str,
    pub(super) operation: Option<Operation>,
    pub(super) method: &'a Method,
    /// The template of the route, such as `/api/devices/{id}`.
    pub(super) route: Option<&'a str>,
    /// The path, if the route has no template.
    pub(super) path: Option<&'a str>,
    pub(super) device_id: Option<i64>,
    pub(super) client: Source,
    pub(super) status: u16,
    pub(super) took: Duration,
    pub(super) cause: Option<&'a Cause>,
    /// The caller was refused: whether this is logged.
    pub(super) refused: Option<LogDecision>,
    /// The client that was refused, by the id that it gave.
    pub(super) refused_client: Option<&'a str>,
}

impl Line<'_> {
    /// As much of a path as the log needs: what is logged, and a little more to show that it was cut.
    pub(super) fn beginning(path: &str) -> &str {
        path.get(..path.floor_char_boundary(PATH_MAX + 4)).unwrap_or_default()
    }

    /// Failures are errors, refusals and changes are information, and reads are for debugging. The number of lines about
    /// callers without valid credentials is limited: anybody can cause them.
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
            Some(LogDecision::Log { skipped }) => {
                let client_id = self.refused_client.map(|client| bounded_line(client, CLIENT_MAX));
                let skipped = Some(skipped).filter(|skipped| *skipped > 0);
                answered!(warn client_id, refused_and_not_logged = skipped,);
                return;
            }
            Some(LogDecision::Skip) => return,
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
