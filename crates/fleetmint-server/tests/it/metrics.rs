//! The metrics for Prometheus.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::Method;
use reqwest::header::ACCEPT;

use crate::harness::Server;

/// The metrics' media type and text, for a caller with this `Accept`.
async fn scrape(server: &Server, accept: Option<&str>) -> (String, String) {
    let answer = server
        .anonymous_with(Method::GET, "/metrics", |request| match accept {
            Some(accept) => request.header(ACCEPT, accept),
            None => request,
        })
        .await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("vary").contains("accept"), "{}", answer.header("vary"));
    let media_type = answer.header("content-type").to_owned();
    (media_type, String::from_utf8(answer.body).unwrap())
}

/// The value of a sample without labels.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is missing from\n{text}"))
        .parse()
        .unwrap()
}

/// A server with a value in every metric.
async fn busy() -> Server {
    let server = Server::start().await;
    let model = server.model("m").await;
    for _ in 0..3 {
        let device = server.device(&model).await;
        server.image(&device, 4096).await;
    }
    server.get("/api/devices/4711").await;
    server
        .app
        .metrics
        .keycloak_call("get_client", 200, std::time::Duration::from_millis(3));
    server
}

#[tokio::test]
async fn the_format_is_prometheus_text_unless_the_caller_prefers_openmetrics() {
    let server = busy().await;
    for accept in [
        None,
        Some("*/*"),
        Some("text/plain"),
        Some("image/png"),
        Some("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
    ] {
        let (media_type, text) = scrape(&server, accept).await;
        assert_eq!(media_type, "text/plain; version=0.0.4; charset=utf-8", "{accept:?}");
        assert!(text.contains("# TYPE fleetmint_operations_total counter\n"), "{text}");
        assert!(!text.contains("# EOF"));
    }
    // The `Accept` header of Prometheus 2 and 3.
    for accept in [
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
    ] {
        let (media_type, text) = scrape(&server, Some(accept)).await;
        assert_eq!(media_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        assert!(text.contains("# TYPE fleetmint_operations counter\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
    server.stop().await;
}

#[tokio::test]
async fn devices_the_database_and_the_process_are_measured() {
    let server = busy().await;
    server.execute("UPDATE devices SET state = 'creating', lease_owner = 'x', lease_until = 9e18 WHERE id = 3");
    let (_, text) = scrape(&server, None).await;
    for line in [
        "fleetmint_devices{state=\"active\"} 2",
        "fleetmint_devices{state=\"creating\"} 1",
        "fleetmint_devices{state=\"deleting\"} 0",
        "fleetmint_operations_total{operation=\"get_provisioning\",status=\"200\"} 3",
        "fleetmint_keycloak_calls_total{operation=\"get_client\",status=\"200\"} 1",
    ] {
        assert!(
            text.lines().any(|known| known == line),
            "{line} is missing from\n{text}"
        );
    }
    let database = server.folder.path().join("data/fleetmint.db");
    assert_eq!(
        value(&text, "fleetmint_database_size_bytes"),
        database.metadata().unwrap().len() as f64
    );
    assert!(value(&text, "fleetmint_database_wal_size_bytes") > 0.0);
    if cfg!(target_os = "linux") {
        assert!(value(&text, "process_resident_memory_bytes") > 1e6);
        assert!(value(&text, "process_virtual_memory_bytes") > value(&text, "process_resident_memory_bytes"));
        assert!(value(&text, "process_cpu_seconds_total") > 0.0);
        assert!(value(&text, "process_open_fds") > 3.0);
        assert!(value(&text, "process_max_fds") >= value(&text, "process_open_fds"));
        assert!(value(&text, "process_threads") >= 1.0);
        // The process started after the machine, and before now.
        let now = server.app.clock.now().as_second() as f64;
        let started = value(&text, "process_start_time_seconds");
        assert!((now - 3600.0..=now + 2.0).contains(&started), "{started} {now}");
    }
    server.stop().await;
}

/// Counting must not read every device: an index has the unsettled ones.
#[tokio::test]
async fn devices_are_counted_from_an_index() {
    let server = Server::start().await;
    for query in [
        "SELECT count(*) FROM devices",
        "SELECT count(*) FROM devices WHERE (state <> 'active' OR lease_owner IS NOT NULL) AND state = ?",
    ] {
        let plan = server.plan(query);
        assert!(plan.contains("INDEX"), "{query}: {plan}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_docs_list_every_metric() {
    let server = busy().await;
    let (_, text) = scrape(&server, None).await;
    let told: BTreeSet<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let listed: BTreeSet<(String, String)> = docs
        .lines()
        .filter_map(|line| {
            let mut cells = line
                .strip_prefix("| `")?
                .split('|')
                .map(|cell| cell.trim().trim_matches('`'));
            Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
        })
        .collect();
    assert_eq!(told, listed, "docs/metrics.md lists the metrics");
    // Every metric has its description, and no label may identify a device.
    for (name, _) in &told {
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
    }
    for label in ["device_id", "client_id", "key", "path", "address"] {
        assert!(!text.contains(&format!("{label}=")), "{label}");
    }
    server.stop().await;
}

#[tokio::test]
async fn promtool_accepts_the_metrics() {
    let found = Command::new("promtool")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        let why = "SKIPPED: promtool_accepts_the_metrics: promtool is missing. `tools/install promtool` installs it.\n";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        let _ = std::io::stderr().write_all(why.as_bytes());
        return;
    }
    let server = busy().await;
    let (_, text) = scrape(&server, None).await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{said:?}");
    assert_eq!(said, [String::new(), String::new()]);
    server.stop().await;
}
