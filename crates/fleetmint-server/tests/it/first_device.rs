//! From nothing to a token, with the real parts: esptool writes the image onto a simulated chip, the image is read back
//! and decoded, and an independent JOSE library verifies the token that its secret gets.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::nvs::strings;
use crate::harness::{Server, python};

fn tool(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_from_a_chip_gets_a_token_that_others_verify() {
    let Some(python) = python::with("esptool", "first_device") else {
        return;
    };
    let server = Server::start().await;
    let model = server.model("tempsensor").await;
    let device = server.device(&model).await;
    let image = server.image(&device, 0x6000).await.body;

    let folder = tempfile::tempdir().unwrap();
    let (written, read) = (folder.path().join("written.bin"), folder.path().join("read.bin"));
    std::fs::write(&written, &image).unwrap();
    let done = Command::new(&python)
        .arg(tool("flash_roundtrip.py"))
        .args([&written, &read])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let read = std::fs::read(&read).unwrap();
    assert!(read == image, "the image is read back unchanged");

    let values = strings(&read);
    let value = |key: &str| values.iter().find(|(known, _)| known == key).unwrap().1.as_str();
    server.keep_secret(value("client_secret"));
    let answer = server
        .post_form(
            value("token_url").strip_prefix(&server.base).unwrap(),
            &[
                ("grant_type", "client_credentials"),
                ("client_id", value("client_id")),
                ("client_secret", value("client_secret")),
            ],
        )
        .await
        .expect(200);
    let token = answer["access_token"].as_str().unwrap();
    server.keep_secret(token);

    let mut verifying = Command::new(&python)
        .arg(tool("verify_token.py"))
        .arg(format!("{}/.well-known/openid-configuration", server.base))
        .args(["--audience", "fleetmint"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    verifying.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    let verified = verifying.wait_with_output().unwrap();
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    let claims = &serde_json::from_slice::<Value>(&verified.stdout).unwrap()["claims"];
    assert_eq!(claims["sub"], device["client_id"]);
    assert_eq!(claims["azp"], device["client_id"]);
    assert_eq!(claims["iss"], server.base);
    server.stop().await;
}
