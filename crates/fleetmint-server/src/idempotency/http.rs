//! The header `Idempotency-Key`, as draft-ietf-httpapi-idempotency-key-header describes it.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::{Answer, Call, Error, Once, OnceOutcome};
use crate::access::Caller;
use crate::app::App;
use crate::http::extract::{self, BODY_MAX};
use crate::http::problem::{self, Problem, kinds};
use crate::operation::Operation;
use crate::secret::Wiped;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Marks a repeated answer.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key in characters.
const KEY_MAX: usize = 255;

/// A JSON body that creates something, and the key under which it may be sent again.
pub(crate) struct Creation<T> {
    pub(crate) new: T,
    key: Option<(String, Wiped)>,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Creation<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let key = key(request.headers())?;
        let body = extract::json(request, BODY_MAX).await?;
        Ok(Self {
            new: extract::parse(body.as_ref())?,
            key: key.map(|key| (key, body)),
        })
    }
}

impl<T> Creation<T> {
    /// The content of a call, and how its repetition is recognized.
    pub(crate) fn once<U>(
        self,
        app: &App,
        caller: &Caller,
        operation: Operation,
        render: fn(&U) -> Answer,
    ) -> (T, Option<Once<U>>) {
        self.once_as(app, caller, operation.name(), render)
    }

    /// The same for a call below the resource with this id: with another id it is another call.
    pub(crate) fn once_below<U>(
        self,
        app: &App,
        caller: &Caller,
        operation: Operation,
        id: i64,
        render: fn(&U) -> Answer,
    ) -> (T, Option<Once<U>>) {
        self.once_as(app, caller, &format!("{} {id}", operation.name()), render)
    }

    fn once_as<U>(self, app: &App, caller: &Caller, what: &str, render: fn(&U) -> Answer) -> (T, Option<Once<U>>) {
        let once = self.key.map(|(key, body)| Once {
            call: Call::new(app, caller, what, key, body.as_ref()),
            render,
        });
        (self.new, once)
    }
}

/// Documents the header.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents the header, which is read by Creation")]
pub(crate) struct IdempotencyKeyParameter {
    /// A text of 1 to 255 printable ASCII characters that the caller chooses, such as a UUID, in quotes or without. For
    /// 24 hours the same call with the same key gets the first answer again, with `Idempotency-Replayed: true`, and
    /// creates nothing. Calls that failed are not stored.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        pattern = r#"^(?:[!#-~](?:[ -~]{0,253}[!-~])?|"(?:[ !#-\[\]-~]|\\["\\]){1,255}")$"#,
        max_length = 512
    )]
    idempotency_key: String,
}

impl Answer {
    /// The answer to a creation.
    pub(crate) fn created(location: String, etag: String, body: &impl serde::Serialize) -> Self {
        Self {
            status: StatusCode::CREATED.as_u16(),
            location,
            etag,
            // Serializing these plain structs into memory cannot fail.
            body: serde_json::to_vec(body).unwrap_or_default(),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [(header::LOCATION, self.location), (header::ETAG, self.etag)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl<T> OnceOutcome<T> {
    /// The answer: `render`'s for a new creation, or the earlier one.
    pub(crate) fn answer(self, render: fn(&T) -> Answer) -> Response {
        match self {
            Self::Created(created) => render(&created).into_response(),
            Self::Repeated(answer) => {
                let replayed = [(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"))];
                (replayed, answer).into_response()
            }
        }
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    let text = line.to_str().ok().filter(|_| lines.next().is_none());
    match text.and_then(|text| read(text.trim())) {
        Some(key) => Ok(Some(key)),
        None => Err(Problem::new(
            problem::UNREADABLE_HEADER,
            format!("`Idempotency-Key` must be one text of 1 to {KEY_MAX} printable ASCII characters."),
        )),
    }
}

/// A key in quotes, as the draft has it (RFC 9651 §3.3.3), or bare, as most callers send it. Both are the same key.
fn read(text: &str) -> Option<String> {
    let key = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(rest) => {
            let mut key = String::new();
            let mut characters = rest.strip_suffix('"')?.chars();
            while let Some(character) = characters.next() {
                match character {
                    '"' => return None,
                    '\\' => key.push(characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
                    other => key.push(other),
                }
            }
            key
        }
    };
    let printable = key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (printable && (1..=KEY_MAX).contains(&key.len())).then_some(key)
}

kinds! {
    IDEMPOTENCY_KEY_REUSED = UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Another call was made with this Idempotency-Key", false;
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::UnderWay => Self::new(
                problem::BEING_CHANGED,
                "The first call with this `Idempotency-Key` is still in progress; repeat it later.",
            )
            .with_retry_after(1),
            Error::OtherCall => Self::new(
                IDEMPOTENCY_KEY_REUSED,
                "A call with another body or path was made with this `Idempotency-Key`; a new call needs a new key.",
            ),
            Error::Database(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_key_is_read_in_quotes_and_without() {
        for (text, key) in [
            ("a", "a"),
            ("\"a\"", "a"),
            (r#""a \"b\" \\""#, r#"a "b" \"#),
            (
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
            ),
            (&"x".repeat(255), &"x".repeat(255)),
        ] {
            assert_eq!(read(text).as_deref(), Some(key), "{text}");
        }
        for text in [
            "",
            "\"",
            "\"\"",
            "\"a",
            "\"a\"b\"",
            "\"a\\\"",
            "\"a\\b\"",
            "\"a\"; p=1",
            "a\tb",
            "ä",
            &"x".repeat(256),
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
