//! Which answers are compressed, for which callers, and which never are.

use std::io::Read as _;

use flate2::read::GzDecoder;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::harness::{Answer, Server, nvs};

async fn ask(server: &Server, method: Method, path: &str, coding: &str) -> Answer {
    server
        .call(method, path, |request| request.header(ACCEPT_ENCODING, coding))
        .await
}

fn unzipped(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(&*answer.body).read_to_end(&mut plain).unwrap();
    plain
}

fn varies(answer: &Answer) -> bool {
    let mut lines = answer.headers.get_all("vary").iter();
    lines.any(|line| line.to_str().unwrap().eq_ignore_ascii_case("accept-encoding"))
}

#[tokio::test]
async fn lists_documents_and_metrics_are_compressed_on_request() {
    let server = Server::start().await;
    let model = server.model("m").await;
    for _ in 0..8 {
        server.device(&model).await;
    }
    for path in [
        "/api/devices",
        "/api/audit",
        "/api/openapi.json",
        "/api/docs/swagger-ui-bundle.js",
        "/api/docs/swagger-ui.css",
    ] {
        let plain = ask(&server, Method::GET, path, "identity").await;
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        assert!(varies(&plain), "{path}");
        for coding in ["gzip", "gzip, deflate, br, zstd"] {
            let zipped = ask(&server, Method::GET, path, coding).await;
            assert_eq!(zipped.status, 200);
            assert_eq!(zipped.header("content-encoding"), "gzip", "{path}");
            assert_eq!(zipped.header("content-type"), plain.header("content-type"), "{path}");
            assert_eq!(zipped.header("cache-control"), plain.header("cache-control"), "{path}");
            assert!(varies(&zipped), "{path}");
            assert!(zipped.body.len() < plain.body.len() / 2, "{path}");
            assert!(unzipped(&zipped) == plain.body, "{path}");
            let head = ask(&server, Method::HEAD, path, coding).await;
            assert_eq!(head.header("content-encoding"), "gzip", "{path}");
            assert_eq!(head.header("content-length"), zipped.body.len().to_string(), "{path}");
            assert!(head.body.is_empty());
        }
        let disliked = ask(&server, Method::GET, path, "gzip;q=0.2, identity;q=0.5").await;
        assert_eq!(disliked.header("content-encoding"), "", "{path}");
    }
    let metrics = ask(&server, Method::GET, "/metrics", "gzip").await;
    assert_eq!(metrics.header("content-encoding"), "gzip");
    assert!(
        String::from_utf8(unzipped(&metrics))
            .unwrap()
            .contains("fleetmint_build_info")
    );
    server.stop().await;
}

#[tokio::test]
async fn small_answers_are_not_compressed() {
    let server = Server::start().await;
    for path in ["/livez", "/api/device-models", "/api/nothing"] {
        let answer = ask(&server, Method::GET, path, "gzip").await;
        assert_eq!(answer.header("content-encoding"), "", "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_tag_of_a_compressed_answer_works_in_every_condition() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let path = format!("/api/device-models/{}", model["id"]);
    let long = json!({"provisioning": {"base_url": format!("https://x.example/{}", "y".repeat(2000))}});
    server.patch(&path, &long).await.expect(200);

    let plain = ask(&server, Method::GET, &path, "identity").await;
    let zipped = ask(&server, Method::GET, &path, "gzip").await;
    let tag = zipped.header("etag").to_owned();
    assert_eq!(tag.replace("-gzip\"", "\""), plain.header("etag"));
    assert_ne!(tag, plain.header("etag"));
    let again = server
        .call(Method::GET, &path, |request| {
            request.header(ACCEPT_ENCODING, "gzip").header("If-None-Match", &tag)
        })
        .await;
    assert_eq!((again.status.as_u16(), again.header("etag")), (304, &*tag));

    let change = async |tag: &str| {
        server
            .call(Method::PATCH, &path, |request| {
                request.header("If-Match", tag).json(&json!({"name": "Changed"}))
            })
            .await
    };
    assert_eq!(change(&tag).await.status, 200);
    assert_eq!(change(&tag).await.status, 412);
    let tag = ask(&server, Method::GET, &path, "gzip").await.header("etag").to_owned();
    let deleted = server.call(Method::DELETE, &path, |request| request.header("If-Match", &tag));
    assert_eq!(deleted.await.status, 204);
    server.stop().await;
}

#[tokio::test]
async fn answers_with_a_secret_are_never_compressed() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}/provisioning", device["id"]);
    let image = server.image(&device, 0x4000).await;
    let values = nvs::strings(&image.body);
    let value = |key: &str| values.iter().find(|(known, _)| known == key).unwrap().1.clone();
    server.keep_secret(&value("client_secret"));

    let mut answers = Vec::new();
    for accept in ["application/json", "application/octet-stream"] {
        let answer = server.call(Method::GET, &path, |request| {
            request.header("accept", accept).header(ACCEPT_ENCODING, "gzip, *")
        });
        answers.push(answer.await);
    }
    let blank: Value = json!({"data": base64_of_blank()});
    answers.push(
        server
            .call(Method::POST, &format!("{path}/patch"), |request| {
                request.header(ACCEPT_ENCODING, "gzip").json(&blank)
            })
            .await,
    );
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        value("client_id"),
        value("client_secret")
    );
    answers.push(
        server
            .anonymous_with(Method::POST, "/oauth2/token", |request| {
                request
                    .header(ACCEPT_ENCODING, "gzip")
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form)
            })
            .await,
    );
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.header("content-encoding"), "");
        assert!(!varies(&answer));
    }
    server.stop().await;
}

/// Four erased pages.
fn base64_of_blank() -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode([0xFF; 0x4000])
}
