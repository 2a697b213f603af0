//! Signing in at the page: what a session's cookie is worth, to whom, and for how long.

mod own_page;

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fleetmint_server::control::{Request, ask};
use fleetmint_server::data_folder::DataFolder;
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

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

/// Another service on the same host can set cookies that come here, with our names and in the form of tokens.
#[tokio::test]
async fn planted_cookies_do_not_hide_a_session_however_many_fit_into_a_request() {
    let server = Server::start_with(&[("server.public_url", "https://fleet.example")]).await;
    let plain = sign_in(&server).await;
    let secure = sign_in_at(&server, "https://fleet.example").await;
    let name = plain.split_once('=').unwrap().0;
    for count in [4, 5, 40, 700] {
        let planted = |name: &str| {
            let tokens = (0..count).map(|number| format!("{name}={number:042}A"));
            tokens.collect::<Vec<_>>().join("; ")
        };
        let ours = planted(name);
        assert_eq!(status(&server, &ours).await, 401, "{count}");
        for cookies in [
            format!("{ours}; {plain}"),
            format!("{}; {secure}", planted("__Host-fleetmint")),
            format!("{}; {plain}", planted("__Host-fleetmint")),
            // The same one, again and again.
            format!(
                "{}; {plain}",
                vec![planted(name)[..name.len() + 44].to_owned(); count].join("; ")
            ),
        ] {
            assert_eq!(status(&server, &cookies).await, 200, "{count}");
        }
    }
    // A sign-in among them ends the session that it replaces.
    let cookies = format!("{}; {plain}", vec![format!("{name}={:042}A", 1); 100].join("; "));
    let headers = [("x-fleetmint", "1"), ("origin", &*server.base), ("cookie", &*cookies)];
    assert_eq!(sign_in_with(&server, &server.token, &headers).await.status, 204);
    assert_eq!(status(&server, &plain).await, 401);
    assert_eq!(status(&server, &secure).await, 200);
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
