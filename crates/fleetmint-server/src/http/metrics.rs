//! The metrics, for Prometheus and everything that reads its formats.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::IntoResponse;

use super::accept::negotiate;
use super::problem::Problem;
use crate::app::App;
use crate::metrics::{self, Format};

const TEXT: &str = "text/plain";
const OPENMETRICS: &str = "application/openmetrics-text";

/// Metrics in Prometheus' text format (version 0.0.4), or in OpenMetrics where `Accept` prefers it.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "All metrics", content((String = "text/plain"), (String = "application/openmetrics-text"))))
)]
pub(super) async fn get_metrics(State(app): State<App>, headers: HeaderMap) -> Result<impl IntoResponse, Problem> {
    // A caller that accepts neither gets text: that is more useful than a 406.
    let format = match negotiate(&headers, &[TEXT, OPENMETRICS]) {
        Ok(OPENMETRICS) => Format::OpenMetrics,
        _ => Format::Text,
    };
    let text = metrics::scrape(&app, format)
        .await
        .map_err(|error| Problem::internal(&error))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    Ok((headers, text))
}
