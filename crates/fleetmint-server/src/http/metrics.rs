//! What Prometheus, and what speaks its languages, reads.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::IntoResponse;

use super::accept::negotiate;
use super::problem::Problem;
use crate::app::App;
use crate::metrics::{self, Format};

const TEXT: &str = "text/plain";
const OPENMETRICS: &str = "application/openmetrics-text";

/// Metrics in Prometheus' text format (version 0.0.4), or in OpenMetrics' for those who prefer it.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "All metrics", content((String = "text/plain"), (String = "application/openmetrics-text"))))
)]
pub(super) async fn get_metrics(State(app): State<App>, headers: HeaderMap) -> Result<impl IntoResponse, Problem> {
    // Who wants neither gets text: a scrape with an odd header is better than none.
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
