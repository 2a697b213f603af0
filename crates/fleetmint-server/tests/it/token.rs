//! The token endpoint of the built-in identity provider, and the documents that verifiers begin with.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use fleetmint_server::identity::builtin::Builtin;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::harness::{Answer, Server, nvs, problem};

const FORM: &str = "application/x-www-form-urlencoded";

struct Device {
    id: String,
    secret: String,
}

async fn enrolled(server: &Server) -> (Value, Device) {
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let values = nvs::strings(&server.image(&device, 4096).await.body);
    let value = |key: &str| values.iter().find(|(known, _)| known == key).unwrap().1.clone();
    let (id, secret) = (value("client_id"), value("client_secret"));
    server.keep_secret(&secret);
    (device, Device { id, secret })
}

/// Asks for a token with this body, and these `Authorization` headers in place of the administrator's.
async fn ask(server: &Server, body: &str, authorizations: &[String]) -> Answer {
    server
        .anonymous_with(Method::POST, "/oauth2/token", |mut request| {
            for authorization in authorizations {
                request = request.header(AUTHORIZATION, authorization);
            }
            request.header(CONTENT_TYPE, FORM).body(body.to_owned())
        })
        .await
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

fn claims(answer: &Value) -> Value {
    let token = answer["access_token"].as_str().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_client_authenticates_in_the_form_or_by_basic() {
    let server = Server::start().await;
    let (_, Device { id, secret }) = enrolled(&server).await;
    let grant = "grant_type=client_credentials";
    // Form-encoded as RFC 6749 §2.3.1 requires, every character of it.
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let cases = [
        (format!("{grant}&client_id={id}&client_secret={secret}"), None),
        (
            format!("client_secret={secret}&client_id={id}&{grant}&unknown=1&scope="),
            None,
        ),
        (grant.to_owned(), Some(basic(&id, &secret))),
        (
            grant.to_owned(),
            Some(basic(&id, &secret).replacen("Basic", "bAsIc", 1)),
        ),
        (format!("{grant}&client_id={id}"), Some(basic(&id, &secret))),
        (grant.to_owned(), Some(basic(&encode(&id), &encode(&secret)))),
    ];
    for (body, authorization) in cases {
        let answer = ask(&server, &body, authorization.as_slice()).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
        assert_eq!(answer.header("content-type"), "application/json");
        let answer = answer.expect(200);
        assert_eq!(
            (&answer["token_type"], &answer["expires_in"]),
            (&json!("Bearer"), &json!(300))
        );
        let claims = claims(&answer);
        assert_eq!(
            (&claims["iss"], &claims["aud"]),
            (&json!(server.base), &json!("fleetmint"))
        );
        assert_eq!((&claims["sub"], &claims["azp"]), (&json!(id), &json!(id)));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
        assert!(!claims["jti"].as_str().unwrap().is_empty());
    }
    server.stop().await;
}

#[tokio::test]
async fn errors_have_the_codes_of_rfc_6749() {
    let server = Server::start().await;
    let (_, Device { id, secret }) = enrolled(&server).await;
    let right = format!("client_id={id}&client_secret={secret}");
    let grant = "grant_type=client_credentials";
    let none: &[String] = &[];
    let both = &[basic(&id, &secret)][..];
    let cases = [
        // The request itself is invalid.
        (String::new(), none, 400, "invalid_request"),
        (right.clone(), none, 400, "invalid_request"),
        (format!("grant_type=&{right}"), none, 400, "invalid_request"),
        (format!("{grant}&{grant}&{right}"), none, 400, "invalid_request"),
        (format!("{grant}&x=1&x=2&{right}"), none, 400, "invalid_request"),
        (
            format!("{grant}&{right}&pad={}", "x".repeat(20_000)),
            none,
            400,
            "invalid_request",
        ),
        // Two ways to authenticate at once, or two clients.
        (format!("{grant}&{right}"), both, 400, "invalid_request"),
        (format!("{grant}&client_id=another"), both, 400, "invalid_request"),
        (
            grant.to_owned(),
            &[basic(&id, &secret), basic(&id, &secret)],
            400,
            "invalid_request",
        ),
        // Another grant, or a scope.
        (
            format!("grant_type=password&{right}"),
            none,
            400,
            "unsupported_grant_type",
        ),
        (
            format!("grant_type=authorization_code&{right}"),
            none,
            400,
            "unsupported_grant_type",
        ),
        (format!("{grant}&{right}&scope=admin"), none, 400, "invalid_scope"),
        // No client, or another one.
        (grant.to_owned(), none, 401, "invalid_client"),
        (format!("{grant}&client_id={id}"), none, 401, "invalid_client"),
        (
            format!("{grant}&client_id={id}&client_secret="),
            none,
            401,
            "invalid_client",
        ),
        (
            format!("{grant}&client_id={id}&client_secret=wrong"),
            none,
            401,
            "invalid_client",
        ),
        (
            format!("{grant}&client_id={id}&client_secret={}", &secret[1..]),
            none,
            401,
            "invalid_client",
        ),
        (
            format!("{grant}&client_id=nobody&client_secret={secret}"),
            none,
            401,
            "invalid_client",
        ),
        (grant.to_owned(), &[basic(&id, "wrong")], 401, "invalid_client"),
        (grant.to_owned(), &["Basic !".to_owned()], 401, "invalid_client"),
        (
            grant.to_owned(),
            &["Basic bm9jb2xvbg==".to_owned()],
            401,
            "invalid_client",
        ),
        (grant.to_owned(), &["Bearer x".to_owned()], 401, "invalid_client"),
    ];
    for (body, authorizations, status, error) in cases {
        let answer = ask(&server, &body, authorizations).await;
        let shown: String = body.chars().take(100).collect();
        assert_eq!(answer.status, status, "{shown} {authorizations:?}");
        assert_eq!(answer.json()["error"], error, "{shown} {authorizations:?}");
        assert!(!answer.json()["error_description"].as_str().unwrap().is_empty());
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(
            answer.header("www-authenticate").starts_with("Basic "),
            status == 401,
            "{shown}"
        );
    }
    let body = json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret});
    let answer = server
        .anonymous_with(Method::POST, "/oauth2/token", |request| request.json(&body))
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (400, &json!("invalid_request"))
    );
    let answer = server.anonymous(Method::GET, "/oauth2/token").await;
    assert_eq!(answer.status, 405);
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_secret_costs_time_and_counts() {
    let server = Server::start().await;
    let (_, Device { id, secret }) = enrolled(&server).await;
    let body = |id: &str, secret: &str| format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let began = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(ask(&server, &body(&id, "wrong"), &[]).await.status, 401);
    }
    assert!(
        began.elapsed() >= std::time::Duration::from_millis(2_500),
        "{:?}",
        began.elapsed()
    );
    let began = std::time::Instant::now();
    let answer = ask(&server, &body(&id, "wrong"), &[]).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (429, &json!("invalid_client"))
    );
    let wait: u32 = answer.header("retry-after").parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert!(began.elapsed() >= std::time::Duration::from_secs(1));
    // Guesses do not lock the device out, not even from its own address.
    assert_eq!(ask(&server, &body(&id, &secret), &[]).await.status, 200);
    server.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(ask(&server, &body(&id, "wrong"), &[]).await.status, 401);
    // Another client is not affected.
    let other = server
        .post("/api/devices", &json!({"device_model_id": 1, "name": "B"}))
        .await
        .expect(201);
    assert_eq!(server.token_answer(&other).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn the_limit_is_by_client_and_address() {
    let server = Server::start_with(&[("server.trusted_proxies", "127.0.0.1")]).await;
    let (_, Device { id, .. }) = enrolled(&server).await;
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret=wrong");
    let guess = async |source: &str| {
        let answer = server.anonymous_with(Method::POST, "/oauth2/token", |request| {
            request
                .header("x-forwarded-for", source)
                .header(CONTENT_TYPE, FORM)
                .body(body.clone())
        });
        answer.await.status.as_u16()
    };
    let guesses = futures_util::future::join_all((0..10).map(|_| guess("2001:db8:1:2::1"))).await;
    assert_eq!(guesses, [401; 10]);
    // One address of a /64 counts as all of them.
    assert_eq!(guess("2001:db8:1:2:ffff::9").await, 429);
    assert_eq!(guess("2001:db8:1:3::1").await, 401);
    assert_eq!(guess("192.0.2.1").await, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_form_of_many_parameters_is_refused_and_unknown_ones_are_ignored() {
    let server = Server::start().await;
    let (_, Device { id, secret }) = enrolled(&server).await;
    let right = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let with = |others: usize| right.clone() + &(0..others).map(|n| format!("&{n}")).collect::<String>();
    assert_eq!(ask(&server, &with(29), &[]).await.status, 200);
    let answer = ask(&server, &with(30), &[]).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (400, &json!("invalid_request"))
    );
    let many: String = (0..5_460).map(|n| format!("{n:x}&")).collect();
    let answer = ask(&server, &many[..16_000], &[]).await;
    assert!(answer.json()["error_description"].as_str().unwrap().contains("32"));
    server.stop().await;
}

#[tokio::test]
async fn an_expired_or_damaged_secret_gets_no_token() {
    let server = Server::start().await;
    let (device, Device { id, secret }) = enrolled(&server).await;
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    // A secret that has expired, one that will expire, and one that cannot be read.
    server.execute("UPDATE client_secrets SET expires_at = 4000000000000000");
    assert_eq!(ask(&server, &body, &[]).await.status, 200);
    server.execute("UPDATE client_secrets SET expires_at = 1");
    assert_eq!(ask(&server, &body, &[]).await.status, 401);
    server.execute("UPDATE client_secrets SET expires_at = NULL, secret = x''");
    assert_eq!(ask(&server, &body, &[]).await.status, 401);
    server.execute("UPDATE client_secrets SET secret = x'0102'");
    let answer = ask(&server, &body, &[]).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (503, &json!("temporarily_unavailable"))
    );
    server
        .delete(&format!("/api/devices/{}", device["id"]))
        .await
        .expect(204);
    assert_eq!(ask(&server, &body, &[]).await.status, 401);
    server.stop().await;
}

#[tokio::test]
async fn several_secrets_of_a_client_are_valid_at_once() {
    let server = Server::start().await;
    let (device, Device { id, secret }) = enrolled(&server).await;
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    // The row is removed for a moment: the sync creates another secret, and then the old one is put back beside it.
    server.execute("CREATE TABLE kept AS SELECT * FROM client_secrets; DELETE FROM client_secrets");
    server
        .post(&format!("/api/devices/{}/identity/sync", device["id"]), &json!(null))
        .await
        .expect(200);
    assert_eq!(ask(&server, &body, &[]).await.status, 401);
    server.execute("INSERT INTO client_secrets SELECT * FROM kept; DROP TABLE kept");
    assert_eq!(ask(&server, &body, &[]).await.status, 200);
    // The image has the newest.
    assert_eq!(server.token_answer(&device).await.status, 200);
    let values = nvs::strings(&server.image(&device, 4096).await.body);
    assert!(values.iter().all(|(_, value)| *value != secret));
    server.stop().await;
}

#[tokio::test]
async fn no_secret_serves_another_client() {
    let server = Server::start().await;
    let (_, Device { id, .. }) = enrolled(&server).await;
    let other = server
        .post("/api/devices", &json!({"device_model_id": 1, "name": "B"}))
        .await
        .expect(201);
    // An attacker who can write the database but has no master key moves a known device's secret to another device.
    let theirs = other["client_id"].as_str().unwrap();
    server.execute(&format!(
        "DELETE FROM client_secrets WHERE client_id = '{id}';
         UPDATE client_secrets SET client_id = '{id}' WHERE client_id = '{theirs}'"
    ));
    let answer = server.get("/api/devices/1/provisioning").await;
    assert_eq!(answer.problem(), problem(500, "internal-error", &[]));
    server.stop().await;
}

#[tokio::test]
async fn verifiers_find_everything_from_the_discovery_document() {
    let server = Server::start_with(&[
        ("server.public_url", "https://fleet.example.com/mint/"),
        ("identity.audience", "things"),
    ])
    .await;
    let found = server
        .anonymous(Method::GET, "/.well-known/openid-configuration")
        .await
        .expect(200);
    let base = "https://fleet.example.com/mint";
    assert_eq!(found["issuer"], base);
    assert_eq!(found["token_endpoint"], format!("{base}/oauth2/token"));
    assert_eq!(found["jwks_uri"], format!("{base}/.well-known/jwks.json"));
    assert_eq!(found["grant_types_supported"], json!(["client_credentials"]));
    let (_, Device { id, secret }) = enrolled(&server).await;
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let answer = ask(&server, &body, &[]).await.expect(200);
    let claims = claims(&answer);
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(base), &json!("things")));

    let keys = server
        .anonymous(Method::GET, "/.well-known/jwks.json")
        .await
        .expect(200);
    let key = &keys["keys"][0];
    let token = answer["access_token"].as_str().unwrap();
    let header: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!(header, json!({"alg": "ES256", "typ": "JWT", "kid": key["kid"]}));
    let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    // No part of the private key.
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    server.stop().await;
}

#[tokio::test]
async fn the_signing_key_survives_a_restart() {
    let server = Server::start().await;
    let keys = server
        .anonymous(Method::GET, "/.well-known/jwks.json")
        .await
        .expect(200);
    let folder = server.stop().await;
    let server = Server::start_in(folder, &[]).await;
    assert_eq!(
        server
            .anonymous(Method::GET, "/.well-known/jwks.json")
            .await
            .expect(200),
        keys
    );
    server.stop().await;
}

#[tokio::test]
async fn a_signing_key_of_another_process_is_published_and_used_without_a_restart() {
    let server = Server::start().await;
    let (device, _) = enrolled(&server).await;
    let kids = || async {
        let keys = server
            .anonymous(Method::GET, "/.well-known/jwks.json")
            .await
            .expect(200);
        let keys = keys["keys"].as_array().unwrap().clone();
        keys.iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let kid = |token: &str| {
        let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()["kid"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let before = kids().await;
    let old = server.device_token(&device).await;
    assert_eq!(before, [kid(&old)]);

    server.execute("DELETE FROM signing_keys");
    let app = &server.app;
    Builtin::start(&app.database, &app.settings, &app.seal, &app.random, app.clock.now()).unwrap();
    assert_eq!(
        kids().await,
        before,
        "anyone may call: not each call reads the database"
    );
    server.clock.advance(std::time::Duration::from_secs(5));
    let after = kids().await;
    assert_eq!(after.len(), 1);
    assert_ne!(after, before);
    let new = server.device_token(&device).await;
    assert_eq!(after, [kid(&new)]);
    // The old key is deleted, and its tokens are invalid.
    let status = async |token: &str| {
        let bearer = format!("Bearer {token}");
        server
            .authorized(Method::GET, "/api/devices", &[&bearer])
            .await
            .status
            .as_u16()
    };
    assert_eq!([status(&new).await, status(&old).await], [403, 401]);
    server.stop().await;
}

#[tokio::test]
async fn a_token_expires_after_five_minutes() {
    let server = Server::start().await;
    let (device, _) = enrolled(&server).await;
    let bearer = format!("Bearer {}", server.device_token(&device).await);
    let status = async || {
        server
            .authorized(Method::GET, "/api/devices", &[&bearer])
            .await
            .status
            .as_u16()
    };
    assert_eq!(status().await, 403, "it is a device's token");
    server.clock.advance(std::time::Duration::from_secs(290));
    assert_eq!(status().await, 403);
    server.clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(status().await, 401, "it is no longer a token");
    server.stop().await;
}

#[tokio::test]
async fn without_a_public_url_there_are_no_tokens() {
    let server = Server::start_with(&[
        ("server.listen", "0.0.0.0:0"),
        ("provisioning.base_url", "http://192.0.2.1"),
        ("provisioning.token_url", "http://192.0.2.1/oauth2/token"),
    ])
    .await;
    let (_, Device { id, secret }) = enrolled(&server).await;
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let answer = ask(&server, &body, &[]).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (503, &json!("temporarily_unavailable"))
    );
    assert!(
        answer.json()["error_description"]
            .as_str()
            .unwrap()
            .contains("server.public_url")
    );
    let answer = server.anonymous(Method::GET, "/.well-known/openid-configuration").await;
    assert_eq!(answer.problem(), problem(503, "not-configured", &[]));
    server.stop().await;
}
