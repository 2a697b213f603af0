//! Calls to a server: with its token, within time limits, never redirected, and read up to a size limit.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fleetmint_board::escape;
use fleetmint_board::wiped::Wiped;
use reqwest::blocking::{Client, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::address::Address;
use super::error::{Error, Problem};
use super::login_file::json;
use super::token::{Token, TokenSource};
use crate::exit::Failure;
use crate::files;
use crate::terminal;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call may take in all. A server that waits for its identity provider answers earlier: `504` after
/// `identity.keycloak.timeout_seconds`.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The most bytes of an answer that are read: the largest image, and a page of devices with the longest values.
const ANSWER_MAX: usize = 32 << 20;

/// The largest PEM file with authorities in bytes, as for `identity.keycloak.ca_file`.
const AUTHORITIES_MAX: u64 = 4 << 20;

/// The pauses before a call whose answer was lost is made again.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

const CA_FILE_VARIABLE: &str = "FLEETMINT_CA_FILE";

const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A server, and the token for it.
#[derive(Debug)]
pub(crate) struct Server {
    http: Client,
    address: Address,
    token: Token,
    token_source: TokenSource,
}

/// A call.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// The segments of the path.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) accept: HeaderValue,
    pub(super) body: Option<Wiped>,
    pub(super) idempotency_key: Option<&'a str>,
}

impl<'a> Call<'a> {
    pub(super) fn get(path: &'a [&'a str]) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn new(method: Method, path: &'a [&'a str]) -> Self {
        Self {
            method,
            path,
            query: &[],
            accept: JSON,
            body: None,
            idempotency_key: None,
        }
    }

    /// With a JSON body, which may hold secrets.
    pub(super) fn sending(method: Method, path: &'a [&'a str], body: &impl Serialize) -> Result<Self, Error> {
        let body =
            json(body).map_err(|error| Error::Strange(format!("the call cannot be written as JSON: {error}")))?;
        Ok(Self {
            body: Some(body),
            ..Self::new(method, path)
        })
    }
}

/// An answer with a status of success.
pub(super) struct Answer {
    /// It repeats the answer to an earlier call with the same key.
    pub(super) is_replayed: bool,
    /// It may hold secrets.
    pub(super) body: Wiped,
    address: Address,
}

impl Answer {
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // serde's text quotes the body, which may hold secrets; the position is enough.
        serde_json::from_slice(self.body.as_ref()).map_err(|error| {
            Error::Strange(format!(
                "{} does not answer as a Fleetmint server of this version does (line {}, column {} of the answer)",
                self.address,
                error.line(),
                error.column()
            ))
        })
    }
}

impl Server {
    pub(super) fn new(address: Address, token: Token, token_source: TokenSource) -> Result<Self, Failure> {
        if address.is_plain_on_the_network() {
            terminal::warn(format_args!(
                "{address} is http and not on this computer: the token and the devices' secrets cross the network in \
                 plain text; use https"
            ));
        }
        Ok(Self {
            http: http_client(&address)?,
            address,
            token,
            token_source,
        })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn token_source(&self) -> &TokenSource {
        &self.token_source
    }

    pub(super) fn call(&self, call: Call<'_>) -> Result<Answer, Error> {
        let url = self.address.resource(call.path, call.query);
        let mut token = HeaderValue::from_str(&format!("Bearer {}", self.token.expose()))
            .map_err(|_| Error::Strange("the token cannot be a header".to_owned()))?;
        token.set_sensitive(true);
        let mut request = self
            .http
            .request(call.method, url)
            .header(AUTHORIZATION, token)
            .header(ACCEPT, call.accept);
        if let Some(key) = call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = call.body {
            request = request.header(CONTENT_TYPE, JSON).body(Bytes::from_owner(body));
        }
        let until = Instant::now() + TIMEOUT;
        let response = request.send().map_err(|error| self.unreachable(&error))?;
        self.answer(response, until)
    }

    fn answer(&self, response: Response, until: Instant) -> Result<Answer, Error> {
        let status = response.status();
        if status.is_redirection() {
            let location = text(response.headers(), &LOCATION).unwrap_or_default();
            return Err(Error::Strange(format!(
                "{} redirects to {}, which is not followed: the token is for that server alone; if it is the same one, \
                 use its URL",
                self.address,
                escape::bounded_line(location, 200)
            )));
        }
        let is_replayed = response.headers().contains_key("idempotency-replayed");
        let retry_after = text(response.headers(), &RETRY_AFTER)
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        let is_problem =
            text(response.headers(), &CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/problem+json"));
        let expected = response
            .content_length()
            .and_then(|length| usize::try_from(length).ok());
        let source = Timed {
            source: response,
            until,
        };
        let read = Wiped::read(source, expected.unwrap_or_default().min(ANSWER_MAX), ANSWER_MAX)
            .map_err(|error| Error::Lost(format!("{}: the answer was cut off: {}", self.address, cause(&error))))?;
        if read.is_cut {
            return Err(Error::Strange(format!(
                "{} answers with more than {ANSWER_MAX} bytes",
                self.address
            )));
        }
        let answer = Answer {
            is_replayed,
            body: read.content,
            address: self.address.clone(),
        };
        if status.is_success() {
            return Ok(answer);
        }
        if !is_problem {
            return Err(Error::Strange(format!(
                "{} answers {status} without saying why; is it the URL of a Fleetmint server?",
                self.address
            )));
        }
        let mut problem: Problem = answer.json()?;
        problem.retry_after = retry_after;
        if matches!(problem.status, 401 | 403) {
            problem.hint = Some(match &self.token_source {
                TokenSource::Entered => "the token was not stored".to_owned(),
                source => format!("the token is from {source}"),
            });
        }
        Err(Error::Problem(problem))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let reason = cause(error);
        if !error.is_connect() {
            let reason = match error.is_timeout() {
                true => format!("{} did not answer within {} seconds", self.address, TIMEOUT.as_secs()),
                false => format!("{} did not answer: {reason}", self.address),
            };
            return Error::Lost(reason);
        }
        let reason = match error.is_timeout() {
            true => format!("no connection within {} seconds", CONNECT_TIMEOUT.as_secs()),
            false => reason,
        };
        let hint = match reason.contains("certificate") {
            true => format!("; {CA_FILE_VARIABLE} names a PEM file with the authorities to trust"),
            false => String::new(),
        };
        Error::Unreachable(format!("{} cannot be reached: {reason}{hint}", self.address))
    }

    /// Makes a call that may be made again without harm, until there is an answer.
    pub(super) fn call_again<'a>(&self, call: impl Fn() -> Result<Call<'a>, Error>) -> Result<Answer, Error> {
        for pause in PAUSES {
            match self.call(call()?) {
                Err(Error::Lost(_)) => std::thread::sleep(pause),
                outcome => return outcome,
            }
        }
        self.call(call()?)
    }

    /// Creates something once, also if an answer is lost: the server recognizes a repeated call by its key. Without a key one
    /// is chosen for this call alone.
    pub(super) fn create(&self, path: &[&str], new: &impl Serialize, key: Option<&str>) -> Result<Answer, Error> {
        let key = match key {
            Some(key) => key.to_owned(),
            None => random_key()?,
        };
        self.call_again(|| {
            Ok(Call {
                idempotency_key: Some(&key),
                ..Call::sending(Method::POST, path, new)?
            })
        })
    }
}

/// An answer that must be whole by then: the client's own limit begins again with each part of it.
struct Timed<R> {
    source: R,
    until: Instant,
}

impl<R: Read> Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() > self.until {
            let seconds = TIMEOUT.as_secs();
            return Err(io::Error::other(format!("it was not whole within {seconds} seconds")));
        }
        self.source.read(buffer)
    }
}

fn random_key() -> Result<String, Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Error::Strange(format!("the system has no random numbers: {error}")))?;
    Ok(hex::encode(random))
}

fn text<'a>(headers: &'a HeaderMap, name: &reqwest::header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The innermost cause: the outer ones only say that a request failed, and name its URL.
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    match text.split_once(" (os error ") {
        Some((text, _)) => text.to_lowercase(),
        None => text,
    }
}

fn http_client(address: &Address) -> Result<Client, Failure> {
    // It fails if it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = Client::builder()
        .redirect(Policy::none())
        .http1_only()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .user_agent(concat!("fleetmint/", env!("CARGO_PKG_VERSION")));
    if address.is_loopback() {
        client = client.no_proxy();
    }
    if let Some(authorities) = authorities()? {
        client = client.tls_certs_only(authorities);
    } else if !address.is_encrypted() {
        // No certificate is ever checked, so the system does not need any.
        client = client.tls_certs_only([]);
    }
    client
        .build()
        .map_err(|error| Failure::unusable(format_args!("no HTTP client can be created: {}", cause(&error))))
}

/// The only authorities to trust, if a file of them is named; otherwise the system's are trusted.
fn authorities() -> Result<Option<Vec<Certificate>>, Failure> {
    let Some(path) = std::env::var_os(CA_FILE_VARIABLE).map(PathBuf::from) else {
        return Ok(None);
    };
    let unusable = |rule: &str| Failure::unusable(format_args!("{CA_FILE_VARIABLE}: {}: {rule}", path.display()));
    let pem = files::read_file(&path, AUTHORITIES_MAX)
        .map_err(|failure| Failure::unusable(format_args!("{CA_FILE_VARIABLE}: {}", failure.message)))?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|_| unusable("it is not a PEM file"))?;
    if authorities.is_empty() {
        return Err(unusable("it contains no certificate"));
    }
    Ok(Some(authorities))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_drips_is_given_up() {
        let source = io::repeat(b' ');
        let until = Instant::now() + Duration::from_millis(20);
        let mut timed = Timed { source, until };
        let error = io::copy(&mut timed, &mut io::sink()).unwrap_err();
        assert_eq!(error.to_string(), "it was not whole within 60 seconds");
    }
}
