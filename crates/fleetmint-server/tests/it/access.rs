//! Authorization, as in the table of operations and in the OpenAPI document.

use fleetmint_server::operation::{Call, Operation, Who};
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;

use crate::harness::{Server, log, problem};

/// Public operations: their answers contain no secret, or only the token of the authenticated client. A new public
/// operation needs an entry here.
const PUBLIC: &[Operation] = &[
    Operation::CreateSession,
    Operation::GetDiscovery,
    Operation::GetJwks,
    Operation::GetLivez,
    Operation::GetMetrics,
    Operation::GetOpenapi,
    Operation::GetReadyz,
    Operation::IssueToken,
];

#[tokio::test]
async fn every_endpoint_is_guarded_or_intentionally_public() {
    let server = Server::start_with(&[("access.refusals_per_minute", "0")]).await;
    let document = server.document();
    let (mut guarded, mut documented) = (Vec::new(), 0);
    for operation in Operation::CALLS {
        let call = operation.call().unwrap();
        let entry = &document["paths"][call.path][call.method.as_str().to_lowercase()];
        assert_eq!(entry["operationId"], operation.name());
        if PUBLIC.contains(operation) {
            assert_eq!(call.who, Who::Everybody, "{operation:?}");
            assert_eq!(entry["x-fleetmint-role"], Value::Null, "{operation:?}");
        } else {
            let Who::Role(role) = call.who else {
                panic!("{operation:?} needs no role")
            };
            assert_eq!(entry["x-fleetmint-role"], role.name(), "{operation:?}");
            assert!(entry["security"].is_array(), "{operation:?}");
            guarded.push(call);
        }
    }
    for item in document["paths"].as_object().unwrap().values() {
        documented += item.as_object().unwrap().len();
    }
    assert_eq!(Operation::CALLS.len(), documented, "an endpoint is not an operation");

    let model = server.model("m").await;
    let device = server.device(&model).await;
    let token = server.device_token(&device).await;
    for Call { method, path, .. } in guarded {
        let id = if path.contains("device-models") {
            &model["id"]
        } else {
            &device["id"]
        };
        let path = path.replace("{id}", &id.to_string()).replace("{n}", "1");
        let path = path.replace("{mac}", "60:55:f9:aa:00:01");
        let answer = server.anonymous(method.clone(), &path).await;
        assert_eq!(answer.problem(), problem(401, "unauthorized", &[]), "{method} {path}");
        assert!(
            answer.header("www-authenticate").starts_with("Bearer"),
            "{method} {path}"
        );
        for (authorization, expected) in [
            (format!("Bearer {token}"), problem(403, "forbidden", &[])),
            (format!("bearer {token}x"), problem(401, "unauthorized", &[])),
            (format!("Bearer {}x", server.token), problem(401, "unauthorized", &[])),
            (format!("Basic {}", server.token), problem(401, "unauthorized", &[])),
            (format!("Bearer{}", server.token), problem(401, "unauthorized", &[])),
            ("Bearer ".to_owned(), problem(401, "unauthorized", &[])),
            (server.token.clone(), problem(401, "unauthorized", &[])),
        ] {
            let answer = server.authorized(method.clone(), &path, &[&authorization]).await;
            assert_eq!(answer.problem(), expected, "{method} {path}");
        }
        let both = [format!("Bearer {}", server.token), format!("Bearer {token}")];
        let answer = server.authorized(method.clone(), &path, &[&both[0], &both[1]]).await;
        assert_eq!(answer.problem(), problem(401, "unauthorized", &[]), "{method} {path}");
    }
    // None of these calls was carried out.
    assert_eq!(
        server.get(&format!("/api/devices/{}", device["id"])).await.expect(200),
        device
    );
    assert_eq!(
        server
            .get(&format!("/api/device-models/{}", model["id"]))
            .await
            .expect(200),
        model
    );

    for operation in PUBLIC {
        let Call { method, path, .. } = operation.call().unwrap();
        let as_page = |request: reqwest::RequestBuilder| request.header("x-fleetmint", "1");
        let answer = server.anonymous_with(method.clone(), path, as_page).await;
        assert!(
            !matches!(answer.status.as_u16(), 401 | 403 | 404 | 405),
            "{path}: {}",
            answer.status
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn the_documentation_works_without_a_token_and_without_the_internet() {
    let server = Server::start().await;
    let page = server.anonymous(Method::GET, "/api/docs/").await;
    assert_eq!(page.status, 200);
    let html = String::from_utf8(page.body).unwrap();
    let mut parts = Vec::new();
    for attribute in ["src=\"", "href=\""] {
        parts.extend(
            html.split(attribute)
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().to_owned()),
        );
    }
    assert!(parts.len() >= 3, "{html}");
    for part in parts {
        assert!(!part.contains("//"), "{part} comes from another host");
        let path = format!("/api/docs/{}", part.trim_start_matches("./"));
        assert_eq!(server.anonymous(Method::GET, &path).await.status, 200, "{path}");
    }
    let start = server.anonymous(Method::GET, "/api/docs/swagger-initializer.js").await;
    assert!(String::from_utf8(start.body).unwrap().contains("/api/openapi.json"));
    server.stop().await;
}

#[tokio::test]
async fn a_token_works_with_any_spelling_of_its_scheme() {
    let server = Server::start().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let authorization = format!("{scheme} {}", server.token);
        let answer = server.authorized(Method::GET, "/api/devices", &[&authorization]).await;
        assert_eq!(answer.status, 200, "{scheme}");
    }
    let twice = server
        .call(Method::GET, "/api/devices", |request| {
            request.header(AUTHORIZATION, "Bearer x")
        })
        .await;
    assert_eq!(twice.status, 401);
    server.stop().await;
}

/// A call with this token that a proxy forwards for this address; also returns how long it took.
async fn call_from(server: &Server, source: &str, token: &str) -> (u16, std::time::Duration) {
    let began = std::time::Instant::now();
    let answer = server.anonymous_with(Method::GET, "/api/devices", |request| {
        request.header("x-forwarded-for", source).bearer_auth(token)
    });
    (answer.await.status.as_u16(), began.elapsed())
}

#[tokio::test]
async fn calls_wait_from_an_address_with_many_refusals() {
    let second = std::time::Duration::from_secs(1);
    let server = Server::start_with(&[("server.trusted_proxies", "127.0.0.1")]).await;
    for _ in 0..20 {
        let (status, took) = call_from(&server, "2001:db8:5::1", "wrong").await;
        assert_eq!(status, 401);
        assert!(took < second, "{took:?}");
    }
    // The right token is answered, late; a wrong one too.
    for (token, expected) in [(&*server.token, 200), ("wrong", 401)] {
        let (status, took) = call_from(&server, "2001:db8:5::2", token).await;
        assert_eq!(status, expected);
        assert!(took >= second, "{took:?}");
    }
    let (status, took) = call_from(&server, "2001:db8:6::1", &server.token).await;
    assert_eq!(status, 200);
    assert!(took < second, "{took:?}");
    // A minute after the first refusal no call waits any more.
    server.clock.advance(std::time::Duration::from_secs(60));
    let (status, took) = call_from(&server, "2001:db8:5::2", &server.token).await;
    assert_eq!(status, 200);
    assert!(took < second, "{took:?}");
    server.stop().await;
}

#[tokio::test]
async fn refused_calls_are_logged_with_address_and_client_up_to_a_limit() {
    let server = Server::start_with(&[
        ("server.trusted_proxies", "127.0.0.1"),
        ("access.refusals_per_minute", "0"),
    ])
    .await;
    let device = server.device(&server.model("m").await).await;
    let token = server.device_token(&device).await;
    assert_eq!(call_from(&server, "192.0.2.201", &token).await.0, 403);
    for source in ["192.0.2.202", "192.0.2.203"] {
        let answer = server.anonymous_with(Method::POST, "/oauth2/token", |request| {
            request
                .header("x-forwarded-for", source)
                .header("content-type", "application/x-www-form-urlencoded")
                .body("grant_type=client_credentials&client_id=some%1bbody&client_secret=guessed")
        });
        assert_eq!(answer.await.status, 401);
    }
    let lines = |what: &str| {
        log::text()
            .lines()
            .filter(|line| line.contains(what))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let [forbidden] = &lines("\"client\":\"192.0.2.201\"")[..] else {
        panic!("not one line");
    };
    assert!(forbidden.contains("\"level\":\"WARN\""), "{forbidden}");
    assert!(
        forbidden.contains(&format!("\"client_id\":{}", device["client_id"])),
        "{forbidden}"
    );
    for source in ["192.0.2.202", "192.0.2.203"] {
        let [refused] = &lines(&format!("\"client\":\"{source}\""))[..] else {
            panic!("not one line");
        };
        assert!(refused.contains("some\\\\u{1b}body"), "{refused}");
    }
    for _ in 0..200 {
        assert_eq!(call_from(&server, "192.0.2.204", "wrong").await.0, 401);
    }
    let told = lines("\"client\":\"192.0.2.204\"").len();
    assert!((40..200).contains(&told), "{told}");
    server.stop().await;
}
