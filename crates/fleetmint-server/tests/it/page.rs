//! The page's files: which path gives what to whom, in which coding, and with which headers.

use fleetmint_server::page::PATHS;
use reqwest::Method;

use crate::harness::page::ASSETS;
use crate::harness::{Answer, Server, problem};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn ask(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let shape = |mut request: reqwest::RequestBuilder| {
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    };
    server.anonymous_with(method, path, shape).await
}

#[tokio::test]
async fn a_browser_is_shown_the_page_at_each_of_its_paths_and_nobody_else() {
    let server = Server::start().await;
    let with_slash = PATHS.iter().filter(|path| **path != "/").map(|path| format!("{path}/"));
    for path in PATHS.iter().map(|path| (*path).to_owned()).chain(with_slash) {
        let path = path.replace("{id}", "7").replace("{mac}", "60:55:f9:aa:00:01");
        let page = ask(&server, Method::GET, &path, &[("accept", BROWSER)]).await;
        assert_eq!(page.status, 200, "{path}");
        let html = String::from_utf8(page.body.clone()).unwrap();
        assert!(html.contains("src=\"/assets/index-B2x.js\""), "{path}: {html}");
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("content-encoding", ""),
        ] {
            assert_eq!(page.header(name), value, "{path} {name}");
        }
        let policy = page.header("content-security-policy");
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; font-src 'self'; \
             connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types svelte-trusted-html"
        );
        assert!(page.header("permissions-policy").contains("serial=(self)"), "{path}");
        let vary: Vec<_> = page.headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["accept-encoding", "accept"], "{path}");

        let head = ask(&server, Method::HEAD, &path, &[("accept", BROWSER)]).await;
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(head.header("content-length"), page.body.len().to_string(), "{path}");
        assert_eq!(head.header("etag"), page.header("etag"), "{path}");
        assert_eq!(head.body, b"", "{path}");

        for (method, accept) in [
            (Method::GET, "*/*"),
            (Method::GET, "application/json"),
            (Method::GET, "text/html;q=0"),
            (Method::POST, BROWSER),
            (Method::DELETE, BROWSER),
            (Method::OPTIONS, BROWSER),
        ] {
            if (path.as_str(), accept) == ("/", "*/*") {
                let answer = ask(&server, method, &path, &[("accept", accept)]).await;
                assert_eq!(answer.status, 200);
                assert_eq!(answer.body, page.body);
                continue;
            }
            let answer = ask(&server, method.clone(), &path, &[("accept", accept)]).await;
            assert_eq!(
                answer.problem(),
                problem(404, "not-found", &[]),
                "{method} {path} {accept}"
            );
        }
    }
    let calls = ask(&server, Method::GET, "/api/devices", &[("accept", BROWSER)]).await;
    assert_eq!(calls.status, 401);
    server.stop().await;
}

/// Whoever mistypes an address reads that nothing is there, and finds the way back.
#[tokio::test]
async fn a_browser_is_shown_the_page_where_nothing_is_with_status_404_and_nobody_else() {
    let server = Server::start_with(&[("server.public_url", "https://example.com/fleet")]).await;
    let root = ask(&server, Method::GET, "/", &[("accept", BROWSER)]).await;
    for path in [
        "/nix",
        "/devices/7/x",
        "/devicess",
        "/index.html",
        "//",
        "/apis",
        "/ap%69",
    ] {
        for known in ["\"x\"", "*", root.header("etag")] {
            let shown = ask(
                &server,
                Method::GET,
                path,
                &[("accept", BROWSER), ("if-none-match", known)],
            )
            .await;
            assert_eq!(shown.status, 404, "{path}");
            assert_eq!(shown.body, root.body, "{path}");
            for name in [
                "content-type",
                "content-security-policy",
                "permissions-policy",
                "cache-control",
            ] {
                assert_eq!(shown.header(name), root.header(name), "{path} {name}");
            }
            assert_eq!(shown.header("etag"), "", "{path}");
        }
        let head = ask(&server, Method::HEAD, path, &[("accept", BROWSER)]).await;
        assert_eq!((head.status.as_u16(), head.body), (404, Vec::new()), "{path}");
        for (method, accept) in [
            (Method::GET, "*/*"),
            (Method::GET, "application/json"),
            (Method::GET, "application/json, text/html;q=0.9"),
            (Method::GET, "text/html;q=0"),
            (Method::POST, BROWSER),
            (Method::DELETE, BROWSER),
            (Method::OPTIONS, BROWSER),
        ] {
            let answer = ask(&server, method.clone(), path, &[("accept", accept)]).await;
            assert_eq!(
                answer.problem(),
                problem(404, "not-found", &[]),
                "{method} {path} {accept}"
            );
        }
    }
    // Calls and files are not typed by people.
    for path in [
        "/api",
        "/api/x",
        "/api/docs/x",
        "/assets/",
        "/assets/x.js",
        "/oauth2/x",
        "/.well-known/x",
        "/metrics/x",
        "/livez/",
    ] {
        let answer = ask(&server, Method::GET, path, &[("accept", BROWSER)]).await;
        assert_eq!(answer.problem(), problem(404, "not-found", &[]), "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{path}");
    }
    let metrics = String::from_utf8(server.anonymous(Method::GET, "/metrics").await.body).unwrap();
    assert!(!metrics.contains("nix"), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn files_come_in_the_coding_that_the_caller_prefers() {
    let server = Server::start().await;
    for asset in ASSETS.iter().filter(|asset| asset.path != "index.html") {
        let path = format!("/{}", asset.path);
        let plain = (asset.identity, String::new(), format!("\"{}\"", asset.etag));
        let coded = |bytes: Option<&'static [u8]>, coding: &str| {
            bytes.map(|bytes| (bytes, coding.to_owned(), format!("\"{}-{coding}\"", asset.etag)))
        };
        let (brotli, gzip) = (coded(asset.brotli, "br"), coded(asset.gzip, "gzip"));
        let smallest = brotli.clone().or_else(|| gzip.clone()).unwrap_or_else(|| plain.clone());
        let zipped = gzip.clone().unwrap_or_else(|| plain.clone());
        for (accepted, (bytes, coding, etag)) in [
            ("", &plain),
            ("identity", &plain),
            ("gzip, deflate, br, zstd", &smallest),
            ("gzip, deflate", &zipped),
            ("br;q=0.1, gzip;q=0.9", &zipped),
            ("br;q=0, gzip;q=0", &plain),
            ("gzip;q=0.5, br;q=0.5, identity", &plain),
        ] {
            let answer = ask(&server, Method::GET, &path, &[("accept-encoding", accepted)]).await;
            let place = format!("{path} {accepted}");
            assert_eq!(answer.status, 200, "{place}");
            assert_eq!(answer.body, *bytes, "{place}");
            for (name, value) in [
                ("content-encoding", &**coding),
                ("etag", etag),
                ("content-type", asset.content_type),
                ("vary", "accept-encoding"),
                ("x-content-type-options", "nosniff"),
            ] {
                assert_eq!(answer.header(name), value, "{place} {name}");
            }
            assert!(
                answer.header("content-security-policy").contains("trusted-types"),
                "{place}"
            );
            let cache = if asset.path.starts_with("assets/") {
                "public, max-age=31536000, immutable"
            } else {
                "no-cache"
            };
            assert_eq!(answer.header("cache-control"), cache, "{place}");
            let head = ask(&server, Method::HEAD, &path, &[("accept-encoding", accepted)]).await;
            assert_eq!(head.header("content-length"), bytes.len().to_string(), "{place}");
            assert_eq!(head.header("etag"), *etag, "{place}");

            // What the caller has already is not sent again, and what has another coding is.
            for (known, status) in [
                (etag.as_str(), 304),
                ("\"other\"", 200),
                ("*", 304),
                (&format!("W/{etag}"), 304),
            ] {
                let headers = [("accept-encoding", accepted), ("if-none-match", known)];
                let answer = ask(&server, Method::GET, &path, &headers).await;
                assert_eq!(answer.status, status, "{place} {known}");
                assert_eq!(answer.header("etag"), *etag, "{place} {known}");
                assert_eq!(answer.header("cache-control"), cache, "{place} {known}");
                assert_eq!(answer.body.is_empty(), status == 304, "{place} {known}");
            }
        }
        if let Some((_, _, etag)) = &gzip {
            let headers = [("accept-encoding", "identity"), ("if-none-match", etag)];
            assert_eq!(ask(&server, Method::GET, &path, &headers).await.status, 200, "{path}");
        }
        let changed = ask(&server, Method::POST, &path, &[]).await;
        assert_eq!(changed.problem(), problem(405, "method-not-allowed", &[]), "{path}");
        assert_eq!(changed.header("allow"), "GET, HEAD, OPTIONS");
    }
    server.stop().await;
}

#[tokio::test]
async fn all_files_are_counted_as_one_operation() {
    let server = Server::start().await;
    for path in ["/", "/devices/7", "/assets/index-B2x.js", "/favicon.svg"] {
        assert_eq!(
            ask(&server, Method::GET, path, &[("accept", BROWSER)]).await.status,
            200
        );
    }
    let metrics = String::from_utf8(server.anonymous(Method::GET, "/metrics").await.body).unwrap();
    assert!(
        metrics.contains("fleetmint_operations_total{operation=\"get_page\",status=\"200\"} 4"),
        "{metrics}"
    );
    assert!(!metrics.contains("assets"), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn below_the_path_of_a_proxy_the_page_finds_its_files() {
    let server = Server::start_with(&[("server.public_url", "https://example.com/fleet")]).await;
    let page = ask(&server, Method::GET, "/devices/7", &[("accept", BROWSER)]).await;
    let html = String::from_utf8(page.body).unwrap();
    assert!(html.contains("src=\"/fleet/assets/index-B2x.js\""), "{html}");
    server.stop().await;
}
