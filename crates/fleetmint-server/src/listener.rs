//! Accepts connections and closes them. HTTP/1.1 only; limits the number of connections, the time for a head to arrive
//! and the time for an answer to be read; the shutdown lets requests in progress finish.

use std::future::Future;
use std::io::{ErrorKind, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service as _;

use crate::http::connections::{Connections, Full, Limits, Slot};
use crate::http::held_answers::HoldsRoom;
use crate::http::own_origin::ByProxy;
use crate::http::stream::Stream;
use crate::http::{arriving, host};
use crate::router::Endpoints;
use crate::source::Source;

/// How long a request's head may take to arrive, and how long a connection may be idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest head of a request in bytes.
const HEAD_MAX: usize = 64 << 10;

/// How many bytes of an answer the kernel buffers beside those that are on their way to the peer. Without a limit these
/// are megabytes for each connection whose peer does not read.
#[cfg(target_os = "linux")]
const UNSENT_MAX: u32 = 64 << 10;

/// How long requests in progress may take once the server is asked to stop.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long no connection is accepted after the system had no more file descriptors.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);

/// How often to look for a connection that can be closed for a new one, while none is idle.
const FULL_PAUSE: Duration = Duration::from_millis(50);

/// How often the log reports that there are too many connections.
const FULL_SAID_EVERY: Duration = Duration::from_secs(60);

/// Closes a connection after an answer.
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// The whole answer to a connection that gets no slot. No request was read, so it has no request id.
const NO_SLOT: &str = "HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\n\
    cache-control: no-store\r\n\
    x-content-type-options: nosniff\r\n\
    content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n\
    referrer-policy: no-referrer\r\n\
    retry-after: 1\r\n\
    connection: close\r\n\
    content-length: 206\r\n\r\n\
    {\"type\":\"urn:fleetmint:problem:unavailable\",\"title\":\"The service is temporarily unavailable\",\"status\":503,\
    \"detail\":\"Too many connections from this address are open and in use.\",\"errors\":[],\"retryable\":true}";

/// Serves until `shutdown` resolves and the requests in progress are answered, for [`SHUTDOWN_TIMEOUT`] at most.
pub async fn serve(listener: TcpListener, endpoints: Endpoints, limits: Limits, shutdown: impl Future<Output = ()>) {
    let watched = GracefulShutdown::new();
    let connections = Connections::new(limits);
    let mut full = FullLog::default();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, address)) => {
                let peer = Source::new(address.ip());
                let is_proxy = endpoints.proxies.trusts(peer);
                let limited = (!is_proxy).then(|| peer.subscriber());
                let slot = tokio::select! {
                    slot = slot(&connections, limited, &mut full) => slot,
                    () = &mut shutdown => break,
                };
                match slot {
                    Some(slot) => connection(stream, peer, is_proxy, slot, &endpoints, &watched),
                    None => refuse(stream),
                }
            }
            // The caller disconnected before it was served.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::error!(%error, "accepting a connection failed");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
    drop(listener);
    tracing::info!("stopping: requests in progress may finish");
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, watched.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            seconds = SHUTDOWN_TIMEOUT.as_secs(),
            "requests were still in progress and were aborted"
        );
        connections.close_all();
    }
}

/// A slot for a new connection; `None` if its address has enough. Waits while no other connection can be closed: new
/// connections stay in the kernel's queue meanwhile.
async fn slot(connections: &Connections, address: Option<Source>, log: &mut FullLog) -> Option<Slot> {
    loop {
        match connections.slot(address) {
            Ok((slot, None)) => return Some(slot),
            Ok((slot, Some(idle))) => {
                log.say(connections, Some(idle));
                return Some(slot);
            }
            Err(Full::Address) => {
                log.say(connections, None);
                return None;
            }
            Err(Full::All) => {
                log.say(connections, None);
                drop(tokio::time::timeout(FULL_PAUSE, connections.closed()).await);
            }
        }
    }
}

/// Reports that a limit of connections is reached, once per [`FULL_SAID_EVERY`].
#[derive(Debug, Default)]
struct FullLog(Option<Instant>);

impl FullLog {
    fn say(&mut self, connections: &Connections, idle: Option<Duration>) {
        let now = Instant::now();
        if self.0.is_some_and(|said| now - said < FULL_SAID_EVERY) {
            return;
        }
        self.0 = Some(now);
        let Limits { all, per_address } = connections.limits();
        tracing::warn!(
            max_connections = all,
            max_connections_per_address = per_address,
            idle_ms = idle.map(|idle| idle.as_millis()),
            "a limit of connections is reached: the longest idle ones are closed for new ones"
        );
    }
}

/// Answers without waiting for anything, and closes the connection.
fn refuse(stream: TcpStream) {
    let refused = stream.into_std().and_then(|mut stream| {
        stream.write_all(NO_SLOT.as_bytes())?;
        stream.shutdown(Shutdown::Write)
    });
    if let Err(error) = refused {
        tracing::debug!(%error, "a connection that got no slot was closed by its peer");
    }
}

fn connection(
    stream: TcpStream,
    peer: Source,
    is_proxy: bool,
    slot: Slot,
    endpoints: &Endpoints,
    watched: &GracefulShutdown,
) {
    // An answer is written at once: waiting for more to send would only delay it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_MAX) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT could not be set");
    }
    let endpoints = endpoints.clone();
    let activity = slot.activity();
    let connection = activity.clone();
    let stream = Stream::new(stream, activity.clone());
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        activity.set_busy(true);
        let mut request = request.map(|body| arriving::watched(body, &activity));
        let source = if is_proxy {
            endpoints.proxies.caller(peer, request.headers())
        } else {
            peer
        };
        request.extensions_mut().insert(source);
        if is_proxy {
            request.extensions_mut().insert(ByProxy(endpoints.proxies.header()));
        }
        let mut router = if host::wrong(&request).is_none() {
            endpoints.router.clone()
        } else {
            endpoints.malformed.clone()
        };
        let (activity, prefix) = (activity.clone(), endpoints.prefix.clone());
        async move {
            let answer = router.call(request).await;
            activity.set_busy(false);
            answer.map(|answer| {
                let mut answer = prefix.locate(answer);
                if let Some(holds_room) = answer.extensions_mut().remove::<HoldsRoom>() {
                    holds_room.written_to(&activity, source);
                }
                if activity.is_ending() {
                    answer.headers_mut().insert(header::CONNECTION, CLOSE);
                }
                answer
            })
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let served = watched.watch(served);
    let task = tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(slot);
    });
    connection.runs(task.abort_handle());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::UNAVAILABLE;

    #[test]
    fn the_answer_to_a_connection_without_a_slot_is_a_problem() {
        let (head, body) = NO_SLOT.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())) || head.ends_with(&body.len().to_string())
        );
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["type"], UNAVAILABLE.uri());
        assert_eq!(problem["title"], UNAVAILABLE.title());
        assert_eq!(problem["status"], UNAVAILABLE.status().as_u16());
        assert_eq!(problem["retryable"], UNAVAILABLE.is_retryable());
    }
}
