//! The common parts of all errors.

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::json;

use crate::harness::{Server, problem};

#[tokio::test]
async fn unknown_paths_and_malformed_ids_are_404() {
    let server = Server::start().await;
    for path in [
        "/nothing",
        "/api",
        "/api/",
        "/api/nothing",
        "/api/devices/",
        "/api/devices/1",
        "/api/devices/one",
        "/api/devices/-1",
        "/api/devices/+1",
        "/api/devices/1.0",
        "/api/devices/%31%00",
        "/api/devices/%ff",
        "/api/devices/99999999999999999999",
        "/api/devices/one/provisioning",
        "/api/device-models/one",
        "/api/devices/1/flashes",
        "/api/devices/1/flashes/1",
        "/api/devices/1/flashes/one",
        "/api/boards/60:55:f9:aa:00:01",
        "/api/boards/60:55:f9:aa:00:01/flashes",
        "/api/boards/60:55:f9:aa:00",
        "/api/boards/1",
    ] {
        assert_eq!(
            server.get(path).await.problem(),
            problem(404, "not-found", &[]),
            "{path}"
        );
    }
    server.stop().await;
}

/// A path of this template.
fn path_of_nothing(template: &str) -> String {
    let path = template.replace("{id}", "1").replace("{n}", "1");
    path.replace("{mac}", "60:55:f9:aa:00:01")
}

#[tokio::test]
async fn allow_lists_exactly_the_methods_that_a_route_answers() {
    let server = Server::start().await;
    let documented = server.document()["paths"].as_object().unwrap();
    let mut paths: Vec<String> = documented.keys().map(|path| path_of_nothing(path)).collect();
    assert!(
        paths.len() > 10 && !paths.iter().any(|path| path.contains('{')),
        "{paths:?}"
    );
    paths.extend(["", "/", "/index.html", "/swagger-ui.css"].map(|part| format!("/api/docs{part}")));
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND",
    ];
    let call = async |method: &str, path: &str| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        // Nothing exists that could be changed or deleted.
        let answer = server.call(method, path, |request| request).await;
        let mut allowed: Vec<String> = answer.header("allow").split(", ").map(str::to_owned).collect();
        allowed.sort_unstable();
        (answer, allowed)
    };
    for path in &paths {
        let (options, allowed) = call("OPTIONS", path).await;
        assert_eq!(options.status, 204, "{path}");
        assert_eq!(
            options.header("accept-patch").is_empty(),
            !allowed.contains(&"PATCH".to_owned()),
            "{path}"
        );
        for method in methods {
            let (answer, named) = call(method, path).await;
            if allowed.contains(&method.to_owned()) {
                assert_ne!(answer.status, 405, "{method} {path}");
            } else {
                assert_eq!(answer.status, 405, "{method} {path}");
                assert!(
                    method == "HEAD" || answer.problem() == problem(405, "method-not-allowed", &[]),
                    "{method} {path}"
                );
                assert_eq!(named, allowed, "{method} {path}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn an_answer_lists_the_first_of_many_wrong_values_and_counts_the_others() {
    let server = Server::start().await;
    let many: Vec<String> = (0..9000).map(|number| format!("p{number}")).collect();
    for (query, listed, count) in [
        (many[..32].join("&"), 32, "32 values break a rule."),
        (
            many.join("&"),
            32,
            "9000 values break a rule: 32 are listed, 8968 more are not.",
        ),
        (
            format!("limit=none&{}", many.join("&")),
            32,
            "9001 values break a rule: 32 are listed, 8969 more are not.",
        ),
    ] {
        let answer = server.get(&format!("/api/devices?{query}")).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.len() < 4096, "{} bytes", answer.body.len());
        let problem = answer.json();
        assert_eq!(problem["errors"].as_array().unwrap().len(), listed);
        assert_eq!(problem["detail"], count);
        let first = if query.starts_with("limit") { "/limit" } else { "/p0" };
        assert_eq!(problem["errors"][0]["pointer"], first);
    }
    // A single name can be as long as the whole body.
    let long = "n".repeat(50_000);
    for answer in [
        server.get(&format!("/api/devices?{long}=1")).await,
        server.get(&format!("/api/devices/{long}")).await,
        server.post("/api/device-models", &json!({ &long: 1 })).await,
        server
            .post(
                "/api/device-models",
                &json!({"code": "m", "name": "M", "provisioning": { &long: 1 }}),
            )
            .await,
        server
            .post("/api/device-models", &json!({"code": long, "name": long}))
            .await,
    ] {
        assert!(answer.status.is_client_error(), "{}", answer.status);
        assert!(answer.body.len() < 4096, "{} bytes", answer.body.len());
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_not_json_is_400_and_another_media_type_415() {
    let server = Server::start().await;
    server.keep_secret("hunter2-hunter2");
    for (body, expected) in [
        ("", problem(400, "unreadable-body", &[])),
        ("{", problem(400, "unreadable-body", &[])),
        (
            "{\"code\": \"a\", \"name\": \"b\"} x",
            problem(400, "unreadable-body", &[]),
        ),
        ("{\"name\": hunter2-hunter2}", problem(400, "unreadable-body", &[])),
        ("\u{0}", problem(400, "unreadable-body", &[])),
        ("[]", problem(422, "invalid-value", &[""])),
        ("[\"code\", \"name\"]", problem(422, "invalid-value", &[""])),
        ("null", problem(422, "invalid-value", &[""])),
        ("\"hunter2-hunter2\"", problem(422, "invalid-value", &[""])),
        (
            "{\"name\": {\"hunter2-hunter2\": 1}}",
            problem(422, "invalid-value", &["/name"]),
        ),
        (
            "{\"name\": \"a\", \"name\": \"b\"}",
            problem(422, "invalid-value", &["/name"]),
        ),
        (
            "{\"code\": \"a\", \"name\": \"b\", \"a/b~c\": 1}",
            problem(422, "invalid-value", &["/a~1b~0c"]),
        ),
    ] {
        let answer = server
            .call(Method::POST, "/api/device-models", |request| {
                request.header(CONTENT_TYPE, "application/json").body(body)
            })
            .await;
        assert_eq!(answer.problem(), expected, "{body}");
    }
    let invalid_utf8 = server
        .call(Method::POST, "/api/device-models", |request| {
            request
                .header(CONTENT_TYPE, "application/json")
                .body(b"{\"name\":\"\xff\"}".to_vec())
        })
        .await;
    assert_eq!(invalid_utf8.problem(), problem(400, "unreadable-body", &[]));

    let untyped = server
        .call(Method::POST, "/api/devices", |request| request.body("{}"))
        .await;
    assert_eq!(untyped.problem(), problem(415, "unsupported-media-type", &[]));
    let text = server
        .call(Method::POST, "/api/devices", |request| {
            request.header(CONTENT_TYPE, "text/json").body("{}")
        })
        .await;
    assert_eq!(text.problem(), problem(415, "unsupported-media-type", &[]));
    server.stop().await;
}

#[tokio::test]
async fn an_unknown_member_is_named_and_its_value_is_not() {
    let server = Server::start().await;
    server.keep_secret("hunter2-hunter2");
    let long = "n".repeat(1000);
    for (path, name, pointer, shown) in [
        ("/api/device-models", "nmae", "/nmae", "nmae"),
        ("/api/devices", "nmae", "/nmae", "nmae"),
        ("/api/device-models", "", "/", ""),
        ("/api/device-models", "a/b~c", "/a~1b~0c", "a/b~c"),
        (
            "/api/device-models",
            "`, expected `x",
            "/`, expected `x",
            "`, expected `x",
        ),
        ("/api/device-models", "\u{202e}x", "/\u{202e}x", "\\u{202e}x"),
        (
            "/api/device-models",
            &long,
            &format!("/{}…", &long[..255]),
            &format!("{}…", &long[..64]),
        ),
    ] {
        let answer = server.post(path, &json!({ name: "hunter2-hunter2" })).await;
        assert_eq!(
            answer.problem(),
            problem(422, "invalid-value", &[pointer]),
            "{path} {name}"
        );
        assert_eq!(
            answer.json()["errors"][0]["detail"],
            format!("there is no member \"{shown}\", or it cannot be set"),
            "{path} {name}"
        );
    }
    // Inside another member.
    let model = json!({"code": "m", "name": "M", "provisioning": {"wifi_sid": "hunter2-hunter2"}});
    let answer = server.post("/api/device-models", &model).await;
    assert_eq!(
        answer.problem(),
        problem(422, "invalid-value", &["/provisioning/wifi_sid"])
    );
    let detail = answer.json()["errors"][0]["detail"].to_string();
    assert!(detail.contains("wifi_sid"), "{detail}");
    let device = json!({"device_model_id": 1, "provisioning": {"nmae": "hunter2-hunter2"}});
    let answer = server.post("/api/devices", &device).await;
    assert_eq!(answer.problem(), problem(422, "invalid-value", &["/provisioning/nmae"]));
    let query = server.get("/api/devices?nmae=hunter2-hunter2").await;
    assert_eq!(query.problem(), problem(422, "invalid-value", &["/nmae"]));
    assert_eq!(
        query.json()["errors"][0]["detail"],
        "there is no query parameter \"nmae\""
    );
    server.stop().await;
}

#[tokio::test]
async fn a_content_coding_is_415_wherever_there_is_a_body() {
    let server = Server::start().await;
    for (method, path, media_type) in [
        (Method::POST, "/api/device-models", "application/json"),
        (Method::PATCH, "/api/device-models/1", "application/merge-patch+json"),
        (Method::POST, "/api/devices", "application/json"),
        (Method::PATCH, "/api/devices/1", "application/json"),
        (Method::POST, "/api/devices/1/provisioning/patch", "application/json"),
        (Method::POST, "/api/devices/1/provisioning/verify", "application/json"),
        (Method::POST, "/api/devices/1/flashes", "application/json"),
        (
            Method::PATCH,
            "/api/devices/1/flashes/1",
            "application/merge-patch+json",
        ),
        (Method::POST, "/oauth2/token", "application/x-www-form-urlencoded"),
    ] {
        let ask = async |codings: &[&str]| {
            server
                .call(method.clone(), path, |mut request| {
                    for coding in codings {
                        request = request.header(CONTENT_ENCODING, *coding);
                    }
                    request.header(CONTENT_TYPE, media_type).body("{}")
                })
                .await
        };
        for codings in [
            &["gzip"][..],
            &["br"],
            &["identity, gzip"],
            &["identity", "x"],
            &["\"identity\""],
        ] {
            let answer = ask(codings).await;
            assert_eq!(answer.status, 415, "{method} {path} {codings:?}");
            assert_eq!(answer.header("accept-encoding"), "identity", "{method} {path}");
            let kind = if path == "/oauth2/token" { "error" } else { "type" };
            let named = answer.json()[kind].as_str().unwrap().to_owned();
            assert!(
                ["invalid_request", "urn:fleetmint:problem:unsupported-media-type"].contains(&named.as_str()),
                "{named}"
            );
        }
        for codings in [&["identity"][..], &["Identity, identity"], &[""]] {
            assert_ne!(ask(codings).await.status, 415, "{method} {path} {codings:?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413() {
    let server = Server::start().await;
    let body = json!({"code": "a", "name": "x".repeat(300 * 1024)});
    let answer = server.post("/api/device-models", &body).await;
    assert_eq!(answer.problem(), problem(413, "body-too-large", &[]));
    server.stop().await;
}

#[tokio::test]
async fn a_caller_that_does_not_accept_json_gets_406() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let provisioning = format!("/api/devices/{}/provisioning", device["id"]);
    for (path, accept, status) in [
        ("/api/devices", "text/html", 406),
        ("/api/devices", "application/octet-stream", 406),
        ("/api/devices", "application/json;q=0", 406),
        ("/api/devices", "application/*", 200),
        ("/api/devices", "text/html, */*;q=0.1", 200),
        (&provisioning, "image/png", 406),
        (&provisioning, "application/octet-stream", 200),
        (&provisioning, "application/json", 200),
    ] {
        let answer = server
            .call(Method::GET, path, |request| request.header(ACCEPT, accept))
            .await;
        assert_eq!(answer.status, status, "{path} {accept}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_answer_without_a_body_and_an_error_need_no_accepted_media_type() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let ask = async |method: Method, path: &str, accept: &str| {
        let answer = server
            .call(method, path, |request| request.header(ACCEPT, accept))
            .await;
        answer.status.as_u16()
    };
    for accept in ["application/problem+json", "text/html", "application/json", "*/*;q=0"] {
        let device = server.device(&model).await;
        let path = format!("/api/devices/{}", device["id"]);
        assert_eq!(ask(Method::DELETE, &path, accept).await, 204, "{accept}");
        assert_eq!(ask(Method::DELETE, &path, accept).await, 404, "{accept}");
    }
    assert_eq!(ask(Method::GET, "/api/devices", "application/problem+json").await, 200);
    let path = format!("/api/device-models/{}", model["id"]);
    assert_eq!(ask(Method::DELETE, &path, "application/problem+json").await, 204);
    server.stop().await;
}

#[tokio::test]
async fn a_request_id_is_taken_over_if_it_is_plain() {
    let server = Server::start().await;
    let ask = async |id: &str| {
        let answer = server
            .call(Method::GET, "/livez", |request| request.header("x-request-id", id))
            .await;
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(ask("7b9c-42/a").await, "7b9c-42/a");
    let made = [
        ask("with blank").await,
        ask("<script>").await,
        ask(&"x".repeat(65)).await,
        ask("").await,
    ];
    for id in &made {
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{id}");
    }
    let mut distinct = made.to_vec();
    distinct.dedup();
    assert_eq!(distinct.len(), made.len());
    server.stop().await;
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() {
    let server = Server::start().await;
    let answer = server.call(Method::HEAD, "/api/devices", |request| request).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.is_empty());
    let answer = server.call(Method::HEAD, "/api/devices/1", |request| request).await;
    assert_eq!(answer.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_retryable_503_says_when_to_try_again() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    server.limit_pages(0);
    let path = format!("/api/devices/{}/provisioning", device["id"]);
    let answer = loop {
        let answer = server.get(&path).await;
        if answer.status == 503 {
            break answer;
        }
    };
    assert_eq!(answer.problem().1, "unavailable");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    let metrics = server.anonymous(Method::GET, "/metrics").await.body;
    let failed = String::from_utf8(metrics).unwrap();
    let failed = failed
        .lines()
        .find_map(|line| line.strip_prefix("fleetmint_database_failed_writes_total "));
    assert!(failed.unwrap().parse::<u32>().unwrap() > 0);
    // Other errors have no such header.
    let nothing = server.get("/api/devices/99").await;
    assert_eq!(nothing.header("retry-after"), "");
    server.stop().await;
}
