//! Large images and partitions: the room that they share, and callers who would occupy it.
//!
//! The pace of real sockets is measured here, and the kernel's buffers take part. A paused clock would run ahead while bytes
//! are on their way, so these tests sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::harness::log;
use crate::harness::raw::Raw;
use crate::harness::{Server, problem};

/// Requests an image and reads this many bytes of the answer every 250 ms, until it is complete or cut off. Returns the
/// number of bytes.
async fn read_slowly(address: String, request: String, piece: Arc<AtomicUsize>) -> usize {
    let socket = TcpSocket::new_v4().unwrap();
    // Otherwise the kernel would read megabytes on its own.
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let mut buffer = vec![0; piece.load(Ordering::Relaxed)];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return all,
            Ok(read) => all += read,
        }
    }
}

/// A GET of an image of 16 MiB, for [`read_slowly`].
fn large_image(server: &Server, device: &Value, accept: &str) -> (String, String) {
    let (address, token) = (server.base.strip_prefix("http://").unwrap(), &server.token);
    let request = format!(
        "GET /api/devices/{}/provisioning?partition_size=16M HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Accept: {accept}\r\nAuthorization: Bearer {token}\r\n\r\n",
        device["id"]
    );
    (address.to_owned(), request)
}

#[tokio::test]
async fn large_answers_occupy_room_until_they_are_written() {
    let server = Server::start_with(&[("server.large_bodies_max", "67108864")]).await;
    let device = server.device(&server.model("m").await).await;
    let path = format!("/api/devices/{}/provisioning", device["id"]);
    let large = format!("{path}?partition_size={}", 16 << 20);
    // An answer that is read fast enough keeps the room.
    let (address, request) = large_image(&server, &device, "application/json");
    let reading = tokio::spawn(read_slowly(address, request, Arc::new((64 << 10).into())));
    // Until its answer is on the way.
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Another call waits for a while, and is refused; so is a patch while its caller is sending it.
    let body = json!({"data": "A".repeat(20_000_000)});
    let patching = format!("{path}/patch");
    let (another, sending) = tokio::join!(server.get(&large), server.post(&patching, &body));
    for refused in [another, sending] {
        assert_eq!(refused.problem(), problem(503, "unavailable", &[]));
        assert_eq!(refused.header("retry-after"), "5");
    }
    // Small calls are answered in the meantime.
    assert_eq!(server.get(&path).await.status, 200);
    assert!(!reading.is_finished());
    reading.abort();
    assert_eq!(server.get(&large).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn answers_that_are_read_slowly_make_room_for_others() {
    let server = Server::start_with(&[("server.large_bodies_max", "67108864")]).await;
    let device = server.device(&server.model("m").await).await;
    let pieces: [Arc<AtomicUsize>; 2] = [1, 1750].map(|piece| Arc::new(piece.into()));
    let slow = ["application/octet-stream", "application/json"].iter().zip(&pieces);
    let slow: Vec<_> = slow
        .map(|(accept, piece)| {
            let (address, request) = large_image(&server, &device, accept);
            tokio::spawn(read_slowly(address, request, Arc::clone(piece)))
        })
        .collect();
    // They keep their room as long as nobody needs it, even when they are far enough behind to be ended.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(slow.iter().all(|reading| !reading.is_finished()));

    let large = format!("/api/devices/{}/provisioning?partition_size=16M", device["id"]);
    assert_eq!(server.get(&large).await.status, 200);
    // They get the bytes that were already sent, and no more.
    for (reading, piece) in slow.into_iter().zip(&pieces) {
        piece.store(1 << 20, Ordering::Relaxed);
        assert!(reading.await.unwrap() < 4 << 20);
    }
    assert!(log::text().contains("a large answer was aborted"));
    server.stop().await;
}

#[tokio::test]
async fn announced_bodies_that_do_not_arrive_take_no_room() {
    let server = Server::start_with(&[("server.large_bodies_max", "67108864")]).await;
    let device = server.device(&server.model("m").await).await;
    let path = format!("/api/devices/{}/provisioning/patch", device["id"]);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 20000000\r\n\r\n{{\"data\":",
        server.token
    );
    let mut announced = Vec::new();
    for _ in 0..40 {
        let mut raw = Raw::connect(&server).await;
        raw.send(head.as_bytes()).await;
        announced.push(raw);
    }
    // A body of which only a part arrived.
    let mut stalled = Raw::connect(&server).await;
    stalled.send(head.as_bytes()).await;
    stalled.send(&[b' '; 300 << 10]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;

    let partition = vec![0xFF; 1 << 20];
    let body = json!({"data": BASE64_STANDARD.encode(partition)});
    let began = Instant::now();
    server.post(&path, &body).await.expect(200);
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
    assert_eq!(stalled.answer().await.problem(), problem(408, "request-timeout", &[]));
    drop(announced);
    server.stop().await;
}
