//! Large images and partitions: the room that they share, and those who would keep it.

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

/// Asks for an image and reads of the answer so many bytes every 250 ms, until it is whole or cut off: how many those were.
async fn read_slowly(address: String, request: String, piece: Arc<AtomicUsize>) -> usize {
    let socket = TcpSocket::new_v4().unwrap();
    // So that the kernel does not read megabytes on its own.
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
async fn large_answers_have_a_bound_until_they_are_written() {
    let server = Server::start_with(&[("server.large_bodies_max", "67108864")]).await;
    let device = server.device(&server.model("m").await).await;
    let path = format!("/api/devices/{}/provisioning", device["id"]);
    let large = format!("{path}?partition_size={}", 16 << 20);
    // One that is read at a fair pace has the room.
    let (address, request) = large_image(&server, &device, "application/json");
    let reading = tokio::spawn(read_slowly(address, request, Arc::new((64 << 10).into())));
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Another waits for a while, and is refused; so is a patch whose caller is sending it.
    let body = json!({"data": "A".repeat(20_000_000)});
    let patching = format!("{path}/patch");
    let (another, sending) = tokio::join!(server.get(&large), server.post(&patching, &body));
    for refused in [another, sending] {
        assert_eq!(refused.problem(), problem(503, "unavailable", &[]));
        assert_eq!(refused.header("retry-after"), "5");
    }
    // What is small is answered meanwhile.
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
    // They keep what they have while nobody needs it.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(slow.iter().all(|reading| !reading.is_finished()));

    let large = format!("/api/devices/{}/provisioning?partition_size=16M", device["id"]);
    assert_eq!(server.get(&large).await.status, 200);
    // They get what was on its way, and no more.
    for (reading, piece) in slow.into_iter().zip(&pieces) {
        piece.store(1 << 20, Ordering::Relaxed);
        assert!(reading.await.unwrap() < 4 << 20);
    }
    assert!(log::text().contains("a large answer is given up"));
    server.stop().await;
}

#[tokio::test]
async fn bodies_that_are_announced_and_do_not_come_take_no_room() {
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
    // One of which a part came, and no more.
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
