//! The parts of a request that handlers extract. Every rejection is a [`Problem`].

use std::fmt;
use std::marker::PhantomData;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use fleetmint_board::escape;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use super::body;
use super::json::{self, What};
use super::problem::{self, Problem};
use super::schema;
use crate::secret::Wiped;
use crate::violation::{self, Violation};

/// The media types that [`MergePatch`] accepts, for the answers to OPTIONS and to other types (RFC 5789 §2.2, §3.1).
pub(crate) const ACCEPT_PATCH: (HeaderName, HeaderValue) = (
    HeaderName::from_static("accept-patch"),
    HeaderValue::from_static("application/merge-patch+json, application/json"),
);

/// The largest JSON body in bytes, unless an operation has another limit.
pub(crate) const BODY_MAX: usize = 256 * 1024;

/// The `{id}` of the path. A text that is not an id identifies nothing, so it is also a 404.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| no_such_id())?;
        read_id(&text).map(Self)
    }
}

/// The `{id}` of the path, and the id of something that belongs to that resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids(pub(crate) i64, pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Ids {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path((id, part)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| no_such_id())?;
        Ok(Self(read_id(&id)?, read_id(&part)?))
    }
}

fn no_such_id() -> Problem {
    Problem::not_found("There is nothing with this id.")
}

fn read_id(text: &str) -> Result<i64, Problem> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| no_such_id())
    } else {
        Err(no_such_id())
    }
}

/// Documents [`Id`].
pub(crate) struct IdParameter;

impl IntoParams for IdParameter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name("id")
            .description(Some("The `id` of the resource."))
            .parameter_in(ParameterIn::Path)
            .required(Required::True);
        vec![parameter.schema(Some(schema::id())).build()]
    }
}

/// An id in a query.
///
/// # Errors
/// What an id must be.
pub(crate) fn parse_id(text: &str) -> Result<i64, String> {
    let id = text.parse().ok().filter(|id| *id > 0);
    id.filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| "must be an id: a whole number from 1 on".to_owned())
}

/// The bytes of a body that is declared as JSON.
pub(crate) async fn json(request: Request, max: usize) -> Result<Wiped, Problem> {
    expect_json(request.headers())?;
    read(request, max).await
}

/// Refuses a body that is not declared as JSON.
pub(crate) fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    expect_media_type(headers, &["application/json"], None)
}

/// A JSON merge patch (RFC 7396), under its own media type or plain JSON's.
#[derive(Debug)]
pub(crate) struct MergePatch<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for MergePatch<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        const TYPES: &[&str] = &["application/merge-patch+json", "application/json"];
        expect_media_type(request.headers(), TYPES, Some(ACCEPT_PATCH))?;
        parse(read(request, BODY_MAX).await?.as_ref()).map(Self)
    }
}

/// A JSON object, and nothing else: serde would also take an array for the members of a struct.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

fn expect_media_type(
    headers: &HeaderMap,
    accepted: &[&str],
    advertise: Option<(HeaderName, HeaderValue)>,
) -> Result<(), Problem> {
    if !is_chunked_at_most(headers) {
        return Err(Problem::new(
            problem::NOT_IMPLEMENTED,
            "The body has a transfer coding other than chunked, which is not supported.",
        ));
    }
    if !is_uncoded(headers) {
        return Err(Problem::new(
            problem::UNSUPPORTED_MEDIA_TYPE,
            "The body has a content coding, which is not supported; send it without Content-Encoding.",
        )
        .with_header(header::ACCEPT_ENCODING, IDENTITY));
    }
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.map(|given| given.split(';').next().unwrap_or(given).trim());
    if essence.is_some_and(|essence| accepted.iter().any(|accepted| essence.eq_ignore_ascii_case(accepted))) {
        return Ok(());
    }
    let accepted = accepted.join(", ");
    let problem = Problem::new(
        problem::UNSUPPORTED_MEDIA_TYPE,
        match essence {
            Some(_) => format!("The body must be one of: {accepted}."),
            None => format!("The request has no Content-Type; it must be one of: {accepted}."),
        },
    );
    Err(match advertise {
        Some((name, value)) => problem.with_header(name, value),
        None => problem,
    })
}

/// The only content coding that is supported, for the answers to others (RFC 9110 §12.5.3).
pub(crate) const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Whether the body has no transfer coding except `chunked` (RFC 9112 §6.1). hyper decodes only that one, so a body that is
/// also compressed would be read as if it were not.
pub(crate) fn is_chunked_at_most(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = |line: &HeaderValue| line.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    lines.next().is_none_or(chunked) && lines.next().is_none()
}

/// Whether the body is neither compressed nor otherwise coded (RFC 9110 §8.4).
pub(crate) fn is_uncoded(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CONTENT_ENCODING).iter();
    lines.map(HeaderValue::as_bytes).all(|line| {
        let mut codings = line.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(IDENTITY.as_bytes()))
    })
}

async fn read(request: Request, max: usize) -> Result<Wiped, Problem> {
    body::read(request.into_body(), max)
        .await
        .map_err(|failure| failure.problem(max))
}

/// Reads a JSON object.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    json::read::<Object<T>>(bytes)
        .map(|Object(value)| value)
        .map_err(|error| match error {
            json::Error::Value(wrong) => Problem::invalid(vec![Violation::new(wrong.pointer(), describe(&wrong.what))]),
            json::Error::Json(Some((line, column))) => Problem::new(
                problem::UNREADABLE_BODY,
                format!("The body is not JSON: it has an error or ends too early at line {line}, column {column}."),
            ),
            json::Error::Json(None) => Problem::new(problem::UNREADABLE_BODY, "The body is not JSON."),
        })
}

/// What is wrong with a value, without the value itself: it may be a secret.
fn describe(what: &What) -> String {
    match what {
        What::Missing(name) => format!("{name} is required"),
        What::Unknown(name) => format!("there is no member \"{}\", or it cannot be set", shown_name(name)),
        What::Repeated(_) => "the member is given more than once".to_owned(),
        What::Other(expected) => format!("the value must be {expected}"),
    }
}

/// The longest name of an unknown member or query parameter in a detail, in characters.
const NAME_MAX: usize = 64;

/// A name from a caller, as a detail shows it.
fn shown_name(name: &str) -> String {
    match name.char_indices().nth(NAME_MAX) {
        Some((end, _)) => format!("{}…", escape::line(name.get(..end).unwrap_or_default())),
        None => escape::line(name).into_owned(),
    }
}

/// The query string, read parameter by parameter, so that a misspelt one is an error instead of being ignored.
#[derive(Debug)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    violations: Vec<Violation>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self {
            pairs,
            violations: Vec::new(),
        })
    }
}

impl Query {
    fn text(&mut self, name: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.pairs.swap_remove(at);
        if self.pairs.iter().any(|(known, _)| known == name) {
            self.violation(name, format!("the query parameter {name} is given more than once"));
            self.pairs.retain(|(known, _)| known != name);
        }
        Some(value)
    }

    /// The parameter, read by `parse`, whose error says what the value must be.
    pub(crate) fn parse<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(name)?;
        parse(&text)
            .map_err(|rule| self.violation(name, format!("the query parameter {name} {rule}")))
            .ok()
    }

    /// The same, but an empty text counts as not given.
    pub(crate) fn parse_text<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.parse(name, |text| (!text.is_empty()).then(|| parse(text)).transpose())
            .flatten()
    }

    fn violation(&mut self, name: &str, detail: String) {
        self.violations.push(Violation::new(format!("/{name}"), detail));
    }

    /// Ends the reading: wrong and unknown parameters are a 422.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let unknown = std::mem::take(&mut self.pairs);
        let count = self.violations.len() + unknown.len();
        if count == 0 {
            return Ok(());
        }
        for (name, _) in unknown.into_iter().take(violation::LISTED_MAX) {
            let shown = shown_name(&name);
            let name: String = name.chars().take(NAME_MAX).collect();
            self.violation(&name, format!("there is no query parameter \"{shown}\""));
        }
        Err(Problem::invalid_first(self.violations, count))
    }
}
