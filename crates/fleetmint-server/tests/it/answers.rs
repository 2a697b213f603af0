//! The common parts of every answer: its headers, and its line in the log.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Server, log};

/// The security headers and the request id.
fn assert_secured(answer: &Answer, what: &str) {
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; "), "{what}: {policy}");
    assert!(policy.ends_with("frame-ancestors 'none'"), "{what}: {policy}");
    assert!(!answer.header("x-request-id").is_empty(), "{what}");
}

#[tokio::test]
async fn every_answer_has_security_headers_and_must_not_be_stored() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let device = format!("/api/devices/{}", device["id"]);
    for (method, path, status) in [
        (Method::GET, "/api/devices", 200),
        (Method::HEAD, "/api/devices", 200),
        (Method::GET, &device, 200),
        (Method::GET, &format!("{device}/provisioning"), 200),
        (Method::GET, "/api/audit", 200),
        (Method::GET, "/api/devices?limit=x", 422),
        (Method::POST, "/api/devices", 415),
        (Method::PUT, "/api/devices", 405),
        (Method::OPTIONS, "/api/devices", 204),
        (Method::GET, "/api/nothing", 404),
        (Method::GET, "/nothing", 404),
        (Method::GET, "/livez", 200),
        (Method::GET, "/metrics", 200),
        (Method::POST, "/oauth2/token", 400),
    ] {
        let answer = server.call(method.clone(), path, |request| request).await;
        let what = format!("{method} {path}");
        assert_eq!(answer.status, status, "{what}");
        assert_secured(&answer, &what);
        assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    }
    let refused = server.anonymous(Method::GET, "/api/devices").await;
    assert_eq!(refused.status, 401);
    assert_secured(&refused, "a refused call");
    assert_eq!(refused.header("cache-control"), "no-store");
    server.stop().await;
}

#[tokio::test]
async fn public_documents_may_be_stored_but_must_be_revalidated() {
    let server = Server::start().await;
    for path in [
        "/api/openapi.json",
        "/api/docs/",
        "/api/docs/swagger-ui-bundle.js",
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
    ] {
        let answer = server.anonymous(Method::GET, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
        assert_secured(&answer, path);
    }
    let nothing = server.anonymous(Method::GET, "/api/docs/nothing.js").await;
    assert_eq!(nothing.problem().1, "not-found");
    assert_secured(&nothing, "not a part of the page");
    server.stop().await;
}

#[tokio::test]
async fn options_names_the_methods_and_grants_nothing_to_other_origins() {
    let server = Server::start().await;
    for (path, allow, patch) in [
        ("/api/devices", "GET, HEAD, OPTIONS, POST", ""),
        (
            "/api/devices/1",
            "DELETE, GET, HEAD, OPTIONS, PATCH",
            "application/merge-patch+json, application/json",
        ),
        ("/oauth2/token", "OPTIONS, POST", ""),
        ("/livez", "GET, HEAD, OPTIONS", ""),
    ] {
        let preflight = server
            .anonymous_with(Method::OPTIONS, path, |request| {
                request
                    .header("Origin", "https://other.example")
                    .header("Access-Control-Request-Method", "POST")
            })
            .await;
        assert_eq!(preflight.status, 204, "{path}");
        assert_eq!(preflight.header("allow"), allow, "{path}");
        assert_eq!(preflight.header("accept-patch"), patch, "{path}");
        assert!(
            preflight
                .headers
                .keys()
                .all(|name| !name.as_str().starts_with("access-control"))
        );
        let refused = server.call(Method::TRACE, path, |request| request).await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("allow")),
            (405, allow),
            "{path}"
        );
    }
    let nothing = server.anonymous(Method::OPTIONS, "/api/nothing").await;
    assert_eq!(nothing.status, 404);
    server.stop().await;
}

/// The line of the log about the request with this id.
fn line(id: &str) -> Value {
    let text = log::text();
    let line = text.lines().find(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["fields"]["message"] == "answered" && line["fields"]["id"] == id
    });
    serde_json::from_str::<Value>(line.unwrap_or_else(|| panic!("no line of {id}"))).unwrap()["fields"].clone()
}

#[tokio::test]
async fn a_line_of_the_log_names_method_route_status_client_and_device() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let ask = async |method: Method, path: &str| {
        let answer = server.call(method, path, |request| request).await;
        line(answer.header("x-request-id"))
    };
    let told = ask(
        Method::GET,
        &format!("/api/devices/{}/provisioning?partition_size=4096", device["id"]),
    )
    .await;
    assert_eq!(told["method"], "GET");
    assert_eq!(told["route"], "/api/devices/{id}/provisioning");
    assert_eq!(told["operation"], "get_provisioning");
    assert_eq!(told["device_id"], device["id"]);
    assert_eq!(told["status"], 200);
    assert_eq!(told["client"], "127.0.0.1");
    assert_eq!(told["path"], Value::Null);
    assert!(!told.to_string().contains("partition_size"), "{told}");

    let told = ask(Method::PUT, "/api/devices/7").await;
    assert_eq!(
        (&told["route"], &told["device_id"]),
        (&json!("/api/devices/{id}"), &json!(7))
    );
    assert_eq!((&told["operation"], &told["status"]), (&Value::Null, &json!(405)));

    let told = ask(Method::GET, "/api/device-models").await;
    assert_eq!(
        (&told["route"], &told["device_id"]),
        (&json!("/api/device-models"), &Value::Null)
    );
    server.stop().await;
}

#[tokio::test]
async fn a_line_of_the_log_is_bounded_and_printable() {
    let server = Server::start().await;
    let ask = async |path: &str| {
        let answer = server
            .raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
            .await;
        assert_eq!(answer.status, 404, "{path}");
        line(answer.header("x-request-id"))["path"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask("/nothing?token=x").await, "/nothing");
    assert_eq!(
        ask(&format!("/{}", "x".repeat(20_000))).await,
        format!("/{}…", "x".repeat(255))
    );
    assert_eq!(
        ask(&format!("/{}üü", "x".repeat(254))).await,
        format!("/{}…", "x".repeat(254))
    );
    assert_eq!(
        ask("/a\u{202e}b\u{9b}c\u{2028}d").await,
        "/a\\u{202e}b\\u{9b}c\\u{2028}d"
    );

    let method = "X".repeat(5000);
    let answer = server
        .raw(format!("{method} /livez HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .await;
    assert_eq!(answer.status, 405);
    assert!(!String::from_utf8_lossy(&answer.body).contains("XXXX"));
    let told = line(answer.header("x-request-id"));
    assert_eq!(told["method"], format!("{}…", "X".repeat(32)));
    server.stop().await;
}
