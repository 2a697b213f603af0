//! How connections end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Server, problem};

/// A connection from an address of its own: all of 127.0.0.0/8 is this computer.
async fn connect_from(server: &Server, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    let address = server.base.strip_prefix("http://").unwrap();
    socket.connect(address.parse().unwrap()).await.unwrap()
}

/// The answer to one request on a connection that ends with it.
async fn ask(mut stream: TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    // A connection that is refused may be closed before it is written to.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = String::new();
    let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await;
    answer
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.base.strip_prefix("http://").unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_request_in_progress_is_answered_before_the_server_stops() {
    let mut server = Server::start().await;
    let mut stream = connect(&server).await;
    let body = "{\"code\":\"late\",\"name\":\"Late\"}";
    let head = format!(
        "POST /api/device-models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.token,
        body.len()
    );
    stream
        .write_all(format!("{head}{}", &body[..10]).as_bytes())
        .await
        .unwrap();
    // The request must have begun before the stop.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let base = server.base.clone();
    server.tell_to_stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(
        TcpStream::connect(base.strip_prefix("http://").unwrap()).await.is_err(),
        "no new connection is accepted"
    );
    stream.write_all(&body.as_bytes()[10..]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    server.stopped().await;
}

#[tokio::test]
async fn an_idle_connection_does_not_delay_the_stop() {
    let mut server = Server::start().await;
    let mut stream = connect(&server).await;
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 4096];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    let began = Instant::now();
    server.tell_to_stop();
    server.stopped().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn invalid_http_is_400_and_a_head_without_end_431() {
    let server = Server::start().await;
    for (sent, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (
            format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)),
            "431",
        ),
    ] {
        let mut stream = connect(&server).await;
        // The server may answer before it has read all.
        let _ = stream.write_all(sent.as_bytes()).await;
        let mut answer = vec![0; 1024];
        let read = stream.read(&mut answer).await.unwrap_or(0);
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(
            read == 0 || answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        // docs/problems.md says that these two answers are not problems (RFC 9457).
        assert!(read == 0 || answer.contains("content-length: 0\r\n"), "{answer}");
    }
    assert_eq!(server.get("/livez").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn peers_that_never_read_keep_nobody_out() {
    let server = Server::start_with(&[
        ("server.max_connections", "24"),
        ("server.max_connections_per_address", "8"),
    ])
    .await;
    // More connections than the limit, each with more answers requested than any buffer holds.
    let pipeline = "GET /api/docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
    let mut greedy = Vec::new();
    for n in 0..40 {
        let mut stream = connect_from(&server, 2 + n % 5).await;
        let _ = stream.write_all(pipeline.as_bytes()).await;
        greedy.push(stream);
    }
    for n in 0..3 {
        let began = Instant::now();
        let answer = ask(connect_from(&server, 100 + n).await, "/livez").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    // Not even at the address of these peers.
    let answer = ask(connect_from(&server, 2).await, "/livez").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(greedy);
    server.stop().await;
}

/// Four addresses open more connections than the limit, do `with` on each, and open another whenever one is closed.
/// They must keep nobody else out.
async fn keeps_nobody_out<F: Future<Output = ()> + Send + 'static>(with: fn(TcpStream) -> F) {
    let server = Server::start_with(&[
        ("server.max_connections", "64"),
        ("server.max_connections_per_address", "20"),
    ])
    .await;
    let address: SocketAddr = server.base.strip_prefix("http://").unwrap().parse().unwrap();
    let mut greedy = tokio::task::JoinSet::new();
    for n in 0..80 {
        greedy.spawn(async move {
            loop {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(([127, 0, 0, 2 + n % 4], 0).into()).unwrap();
                if let Ok(stream) = socket.connect(address).await {
                    with(stream).await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for n in 0..4 {
        let began = Instant::now();
        let answer = ask(connect_from(&server, 100 + n).await, "/livez").await;
        let took = began.elapsed();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?} after {took:?}");
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
    greedy.shutdown().await;
    server.stop().await;
}

/// Sends this, and then one byte after each pause.
async fn trickle(mut stream: TcpStream, begin: &str, pause: Duration) {
    let _ = stream.write_all(begin.as_bytes()).await;
    while stream.write_all(b"g").await.is_ok() {
        tokio::time::sleep(pause).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_trickle_in_keep_nobody_out() {
    const HEAD: &str = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\
                        Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    keeps_nobody_out(|stream| trickle(stream, HEAD, Duration::from_millis(300))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_trickle_in_keep_nobody_out() {
    const HEAD: &str = "GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ";
    keeps_nobody_out(|stream| trickle(stream, HEAD, Duration::from_millis(100))).await;
}

/// One request after another, almost as fast as they are answered.
async fn hammer(mut stream: TcpStream) {
    let mut answer = [0; 4096];
    while stream
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .is_ok()
        && stream.read(&mut answer).await.is_ok_and(|read| read > 0)
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_connections_keep_nobody_out() {
    keeps_nobody_out(hammer).await;
}

#[tokio::test]
async fn a_slow_body_is_read_if_there_is_room() {
    let server = Server::start().await;
    let mut stream = connect(&server).await;
    let body = "grant_type=client_credentials";
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for byte in body.as_bytes() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(&[*byte]).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn idle_connections_make_room() {
    let server = Server::start_with(&[
        ("server.max_connections", "8"),
        ("server.max_connections_per_address", "4"),
    ])
    .await;
    let mut idle = Vec::new();
    for n in 0..20 {
        idle.push(connect_from(&server, 2 + n % 5).await);
    }
    let answer = ask(connect_from(&server, 100).await, "/livez").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn an_address_whose_connections_are_all_in_use_gets_a_503() {
    let server = Server::start_with(&[("server.max_connections_per_address", "3")]).await;
    let mut busy = Vec::new();
    for _ in 0..3 {
        let mut stream = connect_from(&server, 2).await;
        let head = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        busy.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let answer = ask(connect_from(&server, 2).await, "/livez").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert!(answer.contains("urn:fleetmint:problem:unavailable"), "{answer}");
    // Other addresses are served, and so is this one after one of its connections has ended.
    let answer = ask(connect_from(&server, 3).await, "/livez").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(busy.pop());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let answer = ask(connect_from(&server, 2).await, "/livez").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_head_may_have_64_kib() {
    let server = Server::start().await;
    let head = |size: usize| {
        let empty = "GET /livez HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n".len();
        format!(
            "GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
            "x".repeat(size - empty)
        )
    };
    assert_eq!(server.raw(head(64 << 10).as_bytes()).await.status, 200);
    assert_eq!(server.raw(head((64 << 10) + 1).as_bytes()).await.status, 431);
    server.stop().await;
}

#[tokio::test]
async fn a_request_has_one_host() {
    let server = Server::start().await;
    for (host, status) in [
        ("Host: example.com\r\n", 200),
        ("Host:\r\n", 200),
        ("", 400),
        ("Host: a\r\nHost: a\r\n", 400),
        ("Host: a b\r\n", 400),
    ] {
        let answer = server
            .raw(format!("GET /livez HTTP/1.1\r\n{host}\r\n").as_bytes())
            .await;
        assert_eq!(answer.status, status, "{host:?}");
        assert!(!answer.header("x-request-id").is_empty());
        if status == 400 {
            assert_eq!(answer.problem(), problem(400, "malformed-request", &[]));
        }
    }
    assert_eq!(server.raw(b"GET /livez HTTP/1.0\r\n\r\n").await.status, 200);
    server.stop().await;
}
