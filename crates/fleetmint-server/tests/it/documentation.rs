//! The page of the documentation, in a real browser: it must work under its security policy.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::harness::Server;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_under_its_security_policy() {
    let found = Command::new("chromium")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        let why = "SKIPPED: the_page_works_under_its_security_policy: there is no chromium. `tools/install chromium` \
                   installs it.\n";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        let _ = std::io::stderr().write_all(why.as_bytes());
        return;
    }
    let server = Server::start().await;
    let profile = tempfile::tempdir().unwrap();
    let url = format!("{}/api/docs/", server.base);
    let profile_dir = format!("--user-data-dir={}", profile.path().display());
    let browse = move || {
        Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args([
                "--disable-dev-shm-usage",
                "--enable-logging=stderr",
                "--virtual-time-budget=30000",
                "--dump-dom",
            ])
            .args([profile_dir, url])
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(browse).await.unwrap();
    let (page, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    // The scripts created these from the document that they fetched. Swagger UI marks where a path may be broken.
    let shown = page.replace("<wbr>", "").replace("<!-- -->", "");
    for text in ["/api/device-models", "opblock-summary-get", "authorize"] {
        assert!(shown.contains(text), "{text} is missing from\n{page}\n{said}");
    }
    let refused: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("CONSOLE") && (line.contains("Content Security Policy") || line.contains("rror")))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    server.stop().await;
}
