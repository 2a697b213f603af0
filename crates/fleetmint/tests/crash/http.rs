//! The part of HTTP/1.1 that a test needs: one request on a connection of its own. `None` means that the connection
//! ended without an answer, as when the other side is killed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Client {
    host: String,
    token: Option<String>,
    accept: &'static str,
    idempotency_key: Option<&'static str>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

impl Client {
    /// For `http://host:port`.
    pub(crate) fn new(base: &str) -> Self {
        let host = base.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        Self {
            host,
            token: None,
            accept: "application/json",
            idempotency_key: None,
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    pub(crate) fn accept(&self, accept: &'static str) -> Self {
        Self { accept, ..self.clone() }
    }

    /// The same call with the same key creates only one thing.
    pub(crate) fn once(&self, key: &'static str) -> Self {
        Self {
            idempotency_key: Some(key),
            ..self.clone()
        }
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        let body = body.map(|body| ("application/json", body.to_string()));
        self.send(method, path, body)
    }

    /// A token by the client-credentials grant, or the status of the refusal.
    pub(crate) fn token(&self, path: &str, client_id: &str, secret: &str) -> Result<String, u16> {
        // Client ids and secrets of these tests need no percent-encoding.
        let form = format!("grant_type=client_credentials&client_id={client_id}&client_secret={secret}");
        let answer = self
            .send("POST", path, Some(("application/x-www-form-urlencoded", form)))
            .unwrap();
        match answer.status {
            200 => Ok(answer.json()["access_token"].as_str().unwrap().to_owned()),
            status => Err(status),
        }
    }

    fn send(&self, method: &str, path: &str, body: Option<(&str, String)>) -> Option<Answer> {
        let mut stream = TcpStream::connect(&self.host).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: {}\r\n",
            self.host, self.accept
        );
        if let Some(token) = &self.token {
            request += &format!("Authorization: Bearer {token}\r\n");
        }
        if let Some(key) = self.idempotency_key {
            request += &format!("Idempotency-Key: \"{key}\"\r\n");
        }
        let (media_type, body) = body.unwrap_or_default();
        if !media_type.is_empty() {
            request += &format!("Content-Type: {media_type}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let head = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let (head, body) = (
            String::from_utf8(answer[..head].to_vec()).unwrap(),
            answer[head + 4..].to_vec(),
        );
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        Some(Answer {
            status,
            body: if chunked { unchunk(&body) } else { body },
        })
    }
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap().trim(), 16).unwrap();
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
        if size == 0 {
            break;
        }
    }
    whole
}
