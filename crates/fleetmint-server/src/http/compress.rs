//! Compresses answers for callers that ask for it (RFC 9110 §12.5.3). Only for routes whose answers hold no secret: the
//! length of a compressed answer reveals something about its content.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::body::{self, Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::content_coding::Codings;
use super::problem::Problem;

/// Answers of at most this many bytes are not compressed: they fit into one packet anyway.
const WORTHWHILE: u64 = 1024;

const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// The end of a compressed answer's entity tag: a strong tag identifies bytes, and these are others (RFC 9110 §8.8.3).
const TAG_END: &str = "-gzip\"";

/// The compressed bytes of an answer that never changes. It is an extension of the answer; the first request that asks for
/// compression fills it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Once(Arc<OnceLock<Bytes>>);

/// Compresses what the route answers.
pub(crate) async fn answers(mut request: Request, next: Next) -> Response {
    let wanted = Codings::of(request.headers()).best(&["gzip"]).is_some();
    let tagged = restore_tags(request.headers_mut());
    let mut response = next.run(request).await;
    if tagged && response.status() == StatusCode::NOT_MODIFIED {
        // The caller has stored the compressed answer, and that one is still valid.
        mark_tag(response.headers_mut());
    }
    if !is_compressible(&response) {
        return response;
    }
    response
        .headers_mut()
        .append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if wanted { compress(response).await } else { response }
}

/// Compresses each part of a fixed set only once. The name of a part is the rest of its path.
pub(crate) async fn parts_once(
    State(parts): State<Arc<Mutex<HashMap<String, Once>>>>,
    part: Option<axum::extract::Path<String>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    // Only parts that exist: other names are unlimited.
    if response.status() == StatusCode::OK {
        let name = part.map(|axum::extract::Path(name)| name).unwrap_or_default();
        let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
        response.extensions_mut().insert(parts.entry(name).or_default().clone());
    }
    response
}

fn is_compressible(response: &Response) -> bool {
    let headers = response.headers();
    let size = response.body().size_hint().exact();
    let image = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|media_type| media_type.as_bytes().starts_with(b"image/png"));
    size.is_some_and(|size| size > WORTHWHILE) && !headers.contains_key(header::CONTENT_ENCODING) && !image
}

async fn compress(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // The body is in memory already: it has an exact size.
    let plain = match body::to_bytes(body, usize::MAX).await {
        Ok(plain) => plain,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    let compressed = match parts.extensions.get::<Once>() {
        Some(Once(once)) => once.get_or_init(|| smallest(&plain)).clone(),
        None => gzip(&plain, Compression::fast()),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, GZIP);
    mark_tag(&mut parts.headers);
    Response::from_parts(parts, Body::from(compressed))
}

/// Something that never changes, as small as gzip makes it.
pub(crate) fn smallest(plain: &[u8]) -> Bytes {
    gzip(plain, Compression::best())
}

fn gzip(plain: &[u8], level: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), level);
    // Writing to memory does not fail.
    let _ = encoder.write_all(plain);
    encoder.finish().unwrap_or_default().into()
}

fn mark_tag(headers: &mut HeaderMap) {
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    // A weak tag is valid for all codings.
    let strong = tag
        .filter(|tag| tag.starts_with('"'))
        .and_then(|tag| tag.strip_suffix('"'));
    if let Some(marked) = strong.and_then(|tag| HeaderValue::from_str(&format!("{tag}{TAG_END}")).ok()) {
        headers.insert(header::ETAG, marked);
    }
}

/// Turns the tags of compressed answers in the caller's conditions into the tags that the routes know. Returns whether
/// there was one.
fn restore_tags(headers: &mut HeaderMap) -> bool {
    let mut restored = false;
    for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
        restored |= restore(headers, &name);
    }
    restored
}

fn restore(headers: &mut HeaderMap, name: &HeaderName) -> bool {
    let lines: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
    let marked = |line: &HeaderValue| line.to_str().is_ok_and(|line| line.contains(TAG_END));
    if !lines.iter().any(marked) {
        return false;
    }
    headers.remove(name);
    for line in lines {
        let plain = line.to_str().ok().map(|line| line.replace(TAG_END, "\""));
        let plain = plain.and_then(|line| HeaderValue::from_str(&line).ok());
        headers.append(name, plain.unwrap_or(line));
    }
    true
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::Router;
    use axum::middleware;
    use axum::routing::get;
    use flate2::read::GzDecoder;
    use tower_service::Service as _;

    use super::*;

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    async fn answer(etag: &'static str, request: HeaderMap) -> (StatusCode, HeaderMap, Vec<u8>) {
        let handler = async move |headers: HeaderMap| {
            if headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == etag) {
                return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
            }
            ([(header::ETAG, etag)], "text ".repeat(1000)).into_response()
        };
        let mut router = Router::new()
            .route("/", get(handler))
            .route_layer(middleware::from_fn(answers));
        let mut asked = Request::builder().uri("/").body(Body::empty()).unwrap();
        *asked.headers_mut() = request;
        let (parts, body) = router.call(asked).await.unwrap().into_parts();
        let body = body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, body.to_vec())
    }

    #[tokio::test]
    async fn a_compressed_answer_has_its_own_tag_which_conditions_may_use() {
        let gzip = headers(&header::ACCEPT_ENCODING, &["gzip"]);
        let (_, plain, _) = answer("\"7\"", HeaderMap::new()).await;
        assert_eq!(plain[header::ETAG], "\"7\"");
        assert_eq!(plain[header::VARY], "accept-encoding");
        let (_, answered, body) = answer("\"7\"", gzip.clone()).await;
        assert_eq!(answered[header::ETAG], "\"7-gzip\"");
        assert_eq!(answered[header::CONTENT_LENGTH], body.len().to_string());
        let mut text = String::new();
        GzDecoder::new(&*body).read_to_string(&mut text).unwrap();
        assert_eq!(text, "text ".repeat(1000));

        let mut again = gzip.clone();
        again.insert(header::IF_NONE_MATCH, answered[header::ETAG].clone());
        let (status, answered, body) = answer("\"7\"", again).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(answered[header::ETAG], "\"7-gzip\"");
        let (_, weak, _) = answer("W/\"7\"", gzip).await;
        assert_eq!(weak[header::ETAG], "W/\"7\"");
    }

    #[test]
    fn tags_in_conditions_are_restored() {
        let mut given = headers(&header::IF_MATCH, &["\"1-gzip\", \"2\"", "W/\"3-gzip\""]);
        assert!(restore_tags(&mut given));
        let restored: Vec<_> = given.get_all(header::IF_MATCH).iter().collect();
        assert_eq!(restored, ["\"1\", \"2\"", "W/\"3\""]);
        let mut plain = headers(&header::IF_MATCH, &["\"1\", \"gzip\"", "*"]);
        assert!(!restore_tags(&mut plain));
    }
}
