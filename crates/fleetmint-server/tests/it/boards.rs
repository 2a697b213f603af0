//! Which board carries which device, and whether a board holds what its device gets.

mod verify;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Server, problem};
use crate::keycloak::realm::{Realm, unique};

const MAC: &str = "60:55:f9:aa:00:01";
const OTHER_MAC: &str = "60:55:f9:aa:00:02";

/// The body that begins a flash.
pub(crate) fn flash_onto(mac: &str) -> Value {
    json!({
        "mac": mac, "chip": "esp32c3", "partition": {"name": "nvs", "offset": 0x9000, "size": 0x6000},
        "tool": "fleetmint 0.2.0",
    })
}

fn replacing(mac: &str) -> Value {
    let mut body = flash_onto(mac);
    body["replace_board"] = true.into();
    body
}

fn written() -> Value {
    json!({"outcome": "written", "sectors": 2, "bytes": 8192, "reason": null})
}

fn failed(sectors: u32) -> Value {
    json!({"outcome": "failed", "sectors": sectors, "bytes": 0, "reason": "the board was unplugged"})
}

fn device_path(device: &Value) -> String {
    format!("/api/devices/{}", device["id"])
}

/// Begins a flash of this device.
async fn begin(server: &Server, device: &Value, body: &Value) -> Answer {
    server.post(&format!("{}/flashes", device_path(device)), body).await
}

/// Begins a flash, and ends it.
async fn flash(server: &Server, device: &Value, body: &Value, end: &Value) -> Value {
    let begun = begin(server, device, body).await;
    let path = begun.header("location").to_owned();
    begun.expect(201);
    server.patch(&path, end).await.expect(200)
}

/// The device as it is now.
async fn shown(server: &Server, device: &Value) -> Value {
    server.get(&device_path(device)).await.expect(200)
}

/// The MAC of the board that carries this device.
async fn board_of(server: &Server, device: &Value) -> Value {
    shown(server, device).await["board"]["mac"].clone()
}

/// The id of the device that this board carries.
async fn device_on(server: &Server, mac: &str) -> Value {
    let board = server.get(&format!("/api/boards/{mac}")).await.expect(200);
    board["device"]["id"].clone()
}

async fn two_devices(server: &Server) -> (Value, Value) {
    let model = server.model("m").await;
    (server.device(&model).await, server.device(&model).await)
}

#[tokio::test]
async fn a_flash_begins_ends_and_is_seen_from_the_device_and_from_the_board() {
    let server = Server::start().await;
    let (device, _) = two_devices(&server).await;
    assert_eq!(device["board"], Value::Null);
    let etag = server.get(&device_path(&device)).await.header("etag").to_owned();

    let begun = begin(&server, &device, &flash_onto("60:55:F9:AA:00:01")).await;
    let (path, tag) = (begun.header("location").to_owned(), begun.header("etag").to_owned());
    let begun = begun.expect(201);
    assert_eq!(path, format!("{}/flashes/{}", device_path(&device), begun["id"]));
    assert_eq!(
        begun,
        json!({
            "id": begun["id"], "device_id": device["id"], "mac": MAC, "chip": "esp32c3",
            "partition": {"name": "nvs", "offset": 0x9000, "size": 0x6000}, "tool": "fleetmint 0.2.0",
            "state": "started", "outcome": null, "sectors": null, "bytes": null, "reason": null,
            "started_at": begun["started_at"], "ended_at": null,
        })
    );
    assert!(begun["started_at"].is_string());
    let read = server.get(&path).await;
    assert_eq!(read.header("etag"), tag);
    assert_eq!(read.expect(200), begun);
    let unchanged = server
        .call(Method::GET, &path, |request| request.header("if-none-match", &tag))
        .await;
    assert_eq!(unchanged.status, 304);

    // Its end is not reported yet, so nobody knows what the board holds.
    let board = json!({"mac": MAC, "chip": "esp32c3", "flashed_at": null});
    assert_eq!(shown(&server, &device).await["board"], board);
    let carried = json!({"id": device["id"], "key": device["key"], "name": device["name"]});
    let board = server.get("/api/boards/60:55:F9:AA:00:01").await.expect(200);
    assert_eq!(
        board,
        json!({"mac": MAC, "chip": "esp32c3", "device": carried, "flashed_at": null, "flashes": [begun]})
    );

    server.clock.advance(Duration::from_secs(7));
    let ended = server.patch(&path, &written()).await.expect(200);
    for (member, value) in [
        ("state", json!("ended")),
        ("outcome", json!("written")),
        ("sectors", json!(2)),
        ("bytes", json!(8192)),
        ("reason", Value::Null),
    ] {
        assert_eq!(ended[member], value, "{member}");
    }
    assert!(ended["ended_at"].as_str() > ended["started_at"].as_str());
    assert_eq!(server.get(&path).await.expect(200), ended);
    let after = server.get(&device_path(&device)).await;
    assert_ne!(after.header("etag"), etag, "its board is a part of its state");
    let board = json!({"mac": MAC, "chip": "esp32c3", "flashed_at": ended["ended_at"]});
    assert_eq!(after.expect(200)["board"], board);
    for (path, items) in [
        ("/api/devices", json!([board, null])),
        (&format!("{}/flashes", device_path(&device)), json!([null])),
        (&format!("/api/boards/{MAC}/flashes"), json!([null])),
    ] {
        let page = server.get(path).await.expect(200);
        let boards: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["board"])
            .collect();
        assert_eq!(json!(boards), items, "{path}");
    }
    let page = server.get("/api/boards").await.expect(200);
    assert_eq!(
        page["items"],
        json!([{
            "mac": MAC, "chip": "esp32c3", "device": carried, "flashed_at": ended["ended_at"], "last_flash": ended,
        }])
    );
    for operation in ["begin_flash", "end_flash"] {
        assert_eq!(server.outcomes(operation).await, ["succeeded"], "{operation}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_report_may_be_repeated_and_never_changes() {
    let server = Server::start().await;
    let (device, other) = two_devices(&server).await;
    let begun = begin(&server, &device, &flash_onto(MAC)).await;
    let (path, tag) = (begun.header("location").to_owned(), begun.header("etag").to_owned());
    let begun = begun.expect(201);

    // An answer that is sent back changes nothing.
    assert_eq!(server.patch(&path, &begun).await.expect(200), begun);
    for (body, pointers) in [
        (json!({"outcome": "fine", "sectors": 1, "bytes": 1}), &["/outcome"][..]),
        (json!({"sectors": 1, "bytes": 1}), &["/outcome"]),
        (json!({"reason": "lost"}), &["/outcome", "/sectors", "/bytes"]),
        (json!({"outcome": "written"}), &["/sectors", "/bytes"]),
        (
            json!({"outcome": "written", "sectors": 0, "bytes": 0}),
            &["/sectors", "/bytes"],
        ),
        (json!({"outcome": "unchanged", "sectors": 1, "bytes": 0}), &["/sectors"]),
        (json!({"outcome": "failed", "sectors": -1, "bytes": 0}), &["/sectors"]),
        (
            json!({"outcome": "failed", "sectors": 0, "bytes": 1_u64 << 32}),
            &["/bytes"],
        ),
        (
            json!({"outcome": "failed", "sectors": 0, "bytes": 0, "reason": "a\nb"}),
            &["/reason"],
        ),
        (
            json!({"outcome": "written", "sectors": 1, "bytes": 1, "reason": "x"}),
            &["/reason"],
        ),
        (json!({"outcome": "written", "sectors": "1", "bytes": 1}), &["/sectors"]),
        (
            json!({"outcome": "unchanged", "sectors": 0, "bytes": 0, "mac": OTHER_MAC}),
            &["/mac"],
        ),
        (json!({"tool": "other", "device_id": 99}), &["/device_id", "/tool"]),
        (
            json!({"partition": {"name": "nvs", "offset": 0, "size": 0}}),
            &["/partition"],
        ),
        (
            json!({"ended_at": "2026-01-31T12:00:00Z", "state": "ended"}),
            &["/state", "/ended_at"],
        ),
        (json!({"success": true}), &["/success"]),
    ] {
        let answer = server.patch(&path, &body).await;
        assert_eq!(answer.problem(), problem(422, "invalid-value", pointers), "{body}");
    }
    assert_eq!(server.get(&path).await.expect(200), begun);

    let conditional = async |tag: &str, body: Value| {
        server
            .call(Method::PATCH, &path, |request| {
                request.header("if-match", tag).json(&body)
            })
            .await
    };
    let ended = conditional(&tag, written()).await;
    let tag_after = ended.header("etag").to_owned();
    let ended = ended.expect(200);
    assert_eq!(server.patch(&path, &written()).await.expect(200), ended);
    assert_eq!(server.patch(&path, &ended).await.expect(200), ended);
    assert_eq!(server.patch(&path, &json!({})).await.expect(200), ended);
    assert_eq!(conditional(&tag_after, written()).await.expect(200), ended);
    let changed = conditional(&tag, written()).await;
    assert_eq!(changed.problem(), problem(412, "precondition-failed", &[]));
    for body in [
        failed(0),
        json!({"outcome": "unchanged", "sectors": 0, "bytes": 0}),
        json!({"sectors": 3}),
        json!({"outcome": null}),
        json!({"reason": "none"}),
    ] {
        let answer = server.patch(&path, &body).await;
        assert_eq!(answer.problem(), problem(409, "flash-ended", &[]), "{body}");
    }
    assert_eq!(server.get(&path).await.expect(200), ended);
    let elsewhere = path.replace(
        &format!("devices/{}", device["id"]),
        &format!("devices/{}", other["id"]),
    );
    assert_eq!(
        server.patch(&elsewhere, &failed(0)).await.problem(),
        problem(404, "not-found", &[])
    );
    assert_eq!(server.outcomes("end_flash").await[0], "failed not-found");
    assert_eq!(server.outcomes("end_flash").await[1], "failed flash-ended");
    server.stop().await;
}

#[tokio::test]
async fn a_device_is_on_one_board_and_a_board_carries_one_device() {
    let server = Server::start().await;
    let (one, two) = two_devices(&server).await;
    flash(&server, &one, &flash_onto(MAC), &written()).await;
    flash(&server, &two, &flash_onto(OTHER_MAC), &written()).await;

    let refused = begin(&server, &one, &flash_onto(OTHER_MAC)).await;
    assert_eq!(refused.problem(), problem(409, "another-board", &["/mac", "/mac"]));
    let carries = refused.json()["carries"].clone();
    assert_eq!(carries.as_array().unwrap().len(), 2, "{carries}");
    assert!(carries[0]["mac"].is_string() && carries[0]["device_id"].is_i64() && carries[0]["device_key"].is_string());
    let (key, other) = (one["key"].as_str().unwrap(), two["key"].as_str().unwrap());
    let said = [
        format!("the device {key} (id {}) is on the board {MAC}", one["id"]),
        format!("the board {OTHER_MAC} carries the device {other} (id {})", two["id"]),
    ];
    let answer = refused.json();
    for (error, sentence) in answer["errors"].as_array().unwrap().iter().zip(&said) {
        assert_eq!(error["detail"], **sentence);
        assert!(answer["detail"].as_str().unwrap().contains(sentence), "{answer}");
    }
    assert_eq!(answer["retryable"], false);
    for mac in ["60:55:f9:aa:00:03", MAC] {
        let device = if mac == MAC { &two } else { &one };
        let refused = begin(&server, device, &flash_onto(mac)).await;
        assert_eq!(refused.problem().1, "another-board", "{mac}");
    }
    assert_eq!(server.count("flashes"), 2);
    let outcomes = server.outcomes("begin_flash").await;
    assert_eq!(outcomes[..3], ["failed another-board"; 3]);

    // The same pair as often as one likes.
    flash(
        &server,
        &one,
        &flash_onto(MAC),
        &json!({"outcome": "unchanged", "sectors": 0, "bytes": 0}),
    )
    .await;
    // The old board of a device carries nothing then, nor is the replaced device on any.
    flash(&server, &one, &replacing(OTHER_MAC), &written()).await;
    assert_eq!(board_of(&server, &one).await, OTHER_MAC);
    assert_eq!(board_of(&server, &two).await, Value::Null);
    assert_eq!(device_on(&server, MAC).await, Value::Null);
    assert_eq!(device_on(&server, OTHER_MAC).await, one["id"]);
    flash(&server, &two, &flash_onto(MAC), &written()).await;
    assert_eq!(device_on(&server, MAC).await, two["id"]);
    server.stop().await;
}

#[tokio::test]
async fn a_flash_counts_unless_it_failed_before_it_wrote_anything() {
    let server = Server::start().await;
    let (one, two) = two_devices(&server).await;
    flash(&server, &one, &flash_onto(MAC), &written()).await;
    let before = shown(&server, &one).await["board"].clone();

    // It gives back what it took: the device's old board, and the board's old device.
    flash(&server, &two, &flash_onto(OTHER_MAC), &written()).await;
    let ended = flash(&server, &one, &replacing(OTHER_MAC), &failed(0)).await;
    assert_eq!(ended["reason"], "the board was unplugged");
    assert_eq!(shown(&server, &one).await["board"], before);
    assert_eq!(device_on(&server, OTHER_MAC).await, two["id"]);

    // One that was never ended counts, and so does one that failed half-way; what the board holds is unknown.
    let open = begin(&server, &one, &flash_onto(MAC)).await.expect(201);
    assert_eq!(
        shown(&server, &one).await["board"],
        json!({"mac": MAC, "chip": "esp32c3", "flashed_at": null})
    );
    assert_eq!(
        begin(&server, &two, &flash_onto(MAC)).await.problem().1,
        "another-board"
    );
    let path = format!("{}/flashes/{}", device_path(&one), open["id"]);
    server.patch(&path, &failed(1)).await.expect(200);
    assert_eq!(
        shown(&server, &one).await["board"],
        json!({"mac": MAC, "chip": "esp32c3", "flashed_at": null})
    );

    // A device on no board is on none again.
    let third = server.device(&json!({"id": one["device_model_id"]})).await;
    flash(&server, &third, &flash_onto("60:55:f9:aa:00:03"), &failed(0)).await;
    assert_eq!(board_of(&server, &third).await, Value::Null);
    let board = server.get("/api/boards/60:55:f9:aa:00:03").await.expect(200);
    assert_eq!(board["device"], Value::Null);
    assert_eq!(board["flashes"].as_array().unwrap().len(), 1);
    flash(&server, &two, &replacing("60:55:f9:aa:00:03"), &written()).await;
    server.stop().await;
}

#[tokio::test]
async fn every_rule_of_a_flash_is_reported_with_its_pointer() {
    let server = Server::start().await;
    let (device, _) = two_devices(&server).await;
    let with = |pointer: &str, value: Value| {
        let mut body = flash_onto(MAC);
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    for (pointer, value) in [
        ("/mac", json!("60:55:f9:aa:00")),
        ("/mac", json!("60-55-f9-aa-00-01")),
        ("/mac", json!(1)),
        ("/chip", json!("ESP32")),
        ("/chip", json!("esp8266")),
        ("/chip", json!("esp32-c3")),
        ("/tool", json!("")),
        ("/tool", json!("a\u{1b}[31m")),
        ("/tool", json!("x".repeat(201))),
        ("/partition/name", json!("")),
        ("/partition/name", json!("seventeen bytes !")),
        ("/partition/name", json!("n\0")),
        ("/partition/offset", json!(0)),
        ("/partition/offset", json!(0x9001)),
        ("/partition/offset", json!(1_u64 << 32)),
        ("/partition/offset", json!("0x9000")),
        ("/partition/size", json!(0)),
        ("/partition/size", json!(-4096)),
        ("/partition/size", json!(5000)),
        ("/partition/size", json!(32 << 20)),
        ("/partition", json!([])),
    ] {
        let body = with(pointer, value);
        let answer = begin(&server, &device, &body).await;
        assert_eq!(answer.problem(), problem(422, "invalid-value", &[pointer]), "{body}");
    }
    for missing in ["mac", "chip", "partition", "tool"] {
        let mut body = flash_onto(MAC);
        body.as_object_mut().unwrap().remove(missing);
        let answer = begin(&server, &device, &body).await;
        assert_eq!(
            answer.problem(),
            problem(422, "invalid-value", &[&format!("/{missing}")])
        );
    }
    let mut several = with("/mac", json!("x"));
    several["chip"] = json!("x");
    let answer = begin(&server, &device, &several).await;
    assert_eq!(answer.problem(), problem(422, "invalid-value", &["/mac", "/chip"]));
    assert_eq!(server.count("flashes"), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_flash_begins_once_for_each_key_and_device() {
    let server = Server::start().await;
    let (one, two) = two_devices(&server).await;
    let keyed = async |device: &Value, body: &Value| {
        server
            .call(Method::POST, &format!("{}/flashes", device_path(device)), |request| {
                request.header("idempotency-key", "k").json(body)
            })
            .await
    };
    let first = keyed(&one, &flash_onto(MAC)).await;
    let again = keyed(&one, &flash_onto(MAC)).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!((&first.body, first.status.as_u16()), (&again.body, 201));
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(first.header("etag"), again.header("etag"));
    // The path is a part of the call.
    let refused = keyed(&two, &flash_onto(MAC)).await;
    assert_eq!(refused.problem(), problem(422, "idempotency-key-reused", &[]));
    assert_eq!(server.count("flashes"), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_flashes_that_begin_at_once_one_gets_the_board_and_one_the_device() {
    let server = Server::start().await;
    let model = server.model("m").await;
    for round in 0..5 {
        let mac = format!("60:55:f9:aa:01:{round:02x}");
        let mut devices = Vec::new();
        for _ in 0..6 {
            devices.push(server.device(&model).await);
        }
        let body = flash_onto(&mac);
        let answers = futures_util::future::join_all(devices.iter().map(|device| begin(&server, device, &body))).await;
        let kinds = outcomes(&answers);
        assert_eq!(kinds.iter().filter(|kind| *kind == "201").count(), 1, "{kinds:?}");
        assert_eq!(
            kinds.iter().filter(|kind| *kind == "another-board").count(),
            5,
            "{kinds:?}"
        );

        let device = server.device(&model).await;
        let bodies: Vec<Value> = (0..6)
            .map(|n| flash_onto(&format!("60:55:f9:{round:02x}:02:{n:02x}")))
            .collect();
        let answers = futures_util::future::join_all(bodies.iter().map(|body| begin(&server, &device, body))).await;
        let kinds = outcomes(&answers);
        assert_eq!(kinds.iter().filter(|kind| *kind == "201").count(), 1, "{kinds:?}");
    }
    server.stop().await;
}

fn outcomes(answers: &[Answer]) -> Vec<String> {
    let kind = |answer: &Answer| match answer.status.as_u16() {
        201 => "201".to_owned(),
        _ => answer.problem().1,
    };
    answers.iter().map(kind).collect()
}

#[tokio::test]
async fn a_deleted_device_stays_in_the_history_of_its_board() {
    let server = Server::start().await;
    let (one, two) = two_devices(&server).await;
    let ended = flash(&server, &one, &flash_onto(MAC), &written()).await;
    server.delete(&device_path(&one)).await.expect(204);
    let board = server.get(&format!("/api/boards/{MAC}")).await.expect(200);
    assert_eq!(
        board,
        json!({"mac": MAC, "chip": "esp32c3", "device": null, "flashed_at": null, "flashes": [ended]})
    );
    let path = format!("{}/flashes", device_path(&one));
    for path in [&path, &format!("{path}/{}", ended["id"])] {
        assert_eq!(
            server.get(path).await.problem(),
            problem(404, "not-found", &[]),
            "{path}"
        );
    }
    // The board is free.
    flash(&server, &two, &flash_onto(MAC), &failed(0)).await;
    assert_eq!(device_on(&server, MAC).await, Value::Null);
    flash(&server, &two, &flash_onto(MAC), &written()).await;
    assert_eq!(device_on(&server, MAC).await, two["id"]);
    server.stop().await;
}

#[tokio::test]
async fn flashes_and_boards_are_listed_page_by_page() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let mut devices = Vec::new();
    for n in 0..4 {
        let device = server.device(&model).await;
        server.clock.advance(Duration::from_secs(1));
        // The board that was flashed first comes last by its MAC.
        flash(
            &server,
            &device,
            &flash_onto(&format!("60:55:f9:aa:00:{:02x}", 0xF0 - n)),
            &written(),
        )
        .await;
        devices.push(device);
    }
    let first = "60:55:f9:aa:00:f0";
    flash(&server, &devices[0], &flash_onto(first), &failed(1)).await;
    let collect = async |path: &str, member: &str| {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server.get(&format!("{path}&limit=2&cursor={cursor}")).await.expect(200);
            all.extend(
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item[member].clone()),
            );
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return all,
            }
        }
    };
    let macs = |last: &[u8]| -> Vec<Value> {
        last.iter()
            .map(|last| format!("60:55:f9:aa:00:{last:02x}").into())
            .collect()
    };
    assert_eq!(collect("/api/boards?", "mac").await, macs(&[0xED, 0xEE, 0xEF, 0xF0]));
    assert_eq!(
        collect("/api/boards?sort=-mac", "mac").await,
        macs(&[0xF0, 0xEF, 0xEE, 0xED])
    );
    assert_eq!(
        collect("/api/boards?sort=started_at", "mac").await,
        macs(&[0xEF, 0xEE, 0xED, 0xF0])
    );
    assert_eq!(collect("/api/boards?q=AA:00:F0", "mac").await, [json!(first)]);
    assert!(collect("/api/boards?q=esp32s3", "mac").await.is_empty());
    assert!(collect("/api/boards?state=started", "mac").await.is_empty());
    begin(&server, &devices[1], &flash_onto("60:55:f9:aa:00:ef"))
        .await
        .expect(201);
    assert_eq!(collect("/api/boards?state=started", "mac").await, macs(&[0xEF]));
    assert_eq!(
        collect("/api/boards?state=ended", "mac").await,
        macs(&[0xED, 0xEE, 0xF0])
    );
    let ids = collect(&format!("{}/flashes?sort=-id", device_path(&devices[0])), "id").await;
    assert_eq!(ids, [json!(5), json!(1)]);
    assert_eq!(
        collect(&format!("/api/boards/{first}/flashes?"), "id").await,
        [json!(1), json!(5)]
    );
    for path in [
        "/api/boards?sort=chip",
        "/api/boards?limit=0",
        "/api/boards?state=done",
        "/api/boards?device=1",
    ] {
        assert_eq!(server.get(path).await.status, 422, "{path}");
    }
    server.stop().await;
}

/// Lists of devices look up each device's board by an index, and no list reads a whole table for one board.
#[tokio::test]
async fn boards_are_found_by_indexes() {
    let server = Server::start().await;
    let joined = "SELECT * FROM devices LEFT JOIN flashes ON flashes.current_device_id = devices.id WHERE";
    let plan = server.plan(&format!(
        "{joined} devices.state = 'active' ORDER BY devices.id LIMIT 51"
    ));
    assert!(
        plan.contains("SEARCH flashes USING INDEX flashes_current_device"),
        "{plan}"
    );
    let newest = "SELECT * FROM flashes WHERE NOT EXISTS
                  (SELECT later.id FROM flashes AS later WHERE later.mac = flashes.mac AND later.id > flashes.id)";
    for (order, index) in [("mac", "flashes_by_mac"), ("started_at", "flashes_by_started_at")] {
        let plan = server.plan(&format!("{newest} ORDER BY {order}, id LIMIT 51"));
        assert!(plan.contains(&format!("SCAN flashes USING INDEX {index}")), "{plan}");
        assert!(
            plan.contains("SEARCH later USING COVERING INDEX flashes_by_mac"),
            "{plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_device_that_is_sent_back_keeps_its_board() {
    let server = Server::start().await;
    let (device, _) = two_devices(&server).await;
    flash(&server, &device, &flash_onto(MAC), &written()).await;
    let read = shown(&server, &device).await;
    let members = [
        "id",
        "key",
        "client_id",
        "name",
        "device_model_id",
        "board",
        "created_at",
        "updated_at",
    ];
    let same: serde_json::Map<String, Value> = members
        .map(|name| (name.to_owned(), read[name].clone()))
        .into_iter()
        .collect();
    assert_eq!(
        server
            .patch(&device_path(&device), &Value::Object(same))
            .await
            .expect(200),
        read
    );
    let mut other = read["board"].clone();
    other["mac"] = OTHER_MAC.into();
    for board in [Value::Null, other] {
        let refused = server.patch(&device_path(&device), &json!({"board": board})).await;
        assert_eq!(refused.problem(), problem(422, "invalid-value", &["/board"]));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keycloak_a_board_is_verified_and_freed_by_the_deletion_of_its_device() {
    let Some(realm) = Realm::find("with Keycloak a board is verified and freed by the deletion of its device") else {
        return;
    };
    let server = Server::start_with(&[
        ("identity.provider", "keycloak"),
        ("identity.keycloak.base_url", &realm.base),
        ("identity.keycloak.realm", &realm.name),
        ("identity.keycloak.client_id", &realm.client_id),
        ("identity.keycloak.client_secret", &realm.client_secret),
        ("identity.keycloak.timeout_seconds", "20"),
    ])
    .await;
    server.keep_secret(&realm.client_secret);
    let model = server.model(&unique()).await;
    let (device, other) = (server.device(&model).await, server.device(&model).await);
    verify::verifies(&server, &device).await;
    assert_eq!(
        server.outcomes("verify_provisioning").await,
        ["succeeded", "started"].repeat(9)
    );

    flash(&server, &device, &flash_onto(MAC), &written()).await;
    let tag = server.get(&device_path(&device)).await.header("etag").to_owned();
    assert_eq!(
        begin(&server, &other, &flash_onto(MAC)).await.problem().1,
        "another-board"
    );
    // The board is a part of the state that `If-Match` names.
    let deleted = server
        .call(Method::DELETE, &device_path(&device), |request| {
            request.header("if-match", &tag)
        })
        .await;
    assert_eq!(deleted.status, 204);
    flash(&server, &other, &flash_onto(MAC), &written()).await;
    assert_eq!(device_on(&server, MAC).await, other["id"]);
    server.delete(&device_path(&other)).await.expect(204);
    server.stop().await;
}

/// While Keycloak cannot be reached, a device that is being deleted no longer occupies its board.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_being_deleted_gives_its_board_up() {
    let server = Server::start().await;
    let (one, two) = two_devices(&server).await;
    flash(&server, &one, &flash_onto(MAC), &written()).await;
    server.execute(
        "UPDATE devices SET state = 'deleting', lease_owner = 'x', lease_until = 9000000000000000 WHERE id = 1",
    );
    assert_eq!(device_on(&server, MAC).await, Value::Null);
    flash(&server, &two, &flash_onto(MAC), &failed(0)).await;
    assert_eq!(device_on(&server, MAC).await, Value::Null);
    flash(&server, &two, &flash_onto(MAC), &written()).await;
    assert_eq!(device_on(&server, MAC).await, two["id"]);
    server.stop().await;
}
