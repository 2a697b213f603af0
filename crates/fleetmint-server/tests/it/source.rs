//! The source of a call: the peer, or the proxy's client.

use reqwest::Method;
use reqwest::header::HeaderValue;

use crate::harness::Server;

/// The address in the audit's record of a call with these headers.
async fn audited(server: &Server, headers: &[(&str, &[u8])]) -> String {
    let answer = server
        .call(Method::GET, "/api/devices/1/provisioning", |mut request| {
            for (name, value) in headers {
                request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
            }
            request
        })
        .await;
    answer.expect(200);
    let records = server
        .get("/api/audit?action=get_provisioning&limit=1")
        .await
        .expect(200);
    records["items"][0]["source"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_proxy_is_trusted_by_default() {
    let server = Server::start().await;
    server.device(&server.model("m").await).await;
    let headers = [("x-forwarded-for", &b"192.0.2.7"[..]), ("forwarded", b"for=192.0.2.8")];
    assert_eq!(audited(&server, &headers).await, "127.0.0.1");
    server.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_sends_the_callers_address_in_one_header() {
    for (forwarded, expected) in [("x-forwarded-for", "192.0.2.7"), ("forwarded", "192.0.2.8")] {
        let server = Server::start_with(&[
            ("server.trusted_proxies", "127.0.0.0/8, 10.0.0.0/8"),
            ("server.forwarded", forwarded),
        ])
        .await;
        server.device(&server.model("m").await).await;
        let headers = [
            ("x-forwarded-for", &b"203.0.113.1, 192.0.2.7, 10.0.0.1"[..]),
            ("forwarded", b"for=203.0.113.1, for=192.0.2.8, for=10.0.0.1"),
        ];
        assert_eq!(audited(&server, &headers).await, expected);
        // Bytes of the caller that are not text do not hide what the proxy added to the same line.
        let headers = [
            ("x-forwarded-for", &b"\xff, 192.0.2.7"[..]),
            ("forwarded", b"\xff, for=192.0.2.8"),
        ];
        assert_eq!(audited(&server, &headers).await, expected);
        assert_eq!(audited(&server, &[]).await, "127.0.0.1");
        server.stop().await;
    }
}
