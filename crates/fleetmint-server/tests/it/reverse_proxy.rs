//! The service behind a real nginx with TLS, below a path, with the configuration of docs/deployment.md.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::harness::{Server, nvs, python};

/// The path in Debian's package, which is not in every PATH.
const NGINX: &str = "/usr/sbin/nginx";

fn nginx() -> Option<PathBuf> {
    let known = [NGINX, "nginx"].map(PathBuf::from).into_iter().find(|program| {
        let version = Command::new(program).arg("-v").stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    });
    if known.is_none() {
        python::skip("it_works_behind_nginx: nginx is missing. `tools/install nginx` installs it.");
    }
    known
}

/// nginx, until it is dropped.
struct Nginx {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Nginx {
    fn start(program: &Path, port: u16, service: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (certificate, key) = (path("certificate.pem"), path("key.pem"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args([
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-keyout",
                &key,
                "-out",
                &certificate,
            ])
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());

        let documented = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deployment.md");
        let documented = std::fs::read_to_string(documented).unwrap();
        let mut server = documented
            .split("```nginx\n")
            .nth(1)
            .unwrap()
            .split("```")
            .next()
            .unwrap()
            .to_owned();
        for (example, here) in [
            ("listen 443 ssl;", format!("listen 127.0.0.1:{port} ssl;")),
            ("/etc/ssl/provisioning.example.com.pem", certificate),
            ("/etc/ssl/provisioning.example.com.key", key),
            ("http://127.0.0.1:8080/", format!("{service}/")),
        ] {
            assert!(server.contains(example), "docs/deployment.md has no {example}");
            server = server.replace(example, &here);
        }
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {};\n", path(what)))
            .concat();
        let all = format!(
            "daemon off;\nmaster_process off;\npid {};\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n",
            path("pid")
        );
        std::fs::write(path("nginx.conf"), all).unwrap();
        let errors = std::fs::File::create(path("errors")).unwrap();
        let mut child = Command::new(program)
            .args([
                "-e",
                "stderr",
                "-p",
                folder.path().to_str().unwrap(),
                "-c",
                &path("nginx.conf"),
            ])
            .stderr(errors)
            .spawn()
            .unwrap();
        let limit = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                Instant::now() < limit && child.try_wait().unwrap().is_none(),
                "{}",
                std::fs::read_to_string(path("errors")).unwrap()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Self {
            child,
            port,
            _folder: folder,
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn it_works_behind_nginx_below_a_path() {
    let Some(program) = nginx() else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let public_url = format!("https://127.0.0.1:{port}/fleetmint");
    let server = Server::start_with(&[
        ("server.public_url", &public_url),
        ("server.trusted_proxies", "127.0.0.1"),
    ])
    .await;
    let nginx = Nginx::start(&program, port, &server.base);
    assert_eq!(nginx.port, port);
    // The call comes from an address that is not the proxy's.
    let client = reqwest::Client::builder()
        .no_proxy()
        .local_address(Some([127, 0, 0, 5].into()))
        .redirect(Policy::none())
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap();
    let origin = format!("https://127.0.0.1:{port}");
    let get = async |url: String| {
        let request = client.get(url).bearer_auth(&server.token);
        request.header("x-forwarded-for", "192.0.2.66").send().await.unwrap()
    };
    let post = async |path: &str, body: Value| {
        let request = client.post(format!("{public_url}{path}")).bearer_auth(&server.token);
        request.json(&body).send().await.unwrap()
    };

    // The page of the documentation, from its redirect to the document.
    let redirect = get(format!("{public_url}/api/docs")).await;
    assert!(redirect.status().is_redirection());
    let page = format!("{origin}{}", redirect.headers()["location"].to_str().unwrap());
    assert_eq!(page, format!("{public_url}/api/docs/"));
    let html = get(page.clone()).await.text().await.unwrap();
    assert!(html.contains("swagger-initializer.js"), "{html}");
    let start = get(format!("{page}swagger-initializer.js")).await.text().await.unwrap();
    let document = start.split('"').find(|text| text.ends_with("/openapi.json")).unwrap();
    let document: Value = get(format!("{origin}{document}")).await.json().await.unwrap();
    assert_eq!(document["servers"], json!([{"url": "/fleetmint"}]));

    // The new resource is at its `Location`.
    let model = post("/api/device-models", json!({"code": "m", "name": "M"})).await;
    assert_eq!(model.status(), 201);
    let location = model.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(location, "/fleetmint/api/device-models/1");
    assert_eq!(get(format!("{origin}{location}")).await.status(), 200);
    let device = post("/api/devices", json!({"device_model_id": 1, "name": "D"})).await;
    assert_eq!(device.headers()["location"], "/fleetmint/api/devices/1");

    // A device gets its token from the address in its image, and an image of 16 MiB is transferred.
    let image = client
        .get(format!(
            "{public_url}/api/devices/1/provisioning?partition_size={}",
            16 << 20
        ))
        .bearer_auth(&server.token)
        .header("accept", "application/octet-stream")
        .header("x-forwarded-for", "192.0.2.66")
        .send();
    let values = nvs::strings(&image.await.unwrap().bytes().await.unwrap());
    let value = |key: &str| values.iter().find(|(known, _)| known == key).unwrap().1.clone();
    server.keep_secret(&value("client_secret"));
    assert_eq!(value("token_url"), format!("{public_url}/oauth2/token"));
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", value("client_id")),
        ("client_secret", value("client_secret")),
    ];
    let token = client.post(value("token_url")).form(&form).send().await.unwrap();
    assert_eq!(token.status(), 200);

    // The caller's address is what nginx saw, not what the caller claimed, in whatever bytes.
    let claims = [&b"192.0.2.66"[..], b"\xff", b"\"", b"192.0.2.66, \xff,"];
    for claim in claims {
        let image = client
            .get(format!("{public_url}/api/devices/1/provisioning"))
            .bearer_auth(&server.token)
            .header("x-forwarded-for", HeaderValue::from_bytes(claim).unwrap());
        assert_eq!(image.send().await.unwrap().status(), 200);
    }
    let records: Value = get(format!("{public_url}/api/audit?action=get_provisioning"))
        .await
        .json()
        .await
        .unwrap();
    let records = records["items"].as_array().unwrap();
    assert_eq!(records.len(), claims.len() + 1);
    for record in records {
        assert_eq!(record["source"], "127.0.0.5");
    }

    // The page finds its files below the path, and signs in by a cookie that only https carries.
    let page = client
        .get(format!("{public_url}/devices/1"))
        .header("accept", "text/html");
    let html = page.send().await.unwrap().text().await.unwrap();
    let script = html.split('"').find(|text| text.ends_with(".js")).unwrap();
    let script = get(format!("{origin}{script}")).await;
    assert_eq!(script.status(), 200);
    assert!(
        script.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    let session = format!("{public_url}/api/session");
    let sign_in = async |from: &str| {
        let request = client.post(&session).header("x-fleetmint", "1").header("origin", from);
        request.json(&json!({"token": server.token})).send().await.unwrap()
    };
    assert_eq!(sign_in("https://evil.example").await.status(), 403);
    let signed_in = sign_in(&origin).await;
    assert_eq!(signed_in.status(), 204);
    let cookie = signed_in.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    assert!(cookie.starts_with("__Host-fleetmint="));
    server.keep_secret(cookie.split_once('=').unwrap().1);
    for (from, expected) in [("https://evil.example", 403), (&*origin, 204)] {
        let request = client.delete(&session).header("cookie", cookie);
        let request = request.header("x-fleetmint", "1").header("origin", from);
        assert_eq!(request.send().await.unwrap().status(), expected, "{from}");
    }
    drop(nginx);
    server.stop().await;
}
