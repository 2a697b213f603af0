//! The OpenAPI document: a snapshot that shows every change of the interface.

use std::fs;
use std::path::Path;

use fleetmint_server::operation::Operation;
use fleetmint_server::router::PROBLEMS;
use serde_json::Value;

use crate::harness::Server;

/// Compares with the committed file; writes it with `FLEETMINT_UPDATE_SNAPSHOTS=1`.
fn assert_snapshot(path: &str, actual: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("FLEETMINT_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&file, actual).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    let hint = "if the change is meant, run the test with FLEETMINT_UPDATE_SNAPSHOTS=1 and commit the file";
    for (line, (actual, expected)) in actual.lines().zip(expected.lines()).enumerate() {
        assert_eq!(actual, expected, "{path}, line {}; {hint}", line + 1);
    }
    assert_eq!(actual.lines().count(), expected.lines().count(), "{path}; {hint}");
}

#[tokio::test]
async fn the_document_is_the_committed_one() {
    let server = Server::start().await;
    assert_snapshot(
        "openapi.json",
        &format!("{}\n", serde_json::to_string_pretty(server.document()).unwrap()),
    );
    server.stop().await;
}

#[tokio::test]
async fn every_operation_is_documented_under_its_name_with_its_errors() {
    let server = Server::start().await;
    let mut names = Vec::new();
    for (path, item) in server.document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            names.push(operation["operationId"].as_str().unwrap().to_owned());
            let place = format!("{method} {path}");
            assert!(
                !operation["summary"].as_str().unwrap_or_default().is_empty(),
                "{place} does not say what it does"
            );
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
            for (status, response) in responses {
                let description = response["description"].as_str().unwrap_or_default();
                assert!(!description.is_empty(), "{place} {status} has no description");
            }
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
                let own = match path.as_str() {
                    "/oauth2/token" => &response["content"]["application/json"]["schema"]["$ref"],
                    "/readyz" if status == "503" => &response["content"]["application/json"]["schema"]["$ref"],
                    _ => &Value::Null,
                };
                assert!(
                    own.is_string() || problem == "#/components/schemas/Problem",
                    "{place} {status} has no body"
                );
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let in_path = parameter["in"] == "path";
                assert_eq!(parameter["required"] == true, in_path, "{place} {}", parameter["name"]);
                let description = parameter["description"].as_str().unwrap_or_default();
                assert!(
                    !description.is_empty(),
                    "{place} {} has no description",
                    parameter["name"]
                );
            }
            let mut expected = vec!["405", "500"];
            if path.starts_with("/api/") && path != "/api/openapi.json" {
                expected.extend(["401", "403", "503"]);
                let has_content = responses
                    .iter()
                    .any(|(status, response)| status.starts_with('2') && response["content"].as_object().is_some());
                assert_eq!(responses.contains_key("406"), has_content, "{place} 406");
            }
            if path.contains('{') {
                expected.push("404");
            }
            if operation.get("requestBody").is_some() && path != "/oauth2/token" {
                expected.extend(["400", "408", "413", "415"]);
            }
            for status in expected {
                assert!(responses.contains_key(status), "{place} {status} is not documented");
            }
        }
    }
    names.sort();
    let mut known: Vec<&str> = Operation::CALLS.iter().map(|operation| operation.name()).collect();
    known.sort_unstable();
    assert_eq!(names, known);
    assert_references(server.document(), server.document());
    server.stop().await;
}

/// Every `$ref` leads somewhere.
fn assert_references(value: &Value, document: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            members.values().for_each(|value| assert_references(value, document));
        }
        Value::Array(items) => items.iter().for_each(|value| assert_references(value, document)),
        _ => {}
    }
}

/// A problem that says no more than its status is named after the status.
#[test]
fn a_kind_named_after_its_status_has_the_phrase_of_http_as_title() {
    let mut seen = 0;
    for kind in PROBLEMS.iter().copied().flatten() {
        let words = kind.status().canonical_reason().unwrap().to_lowercase();
        if kind.uri().ends_with(&format!(":{}", words.replace(' ', "-"))) {
            let (first, rest) = kind.title().split_at(1);
            assert_eq!(format!("{}{rest}", first.to_lowercase()), words);
            assert_eq!(first, first.to_uppercase());
            seen += 1;
        }
    }
    assert_eq!(seen, 9);
}

#[test]
fn the_list_of_problems_is_the_committed_one() {
    let mut kinds: Vec<_> = PROBLEMS.iter().copied().flatten().collect();
    kinds.sort_by_key(|kind| (kind.status(), kind.uri()));
    let count = kinds.len();
    kinds.dedup_by_key(|kind| kind.uri());
    assert_eq!(kinds.len(), count, "two kinds have the same name");
    let mut text = String::from(
        "# Problems\n\n\
         Every error of the HTTP interface, except at `/oauth2/token`, is an RFC 9457 `application/problem+json`:\n\n\
         ```json\n\
         {\n  \"type\": \"urn:fleetmint:problem:invalid-value\",\n  \"title\": \"A value breaks a rule\",\n  \
         \"status\": 422,\n  \"detail\": \"wifi_ssid has 33 bytes, at most 32 are allowed\",\n  \
         \"errors\": [\n    {\n      \"pointer\": \"/provisioning/wifi_ssid\",\n      \
         \"detail\": \"wifi_ssid has 33 bytes, at most 32 are allowed\"\n    }\n  ],\n  \"retryable\": false\n}\n\
         ```\n\n\
         `type` never changes its meaning. `errors` names each wrong value: `pointer` is a JSON pointer into \
         the body, or `/` and the name of a query parameter. A member that is missing, unknown or of another \
         JSON type is reported alone; once all members can be read, all wrong values are listed, at most 32, \
         and `detail` says how many more there are. A name of more than 256 characters is cut. A problem may have members \
         of its own, such as `carries` of `another-board`. `retryable` \
         says whether the same call may succeed later without anybody changing anything; a 429 or 503 of that \
         kind says when, in the header `Retry-After`. The header `X-Request-Id` is the `id` of the answer's \
         line in the [log](deployment.md#log); a GET that succeeds has a line at the level `debug` only.\n\n\
         | `type`: `urn:fleetmint:problem:` … | Status | `title` | Retryable |\n|---|---|---|---|\n",
    );
    for kind in kinds {
        let name = kind.uri().strip_prefix("urn:fleetmint:problem:").unwrap();
        let retryable = if kind.is_retryable() { "yes" } else { "no" };
        text += &format!(
            "| `{name}` | {} | {} | {retryable} |\n",
            kind.status().as_u16(),
            kind.title()
        );
    }
    text += "\n\
        A call that writes and was answered `unavailable` because the database's files were replaced or deleted \
        may take effect after all if those files come back; a `POST` with an [`Idempotency-Key`](api.md#retries) \
        can be repeated safely.\n\n\
        Some errors are found before there is a request, and are no problems: 400 for what is not HTTP, and \
        431 for a head, its target included, of more than 64 KiB or 100 headers. Such an answer has no body \
        and no `X-Request-Id`, and the connection ends with it. If the head does not arrive within 30 \
        seconds, the connection ends without an answer. The 503 for a connection beyond \
        `server.max_connections_per_address` is a problem, with no `X-Request-Id`.\n";
    assert_snapshot("../../docs/problems.md", &text);
}
