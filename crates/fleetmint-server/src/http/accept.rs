//! Which of the offered media types the caller wants (RFC 9110 §12.5.1).

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::{self, Kind, Problem};

/// The first of `offers` that the caller likes best; without an `Accept` header the first of all.
///
/// Who accepts errors alone (`application/problem+json`) gets the first of all, too: generated clients send the media
/// types that the OpenAPI document lists, and of a call that succeeds without a body it lists only this one.
///
/// # Errors
/// A 406 that names the offers.
pub(crate) fn negotiate<'o>(headers: &HeaderMap, offers: &[&'o str]) -> Result<&'o str, Problem> {
    let lines = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let ranges: Vec<&str> = lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .collect();
    let accepts_anything = ranges.is_empty();
    let mut best: Option<(&str, f32)> = None;
    for offer in offers {
        let quality = if accepts_anything { 1.0 } else { quality(&ranges, offer) };
        if quality > best.map_or(0.0, |(_, quality)| quality) {
            best = Some((offer, quality));
        }
    }
    let first = || {
        let takes_errors = quality(&ranges, problem::MEDIA_TYPE) > 0.0;
        offers.first().copied().filter(|_| takes_errors)
    };
    best.map(|(offer, _)| offer).or_else(first).ok_or_else(|| {
        Problem::new(
            Kind::NotAcceptable,
            format!("This call answers with {}.", offers.join(" or ")),
        )
    })
}

/// The weight that the most specific matching range gives to a media type.
fn quality(ranges: &[&str], offer: &str) -> f32 {
    let mut best = (0, 0.0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let wildcard = name.strip_suffix("/*").filter(|_| name != "*/*");
        let specificity = if name.eq_ignore_ascii_case(offer) {
            3
        } else if wildcard.is_some_and(|kind| {
            offer
                .split('/')
                .next()
                .is_some_and(|own| own.eq_ignore_ascii_case(kind))
        }) {
            2
        } else if name == "*/*" {
            1
        } else {
            continue;
        };
        let weight = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(1.0, |(_, weight)| weight.trim().parse().unwrap_or(0.0));
        if specificity > best.0 {
            best = (specificity, weight);
        }
    }
    best.1
}

/// Refuses callers who do not want JSON, before anything is done.
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
    fn the_best_liked_offer_wins_and_the_first_of_equals() {
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
        assert_eq!(choice(&["application/json;q=none"]), None);
        assert_eq!(choice(&[""]), json);
    }

    #[test]
    fn a_caller_who_accepts_errors_alone_is_answered() {
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
