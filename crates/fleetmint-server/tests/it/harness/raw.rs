//! A connection on which a test can send any bytes, also those that no HTTP client would send.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Answer, Server};

/// How long the server may take to answer, or to close the connection.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

pub(crate) struct Raw {
    stream: TcpStream,
    /// The received bytes that belong to no answer yet.
    arrived: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(server: &Server) -> Self {
        let address = server.base.strip_prefix("http://").unwrap();
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            arrived: Vec::new(),
        }
    }

    /// The server may answer and close before it has read everything.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next answer, interim ones (1xx) included; `None` if the server closes without one. `to_head`: the request
    /// was a HEAD.
    async fn next(&mut self, to_head: bool) -> Option<Answer> {
        let head = loop {
            if let Some(end) = self.arrived.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break self.arrived.drain(..end + 4).collect::<Vec<u8>>();
            }
            if !self.read().await {
                assert!(self.arrived.is_empty(), "closed within a head");
                return None;
            }
        };
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().lines();
        let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value.trim()).unwrap(),
            );
        }
        let length = headers
            .get("content-length")
            .map(|length| length.to_str().unwrap().parse().unwrap());
        let length = if to_head || status < 200 || status == 204 || status == 304 {
            Some(0)
        } else {
            length
        };
        while length.is_none_or(|length: usize| self.arrived.len() < length) {
            if !self.read().await {
                assert!(length.is_none(), "closed within a body");
                break;
            }
        }
        let length = length.unwrap_or(self.arrived.len());
        Some(Answer {
            status: status.try_into().unwrap(),
            headers,
            body: self.arrived.drain(..length).collect(),
        })
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("the server closes without an answer")
    }

    pub(crate) async fn try_answer(&mut self) -> Option<Answer> {
        self.next(false).await
    }

    pub(crate) async fn answer_to_head(&mut self) -> Answer {
        self.next(true).await.expect("the server closes without an answer")
    }

    /// Whether the server closes the connection without another byte.
    pub(crate) async fn closes(&mut self) -> bool {
        !self.read().await && self.arrived.is_empty()
    }

    async fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await;
        // A reset also closes the connection.
        let read = read.expect("the server neither answers nor closes").unwrap_or(0);
        self.arrived.extend_from_slice(&buffer[..read]);
        read > 0
    }
}

impl Server {
    /// The answer to these bytes, on a new connection.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut raw = Raw::connect(self).await;
        raw.send(bytes).await;
        raw.answer().await
    }
}
