//! The path under which a proxy serves the service: `/fleetmint` of `https://host/fleetmint`. The proxy removes it from
//! requests, so it is added to the paths in answers.

use std::sync::Arc;

use axum::http::{HeaderValue, header};
use axum::response::Response;
use url::Url;

/// The path of `server.public_url`; empty if the service has the whole host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix(Arc<str>);

impl Prefix {
    pub(crate) fn of(public_url: Option<&str>) -> Self {
        let url = public_url.and_then(|url| Url::parse(url).ok());
        Self(url.as_ref().map_or("", |url| url.path().trim_end_matches('/')).into())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A path of the service as callers reach it.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Adds the prefix to `Location`.
    pub(crate) fn locate(&self, mut response: Response) -> Response {
        if !self.is_empty()
            && let Some(location) = response.headers_mut().get_mut(header::LOCATION)
            && let Some(path) = location.to_str().ok().filter(|location| location.starts_with('/'))
            && let Ok(public) = HeaderValue::try_from(self.path(path))
        {
            *location = public;
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn the_prefix_is_the_path_of_the_public_url() {
        for (url, prefix) in [
            (None, ""),
            (Some("https://example.com"), ""),
            (Some("https://example.com/"), ""),
            (Some("https://example.com/fleet"), "/fleet"),
            (Some("https://example.com/a/flöte/"), "/a/fl%C3%B6te"),
        ] {
            assert_eq!(&*Prefix::of(url).0, prefix, "{url:?}");
        }
    }

    #[test]
    fn locations_begin_with_the_prefix() {
        let located = |url, location: &'static str| {
            let response = Response::builder().header(header::LOCATION, location);
            let response = Prefix::of(Some(url)).locate(response.body(Body::empty()).unwrap());
            response.headers()[header::LOCATION].to_str().unwrap().to_owned()
        };
        assert_eq!(located("https://example.com/fleet", "/api/x"), "/fleet/api/x");
        assert_eq!(located("https://example.com", "/api/x"), "/api/x");
        assert_eq!(
            located("https://example.com/fleet", "https://else.example"),
            "https://else.example"
        );
    }
}
