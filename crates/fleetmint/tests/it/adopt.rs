use std::io::Write as _;

use crate::folder::Folder;
use crate::running::{Running, token};

/// The settings of a server whose devices are clients of the Keycloak that `./test` starts. Without it the test prints
/// SKIPPED, and fails under CI.
fn settings(test: &str) -> Option<Vec<(&'static str, String)>> {
    let variable = |name: &str| std::env::var(format!("FLEETMINT_TEST_KEYCLOAK{name}"));
    if variable("").is_err() {
        let why = format!(
            "SKIPPED: {test}: FLEETMINT_TEST_KEYCLOAK is not set. `tools/install keycloak` installs Keycloak, and eval \
             \"$(tools/keycloak start)\" starts it.\n"
        );
        assert!(std::env::var_os("CI").is_none(), "{why}");
        let _ = std::io::stderr().write_all(why.as_bytes());
        return None;
    }
    let from = |name: &str| variable(name).unwrap();
    Some(vec![
        ("FLEETMINT_IDENTITY__PROVIDER", "keycloak".to_owned()),
        ("FLEETMINT_IDENTITY__KEYCLOAK__BASE_URL", from("")),
        ("FLEETMINT_IDENTITY__KEYCLOAK__REALM", from("_REALM")),
        ("FLEETMINT_IDENTITY__KEYCLOAK__CLIENT_ID", from("_CLIENT_ID")),
        ("FLEETMINT_IDENTITY__KEYCLOAK__CLIENT_SECRET", from("_CLIENT_SECRET")),
        (
            "FLEETMINT_IDENTITY__KEYCLOAK__DEVICE_SCOPE",
            "fleetmint-device".to_owned(),
        ),
        ("FLEETMINT_IDENTITY__KEYCLOAK__TIMEOUT_SECONDS", "20".to_owned()),
    ])
}

#[test]
fn there_is_nothing_to_adopt_from_the_built_in_provider() {
    let line = Folder::new().line("fleetmint adopt").refused(2);
    assert!(line.contains("identity.provider is not keycloak"), "{line}");
}

#[test]
fn devices_come_back_after_the_database_was_lost() {
    let Some(settings) = settings("devices come back after the database was lost") else {
        return;
    };
    let environment: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let code = format!("adopt{}", std::process::id());
    let model = format!(r#"{{"code":"{code}","name":"M"}}"#);

    let lost = Folder::new();
    let server = Running::start(&lost, &environment);
    let secret = token(&lost);
    assert_eq!(server.call("POST", "/api/device-models", &secret, &model).0, 201);
    let mut names = Vec::new();
    for _ in 0..3 {
        let (status, device) = server.call("POST", "/api/devices", &secret, r#"{"device_model_id":1,"name":"D"}"#);
        assert_eq!(status, 201, "{device}");
        names.extend(
            device
                .split('"')
                .find(|part| part.starts_with("iotdevice-"))
                .map(str::to_owned),
        );
    }
    names.sort();
    let image = server.call("GET", "/api/devices/1/provisioning", &secret, "");

    let found = Folder::new();
    let again = Running::start(&found, &environment);
    let secret = token(&found);
    let adopt = |options: &str| {
        let arguments = format!("adopt --model {code} {options}");
        found.run_with(arguments.split_whitespace(), &environment)
    };
    // Its model is missing.
    let run = adopt("");
    assert_eq!(run.exit, 0, "{}", run.stderr);
    assert_eq!(
        run.stdout.matches("there is no device model with the code").count(),
        3,
        "{}",
        run.stdout
    );
    assert_eq!(adopt("--apply").exit, 1);
    assert_eq!(again.call("POST", "/api/device-models", &secret, &model).0, 201);

    let listed = adopt("").done().stdout;
    for name in &names {
        assert!(listed.contains(&format!("{name}: can be adopted\n")), "{listed}");
    }
    assert!(
        listed.ends_with("3 can be adopted, 0 cannot; --apply creates the devices\n"),
        "{listed}"
    );
    assert_eq!(again.get("/api/devices/1", &secret), 404, "only listed");

    assert!(adopt("--apply").done().stdout.ends_with("3 adopted, 0 not\n"));
    assert_eq!(adopt("--apply").done().stdout, "0 adopted, 0 not\n");
    let (_, devices) = again.call("GET", "/api/devices", &secret, "");
    let ids: Vec<i64> = (1..=3)
        .filter(|id| again.get(&format!("/api/devices/{id}"), &secret) == 200)
        .collect();
    assert_eq!(ids, [1, 2, 3], "{devices}");
    // The same secret, in the same place of an image that only differs in the server's address.
    let size = |answer: &(u16, String)| (answer.0, answer.1.len());
    let images: Vec<_> = ids
        .iter()
        .map(|id| again.call("GET", &format!("/api/devices/{id}/provisioning"), &secret, ""))
        .collect();
    assert!(images.iter().all(|answer| size(answer) == size(&image)));
    for id in ids {
        assert_eq!(again.call("DELETE", &format!("/api/devices/{id}"), &secret, "").0, 204);
    }
    assert_eq!(
        adopt("").done().stdout,
        "0 can be adopted, 0 cannot; --apply creates the devices\n"
    );
}
