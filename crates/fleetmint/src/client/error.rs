//! Why a call failed: the server's problem (RFC 9457), or no usable answer.

use std::fmt;
use std::time::Duration;

use fleetmint_board::escape;
use serde::Deserialize;

use crate::exit::Failure;

/// What all types of problems begin with.
const TYPE_PREFIX: &str = "urn:fleetmint:problem:";

/// The most bytes of a text of the server that a message shows.
const SHOWN_MAX: usize = 1000;

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// There is no connection: the call was not carried out.
    Unreachable(String),
    /// There is no answer in time, or it was cut off: the call may have been carried out.
    Lost(String),
    /// An answer that a Fleetmint server does not give.
    Strange(String),
    /// The server refused the call.
    Problem(Problem),
    /// The server has nothing that is called so, or several of them.
    No(String),
}

/// The server's reason, as `docs/problems.md` lists them.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    pub(crate) status: u16,
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) errors: Vec<Violation>,
    #[serde(default)]
    pub(crate) retryable: bool,
    /// When to try again.
    #[serde(skip)]
    pub(super) retry_after: Option<Duration>,
    /// Said after the reason.
    #[serde(skip)]
    pub(super) hint: Option<String>,
}

/// A value that breaks a rule.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Violation {
    /// A JSON pointer into the body, or `/` and the name of a parameter.
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

impl Error {
    /// Whether it is a problem of this kind.
    pub(crate) fn is(&self, kind: &str) -> bool {
        matches!(self, Self::Problem(problem) if problem.kind() == kind)
    }

    /// Whether the same call may succeed later.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Lost(_) => true,
            Self::Strange(_) | Self::No(_) => false,
            Self::Problem(problem) => problem.retryable,
        }
    }
}

impl Error {
    /// When the server wants to be asked again.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem(problem) => problem.retry_after,
            _ => None,
        }
    }
}

impl Problem {
    /// The end of its `type`, such as `invalid-value`.
    pub(crate) fn kind(&self) -> &str {
        self.kind.strip_prefix(TYPE_PREFIX).unwrap_or(&self.kind)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| escape::bounded_line(text, SHOWN_MAX);
        write!(f, "{}: ", shown(self.kind()))?;
        match self.errors.as_slice() {
            // The detail repeats what is wrong with it.
            [one] => write!(f, "{}: {}", shown(&one.pointer), shown(&one.detail))?,
            errors => {
                f.write_str(&shown(&self.detail))?;
                for (number, error) in errors.iter().enumerate() {
                    let begin = if number == 0 { " " } else { "; " };
                    write!(f, "{begin}{}: {}", shown(&error.pointer), shown(&error.detail))?;
                }
            }
        }
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) | Self::Lost(reason) | Self::Strange(reason) | Self::No(reason) => {
                f.write_str(reason)
            }
            Self::Problem(problem) => problem.fmt(f),
        }
    }
}

impl From<Error> for Failure {
    /// The answer is no where the server understood the call and refused it; the call is unusable where there is no server,
    /// no right to call it, or nothing that it understands.
    fn from(error: Error) -> Self {
        match &error {
            Error::Problem(problem)
                if !matches!(problem.status, 400 | 401 | 403 | 405 | 406 | 411 | 413 | 415 | 431) =>
            {
                Self::no(error)
            }
            Error::No(_) => Self::no(error),
            _ => Self::unusable(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> Error {
        Error::Problem(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_problem_is_one_line_with_type_detail_and_pointer() {
        let one = problem(
            r#"{"type":"urn:fleetmint:problem:invalid-value","title":"t","status":422,"detail":"too long",
                "errors":[{"pointer":"/provisioning/wifi_ssid","detail":"too long"}],"retryable":false}"#,
        );
        assert!(one.is("invalid-value") && !one.is_retryable());
        let failure = Failure::from(one);
        assert_eq!(
            (failure.message.as_str(), failure.exit),
            ("invalid-value: /provisioning/wifi_ssid: too long", 1)
        );
        let two = problem(
            r#"{"type":"urn:fleetmint:problem:invalid-value","status":422,"detail":"2 values break a rule.",
                "errors":[{"pointer":"/name","detail":"a"},{"pointer":"/serial","detail":"b\u001b[2J"}]}"#,
        );
        assert_eq!(
            two.to_string(),
            "invalid-value: 2 values break a rule. /name: a; /serial: b\\u{1b}[2J"
        );
        let none = problem(r#"{"type":"about:blank","status":401,"detail":"no","retryable":true}"#);
        assert!(none.is_retryable());
        let failure = Failure::from(none);
        assert_eq!((failure.message.as_str(), failure.exit), ("about:blank: no", 2));
    }

    #[test]
    fn without_an_answer_the_call_is_unusable() {
        let failure = Failure::from(Error::Unreachable(
            "http://a cannot be reached: connection refused".to_owned(),
        ));
        assert_eq!(failure.exit, 2);
    }
}
