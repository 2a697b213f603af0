//! Signing in at the page: what a session's cookie is worth, to whom, and for how long.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fleetmint_server::control::{Request, ask};
use fleetmint_server::data_folder::DataFolder;
use fleetmint_server::operation::{Operation, Who};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::raw::Raw;
use crate::harness::{Answer, Server, log, problem};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A sign-in with this token, and with these headers beside those of the page.
async fn sign_in_with(server: &Server, token: &str, headers: &[(&str, &str)]) -> Answer {
    let shape = |mut request: RequestBuilder| {
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.json(&json!({"token": token}))
    };
    server.anonymous_with(Method::POST, "/api/session", shape).await
}

/// Signs the administrator in, as the page does at this origin; returns the cookie.
async fn sign_in_at(server: &Server, origin: &str) -> String {
    let answer = sign_in_with(server, &server.token, &[("x-fleetmint", "1"), ("origin", origin)]).await;
    assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.body));
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    server.keep_secret(cookie.split_once('=').unwrap().1);
    cookie
}

async fn sign_in(server: &Server) -> String {
    sign_in_at(server, &server.base).await
}

/// A call as the page makes it.
async fn call(server: &Server, method: Method, path: &str, cookie: &str) -> Answer {
    let shape = |request: RequestBuilder| {
        request
            .header(COOKIE, cookie)
            .header("x-fleetmint", "1")
            .header("origin", &server.base)
    };
    server.anonymous_with(method, path, shape).await
}

async fn status(server: &Server, cookie: &str) -> u16 {
    call(server, Method::GET, "/api/session", cookie).await.status.as_u16()
}

#[tokio::test]
async fn a_session_is_its_owner_until_it_is_ended() {
    let server = Server::start().await;
    let answer = sign_in_with(
        &server,
        &server.token,
        &[("x-fleetmint", "1"), ("origin", &server.base)],
    )
    .await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("cache-control"), "no-store");
    let set = answer.header("set-cookie");
    let (cookie, attributes) = set.split_once(';').unwrap();
    assert_eq!(attributes, " HttpOnly; SameSite=Strict; Path=/");
    let (name, token) = cookie.split_once('=').unwrap();
    assert!(name.starts_with("fleetmint-") && name.len() == 18, "{name}");
    assert_eq!(token.len(), 43);
    server.keep_secret(token);

    let session = call(&server, Method::GET, "/api/session", cookie).await.expect(200);
    assert_eq!(session["name"], "administrator");
    assert_eq!(session["role"], "administrator");
    assert!(session["expires_at"].is_string());
    assert_eq!(call(&server, Method::GET, "/api/devices", cookie).await.status, 200);

    // The row has no token, and the audit has the person.
    assert_eq!(server.count("sessions"), 1);
    let shape = |request: RequestBuilder| {
        let model = json!({"code": "m", "name": "M"});
        let request = request.header(COOKIE, cookie).header("x-fleetmint", "1");
        request.header("origin", &server.base).json(&model)
    };
    let created = server.anonymous_with(Method::POST, "/api/device-models", shape).await;
    assert_eq!(created.status, 201);
    let audit = server.get("/api/audit").await.expect(200);
    let records: Vec<_> = audit["items"].as_array().unwrap().iter().take(2).collect();
    for (record, action) in records.iter().zip(["create_device_model", "create_session"]) {
        assert_eq!(
            [
                &record["action"],
                &record["actor"],
                &record["outcome"],
                &record["source"]
            ],
            [action, "administrator", "succeeded", "127.0.0.1"]
        );
    }

    // Signing out ends this session and no other.
    let other = sign_in(&server).await;
    let out = call(&server, Method::DELETE, "/api/session", cookie).await;
    assert_eq!(out.status, 204);
    assert_eq!(
        out.header("set-cookie"),
        format!("{name}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0")
    );
    let again = call(&server, Method::GET, "/api/session", cookie).await;
    assert_eq!(again.problem(), problem(401, "unauthorized", &[]));
    assert_eq!(status(&server, &other).await, 200);
    assert_eq!(server.outcomes("delete_session").await, ["succeeded"]);

    // A call with a token has no session.
    let own = server.get("/api/session").await.expect(200);
    assert_eq!(own["expires_at"], Value::Null);
    assert_eq!(server.delete("/api/session").await.status, 204);
    assert_eq!(status(&server, &other).await, 200);
    assert_eq!(server.outcomes("delete_session").await, ["succeeded"]);
    server.stop().await;
}

#[tokio::test]
async fn wrong_tokens_sign_nobody_in_and_are_counted() {
    let server = Server::start_with(&[("server.trusted_proxies", "127.0.0.1")]).await;
    let device = server.device(&server.model("m").await).await;
    let device_token = server.device_token(&device).await;
    let page = ("x-fleetmint", "1");
    let wrong = format!("{}x", server.token);
    for token in ["", "wrong", &wrong, &server.token[1..]] {
        let answer = sign_in_with(&server, token, &[page]).await;
        assert_eq!(answer.problem(), problem(401, "unauthorized", &[]), "{token:?}");
        assert!(!answer.headers.contains_key(SET_COOKIE));
    }
    let answer = sign_in_with(&server, &device_token, &[page]).await;
    assert_eq!(answer.problem(), problem(403, "forbidden", &[]));
    // As it is pasted.
    assert_eq!(
        sign_in_with(&server, &format!(" {}\n", server.token), &[page])
            .await
            .status,
        204
    );
    for (body, expected) in [
        (json!({}), problem(422, "invalid-value", &["/token"])),
        (json!({"token": 1}), problem(422, "invalid-value", &["/token"])),
        (
            json!({"token": server.token, "x": 1}),
            problem(422, "invalid-value", &["/x"]),
        ),
    ] {
        let shape = |request: RequestBuilder| request.header("x-fleetmint", "1").json(&body);
        let answer = server.anonymous_with(Method::POST, "/api/session", shape).await;
        assert_eq!(answer.problem(), expected);
    }
    assert_eq!(server.count("sessions"), 1);
    assert_eq!(server.outcomes("create_session").await, ["succeeded"]);

    // From an address with many refusals each sign-in waits, and other calls do.
    let from = ("x-forwarded-for", "192.0.2.77");
    for _ in 0..20 {
        assert_eq!(sign_in_with(&server, "wrong", &[page, from]).await.status, 401);
    }
    for token in ["wrong", &server.token] {
        let began = std::time::Instant::now();
        sign_in_with(&server, token, &[page, from]).await;
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    }
    let refused = log::text();
    let refused = refused
        .lines()
        .filter(|line| line.contains("192.0.2.77") && line.contains("create_session"));
    assert!(refused.count() >= 20);
    server.stop().await;
}

#[tokio::test]
async fn a_session_ends_without_calls_after_8_hours_and_with_calls_after_24() {
    let server = Server::start().await;
    let (idle, used) = (sign_in(&server).await, sign_in(&server).await);
    for hours in [7, 14, 21] {
        server.clock.advance(7 * HOUR);
        assert_eq!(status(&server, &used).await, 200, "{hours} h");
    }
    assert_eq!(status(&server, &idle).await, 401);
    server.clock.advance(3 * HOUR - Duration::from_secs(60));
    assert_eq!(status(&server, &used).await, 200);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(status(&server, &used).await, 401);

    let idle = sign_in(&server).await;
    // The next sign-in deleted what had expired.
    assert_eq!(server.count("sessions"), 1);
    server.clock.advance(8 * HOUR - Duration::from_secs(60));
    assert_eq!(status(&server, &idle).await, 200);
    server.clock.advance(8 * HOUR);
    assert_eq!(status(&server, &idle).await, 401);
    server.stop().await;
}

#[tokio::test]
async fn few_calls_write_the_end_of_their_session() {
    let server = Server::start().await;
    let cookie = sign_in(&server).await;
    let ends = async || call(&server, Method::GET, "/api/session", &cookie).await.expect(200)["expires_at"].clone();
    let first = ends().await;
    for _ in 0..3 {
        assert_eq!(ends().await, first);
    }
    server.clock.advance(Duration::from_secs(50));
    assert_eq!(ends().await, first);
    server.clock.advance(Duration::from_secs(20));
    let moved = ends().await;
    assert!(moved.as_str() > first.as_str(), "{moved} {first}");
    assert_eq!(ends().await, moved);
    // Where the end cannot be written, the calls are answered.
    server.clock.advance(HOUR);
    server.execute("CREATE TRIGGER stuck BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'stuck'); END");
    assert_eq!(status(&server, &cookie).await, 200);
    server.stop().await;
}

#[tokio::test]
async fn several_cookies_and_old_ones_do_not_hide_a_session() {
    let server = Server::start_with(&[("server.public_url", "https://fleet.example")]).await;
    let plain = sign_in(&server).await;
    let secure = sign_in_at(&server, "https://fleet.example").await;
    assert!(secure.starts_with("__Host-fleetmint="), "{}", secure.len());
    let old = sign_in(&server).await;
    call(&server, Method::DELETE, "/api/session", &old).await;
    let value = |cookie: &str| cookie.split_once('=').unwrap().1.to_owned();
    let name = plain.split_once('=').unwrap().0.to_owned();
    for (cookies, expected) in [
        (format!("{plain}; {secure}"), 200),
        (format!("{old}; {plain}"), 200),
        (format!("__Host-fleetmint={}; {plain}", value(&old)), 200),
        (format!("__Host-fleetmint=x; {name}=; {name}=y; {plain}"), 200),
        (format!("theme=dark;{plain} ;x"), 200),
        // Wrong names, and values that only look like one.
        (format!("fleetmint={}", value(&plain)), 401),
        (format!("fleetmint-00000000={}", value(&plain)), 401),
        (format!("x{plain}"), 401),
        (format!("{plain}x"), 401),
        (plain[..plain.len() - 1].to_owned(), 401),
        (old.clone(), 401),
        (format!("{name}={}", server.token), 401),
    ] {
        assert_eq!(status(&server, &cookies).await, expected);
    }

    // Signing in again ends the session whose cookie is overwritten.
    let headers = [("x-fleetmint", "1"), ("origin", &*server.base), ("cookie", &*plain)];
    assert_eq!(sign_in_with(&server, &server.token, &headers).await.status, 204);
    assert_eq!(status(&server, &plain).await, 401);
    assert_eq!(status(&server, &secure).await, 200);
    let out = call(&server, Method::DELETE, "/api/session", &secure).await;
    assert!(
        out.header("set-cookie").contains("; Secure"),
        "{}",
        out.header("set-cookie")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_reset_of_the_token_and_another_bootstrap_token_end_all_sessions() {
    let server = Server::start().await;
    let cookie = sign_in(&server).await;
    let old = server.token.clone();
    let folder = server.data_folder();
    let reset = Request::ResetAdminToken {
        bootstrap_token_is_set: false,
    };
    let data = DataFolder::existing(&folder);
    tokio::task::spawn_blocking(move || ask(&data, reset, HOUR))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status(&server, &cookie).await, 401);
    assert_eq!(server.count("sessions"), 0);
    assert_eq!(sign_in_with(&server, &old, &[("x-fleetmint", "1")]).await.status, 401);
    let token = std::fs::read_to_string(folder.join("admin-token")).unwrap();
    server.keep_secret(token.trim());
    assert_eq!(
        sign_in_with(&server, token.trim(), &[("x-fleetmint", "1")])
            .await
            .status,
        204
    );
    assert_eq!(server.count("sessions"), 1);
    let folder = server.stop().await;

    // A start with the same token leaves the sessions, one with another ends them.
    let server = Server::start_in(folder, &[]).await;
    assert_eq!(server.count("sessions"), 1);
    let mut folder = server.stop().await;
    for (token, sessions) in [
        ("a-bootstrap-token-of-mine", 0),
        ("a-bootstrap-token-of-mine", 1),
        ("another-token-of-mine-too", 0),
    ] {
        let server = Server::start_in(folder, &[("access.bootstrap_token", token)]).await;
        assert_eq!(server.count("sessions"), sessions, "{token}");
        if sessions == 0 {
            sign_in(&server).await;
        }
        folder = server.stop().await;
    }
    // Without the setting there is a new token.
    let server = Server::start_in(folder, &[]).await;
    assert_eq!(server.count("sessions"), 0);
    server.stop().await;
}

/// While no token is the administrator's, nobody stays signed in.
#[tokio::test]
async fn a_start_without_a_valid_token_ends_all_sessions() {
    let server = Server::start().await;
    sign_in(&server).await;
    let (path, token) = (server.data_folder().join("admin-token"), server.token.clone());
    let folder = server.stop().await;
    // As after a database of another time was put back.
    let other = token.chars().rev().take(43).collect::<String>();
    std::fs::write(path, format!("fma_{other}")).unwrap();
    let server = Server::start_in(folder, &[]).await;
    assert_eq!(server.get("/api/session").await.status, 401);
    assert_eq!(server.count("sessions"), 0);
    server.stop().await;
}

/// Somebody who can write the database, but has no master key, inserts no session, and cannot make one last longer.
#[tokio::test]
async fn a_row_that_the_service_did_not_insert_is_no_session() {
    let server = Server::start().await;
    let cookie = sign_in(&server).await;
    server.execute("UPDATE sessions SET created_at = created_at + 1");
    assert_eq!(status(&server, &cookie).await, 401);
    server.execute("UPDATE sessions SET created_at = created_at - 1");
    assert_eq!(status(&server, &cookie).await, 200);
    server.execute("UPDATE sessions SET proof = x'00'");
    assert_eq!(status(&server, &cookie).await, 401);

    let cookie = sign_in(&server).await;
    server.execute("UPDATE sessions SET expires_at = expires_at * 2");
    server.clock.advance(24 * HOUR);
    assert_eq!(status(&server, &cookie).await, 401);
    server.stop().await;
}

#[tokio::test]
async fn the_key_for_backups_is_the_same_after_the_next_sign_in_and_recorded() {
    let server = Server::start().await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let cookie = sign_in(&server).await;
        let answer = call(&server, Method::GET, "/api/session/backup-key", &cookie).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let key = answer.expect(200)["key"].as_str().unwrap().to_owned();
        server.keep_secret(&key);
        assert_eq!(BASE64_STANDARD.decode(&key).unwrap().len(), 32);
        keys.push(key);
    }
    assert_eq!(keys[0], keys[1]);
    assert_eq!(server.outcomes("get_backup_key").await, ["succeeded", "succeeded"]);
    let folder = server.stop().await;
    let server = Server::start_in(folder, &[]).await;
    assert_eq!(server.get("/api/session/backup-key").await.expect(200)["key"], keys[0]);
    server.stop().await;

    let other = Server::start().await;
    assert_ne!(other.get("/api/session/backup-key").await.expect(200)["key"], keys[0]);
    other.stop().await;
}

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
        assert_eq!(
            answer.status,
            *expected,
            "{what}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        match expected {
            403 => assert_eq!(answer.problem(), problem(403, "cross-origin", &[]), "{what}"),
            401 => assert_eq!(answer.problem(), problem(401, "unauthorized", &[]), "{what}"),
            _ => {}
        }
        for (name, _) in &answer.headers {
            assert!(!name.as_str().starts_with("access-control-"), "{what}: {name}");
        }
    }
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
        assert_eq!(answer.status, expected, "{headers:?}");
        if expected == 204 {
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
