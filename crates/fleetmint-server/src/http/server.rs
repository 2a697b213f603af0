//! Accepts connections and ends them: HTTP/1.1, a limit on how long a request's head may take, and a shutdown that
//! lets requests under way come to their end.

use std::future::Future;
use std::io::ErrorKind;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service as _;

use super::router::Endpoints;
use crate::source::Source;

/// How long a request's head may take to arrive, and how long a connection may rest between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long requests under way may take once the server is told to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long accepting rests when the system has no more file descriptors.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);

/// Serves until `shutdown` resolves and the requests under way are answered, or given up after ten seconds.
pub async fn serve(listener: TcpListener, endpoints: Endpoints, shutdown: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, address)) => connection(stream, Source::new(address.ip()), &endpoints, &connections),
            // The caller went away before it was served.
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
    tracing::info!("stopping: requests under way come to their end");
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            seconds = SHUTDOWN_TIMEOUT.as_secs(),
            "requests were still under way, and are given up"
        );
    }
}

fn connection(stream: TcpStream, peer: Source, endpoints: &Endpoints, connections: &GracefulShutdown) {
    // An answer is written whole: waiting for more to send would only make it late.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let endpoints = endpoints.clone();
    let is_proxy = endpoints.proxies.trusts(peer);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        let source = if is_proxy {
            endpoints.proxies.caller(peer, request.headers())
        } else {
            peer
        };
        request.extensions_mut().insert(source);
        endpoints.router.clone().call(request)
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let served = connections.watch(served);
    tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}
