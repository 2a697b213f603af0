//! Whether the service is alive and can do its work.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use fleetmint_server::database;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Server, log};

const SECOND: Duration = Duration::from_secs(1);

/// A server with a limit of two wrong tokens from one address.
async fn server() -> Server {
    Server::start_with(&[
        ("server.trusted_proxies", "127.0.0.1"),
        ("access.refusals_per_minute", "2"),
    ])
    .await
}

/// A call with this token that a proxy forwards for this address; also returns how long it took.
async fn call_from(server: &Server, source: &str, path: &str, token: &str) -> (Answer, Duration) {
    let began = Instant::now();
    let answer = server.anonymous_with(Method::GET, path, |request| {
        request.header("x-forwarded-for", source).bearer_auth(token)
    });
    (answer.await, began.elapsed())
}

/// Whether calls from this address have to wait.
async fn waits(server: &Server, source: &str) -> bool {
    let (answer, took) = call_from(server, source, "/api/devices", &server.token).await;
    assert_eq!(answer.status, 200);
    took >= SECOND
}

/// The lines in the log of calls from this address.
fn lines(source: &str) -> Vec<String> {
    let client = format!("\"client\":\"{source}\"");
    let text = log::text();
    text.lines()
        .filter(|line| line.contains(&client))
        .map(str::to_owned)
        .collect()
}

fn told(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn a_wrong_token_at_readyz_is_a_refused_call_in_count_and_log() {
    let server = server().await;
    let bare = (200, json!({"status": "ok"}));
    for n in 1..=2 {
        assert!(!waits(&server, "192.0.2.211").await);
        let (answer, _) = call_from(&server, "192.0.2.211", "/readyz", "wrong").await;
        assert_eq!(told(&answer), bare);
        let refused: Vec<_> = lines("192.0.2.211")
            .into_iter()
            .filter(|line| line.contains("\"level\":\"WARN\"") && line.contains("get_readyz"))
            .collect();
        assert_eq!(refused.len(), n, "{refused:?}");
    }
    assert!(waits(&server, "192.0.2.211").await);
    server.stop().await;
}

#[tokio::test]
async fn neither_a_devices_token_at_readyz_nor_a_failing_database_is_a_refused_call() {
    let server = server().await;
    let device = server.device(&server.model("m").await).await;
    let token = server.device_token(&device).await;
    for _ in 0..3 {
        let (answer, _) = call_from(&server, "192.0.2.212", "/readyz", &token).await;
        assert_eq!(told(&answer), (200, json!({"status": "ok"})));
    }
    // Only the database shows whether a token that another process signed is valid.
    let signed_elsewhere = {
        let (_, rest) = token.split_once('.').unwrap();
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": "unknown"});
        format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(header.to_string()))
    };
    server.execute("ALTER TABLE instance RENAME TO elsewhere; ALTER TABLE signing_keys RENAME TO keys_elsewhere");
    for _ in 0..3 {
        // The keys are read again after a while.
        server.clock.advance(5 * SECOND);
        let (answer, _) = call_from(&server, "192.0.2.212", "/readyz", &signed_elsewhere).await;
        assert_eq!(told(&answer), (503, json!({"status": "unavailable"})));
    }
    server.execute("ALTER TABLE elsewhere RENAME TO instance; ALTER TABLE keys_elsewhere RENAME TO signing_keys");
    assert!(!waits(&server, "192.0.2.212").await);
    let lines = lines("192.0.2.212");
    assert!(
        !lines.is_empty() && !lines.iter().any(|line| line.contains("\"level\":\"WARN\"")),
        "{lines:?}"
    );
    server.stop().await;
}

/// The administrator sees what is wrong, and a wrong token is detected, even if the database does not answer.
#[tokio::test]
async fn tokens_at_readyz_are_checked_without_the_database() {
    let server = server().await;
    server.execute("ALTER TABLE instance RENAME TO elsewhere");
    server.clock.advance(SECOND);
    for _ in 0..3 {
        let (answer, _) = call_from(&server, "192.0.2.218", "/readyz", &server.token).await;
        let (status, body) = told(&answer);
        assert_eq!((status, &body["status"]), (503, &json!("unavailable")));
        let problem = body["problems"][0].as_str().unwrap();
        assert!(problem.starts_with("the database cannot be written: "), "{problem}");
    }
    assert!(!waits(&server, "192.0.2.218").await);
    for _ in 0..2 {
        let (answer, _) = call_from(&server, "192.0.2.219", "/readyz", "wrong").await;
        assert_eq!(told(&answer), (503, json!({"status": "unavailable"})));
    }
    assert!(waits(&server, "192.0.2.219").await);
    server.execute("ALTER TABLE elsewhere RENAME TO instance");
    server.stop().await;
}

#[tokio::test]
async fn a_probe_never_waits_and_from_a_delayed_address_no_token_gets_details() {
    let server = server().await;
    for _ in 0..2 {
        call_from(&server, "192.0.2.213", "/api/devices", "wrong").await;
    }
    assert!(waits(&server, "192.0.2.213").await);
    for token in [&*server.token, "wrong"] {
        let (answer, took) = call_from(&server, "192.0.2.213", "/readyz", token).await;
        assert_eq!(told(&answer), (200, json!({"status": "ok"})));
        assert!(took < SECOND, "{took:?}");
    }
    let (answer, _) = call_from(&server, "192.0.2.214", "/readyz", &server.token).await;
    assert_eq!(told(&answer), (200, json!({"status": "ok", "problems": []})));
    server.stop().await;
}

/// Repeats the call until it has this status, because a result is valid for a second.
async fn until(server: &Server, status: u16) -> Answer {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = server.get("/readyz").await;
        if answer.status == status {
            return answer;
        }
        assert!(Instant::now() < limit, "/readyz is not {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn assert_unavailable(answer: &Answer, problem: &str) {
    assert_eq!(answer.header("retry-after"), "5");
    let problems = json!([format!("the database cannot be written: {problem}")]);
    assert_eq!(
        told(answer),
        (503, json!({"status": "unavailable", "problems": problems}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_fails_in_time_while_a_write_hangs() {
    let server = Server::start().await;
    until(&server, 200).await;
    server.clock.advance(SECOND);
    // Like a disk that does not answer: the next writer waits for this.
    let (begun, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let database = server.app.database.clone();
    let hanging = tokio::spawn(async move {
        let write = move |_: &mut _| {
            begun.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        };
        database.write::<_, database::Error>(write).await
    });
    has_begun.recv().unwrap();
    let began = Instant::now();
    for answer in join_all((0..50).map(|_| server.get("/readyz"))).await {
        assert_unavailable(&answer, "a write has not ended within 2 s");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // The result is known by now.
    let began = Instant::now();
    assert_eq!(server.anonymous(Method::GET, "/readyz").await.status, 503);
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(server.get("/livez").await.status, 200);

    release.send(()).unwrap();
    hanging.await.unwrap().unwrap();
    until(&server, 200).await;
    server.stop().await;
}

#[tokio::test]
async fn readiness_fails_while_the_database_is_full_or_read_only() {
    let server = Server::start().await;
    for (fault, cure, problem) in [
        (
            "PRAGMA query_only = ON",
            "PRAGMA query_only = OFF",
            "attempt to write a readonly database",
        ),
        (
            "CREATE TRIGGER no_room BEFORE UPDATE ON instance BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
            "DROP TRIGGER no_room",
            "the disk is full",
        ),
    ] {
        until(&server, 200).await;
        server.execute(fault);
        assert_unavailable(&until(&server, 503).await, problem);
        server.execute(cure);
    }
    until(&server, 200).await;
    server.stop().await;
}
