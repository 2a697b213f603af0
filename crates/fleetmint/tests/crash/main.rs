//! The program killed with `kill -9` at every step of creating, deleting and synchronizing, with the built-in provider
//! and with a real Keycloak. After a restart there is no client without a device, every device has a credential that
//! works, and nothing that was answered with 2xx is lost.

#![cfg(feature = "serve")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod http;
mod program;

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fleetmint_nvs::storage::{self as nvs, Mode, ReadOnlySlice, Storage};
use fleetmint_server::database::{self, Database};
use fleetmint_server::failpoint::{Step, VARIABLE, With};
use serde_json::{Value, json};

use http::{Answer, Client};
use program::Program;

/// The identity provider of the devices.
enum Provider {
    Builtin,
    Keycloak(Keycloak),
}

/// The real Keycloak that `./test` starts.
struct Keycloak {
    base: String,
    realm: String,
    client_id: String,
    client_secret: String,
}

impl Keycloak {
    fn find() -> Option<Self> {
        let variable = |name: &str| std::env::var(format!("FLEETMINT_TEST_KEYCLOAK{name}")).ok();
        let Some(base) = variable("") else {
            let why = "SKIPPED: crash: FLEETMINT_TEST_KEYCLOAK is not set. `tools/install keycloak` installs Keycloak, \
                       and eval \"$(tools/keycloak start)\" starts it.\n";
            assert!(std::env::var_os("CI").is_none(), "{why}");
            // Not with a macro, whose output the test harness would capture.
            let _ = std::io::stderr().write_all(why.as_bytes());
            return None;
        };
        Some(Self {
            base,
            realm: variable("_REALM").unwrap(),
            client_id: variable("_CLIENT_ID").unwrap(),
            client_secret: variable("_CLIENT_SECRET").unwrap(),
        })
    }

    fn token_path(&self) -> String {
        format!("/realms/{}/protocol/openid-connect/token", self.realm)
    }

    /// A call with the service's own account.
    fn admin(&self, method: &str, path: &str) -> Answer {
        let client = Client::new(&self.base);
        let token = client
            .token(&self.token_path(), &self.client_id, &self.client_secret)
            .unwrap();
        client
            .with_token(&token)
            .call(method, &format!("/admin/realms/{}{path}", self.realm), None)
            .unwrap()
    }

    /// Ids and names of the clients of this model's devices.
    fn clients(&self, code: &str) -> Vec<(String, String)> {
        let found = self
            .admin(
                "GET",
                &format!("/clients?clientId=iotdevice-{code}-&search=true&max=100"),
            )
            .json();
        let text = |client: &Value, member: &str| client[member].as_str().unwrap().to_owned();
        found
            .as_array()
            .unwrap()
            .iter()
            .map(|client| (text(client, "id"), text(client, "clientId")))
            .collect()
    }
}

impl Provider {
    fn environment(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Builtin => Vec::new(),
            Self::Keycloak(keycloak) => vec![
                ("FLEETMINT_IDENTITY__PROVIDER", "keycloak"),
                ("FLEETMINT_IDENTITY__KEYCLOAK__BASE_URL", &keycloak.base),
                ("FLEETMINT_IDENTITY__KEYCLOAK__REALM", &keycloak.realm),
                ("FLEETMINT_IDENTITY__KEYCLOAK__CLIENT_ID", &keycloak.client_id),
                ("FLEETMINT_IDENTITY__KEYCLOAK__CLIENT_SECRET", &keycloak.client_secret),
                ("FLEETMINT_IDENTITY__KEYCLOAK__DEVICE_SCOPE", "fleetmint-device"),
                ("FLEETMINT_IDENTITY__KEYCLOAK__TIMEOUT_SECONDS", "2"),
            ],
        }
    }

    /// The names of the clients of this model's devices, sorted.
    fn clients(&self, folder: &Path, code: &str) -> Vec<String> {
        let mut names = match self {
            Self::Builtin => rows(folder, "SELECT client_id AS text FROM clients"),
            Self::Keycloak(keycloak) => keycloak.clients(code).into_iter().map(|(_, name)| name).collect(),
        };
        names.sort();
        names
    }
}

/// A column of text from the server's database, while the server runs.
fn rows(folder: &Path, query: &str) -> Vec<String> {
    use diesel::prelude::*;
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        text: String,
    }
    let database = Database::open(&folder.join("fleetmint.db")).unwrap();
    let read = |connection: &mut _| Ok(diesel::sql_query(query).load::<Row>(connection)?);
    let rows = database.read_blocking::<_, database::Error>(read).unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

/// The strings of a device's image, as the firmware would find them.
fn value(image: &[u8], key: &str) -> String {
    let mut storage = Storage::open(ReadOnlySlice::new(image), Mode::ReadOnly, None).unwrap();
    let listed = storage.list().unwrap();
    let item = listed.iter().find(|item| item.key.as_str() == Some(key)).unwrap();
    match &item.value {
        Ok(nvs::Value::Str(text)) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("{key} is {other:?}"),
    }
}

/// Gets a token like a device: decodes the image and calls the token endpoint in it.
fn device_token(server: &Program, device: &Value) -> Result<String, u16> {
    let path = format!("/api/devices/{}/provisioning", device["id"]);
    let image = server
        .client
        .accept("application/octet-stream")
        .call("GET", &path, None)
        .unwrap();
    assert_eq!(image.status, 200, "{}", String::from_utf8_lossy(&image.body));
    let secret = value(&image.body, "client_secret");
    server.keep_secret(&secret);
    let url = value(&image.body, "token_url");
    let (base, path) = url.split_at("http://".len() + url["http://".len()..].find('/').unwrap());
    Client::new(base).token(path, &value(&image.body, "client_id"), &secret)
}

/// A call that is repeated until it is answered: `None` if the process was killed.
fn create_once(server: &Program, model: &Value) -> Option<Answer> {
    let body = json!({"device_model_id": model["id"], "name": "Cut short", "serial": "cut short"});
    server
        .client
        .once("cut short")
        .call("POST", "/api/devices", Some(&body))
}

/// The call that kills the process, by the step's name: `provider.action.…`.
fn act(server: &Program, provider: &Provider, step: Step, model: &Value, victim: &Value) -> Option<Answer> {
    let device = format!("/api/devices/{}", victim["id"]);
    match step.name().split('.').nth(1).unwrap() {
        "create" => create_once(server, model),
        "delete" => server.client.call("DELETE", &device, None),
        "sync" => {
            if let Provider::Keycloak(keycloak) = provider {
                // Creates something to repair.
                let clients = keycloak.clients(model["code"].as_str().unwrap());
                let (id, _) = clients
                    .iter()
                    .find(|(_, name)| name == victim["client_id"].as_str().unwrap())
                    .unwrap();
                assert_eq!(keycloak.admin("DELETE", &format!("/clients/{id}")).status, 204);
            }
            server.client.call("POST", &format!("{device}/identity/sync"), None)
        }
        other => panic!("nobody knows how to reach a step of {other}"),
    }
}

fn kill_at(step: Step, provider: &Provider) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let code = format!("crash_{}_{}", std::process::id(), step.name().replace('.', "_"));
    let environment = provider.environment();

    let server = Program::start(folder, &environment);
    let model = json!({"code": code, "name": "A model"});
    let model = server
        .client
        .call("POST", "/api/device-models", Some(&model))
        .unwrap()
        .expect(201);
    let body = json!({"device_model_id": model["id"], "name": "A device"});
    let victim = server
        .client
        .call("POST", "/api/devices", Some(&body))
        .unwrap()
        .expect(201);
    let witness = server
        .client
        .call("POST", "/api/devices", Some(&body))
        .unwrap()
        .expect(201);
    server.stop();

    let server = Program::start(folder, &[&environment[..], &[(VARIABLE, step.name())]].concat());
    let answer = act(&server, provider, step, &model, &victim);
    assert!(
        answer.is_none(),
        "{}: the process should have died, and answered",
        step.name()
    );
    server.was_killed(step.name());

    let server = Program::start(folder, &environment);
    let limit = Instant::now() + Duration::from_secs(60);
    let unsettled = "SELECT key AS text FROM devices WHERE state <> 'active' OR lease_owner IS NOT NULL";
    while !rows(folder, unsettled).is_empty() {
        assert!(Instant::now() < limit, "{}: a row is not settled", step.name());
        std::thread::sleep(Duration::from_millis(100));
    }
    let page = server
        .client
        .call("GET", "/api/devices?limit=100", None)
        .unwrap()
        .expect(200);
    let devices = page["items"].as_array().unwrap().clone();
    let mut wanted: Vec<&str> = devices
        .iter()
        .map(|device| device["client_id"].as_str().unwrap())
        .collect();
    wanted.sort_unstable();
    if step == Step::KeycloakSyncIntent {
        // Interrupted before it did anything: the client that the test deleted is still missing.
        wanted.retain(|client| *client != victim["client_id"].as_str().unwrap());
    }
    assert_eq!(provider.clients(folder, &code), wanted, "{}", step.name());
    assert!(devices.contains(&witness), "{}: what was answered is lost", step.name());
    device_token(&server, &witness).unwrap();
    match step.name().split('.').nth(1).unwrap() {
        "create" => {
            assert!(devices.contains(&victim));
            // The caller, who got no answer, repeats the call: then there is one device, the earlier one if it was
            // completed.
            let earlier = devices.iter().find(|device| device["serial"] == "cut short");
            let created = create_once(&server, &model).unwrap().expect(201);
            if let Some(earlier) = earlier {
                assert_eq!(&created, earlier, "{}", step.name());
            }
            assert_eq!(
                create_once(&server, &model).unwrap().expect(201),
                created,
                "{}",
                step.name()
            );
            let count = "SELECT key AS text FROM devices WHERE name = 'Cut short'";
            assert_eq!(rows(folder, count).len(), 1, "{}", step.name());
        }
        "delete" => {
            // With the built-in provider the change was made or not; with Keycloak a change that was begun is
            // completed.
            let is_done = !devices.contains(&victim);
            assert_eq!(
                is_done,
                !matches!(step, Step::BuiltinDeleteRow | Step::BuiltinDeleteClient),
                "{}",
                step.name()
            );
        }
        _ => {
            let path = format!("/api/devices/{}/identity/sync", victim["id"]);
            server.client.call("POST", &path, None).unwrap().expect(200);
        }
    }
    // Each existing device gets its token.
    let page = server
        .client
        .call("GET", "/api/devices?limit=100", None)
        .unwrap()
        .expect(200);
    for device in page["items"].as_array().unwrap() {
        let got = device_token(&server, device);
        assert!(
            got.is_ok(),
            "{}: {} gets no token: {got:?}",
            step.name(),
            device["client_id"]
        );
        server
            .client
            .call("DELETE", &format!("/api/devices/{}", device["id"]), None)
            .unwrap()
            .expect(204);
    }
    server.stop();
    let waiting = "SELECT key AS text FROM idempotency_keys WHERE status IS NULL";
    assert_eq!(rows(folder, waiting), [""; 0], "{}: a key has no answer", step.name());
    assert_eq!(provider.clients(folder, &code), [""; 0], "{}", step.name());
    assert_eq!(
        rows(folder, "SELECT key AS text FROM devices"),
        [""; 0],
        "{}",
        step.name()
    );
}

fn matrix(with: With, provider: &Provider) {
    let steps: Vec<Step> = Step::ALL
        .iter()
        .copied()
        .filter(|step| step.provider() == with)
        .collect();
    assert!(steps.len() >= 8, "{steps:?}");
    std::thread::scope(|scope| {
        let running: Vec<_> = steps
            .iter()
            .map(|step| (step, scope.spawn(|| kill_at(*step, provider))))
            .collect();
        for (step, thread) in running {
            assert!(thread.join().is_ok(), "killed at {}", step.name());
        }
    });
}

#[test]
fn killed_at_every_step_with_the_built_in_provider() {
    matrix(With::Builtin, &Provider::Builtin);
}

#[test]
fn killed_at_every_step_with_keycloak() {
    let Some(keycloak) = Keycloak::find() else { return };
    matrix(With::Keycloak, &Provider::Keycloak(keycloak));
}

/// The program killed while it answers: everything that was disclosed by then has its record.
fn kill_while_disclosing(provider: &Provider) {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::start(folder.path(), &provider.environment());
    let code = format!("k{}", std::process::id());
    let model = json!({"code": code, "name": "Killed"});
    let model = server
        .client
        .call("POST", "/api/device-models", Some(&model))
        .unwrap()
        .expect(201);
    let device = json!({"device_model_id": model["id"], "name": "Killed"});
    let device = server
        .client
        .call("POST", "/api/devices", Some(&device))
        .unwrap()
        .expect(201);
    let path = format!("/api/devices/{}/provisioning", device["id"]);

    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (client, path, answered) = (server.client.clone(), &path, &answered);
            scope.spawn(move || {
                while let Some(answer) = client.call("GET", path, None) {
                    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while answered.load(Ordering::Relaxed) < 100 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        server.kill();
    });
    let answered = answered.into_inner();
    assert!(answered >= 100, "{answered}");
    let query = "SELECT 'record' AS text FROM audit WHERE action = 'get_provisioning'";
    let records = rows(folder.path(), query).len();
    assert!(records >= answered, "{records} records of {answered} answers");

    // The test deletes what it left at Keycloak.
    if let Provider::Keycloak(keycloak) = provider {
        for (id, _) in keycloak.clients(&code) {
            assert_eq!(keycloak.admin("DELETE", &format!("/clients/{id}")).status, 204);
        }
    }
}

#[test]
fn killed_while_images_are_answered_with_the_built_in_provider() {
    kill_while_disclosing(&Provider::Builtin);
}

#[test]
fn killed_while_images_are_answered_with_keycloak() {
    let Some(keycloak) = Keycloak::find() else { return };
    kill_while_disclosing(&Provider::Keycloak(keycloak));
}

/// A reset of the administrator's token killed at each step: the running server, which does it, or the command, if no
/// server runs. After a restart the token in the file is valid and no other, and the next reset works.
#[test]
fn killed_while_the_administrator_token_is_reset() {
    let steps = Step::ALL.iter().filter(|step| step.provider() == With::Command);
    for (step, server_runs) in steps.clone().flat_map(|step| [(step, true), (step, false)]) {
        let place = format!("{}, {}", step.name(), if server_runs { "server" } else { "command" });
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        // The first start creates a token by the same steps.
        Program::start(folder, &[]).stop();
        let before = in_file(folder);
        let killed = [(VARIABLE, step.name())];
        if server_runs {
            let server = Program::start(folder, &killed);
            let (status, said) = reset(folder, &[]);
            server.was_killed(&place);
            assert_eq!(status.code(), Some(1), "{place}: {said}");
            assert!(said.contains("the running server did not answer"), "{place}: {said}");
        } else {
            let (status, _) = reset(folder, &killed);
            assert_eq!(status.signal(), Some(9), "{place}: {status}");
        }
        let after = in_file(folder);
        assert_eq!(after == before, *step == Step::ResetBegun, "{place}");
        let devices = |server: &Program, token: &str| {
            let client = server.client.with_token(token);
            client.call("GET", "/api/devices", None).unwrap().status
        };
        let server = Program::start(folder, &[]);
        assert_eq!(devices(&server, &after), 200, "{place}");
        if before != after {
            assert_eq!(devices(&server, &before), 401, "{place}: the token before");
        }
        let (status, said) = reset(folder, &[]);
        assert!(status.success(), "{place}: {said}");
        assert_eq!(devices(&server, &in_file(folder)), 200);
        assert_eq!(devices(&server, &after), 401);
    }
    assert_eq!(steps.count(), 3);
}

fn in_file(folder: &Path) -> String {
    let token = std::fs::read_to_string(folder.join("admin-token")).unwrap();
    token.trim().to_owned()
}

/// How the command ended, and what it wrote to standard error.
fn reset(folder: &Path, environment: &[(&str, &str)]) -> (ExitStatus, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fleetmint"))
        .args(["admin", "reset-token"])
        .env("FLEETMINT_DATA__DIR", folder)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}
