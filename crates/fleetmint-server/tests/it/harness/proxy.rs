//! A connection between the service and Keycloak that counts the requests and can be cut.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Proxy {
    pub(crate) base: String,
    requests: Arc<Mutex<Vec<String>>>,
    cut: Arc<AtomicBool>,
}

impl Proxy {
    /// A proxy to `http://host:port`.
    pub(crate) async fn start(target: &str) -> Self {
        Self::start_below("", target).await
    }

    /// A proxy that serves `http://host:port` below a prefix of the path, like a reverse proxy.
    pub(crate) async fn start_below(prefix: &'static str, target: &str) -> Self {
        let target = target.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}{prefix}", listener.local_addr().unwrap());
        let (requests, cut) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, is_cut) = (Arc::clone(&requests), Arc::clone(&cut));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if is_cut.load(Ordering::Relaxed) {
                    continue; // which closes it
                }
                tokio::spawn(forward(
                    stream,
                    prefix,
                    target.clone(),
                    Arc::clone(&seen),
                    Arc::clone(&is_cut),
                ));
            }
        });
        Self { base, requests, cut }
    }

    /// Cuts the connection, or restores it.
    pub(crate) fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }

    /// `METHOD path` of every request since the last call of this function.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn forward(
    near: TcpStream,
    prefix: &str,
    target: String,
    requests: Arc<Mutex<Vec<String>>>,
    cut: Arc<AtomicBool>,
) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    let answers = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut far_in, &mut near_out).await;
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = near_in.read(&mut buffer).await {
        if cut.load(Ordering::Relaxed) {
            break;
        }
        // A request's first line arrives in one piece: our client writes head and body at once.
        for line in String::from_utf8_lossy(&buffer[..read]).lines() {
            if let Some(request) = line.strip_suffix(" HTTP/1.1") {
                requests
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(request.to_owned());
            }
        }
        let request = &buffer[..read];
        let passed = match request
            .windows(prefix.len() + 1)
            .position(|part| part == format!("{prefix}/").as_bytes())
        {
            Some(at) => [&request[..at], &request[at + prefix.len()..]].concat(),
            None if prefix.is_empty() => request.to_vec(),
            None => break, // nothing else is behind this proxy
        };
        if far_out.write_all(&passed).await.is_err() {
            break;
        }
    }
    answers.abort();
}
