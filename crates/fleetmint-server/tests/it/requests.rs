//! Requests that few clients send, answered as RFC 9110 and RFC 9112 require. None leaves the connection in an
//! undefined state.

use crate::harness::raw::Raw;
use crate::harness::{Answer, Server, problem};

const MODEL: &str = "{\"code\":\"m\",\"name\":\"M\"}";

/// A request that creates a device model, with these lines in its head.
fn create(server: &Server, lines: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /api/device-models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         {lines}\r\n{body}",
        server.token
    )
    .into_bytes()
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// The answer to a request line.
async fn ask(server: &Server, line: &str) -> Answer {
    server
        .raw(format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .await
}

#[tokio::test]
async fn a_target_may_be_absolute_and_a_path_is_not_normalized() {
    let server = Server::start().await;
    for target in [
        "/livez",
        "/livez?",
        "http://x/livez",
        "http://other.example:8080/livez?x",
        // The root, where the page is.
        "http://x",
    ] {
        assert_eq!(ask(&server, &format!("GET {target}")).await.status, 200, "{target}");
    }
    for target in [
        "//livez",
        "/livez/",
        "/api//devices",
        "/api%2Fdevices",
        "/api/../livez",
        "/./livez",
        "/livez%00",
        "/livez;x",
    ] {
        let answer = ask(&server, &format!("GET {target}")).await;
        assert_eq!(answer.problem(), problem(404, "not-found", &[]), "{target}");
    }
    for target in ["livez", "*"] {
        let answer = ask(&server, &format!("GET {target}")).await;
        assert_eq!(answer.problem(), problem(400, "malformed-request", &[]), "{target}");
    }
    let slash_in_an_id = server.get("/api/devices/1%2Fprovisioning").await;
    assert_eq!(slash_in_an_id.problem(), problem(404, "not-found", &[]));
    assert_eq!(ask(&server, &format!("GET /{}", "x".repeat(60_000))).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn any_method_is_answered_and_the_known_ones_are_named() {
    let server = Server::start().await;
    let all = "DELETE, GET, HEAD, OPTIONS, PATCH, POST";
    for (line, status, allow) in [
        ("OPTIONS *", 204, all),
        ("OPTIONS /livez", 204, "GET, HEAD, OPTIONS"),
        ("OPTIONS /nothing", 404, ""),
        ("CONNECT other.example:443", 405, all),
        ("CONNECT /livez", 405, "GET, HEAD, OPTIONS"),
        ("TRACE /livez", 405, "GET, HEAD, OPTIONS"),
        ("BREW /livez", 405, "GET, HEAD, OPTIONS"),
        ("get /livez", 405, "GET, HEAD, OPTIONS"),
        ("PROPFIND /api/devices", 405, "GET, HEAD, OPTIONS, POST"),
    ] {
        let answer = ask(&server, line).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (status, allow),
            "{line}"
        );
        assert!(!answer.header("x-request-id").is_empty(), "{line}");
    }
    // A TRACE that sent the request back would show the caller's token.
    let trace = server
        .raw(b"TRACE /livez HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sesame-sesame\r\n\r\n")
        .await;
    assert!(!String::from_utf8_lossy(&trace.body).contains("sesame"));
    server.stop().await;
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed_unless_it_asks_otherwise() {
    let server = Server::start().await;
    let mut raw = Raw::connect(&server).await;
    raw.send(b"GET /livez HTTP/1.0\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200);
    assert!(raw.closes().await);

    let mut raw = Raw::connect(&server).await;
    for _ in 0..2 {
        raw.send(b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
        let answer = raw.answer().await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("connection")),
            (200, "keep-alive")
        );
    }
    raw.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(raw.answer().await.header("connection"), "close");
    assert!(raw.closes().await);
    server.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let server = Server::start().await;
    let mut raw = Raw::connect(&server).await;
    raw.send(
        b"HEAD /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n\
          GET /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
          GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    .await;
    let head = raw.answer_to_head().await;
    assert_eq!(head.status, 200);
    assert!(head.header("content-length").parse::<usize>().unwrap() > 10_000);
    assert_eq!(raw.answer().await.status, 404);
    assert_eq!(raw.answer().await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_body_in_chunks_may_have_extensions_and_trailers() {
    let server = Server::start().await;
    let mut raw = Raw::connect(&server).await;
    let (first, rest) = MODEL.split_at(5);
    let body = format!(
        "5;name=value\r\n{first}\r\n{:X}\r\n{rest}\r\n0\r\nX-Trailer: 1\r\nAuthorization: Bearer other\r\n\r\n",
        rest.len()
    );
    raw.send(&create(
        &server,
        "Transfer-Encoding: chunked\r\nTrailer: X-Trailer\r\n",
        &body,
    ))
    .await;
    assert_eq!(raw.answer().await.status, 201);
    // The next request on the connection is answered.
    raw.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200);

    let broken = server
        .raw(&create(&server, "Transfer-Encoding: chunked\r\n", "zz\r\n"))
        .await;
    assert_eq!(broken.problem(), problem(400, "unreadable-body", &[]));
    server.stop().await;
}

/// If two servers could disagree about the end of a body, a second request could be hidden in it.
#[tokio::test]
async fn a_body_whose_end_is_in_doubt_is_refused_or_ends_the_connection() {
    let server = Server::start().await;
    let hidden = "DELETE /api/device-models/1 HTTP/1.1\r\nHost: x\r\n\r\n";
    for lines in [
        "Content-Length: 3\r\nContent-Length: 22\r\n",
        "Content-Length: 22, 22\r\n",
        "Content-Length: +22\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x16\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length : 22\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: a\r\n Content-Length: 22\r\nContent-Length: y\r\n",
    ] {
        let mut raw = Raw::connect(&server).await;
        raw.send(&create(&server, lines, &format!("{MODEL}{hidden}"))).await;
        assert_eq!(raw.answer().await.status, 400, "{lines}");
        assert!(raw.closes().await, "{lines}");
    }
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let mut raw = Raw::connect(&server).await;
        let code = format!("m{}", lines.starts_with('C'));
        let body = MODEL.replace("\"m\"", &format!("\"{code}\""));
        raw.send(&create(&server, lines, &format!("{}{hidden}", chunked(&body))))
            .await;
        // Only the chunks count (RFC 9112 §6.3).
        assert_eq!(raw.answer().await.status, 201, "{lines}");
        assert!(raw.closes().await, "{lines}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_transfer_coding_other_than_chunked_is_501() {
    let server = Server::start().await;
    for lines in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let answer = server.raw(&create(&server, lines, &chunked(MODEL))).await;
        assert_eq!(answer.problem(), problem(501, "not-implemented", &[]), "{lines}");
        let form = "grant_type=client_credentials";
        let token = format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n{lines}\r\n{}",
            chunked(form)
        );
        let answer = server.raw(token.as_bytes()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (501, &"invalid_request".into())
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_100_is_sent_only_if_the_body_is_wanted() {
    let server = Server::start().await;
    let expects = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", MODEL.len());
    let mut raw = Raw::connect(&server).await;
    raw.send(&create(&server, &expects, "")).await;
    assert_eq!(raw.answer().await.status, 100);
    raw.send(MODEL.as_bytes()).await;
    assert_eq!(raw.answer().await.status, 201);

    // Refused before the body is read, so the client need not send it.
    let refused = create(&server, "Expect: 100-continue\r\nContent-Length: 300000\r\n", "");
    assert_eq!(
        server.raw(&refused).await.problem(),
        problem(413, "body-too-large", &[])
    );
    let refused = create(&server, &format!("{expects}Content-Encoding: br\r\n"), "");
    assert_eq!(server.raw(&refused).await.status, 415);
    let anonymous = String::from_utf8(create(&server, &expects, ""))
        .unwrap()
        .replace("Bearer ", "Bearer x");
    assert_eq!(server.raw(anonymous.as_bytes()).await.status, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_length_beyond_the_limit_is_refused_before_the_body_arrives() {
    let server = Server::start().await;
    for length in ["262145", "9999999999999"] {
        let answer = server
            .raw(&create(&server, &format!("Content-Length: {length}\r\n"), MODEL))
            .await;
        assert_eq!(answer.problem(), problem(413, "body-too-large", &[]), "{length}");
    }
    let token = b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                  Content-Length: 1000000\r\n\r\ngrant_type=";
    let answer = server.raw(token).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (400, &"invalid_request".into())
    );
    server.stop().await;
}

#[tokio::test]
async fn an_unread_body_is_never_taken_as_a_request() {
    let server = Server::start().await;
    for length in [10, 100_000, 5_000_000] {
        let mut raw = Raw::connect(&server).await;
        let head = format!("POST /api/devices HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        raw.send(head.as_bytes()).await;
        assert_eq!(raw.answer().await.status, 401);
        let hidden = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".iter().copied().cycle();
        raw.send(&hidden.take(length).collect::<Vec<u8>>()).await;
        raw.send(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").await;
        // There is never an answer to the body.
        if let Some(answer) = raw.try_answer().await {
            assert_eq!(answer.status, 404, "{length}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_is_not_http_is_refused() {
    let server = Server::start().await;
    for head in [
        "GET /livez\r\n\r\n",
        "GET /livez HTTP/1.2\r\nHost: x\r\n\r\n",
        "GET /livez HTTP/2.0\r\nHost: x\r\n\r\n",
        "GET  /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /livez  HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET \\livez HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
        "G\u{e9}T /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: x\r\nX\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
    ] {
        let mut raw = Raw::connect(&server).await;
        raw.send(head.as_bytes()).await;
        assert_eq!(raw.answer().await.status, 400, "{head:?}");
        assert!(raw.closes().await, "{head:?}");
    }
    for (head, status) in [
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(200_000)), 431),
        (
            format!("GET /livez HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(200)),
            431,
        ),
    ] {
        assert_eq!(server.raw(head.as_bytes()).await.status, status);
    }
    server.stop().await;
}
