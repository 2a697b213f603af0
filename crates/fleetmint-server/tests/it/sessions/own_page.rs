//! A call by cookie comes from the service's own page: the rules against requests that another page makes a browser send.

use fleetmint_server::operation::{Operation, Who};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{sign_in, sign_in_with, status};
use crate::harness::raw::Raw;
use crate::harness::{Server, problem};

/// A call by cookie, and what it is answered.
struct Case {
    what: &'static str,
    method: &'static str,
    headers: &'static [&'static str],
    expected: u16,
}

/// What is in these headers: `{host}` and `{port}` are the server's, `{other}` is another port.
const CASES: &[Case] = {
    const fn case(what: &'static str, method: &'static str, headers: &'static [&'static str], expected: u16) -> Case {
        Case {
            what,
            method,
            headers,
            expected,
        }
    }
    const PAGE: &str = "X-Fleetmint: 1";
    const OWN: &str = "Origin: http://{host}";
    const SAME: &str = "Sec-Fetch-Site: same-origin";
    &[
        case("the page reads", "GET", &[PAGE, SAME], 200),
        case(
            "the page reads over plain HTTP, where browsers send no Sec-Fetch-Site",
            "GET",
            &[PAGE],
            200,
        ),
        case("the page changes", "PATCH", &[PAGE, OWN, SAME], 200),
        case("the page changes over plain HTTP", "PATCH", &[PAGE, OWN], 200),
        case(
            "an image, a link or a script of another site",
            "GET",
            &["Sec-Fetch-Site: cross-site"],
            403,
        ),
        case(
            "a top-level link, or a typed address",
            "GET",
            &["Sec-Fetch-Site: none"],
            403,
        ),
        case("the same over plain HTTP", "GET", &[], 403),
        case(
            "a form of another site",
            "POST",
            &["Origin: http://evil.example", "Sec-Fetch-Site: cross-site"],
            403,
        ),
        case(
            "a form of another site over plain HTTP",
            "POST",
            &["Origin: http://evil.example"],
            403,
        ),
        case("a form of a sandboxed frame", "POST", &["Origin: null"], 403),
        case(
            "another site with all headers",
            "PATCH",
            &[PAGE, "Origin: http://evil.example", "Sec-Fetch-Site: cross-site"],
            403,
        ),
        case(
            "another port of the same host",
            "PATCH",
            &[PAGE, "Origin: http://127.0.0.1:{other}", "Sec-Fetch-Site: same-site"],
            403,
        ),
        case(
            "another port over plain HTTP",
            "PATCH",
            &[PAGE, "Origin: http://127.0.0.1:{other}"],
            403,
        ),
        case(
            "another port reads",
            "GET",
            &[PAGE, "Origin: http://127.0.0.1:{other}"],
            403,
        ),
        case(
            "same-site is not enough",
            "GET",
            &[PAGE, "Sec-Fetch-Site: same-site"],
            403,
        ),
        case("none is not enough", "GET", &[PAGE, "Sec-Fetch-Site: none"], 403),
        case(
            "two that disagree",
            "GET",
            &[PAGE, SAME, "Sec-Fetch-Site: cross-site"],
            403,
        ),
        case(
            "the same host by another name",
            "PATCH",
            &[PAGE, "Origin: http://localhost:{port}"],
            403,
        ),
        case(
            "https that nobody vouches for",
            "PATCH",
            &[PAGE, "Origin: https://{host}"],
            403,
        ),
        case(
            "https by a proxy that is not trusted",
            "PATCH",
            &[PAGE, "Origin: https://{host}", "X-Forwarded-Proto: https"],
            403,
        ),
        case("a null origin", "PATCH", &[PAGE, "Origin: null", SAME], 403),
        case("two origins", "PATCH", &[PAGE, OWN, OWN], 403),
        case("no origin", "PATCH", &[PAGE, SAME], 403),
        case("no header of the page", "PATCH", &[OWN, SAME], 403),
        case(
            "a wrong header of the page",
            "PATCH",
            &["X-Fleetmint: true", OWN, SAME],
            403,
        ),
        case("the header twice", "PATCH", &[PAGE, PAGE, OWN, SAME], 403),
        case(
            "a method that is given in a header",
            "POST",
            &["X-HTTP-Method-Override: PATCH", OWN, SAME],
            403,
        ),
        // The cookie does not count beside a token.
        case(
            "a wrong token beside the cookie",
            "GET",
            &[PAGE, SAME, "Authorization: Bearer wrong"],
            401,
        ),
        case(
            "another scheme beside the cookie",
            "GET",
            &[PAGE, SAME, "Authorization: Basic eDp5"],
            401,
        ),
        case(
            "an empty token beside the cookie",
            "GET",
            &[PAGE, SAME, "Authorization:"],
            401,
        ),
        case(
            "the right token beside the cookie, without the page's headers",
            "PATCH",
            &["Authorization: Bearer {token}"],
            200,
        ),
    ]
};

#[tokio::test]
async fn a_call_by_cookie_comes_from_the_services_own_page() {
    let server = Server::start_with(&[("access.refusals_per_minute", "0")]).await;
    let model = server.model("m").await;
    let cookie = sign_in(&server).await;
    let host = server.base.strip_prefix("http://").unwrap();
    let port = host.rsplit_once(':').unwrap().1;
    let mut wrong = Vec::new();
    for Case {
        what,
        method,
        headers,
        expected,
    } in CASES
    {
        // To POST to, there is only the collection; a form could reach it.
        let (path, body) = match *method {
            "POST" => ("/api/device-models".to_owned(), r#"{"code":"x","name":"X"}"#),
            "PATCH" => (format!("/api/device-models/{}", model["id"]), "{}"),
            _ => (format!("/api/device-models/{}", model["id"]), ""),
        };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nContent-Length: {}\r\n\
             Content-Type: application/json\r\nConnection: close\r\n",
            body.len()
        );
        for header in *headers {
            let header = header
                .replace("{host}", host)
                .replace("{port}", port)
                .replace("{other}", "1");
            request += &format!("{}\r\n", header.replace("{token}", &server.token));
        }
        request += &format!("\r\n{body}");
        let answer = server.raw(request.as_bytes()).await;
        let is_right = answer.status == *expected
            && match expected {
                403 => answer.problem() == problem(403, "cross-origin", &[]),
                401 => answer.problem() == problem(401, "unauthorized", &[]),
                _ => true,
            };
        if !is_right {
            wrong.push(format!("{what}: {}", answer.status));
        }
        for (name, _) in &answer.headers {
            assert!(!name.as_str().starts_with("access-control-"), "{what}: {name}");
        }
    }
    assert_eq!(wrong, [""; 0], "all rows that are answered in another way");
    // None of the refused calls was carried out, and no preflight is granted.
    assert_eq!(server.count("device_models"), 1);
    let shape = |request: RequestBuilder| {
        let request = request.header("origin", "http://evil.example");
        request
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "x-fleetmint")
    };
    for path in ["/api/device-models/1", "/api/session", "/"] {
        let preflight = server.anonymous_with(Method::OPTIONS, path, shape).await;
        assert!(
            preflight
                .headers
                .keys()
                .all(|name| !name.as_str().starts_with("access-control-")),
            "{path}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_sign_in_comes_from_the_services_own_page_or_from_no_page() {
    let server = Server::start_with(&[
        ("access.refusals_per_minute", "0"),
        ("server.public_url", "https://fleet.example"),
    ])
    .await;
    let base = &*server.base;
    let mut wrong = Vec::new();
    for (headers, expected, name) in [
        (vec![("x-fleetmint", "1")], 204, "fleetmint-"),
        (vec![("x-fleetmint", "1"), ("origin", base)], 204, "fleetmint-"),
        (
            vec![
                ("x-fleetmint", "1"),
                ("origin", base),
                ("sec-fetch-site", "same-origin"),
            ],
            204,
            "fleetmint-",
        ),
        (
            vec![("x-fleetmint", "1"), ("origin", "https://fleet.example")],
            204,
            "__Host-fleetmint=",
        ),
        (vec![], 403, ""),
        (vec![("origin", base)], 403, ""),
        (vec![("x-fleetmint", "0"), ("origin", base)], 403, ""),
        (vec![("x-fleetmint", "1"), ("origin", "null")], 403, ""),
        (vec![("x-fleetmint", "1"), ("origin", "http://evil.example")], 403, ""),
        (vec![("x-fleetmint", "1"), ("origin", "http://fleet.example")], 403, ""),
        (vec![("x-fleetmint", "1"), ("origin", "http://127.0.0.1:1")], 403, ""),
        (
            vec![("x-fleetmint", "1"), ("origin", base), ("sec-fetch-site", "cross-site")],
            403,
            "",
        ),
        (vec![("x-fleetmint", "1"), ("sec-fetch-site", "same-site")], 403, ""),
    ] {
        let answer = sign_in_with(&server, &server.token, &headers).await;
        if answer.status != expected {
            wrong.push(format!("{headers:?}: {}", answer.status));
        } else if expected == 204 {
            assert!(answer.header("set-cookie").starts_with(name), "{headers:?}");
            assert_eq!(
                answer.header("set-cookie").contains("; Secure"),
                name.starts_with("__Host-")
            );
            assert!(!answer.header("set-cookie").contains("Domain"));
        } else {
            assert_eq!(answer.problem(), problem(403, "cross-origin", &[]), "{headers:?}");
            assert!(!answer.headers.contains_key(SET_COOKIE));
        }
    }
    assert_eq!(wrong, [""; 0], "all rows that are answered in another way");
    server.stop().await;
}

/// A trusted proxy with TLS: the cookie is a secure one, and what only the proxy knows decides.
#[tokio::test]
async fn a_trusted_proxy_says_by_which_address_the_page_was_called() {
    for (how, forwarded) in [
        (
            "x-forwarded-for",
            vec![("x-forwarded-proto", "https"), ("x-forwarded-host", "fleet.example")],
        ),
        (
            "forwarded",
            vec![("forwarded", "for=192.0.2.9;proto=https;host=fleet.example")],
        ),
    ] {
        let settings = [("server.trusted_proxies", "127.0.0.1"), ("server.forwarded", how)];
        let server = Server::start_with(&settings).await;
        let https = [
            &[("x-fleetmint", "1"), ("origin", "https://fleet.example")],
            &forwarded[..],
        ]
        .concat();
        let answer = sign_in_with(&server, &server.token, &https).await;
        assert_eq!(answer.status, 204, "{how}");
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with("__Host-fleetmint="));
        server.keep_secret(cookie.split_once('=').unwrap().1);
        let change = async |origin: &str| {
            let shape = |request: RequestBuilder| {
                let mut request = request
                    .header(COOKIE, &cookie)
                    .header("x-fleetmint", "1")
                    .header("origin", origin);
                for (name, value) in &forwarded {
                    request = request.header(*name, *value);
                }
                request.json(&json!({"code": "m", "name": "M"}))
            };
            server
                .anonymous_with(Method::POST, "/api/device-models", shape)
                .await
                .status
                .as_u16()
        };
        for origin in [
            "http://fleet.example",
            "https://fleet.example:8443",
            "https://evil.example",
            "http://127.0.0.1:1",
        ] {
            assert_eq!(change(origin).await, 403, "{how} {origin}");
        }
        assert_eq!(change("https://fleet.example").await, 201, "{how}");
        server.stop().await;
    }
}

/// Beside the table of calls with tokens: what a cookie alone can call, which is nothing that needs a role.
#[tokio::test]
async fn no_operation_is_called_by_a_cookie_alone() {
    let server = Server::start_with(&[("access.refusals_per_minute", "0")]).await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let cookie = sign_in(&server).await;
    let guarded = Operation::CALLS.iter().filter_map(|operation| operation.call());
    for call in guarded.filter(|call| call.who != Who::Everybody) {
        let path = call
            .path
            .replace("{id}", "1")
            .replace("{n}", "1")
            .replace("{mac}", "60:55:f9:aa:00:01");
        let own = server.base.clone();
        for headers in [
            vec![],
            vec![("origin", &*own)],
            vec![("x-fleetmint", "1"), ("origin", "http://evil.example")],
        ] {
            let shape = |mut request: RequestBuilder| {
                for (name, value) in &headers {
                    request = request.header(*name, *value);
                }
                request.header(COOKIE, &cookie)
            };
            let answer = server.anonymous_with(call.method.clone(), &path, shape).await;
            assert_eq!(
                answer.problem(),
                problem(403, "cross-origin", &[]),
                "{} {path} {headers:?}",
                call.method
            );
        }
    }
    assert_eq!(
        server.get(&format!("/api/devices/{}", device["id"])).await.expect(200),
        device
    );
    assert_eq!(status(&server, &cookie).await, 200);
    server.stop().await;
}

/// Without `Host`, as HTTP/1.0 allows, only `server.public_url` can be our own origin.
#[tokio::test]
async fn a_request_without_a_host_has_no_origin_of_its_own() {
    let server = Server::start().await;
    let cookie = sign_in(&server).await;
    for (origin, expected) in [(&*server.base, 204), ("http://", 403), ("null", 403)] {
        let mut raw = Raw::connect(&server).await;
        let request =
            format!("DELETE /api/session HTTP/1.0\r\nCookie: {cookie}\r\nX-Fleetmint: 1\r\nOrigin: {origin}\r\n\r\n");
        raw.send(request.as_bytes()).await;
        // The default of public_url is the address that the server listens on.
        assert_eq!(raw.answer().await.status, expected, "{origin}");
    }
    server.stop().await;
}
