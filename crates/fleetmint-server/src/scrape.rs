//! The metrics, for Prometheus and everything that reads its formats.

use std::fmt;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::IntoResponse;

use crate::app::App;
use crate::enrolment;
use crate::http::accept::negotiate;
use crate::http::problem::Problem;
use crate::metrics::Format;

const TEXT: &str = "text/plain";
const OPENMETRICS: &str = "application/openmetrics-text";

/// Metrics in Prometheus' text format (version 0.0.4), or in OpenMetrics where `Accept` prefers it.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "All metrics", content((String = "text/plain"), (String = "application/openmetrics-text"))))
)]
pub(crate) async fn get_metrics(State(app): State<App>, headers: HeaderMap) -> Result<impl IntoResponse, Problem> {
    // A caller that accepts neither gets text: that is more useful than a 406.
    let format = match negotiate(&headers, &[TEXT, OPENMETRICS]) {
        Ok(OPENMETRICS) => Format::OpenMetrics,
        _ => Format::Text,
    };
    let text = scrape(&app, format).await.map_err(|error| Problem::internal(&error))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    Ok((headers, text))
}

/// All current metrics.
///
/// # Errors
/// Never in practice: writing to a string does not fail.
async fn scrape(app: &App, format: Format) -> Result<String, fmt::Error> {
    let (metrics, database) = (app.metrics.clone(), app.database.clone());
    // Counting takes milliseconds if there are very many devices, and reading the files' sizes may be slow.
    let asked = tokio::task::spawn_blocking(move || {
        metrics.set_gauges(&database, || database.read_blocking(enrolment::count_by_state));
        metrics.encode(format)
    });
    asked.await.map_err(|_| fmt::Error)?
}
