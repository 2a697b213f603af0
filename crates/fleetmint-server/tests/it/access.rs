//! Who may call what: every endpoint of the OpenAPI document stands in the table.

use reqwest::Method;
use reqwest::header::AUTHORIZATION;

use crate::harness::{Server, problem};

/// For the administrator alone.
const GUARDED: &[(&str, &str)] = &[
    ("get", "/api/audit"),
    ("get", "/api/device-models"),
    ("post", "/api/device-models"),
    ("get", "/api/device-models/{id}"),
    ("patch", "/api/device-models/{id}"),
    ("delete", "/api/device-models/{id}"),
    ("get", "/api/devices"),
    ("post", "/api/devices"),
    ("get", "/api/devices/{id}"),
    ("patch", "/api/devices/{id}"),
    ("delete", "/api/devices/{id}"),
    ("get", "/api/devices/{id}/identity"),
    ("post", "/api/devices/{id}/identity/disable"),
    ("post", "/api/devices/{id}/identity/enable"),
    ("post", "/api/devices/{id}/identity/sync"),
    ("get", "/api/devices/{id}/provisioning"),
    ("post", "/api/devices/{id}/provisioning/patch"),
];

/// For everybody: they tell no secret, or ask for a device's own.
const PUBLIC: &[(&str, &str)] = &[
    ("get", "/.well-known/jwks.json"),
    ("get", "/.well-known/openid-configuration"),
    ("get", "/api/openapi.json"),
    ("get", "/livez"),
    ("get", "/metrics"),
    ("get", "/readyz"),
    ("post", "/oauth2/token"),
];

#[tokio::test]
async fn every_endpoint_is_guarded_or_meant_to_be_public() {
    let server = Server::start().await;
    let mut table: Vec<(String, String)> = GUARDED
        .iter()
        .chain(PUBLIC)
        .map(|(method, path)| ((*path).to_owned(), (*method).to_owned()))
        .collect();
    table.sort();
    let mut documented = Vec::new();
    for (path, item) in server.document()["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            documented.push((path.clone(), method.clone()));
        }
    }
    documented.sort();
    assert_eq!(table, documented, "an endpoint is missing in the table, or gone");

    let model = server.model("m").await;
    let device = server.device(&model).await;
    let token = server.device_token(&device).await;
    for (method, path) in GUARDED {
        let id = if path.contains("device-models") {
            &model["id"]
        } else {
            &device["id"]
        };
        let path = path.replace("{id}", &id.to_string());
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
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
    // Nothing of all this was done.
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

    for (method, path) in PUBLIC {
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let answer = server.anonymous(method, path).await;
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
        assert!(!part.contains("//"), "{part} comes from elsewhere");
        let path = format!("/api/docs/{}", part.trim_start_matches("./"));
        assert_eq!(server.anonymous(Method::GET, &path).await.status, 200, "{path}");
    }
    let start = server.anonymous(Method::GET, "/api/docs/swagger-initializer.js").await;
    assert!(String::from_utf8(start.body).unwrap().contains("/api/openapi.json"));
    server.stop().await;
}

#[tokio::test]
async fn a_token_works_however_its_scheme_is_spelt() {
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
