use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

use super::{Asset, File, INDEX, PATHS};
use crate::http::accept;
use crate::http::conditional::IfNoneMatch;
use crate::http::content_coding::Codings;
use crate::http::prefix::Prefix;
use crate::http::problem::Problem;
use crate::operation::Operation;

/// What the page may load and do: its own files and calls alone, and no text becomes a script. Svelte makes its templates
/// by the one policy that is allowed.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; font-src 'self'; \
     connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types svelte-trusted-html",
);

/// The page needs the serial port, and none of the other devices.
const PERMISSIONS: HeaderValue =
    HeaderValue::from_static("serial=(self), usb=(), hid=(), camera=(), microphone=(), geolocation=()");

const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// For files whose names change with their content: a year is the longest time (RFC 9111 §5.2.2.1).
const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// For all others: a cache asks again before it uses them.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// The routes of the page's files, and of the paths at which it is shown.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(assets: &'static [Asset], prefix: &Prefix) -> Router<S> {
    let mut router = Router::new();
    for asset in assets {
        if asset.path == INDEX {
            let index = Arc::new(File::index(asset, prefix));
            // The page takes a slash at the end of its paths for none.
            let with_slash = PATHS.iter().filter(|path| **path != "/").map(|path| format!("{path}/"));
            for path in PATHS.iter().map(|path| (*path).to_owned()).chain(with_slash) {
                let index = Arc::clone(&index);
                // Nothing else is at the root. Elsewhere a call that lacks its `/api` should fail.
                let wants = if path == "/" {
                    accept::takes_html
                } else {
                    accept::names_html
                };
                let shown = async move |method: Method, headers: HeaderMap, known: IfNoneMatch| match method {
                    Method::GET | Method::HEAD if wants(&headers) => shown(&index, &headers, &known),
                    _ => Problem::nothing_here().into_response(),
                };
                router = router.route(&path, any(shown));
            }
        } else {
            let file = Arc::new(File::of(asset));
            let file = async move |headers: HeaderMap, known: IfNoneMatch| file.answer(&headers, &known);
            router = router.route(&format!("/{}", asset.path), get(file));
        }
    }
    router
}

/// What a browser is shown where nothing is: the page, which says so and leads on.
#[derive(Clone, Debug)]
pub(crate) struct NotFound(Option<Arc<File>>);

impl NotFound {
    pub(crate) fn new(assets: &'static [Asset], prefix: &Prefix) -> Self {
        let index = assets.iter().find(|asset| asset.path == INDEX);
        Self(index.map(|index| Arc::new(File::index(index, prefix))))
    }

    /// `None` for callers who do not ask for a page, and among the calls and the files, which no person types.
    pub(crate) fn shown(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
        let index = self.0.as_deref()?;
        let folder = |path: &str| path.split('/').nth(1).map(str::to_owned);
        let calls = Operation::CALLS.iter().map(|operation| operation.path());
        let is_call = calls.chain([FILES]).any(|call| folder(call) == folder(path));
        if is_call || !matches!(*method, Method::GET | Method::HEAD) || !accept::prefers_html(headers) {
            return None;
        }
        // Only a 200 may be answered with a 304 (RFC 9110 §13.2.1).
        let mut answer = shown(index, headers, &IfNoneMatch::default());
        answer.headers_mut().remove(header::ETAG);
        *answer.status_mut() = StatusCode::NOT_FOUND;
        Some(answer)
    }
}

/// Where the files with hashed names are.
const FILES: &str = "/assets/";

/// The page, for browsers that are to show this path.
fn shown(index: &File, headers: &HeaderMap, known: &IfNoneMatch) -> Response {
    let mut answer = index.answer(headers, known);
    let headers = answer.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, SAME_ORIGIN);
    headers.insert(PERMISSIONS_POLICY, PERMISSIONS);
    answer
}

impl File {
    /// The file in the form that the caller prefers.
    fn answer(&self, headers: &HeaderMap, known: &IfNoneMatch) -> Response {
        let (coding, bytes, etag) = self.form(headers);
        let mut answer = if known.names(&etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut answer = bytes.into_response();
            let headers = answer.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            headers.extend(coding.map(|coding| (header::CONTENT_ENCODING, HeaderValue::from_static(coding))));
            answer
        };
        let cache = if self.is_hashed { FOR_A_YEAR } else { NO_CACHE };
        let headers = answer.headers_mut();
        headers.extend(
            HeaderValue::try_from(format!("\"{etag}\""))
                .ok()
                .map(|etag| (header::ETAG, etag)),
        );
        headers.insert(header::CACHE_CONTROL, cache);
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, SAME_ORIGIN);
        answer
    }

    /// The coding, the bytes and the tag of that form: another coding is other bytes (RFC 9110 §8.8.3).
    fn form(&self, headers: &HeaderMap) -> (Option<&'static str>, Bytes, String) {
        let forms = [("br", &self.brotli), ("gzip", &self.gzip)];
        let forms = forms.map(|(coding, bytes)| bytes.as_ref().map(|bytes| (coding, bytes)));
        let offers: Vec<&str> = forms.iter().flatten().map(|(coding, _)| *coding).collect();
        let best = Codings::of(headers).best(&offers);
        match forms.into_iter().flatten().find(|(coding, _)| Some(*coding) == best) {
            Some((coding, bytes)) => (Some(coding), bytes.clone(), format!("{}-{coding}", self.etag)),
            None => (None, self.identity.clone(), self.etag.clone()),
        }
    }
}
