//! Which of the offered media types the caller wants (RFC 9110 §12.5.1).

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::media_range::{self, Ranges};
use super::problem::{self, Problem};

/// The offer that the caller prefers, the first of several; without an `Accept` header the first of all.
///
/// A caller that accepts only errors (`application/problem+json`) gets the first of all, too: generated clients send the
/// media types that the OpenAPI document lists, and for a call that succeeds without a body it lists only this one.
///
/// # Errors
/// A 406 that names the offers.
pub(crate) fn negotiate<'o>(headers: &HeaderMap, offers: &[&'o str]) -> Result<&'o str, Problem> {
    let lines = headers.get_all(header::ACCEPT).iter();
    let ranges = Ranges::new(lines.filter_map(|line| line.to_str().ok()));
    let first = || {
        let takes_errors = ranges.quality(problem::MEDIA_TYPE) > 0.0;
        offers.first().copied().filter(|_| takes_errors)
    };
    ranges.best(offers).or_else(first).ok_or_else(|| {
        Problem::new(
            problem::NOT_ACCEPTABLE,
            format!("This call answers with {}.", offers.join(" or ")),
        )
    })
}

/// Whether the caller asks for a page by name, as browsers do for what they show: `*/*` is not enough.
pub(crate) fn names_html(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter();
    let mut ranges = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    ranges.any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_html = parts
            .next()
            .is_some_and(|named| named.eq_ignore_ascii_case("text/html"));
        is_html && media_range::weight(parts) > 0.0
    })
}

/// Whether the caller asks for a page by name, and would rather have it than JSON.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter();
    let ranges = Ranges::new(lines.filter_map(|line| line.to_str().ok()));
    let html = ranges.quality("text/html");
    let json = ["application/json", problem::MEDIA_TYPE].map(|json| ranges.quality(json));
    names_html(headers) && json.iter().all(|json| html > *json)
}

/// Whether the caller takes a page, if only by `*/*` or by not saying what it takes.
pub(crate) fn takes_html(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::ACCEPT).iter().peekable();
    lines.peek().is_none() || Ranges::new(lines.filter_map(|line| line.to_str().ok())).quality("text/html") > 0.0
}

/// Refuses callers that do not accept JSON, before anything is done.
pub(crate) async fn json(request: Request, next: Next) -> Response {
    match negotiate(request.headers(), &["application/json"]) {
        Ok(_) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn choice(accept: &[&str]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for line in accept {
            headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        negotiate(&headers, &["application/json", "application/octet-stream"]).ok()
    }

    #[test]
    fn the_preferred_offer_wins_and_the_first_of_equals() {
        let json = Some("application/json");
        let bytes = Some("application/octet-stream");
        assert_eq!(choice(&[]), json);
        assert_eq!(choice(&["*/*"]), json);
        assert_eq!(choice(&["application/*"]), json);
        assert_eq!(choice(&["application/octet-stream"]), bytes);
        assert_eq!(choice(&["APPLICATION/Octet-Stream"]), bytes);
        assert_eq!(choice(&["application/json;q=0.5, application/octet-stream"]), bytes);
        assert_eq!(choice(&["application/json; q=0.5", "application/octet-stream"]), bytes);
        assert_eq!(choice(&["*/*, application/json;q=0"]), bytes);
        assert_eq!(choice(&["text/html, */*;q=0.1"]), json);
        assert_eq!(choice(&["text/html"]), None);
        assert_eq!(choice(&["application/json;q=0"]), None);
        for none in ["none", "NaN", "-1", "-inf", ""] {
            assert_eq!(choice(&[&format!("application/json;q={none}")]), None);
            let both = format!("application/json;q={none}, application/octet-stream;q=0.1");
            assert_eq!(choice(&[&both]), bytes);
        }
        assert_eq!(choice(&["application/octet-stream;q=2, application/json"]), json);
        assert_eq!(choice(&[""]), json);
    }

    #[test]
    fn a_page_is_asked_for_by_name() {
        for (accept, named, preferred) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
                true,
            ),
            ("text/html, application/json;q=0.9", true, true),
            ("text/html, application/json", true, false),
            ("text/html;q=0.9, application/problem+json", true, false),
            ("application/json, TEXT/HTML;q=0.1", true, false),
            ("text/html;q=0.5, */*", true, false),
            ("text/html;q=0, */*", false, false),
            ("text/*", false, false),
            ("*/*", false, false),
            ("application/json", false, false),
            ("", false, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(names_html(&headers), named, "{accept}");
            assert_eq!(prefers_html(&headers), preferred, "{accept}");
        }
        assert!(!names_html(&HeaderMap::new()) && !prefers_html(&HeaderMap::new()));
    }

    #[test]
    fn a_caller_who_accepts_only_errors_is_answered() {
        let json = Some("application/json");
        assert_eq!(choice(&["application/problem+json"]), json);
        assert_eq!(choice(&["text/html, Application/Problem+JSON;q=0.1"]), json);
        assert_eq!(
            choice(&["application/problem+json, application/octet-stream"]),
            Some("application/octet-stream")
        );
        assert_eq!(choice(&["application/problem+json;q=0"]), None);
    }
}
