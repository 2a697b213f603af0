//! A device's values put into partitions that already hold data: reference images that Espressif's library wrote.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::storage::{Listed, Mode, SliceFlash, Storage, Value as Stored};
use fleetmint_server::random::{Random, SystemRandom};
use serde_json::{Value, json};

use crate::harness::nvs::strings;
use crate::harness::raw::Raw;
use crate::harness::{Server, log, problem};

fn reference(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fleetmint-nvs/tests/storage/reference/patch");
    fs::read(folder.join(name)).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn list(image: &[u8], keys: Option<&[u8]>) -> Vec<Listed> {
    let xts = keys.map(|keys| Keys::decode(keys).unwrap().xts());
    let mut copy = image.to_vec();
    let mut storage = Storage::open(SliceFlash::new(&mut copy), Mode::ReadWrite, xts).unwrap();
    storage.list().unwrap()
}

fn split(entries: Vec<Listed>) -> (Vec<Listed>, Vec<Listed>) {
    entries
        .into_iter()
        .partition(|entry| entry.namespace.as_str() == Some("prov"))
}

/// The device's strings in an image, sorted by key.
fn prov(entries: &[Listed]) -> Vec<(String, String)> {
    let text = |entry: &Listed| match &entry.value {
        Ok(Stored::Str(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{} is not a readable string: {:?}", entry.key, other.is_ok()),
    };
    let pair = |entry: &Listed| (entry.key.as_str().unwrap().to_owned(), text(entry));
    let mut pairs: Vec<_> = entries.iter().map(pair).collect();
    pairs.sort();
    pairs
}

#[tokio::test]
async fn the_devices_values_are_added_and_everything_else_stays() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}/provisioning/patch", device["id"]);
    let mut fresh = strings(&server.image(&device, 0x6000).await.body);
    fresh.sort();
    let secret = &fresh.iter().find(|(key, _)| key == "client_secret").unwrap().1;
    server.keep_secret(secret);

    for (name, keyfile) in [("foreign_first_prov", None), ("enc_foreign", Some("keyfile-b.bin"))] {
        let before = reference(&format!("{name}.before.bin"));
        let keys = keyfile.map(reference);
        let mut body = json!({"data": base64(&before)});
        if let Some(keys) = &keys {
            body["nvs_keys"] = base64(keys).into();
        }
        let answer = server.post(&path, &body).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let answer = answer.expect(200);
        let after = BASE64_STANDARD.decode(answer["data"].as_str().unwrap()).unwrap();

        let (_, foreign_before) = split(list(&before, keys.as_deref()));
        let (ours, foreign_after) = split(list(&after, keys.as_deref()));
        assert!(foreign_before.len() > 5, "the image already holds data");
        assert!(foreign_before == foreign_after, "{name}: a foreign value has changed");
        assert_eq!(prov(&ours), fresh, "{name}");

        let differing = |n: &usize| before[n * 4096..][..4096] != after[n * 4096..][..4096];
        let sectors: Vec<usize> = (0..before.len() / 4096).filter(differing).collect();
        assert_eq!(answer["changed_sectors"], json!(sectors), "{name}");
        let diff = answer["diff"].as_array().unwrap();
        assert_eq!(diff.len(), fresh.len(), "{name}");
        for change in diff {
            assert_eq!(
                (&change["change"], &change["namespace"]),
                (&json!("added"), &json!("prov"))
            );
            assert_eq!(change["after"]["type"], "str");
            assert!(change["before"].is_null() && change["after"]["fingerprint"].is_string());
        }
        server.assert_no_secret(&answer["diff"].to_string(), "the diff");

        body["data"] = answer["data"].clone();
        let again = server.post(&path, &body).await.expect(200);
        assert_eq!(
            (&again["changed_sectors"], &again["diff"]),
            (&json!([]), &json!([])),
            "{name}"
        );
        assert_eq!(again["data"], answer["data"]);
    }
    let audit = server.outcomes("patch_provisioning").await;
    assert_eq!(audit, ["succeeded", "started"].repeat(4));
    server.stop().await;
}

/// The beginning of an application's image.
fn application() -> Vec<u8> {
    let mut image = vec![0x5A; 0x2000];
    image[..4].copy_from_slice(&[0xE9, 6, 2, 0x20]);
    image
}

#[tokio::test]
async fn a_partition_that_cannot_be_patched_is_422_with_the_reason() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}/provisioning/patch", device["id"]);
    let plain = base64(&reference("foreign_first_prov.before.bin"));
    let encrypted = base64(&reference("enc_foreign.before.bin"));
    let other_keys = base64(&reference("keyfile-a.bin"));
    let full = base64(&reference("space_all_used.before.bin"));
    let cases: &[(Value, &str, &str)] = &[
        (json!({}), "invalid-value", "/data"),
        (json!({"data": "!"}), "invalid-value", "/data"),
        (json!({"data": ""}), "invalid-value", "/data"),
        (json!({"data": base64(&[0xFF; 5000])}), "invalid-value", "/data"),
        (json!({"data": base64(&[0xFF; 4096])}), "unusable-partition", "/data"),
        // Not NVS: zeros, an application, the key partition in place of the partition, more than the partition.
        (json!({"data": base64(&[0; 0x3000])}), "unusable-partition", "/data"),
        (json!({"data": base64(&application())}), "unusable-partition", "/data"),
        (
            json!({"data": base64(&[reference("keyfile-a.bin"), vec![0xFF; 0x1000]].concat())}),
            "unusable-partition",
            "/data",
        ),
        (
            json!({"data": base64(&[reference("foreign_first_prov.before.bin"), application()].concat())}),
            "unusable-partition",
            "/data",
        ),
        (json!({"data": plain, "nvs_keys": "AAAA"}), "invalid-value", "/nvs_keys"),
        (json!({"data": encrypted}), "unusable-partition", "/nvs_keys"),
        (
            json!({"data": encrypted, "nvs_keys": other_keys}),
            "unusable-partition",
            "/nvs_keys",
        ),
        (json!({"data": full}), "does-not-fit", "/data"),
        (
            json!({"data": base64(&reference("new_version.before.bin"))}),
            "unusable-partition",
            "/data",
        ),
    ];
    for (body, kind, pointer) in cases {
        let answer = server.post(&path, body).await;
        assert_eq!(
            answer.problem(),
            problem(422, kind, &[pointer]),
            "{}",
            answer.json()["detail"]
        );
    }
    // The output of `base64` without -w0.
    let broken = plain
        .as_bytes()
        .chunks(76)
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>();
    for (body, pointer) in [
        (json!({"data": broken.join("\n")}), "/data"),
        (json!({"data": plain, "nvs_keys": "AAAA\nAAAA"}), "/nvs_keys"),
    ] {
        let answer = server.post(&path, &body).await;
        assert_eq!(answer.problem(), problem(422, "invalid-value", &[pointer]));
        assert_eq!(
            answer.json()["errors"][0]["detail"],
            "must be standard base64 with its padding and without line breaks (as of base64 -w0)"
        );
    }
    let answer = server
        .post("/api/devices/99/provisioning/patch", &json!({"data": plain}))
        .await;
    assert_eq!(answer.problem(), problem(404, "not-found", &[]));

    // The largest partition is accepted; a body with one more byte of base64 is not read.
    let largest = server
        .post(&path, &json!({"data": base64(&vec![0xFF; 16 << 20])}))
        .await
        .expect(200);
    assert_eq!(largest["changed_sectors"], json!([0]));
    let more = "A".repeat(23 << 20);
    let answer = server.post(&path, &json!({"data": more})).await;
    assert_eq!(answer.problem(), problem(413, "body-too-large", &[]));
    let outcomes = server.outcomes("patch_provisioning").await;
    let of = |outcome: &str| outcomes.iter().filter(|known| *known == outcome).count();
    assert_eq!(of("succeeded"), 1, "only what was disclosed");
    // A body that is not a partition was no attempt; the missing device has one record.
    let refused = |kind: &str| cases.iter().filter(|(_, known, _)| *known == kind).count();
    for kind in ["unusable-partition", "does-not-fit"] {
        assert_eq!(of(&format!("failed {kind}")), refused(kind));
    }
    assert_eq!(of("failed not-found"), 1);
    assert_eq!(
        of("started"),
        1 + refused("unusable-partition") + refused("does-not-fit")
    );
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_disclosed_without_an_audit_record_or_a_usable_secret() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}/provisioning/patch", device["id"]);
    let body = json!({"data": base64(&reference("foreign_first_prov.before.bin"))});

    server.execute("CREATE TRIGGER no_room BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END");
    let answer = server.post(&path, &body).await;
    assert_eq!(answer.problem(), problem(503, "unavailable", &[]));
    server.execute("DROP TRIGGER no_room");
    server.post(&path, &body).await.expect(200);

    server.execute("DELETE FROM client_secrets");
    let answer = server.post(&path, &body).await;
    assert_eq!(answer.problem(), problem(502, "client-secret-missing", &[]));
    server.stop().await;
}

/// Randomness that can be blocked: a call then waits.
#[derive(Debug, Default)]
struct Held {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Held {
    fn hold(&self, hold: bool) {
        self.state.lock().unwrap().0 = hold;
        self.changed.notify_all();
    }

    fn waiting(&self) -> usize {
        self.state.lock().unwrap().1
    }
}

impl Random for Held {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        let mut state = self.changed.wait_while(state, |(held, _)| *held).unwrap();
        state.1 -= 1;
        drop(state);
        SystemRandom.fill(bytes);
    }
}

#[tokio::test]
async fn the_work_ends_with_its_caller_and_keeps_its_room_until_then() {
    const STOPPED: &str = "a patch was stopped: its caller has gone";
    let random = Arc::new(Held::default());
    let folder = tempfile::tempdir().unwrap();
    // Room for only one of them.
    let server = Server::start_by(folder, &[("server.large_bodies_max", "67108864")], random.clone()).await;
    let device = server.device(&server.model("m").await).await;
    let path = format!("/api/devices/{}/provisioning/patch", device["id"]);
    let body = json!({"data": base64(&vec![0xFF; 6 << 20])}).to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        server.token,
        body.len()
    );
    assert!(!log::text().contains(STOPPED), "no other test disconnects");

    // The work begins, and its caller disconnects.
    random.hold(true);
    let mut caller = Raw::connect(&server).await;
    caller.send(request.as_bytes()).await;
    server.eventually("the work begins", || random.waiting() > 0).await;
    drop(caller);
    let limit = Instant::now() + Duration::from_secs(20);
    while server.outcomes("patch_provisioning").await != ["failed canceled", "started"] {
        assert!(Instant::now() < limit, "the attempt is not canceled");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // It still has its memory, and so its room: another call waits for it.
    let mut next = Raw::connect(&server).await;
    let next = tokio::spawn(async move {
        next.send(request.as_bytes()).await;
        next.answer().await
    });
    // That it does not begin is no event that could be waited for, and the request comes through a real socket.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let waiting = random.waiting();
    // This comes first, because the test could not end otherwise.
    random.hold(false);
    assert_eq!(waiting, 1);
    server
        .eventually("the work ends", || log::text().contains(STOPPED))
        .await;
    assert_eq!(next.await.unwrap().status, 200);
    assert_eq!(
        server.outcomes("patch_provisioning").await,
        ["succeeded", "started", "failed canceled", "started"]
    );
    server.stop().await;
}
