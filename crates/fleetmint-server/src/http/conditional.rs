//! Conditional requests (RFC 9110 §13): `ETag`, `If-Match` and `If-None-Match`.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::IntoParams;

use super::problem::{self, Problem};
use crate::version::{Expected, Version};

/// The versions that a caller wants to change.
#[derive(Debug)]
pub(crate) struct IfMatch(pub(crate) Expected);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Some(tags) = tags(&parts.headers, &header::IF_MATCH)? else {
            return Ok(Self(Expected::Any));
        };
        Ok(Self(match tags {
            Tags::Any => Expected::Any,
            // A weak tag never matches here (RFC 9110 §13.1.1).
            Tags::These(tags) => {
                Expected::OneOf(tags.iter().filter(|tag| !tag.weak).filter_map(Tag::version).collect())
            }
        }))
    }
}

/// Documents [`IfMatch`].
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents the header, which is read by IfMatch")]
pub(crate) struct IfMatchParameter {
    /// Only if it is still in one of these states: an `ETag` of an earlier answer, several with commas between them, or
    /// `*`. Otherwise the answer is a 412 and nothing is changed.
    #[param(
        rename = "If-Match",
        required = false,
        pattern = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#
    )]
    if_match: String,
}

/// The versions that a caller already has.
#[derive(Debug, Default)]
pub(crate) struct IfNoneMatch(Option<Tags>);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        // A tag that cannot be read matches nothing, which does no harm.
        Ok(Self(tags(&parts.headers, &header::IF_NONE_MATCH).unwrap_or_default()))
    }
}

/// Documents [`IfNoneMatch`].
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents the header, which is read by IfNoneMatch")]
pub(crate) struct IfNoneMatchParameter {
    /// The `ETag` of an earlier answer: if it is still the same, the answer is a 304 without a body.
    #[param(rename = "If-None-Match", required = false)]
    if_none_match: String,
}

impl IfNoneMatch {
    /// Whether the caller has the representation with this tag, given without quotes.
    pub(crate) fn names(&self, tag: &str) -> bool {
        match &self.0 {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::These(tags)) => tags.iter().any(|known| known.text == tag),
        }
    }

    /// The answer to a GET: 304 if the caller has it already.
    pub(crate) fn answer(&self, version: Version, body: impl Serialize) -> Response {
        let known = match &self.0 {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::These(tags)) => tags.iter().any(|tag| tag.version() == Some(version)),
        };
        if known {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag(version))]).into_response();
        }
        tagged(version, body)
    }
}

/// An answer in JSON with its `ETag`.
pub(crate) fn tagged(version: Version, body: impl Serialize) -> Response {
    ([(header::ETAG, etag(version))], axum::Json(body)).into_response()
}

/// The text of an `ETag`.
pub(crate) fn etag(version: Version) -> String {
    format!("\"{version}\"")
}

#[derive(Debug, PartialEq, Eq)]
enum Tags {
    Any,
    These(Vec<Tag>),
}

#[derive(Debug, PartialEq, Eq)]
struct Tag {
    weak: bool,
    text: String,
}

impl Tag {
    fn version(&self) -> Option<Version> {
        Version::parse(&self.text)
    }
}

/// The entity tags of all lines of a header; `None` if there is no such header.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let lines: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let unreadable = || {
        Problem::new(
            problem::UNREADABLE_HEADER,
            format!(
                "`{name}` must be entity tags as `ETag` gives them, in quotes and with commas between them, or `*`."
            ),
        )
    };
    let mut tags = Vec::new();
    for line in lines {
        let mut rest = line.to_str().map_err(|_| unreadable())?.trim();
        if rest == "*" && tags.is_empty() && headers.get_all(name).iter().count() == 1 {
            return Ok(Some(Tags::Any));
        }
        while !rest.is_empty() {
            let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
            let (text, after) = quoted
                .strip_prefix('"')
                .and_then(|text| text.split_once('"'))
                .ok_or_else(unreadable)?;
            tags.push(Tag {
                weak,
                text: text.to_owned(),
            });
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if after.is_empty() => after,
                None => return Err(unreadable()),
            };
        }
    }
    if tags.is_empty() {
        return Err(unreadable());
    }
    Ok(Some(Tags::These(tags)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<Tags> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_str(line).unwrap());
        }
        tags(&headers, &header::IF_MATCH).unwrap_or_else(|_| panic!("{lines:?} cannot be read"))
    }

    #[test]
    fn tags_are_read_from_all_lines() {
        let tag = |weak, text: &str| Tag {
            weak,
            text: text.to_owned(),
        };
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[" * "]), Some(Tags::Any));
        let two = Some(Tags::These(vec![tag(false, "a, b"), tag(true, "")]));
        for lines in [
            &[r#""a, b", W/"""#][..],
            &[r#""a, b""#, r#"W/"""#],
            &[r#" "a, b" ,W/"" , "#],
        ] {
            assert_eq!(read(lines), two, "{lines:?}");
        }
        for lines in [
            &[""][..],
            &["a"],
            &["\"a"],
            &[r#""a" "b""#],
            &[r#"w/"a""#],
            &["*", "*"],
            &["*", "\"a\""],
            &["\"a\"", "*"],
            &["*, \"a\""],
            &[","],
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::IF_MATCH, HeaderValue::from_str(line).unwrap());
            }
            assert!(tags(&headers, &header::IF_MATCH).is_err(), "{lines:?}");
        }
    }
}
