//! A scripted server in place of Keycloak, for faults that the real one does not produce on demand. Otherwise it
//! answers like Keycloak 26.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// The id of the stand-in's client.
pub(crate) const ID: &str = "0b0f2ad0-1c3a-4d0b-9a3e-6f6d9f4f9f11";

/// The stand-in's reaction to a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Json(u16, String),
    /// Exactly these bytes, and then it closes the connection.
    Raw(Vec<u8>),
    /// Nothing, as long as the other side waits.
    Hang,
    /// Nothing until there is a permit, and then Keycloak's answer.
    Held(Arc<Semaphore>),
    /// The head, and then a byte of the body every 0.1 s, without end.
    Trickle,
    /// Closes the connection without an answer.
    Close,
}

type Script = dyn Fn(&str, usize) -> Option<Reply> + Send + Sync;

pub(crate) struct StandIn {
    pub(crate) base: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    /// Starts one. `script` is called first, with `METHOD path` and the number of such requests before.
    pub(crate) async fn start(script: impl Fn(&str, usize) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (script, seen): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&seen)));
            }
        });
        Self { base, requests }
    }

    /// `METHOD path` of every request so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of requests whose `METHOD path` ends like this.
    pub(crate) fn count(&self, end: &str) -> usize {
        self.requests().iter().filter(|request| request.ends_with(end)).count()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, seen: Arc<Mutex<Vec<String>>>) -> Option<()> {
    loop {
        let request = read(&mut stream).await?;
        let before = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let before = seen.iter().filter(|known| **known == request).count();
            seen.push(request.clone());
            before
        };
        let mut reply = script(&request, before).unwrap_or_else(|| usual(&request));
        if let Reply::Held(released) = &reply {
            released.acquire().await.ok()?.forget();
            reply = usual(&request);
        }
        match reply {
            Reply::Json(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(body.as_bytes()).await.ok()?;
            }
            Reply::Raw(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                return None;
            }
            Reply::Hang | Reply::Held(_) => std::future::pending().await,
            Reply::Trickle => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n";
                stream.write_all(head.as_bytes()).await.ok()?;
                loop {
                    stream.write_all(b" ").await.ok()?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Reply::Close => return None,
        }
    }
}

/// Reads a request to its end; returns `METHOD path`.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let line = head.lines().next()?;
    Some(line.rsplit_once(' ')?.0.to_owned())
}

fn usual(request: &str) -> Reply {
    let body = if request.ends_with("/protocol/openid-connect/token") {
        json!({"access_token": "e30.e30.e30", "token_type": "Bearer", "expires_in": 300})
    } else if request.ends_with("/client-secret") {
        json!({"type": "secret", "value": "the secret of the stand-in"})
    } else if request.starts_with("POST ") && request.ends_with("/clients") {
        let location = format!("location: http://127.0.0.1/admin/realms/fleet/clients/{ID}");
        return Reply::Raw(format!("HTTP/1.1 201 Created\r\n{location}\r\ncontent-length: 0\r\n\r\n").into_bytes());
    } else if request.starts_with("DELETE ") {
        return Reply::Raw(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
    } else if request.ends_with("/client-scopes") {
        json!([{"id": ID, "name": "fleetmint-device"}])
    } else {
        return Reply::Json(404, json!({"error": "Could not find it"}).to_string());
    };
    Reply::Json(200, body.to_string())
}
