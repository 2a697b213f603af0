//! How connections end.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::Server;

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.base.strip_prefix("http://").unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_server_stops() {
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
    // So that the request has begun before the stop.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let base = server.base.clone();
    server.tell_to_stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(
        TcpStream::connect(base.strip_prefix("http://").unwrap()).await.is_err(),
        "no new connection is taken"
    );
    stream.write_all(&body.as_bytes()[10..]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    server.stopped().await;
}

#[tokio::test]
async fn a_connection_at_rest_does_not_hold_up_the_stop() {
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
async fn what_is_no_http_is_400_and_a_head_without_end_431() {
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
        let mut answer = vec![0; 64];
        let read = stream.read(&mut answer).await.unwrap_or(0);
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(
            read == 0 || answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert_eq!(server.get("/livez").await.status, 200);
    server.stop().await;
}
