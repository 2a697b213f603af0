//! Answers and errors, as they go to JavaScript.

use fleetmint_board::answers::ProblemReport;
use js_sys::{Array, Uint8Array};
use serde::Serialize;
use wasm_bindgen::JsValue;

/// The answer of a call, or its [`Problem`].
pub(crate) type Answer<T> = Result<T, Problem>;

/// A [`ProblemReport`] as JSON.
pub(crate) struct Problem(ProblemReport);

impl<P: Into<ProblemReport>> From<P> for Problem {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl From<Problem> for JsValue {
    fn from(Problem(problem): Problem) -> Self {
        Self::from_str(&json(&problem))
    }
}

/// A report as JSON.
pub(crate) fn json(report: &impl Serialize) -> String {
    // A report has no maps with keys that are not texts, the only way to fail.
    serde_json::to_string(report).unwrap_or_default()
}

/// Bytes, copied out of the module.
pub(crate) fn bytes(bytes: &[u8]) -> Uint8Array {
    Uint8Array::from(bytes)
}

/// A report as JSON, and bytes.
pub(crate) fn json_and_bytes(report: &impl Serialize, content: &[u8]) -> Array {
    Array::of2(&JsValue::from_str(&json(report)), &bytes(content))
}
