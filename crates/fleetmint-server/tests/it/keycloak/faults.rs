//! Everything that can go wrong between the service and Keycloak, one by one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fleetmint_server::clock::{AdvancedClock, SystemClock};
use fleetmint_server::identity::Error;
use fleetmint_server::identity::keycloak::Keycloak;
use fleetmint_server::metrics::{Format, Metrics};
use fleetmint_server::random::SystemRandom;
use fleetmint_server::secret::Secret;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use crate::harness::{Server, problem};

use super::stand_in::{ID, Reply, StandIn};
use super::{client, settings, start, start_at};

const LIMIT: Duration = Duration::from_millis(1_500);
/// The additional time that a machine under load may need.
const MARGIN: Duration = Duration::from_secs(1);

fn html(status: &str) -> Reply {
    let page = "<html><body>Welcome</body></html>";
    Reply::Raw(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{page}",
            page.len()
        )
        .into_bytes(),
    )
}

fn huge() -> Reply {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"value\": \"".to_vec();
    answer.resize(10 * 1024 * 1024, b'x');
    Reply::Raw(answer)
}

fn redirect() -> Reply {
    Reply::Raw(
        b"HTTP/1.1 301 Moved Permanently\r\nlocation: http://127.0.0.1:1/elsewhere\r\ncontent-length: 0\r\n\r\n"
            .to_vec(),
    )
}

fn cut_off() -> Reply {
    Reply::Raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 60\r\n\r\n{\"type\": \"secret\", \"val"
            .to_vec(),
    )
}

/// A fault, the error that it ends in, what a caller gets, and how often the call is made.
struct Case {
    name: &'static str,
    reply: fn() -> Reply,
    is_right: fn(&Error) -> bool,
    answer: (u16, &'static str),
    calls: usize,
}

const CASES: &[Case] = &[
    Case {
        name: "hangs",
        reply: || Reply::Hang,
        is_right: |error| matches!(error, Error::Timeout { .. }),
        answer: (504, "identity-provider-timeout"),
        calls: 1,
    },
    Case {
        name: "trickles",
        reply: || Reply::Trickle,
        is_right: |error| matches!(error, Error::Timeout { .. }),
        answer: (504, "identity-provider-timeout"),
        calls: 1,
    },
    Case {
        name: "closes",
        reply: || Reply::Close,
        is_right: |error| matches!(error, Error::Unreachable(_)),
        answer: (502, "identity-provider-failed"),
        calls: 2,
    },
    Case {
        name: "is cut off",
        reply: cut_off,
        is_right: |error| matches!(error, Error::Unreachable(_)),
        answer: (502, "identity-provider-failed"),
        calls: 2,
    },
    Case {
        name: "fails",
        reply: || Reply::Json(500, "{}".to_owned()),
        is_right: |error| matches!(error, Error::Failed { status: 500 }),
        answer: (502, "identity-provider-failed"),
        calls: 1,
    },
    Case {
        name: "is unavailable",
        reply: || html("503 Service Unavailable"),
        is_right: |error| matches!(error, Error::Failed { status: 503 }),
        answer: (502, "identity-provider-failed"),
        calls: 2,
    },
    Case {
        name: "redirects",
        reply: redirect,
        is_right: |error| matches!(error, Error::Redirected { status: 301 }),
        answer: (502, "identity-provider-failed"),
        calls: 1,
    },
    Case {
        name: "forbids",
        reply: || Reply::Json(403, "{}".to_owned()),
        is_right: |error| matches!(error, Error::Refused { status: 403 }),
        answer: (502, "identity-provider-refused"),
        calls: 1,
    },
    Case {
        name: "answers in broken JSON",
        reply: || Reply::Json(200, "{\"type\": \"secret\", \"val".to_owned()),
        is_right: |error| matches!(error, Error::Unreadable(_)),
        answer: (502, "identity-provider-failed"),
        calls: 1,
    },
    Case {
        name: "answers in other JSON",
        reply: || Reply::Json(200, "[\"a list\"]".to_owned()),
        is_right: |error| matches!(error, Error::Unreadable(_)),
        answer: (502, "identity-provider-failed"),
        calls: 1,
    },
    Case {
        name: "answers in HTML",
        reply: || html("200 OK"),
        is_right: |error| matches!(error, Error::Unreadable(_)),
        answer: (502, "identity-provider-failed"),
        calls: 1,
    },
    Case {
        name: "answers without end",
        reply: huge,
        is_right: |error| matches!(error, Error::TooLarge { .. }),
        answer: (502, "identity-provider-failed"),
        calls: 1,
    },
];

/// Faults that only the answer with the secret can have.
const SECRETS: &[Case] = &[
    Case {
        name: "masks the secret",
        reply: || Reply::Json(200, r#"{"type": "secret", "value": "**********"}"#.to_owned()),
        is_right: |error| matches!(error, Error::SecretMasked { .. }),
        answer: (502, "client-secret-missing"),
        calls: 1,
    },
    Case {
        name: "has an empty secret",
        reply: || Reply::Json(200, r#"{"type": "secret", "value": ""}"#.to_owned()),
        is_right: |error| matches!(error, Error::SecretMissing { .. }),
        answer: (502, "client-secret-missing"),
        calls: 1,
    },
    Case {
        name: "has a blank secret",
        reply: || Reply::Json(200, r#"{"type": "secret", "value": "  "}"#.to_owned()),
        is_right: |error| matches!(error, Error::SecretMissing { .. }),
        answer: (502, "client-secret-missing"),
        calls: 1,
    },
    Case {
        name: "has no secret",
        reply: || Reply::Json(200, r#"{"type": "secret"}"#.to_owned()),
        is_right: |error| matches!(error, Error::SecretMissing { .. }),
        answer: (502, "client-secret-missing"),
        calls: 1,
    },
    Case {
        name: "does not know the client",
        reply: || Reply::Json(404, r#"{"error": "Could not find client"}"#.to_owned()),
        is_right: |error| matches!(error, Error::ClientMissing { .. }),
        answer: (502, "client-missing"),
        calls: 1,
    },
];

async fn check(case: &Case, path: &'static str) {
    let reply = case.reply;
    let stand_in = StandIn::start(move |request, _| request.ends_with(path).then(reply)).await;
    let (keycloak, metrics) = start(&settings(&stand_in.base, LIMIT));
    let began = Instant::now();
    let error = keycloak.secret(client("c", "k", Some(ID))).await.unwrap_err();
    let took = began.elapsed();
    assert!((case.is_right)(&error), "{path} {}: {error:?}", case.name);
    assert!(took < LIMIT + MARGIN, "{path} {}: it took {took:?}", case.name);
    assert_eq!(stand_in.count(path), case.calls, "{path} {}", case.name);
    let text = metrics.encode(Format::Text).unwrap();
    assert!(
        text.contains("fleetmint_keycloak_calls_total{operation=\"get_token\""),
        "{text}"
    );
}

#[tokio::test]
async fn every_fault_of_the_call_for_the_secret_has_its_error_within_the_limit() {
    for case in CASES.iter().chain(SECRETS) {
        check(case, "/client-secret").await;
    }
}

#[tokio::test]
async fn every_fault_of_the_token_endpoint_has_its_error_within_the_limit() {
    for case in CASES {
        // A POST that may have arrived is not repeated, although a request for a token would do no harm.
        let calls = case.calls.min(1);
        check(&Case { calls, ..*case }, "/token").await;
    }
}

#[tokio::test]
async fn nobody_listens_and_no_such_host() {
    for base in ["http://127.0.0.1:1", "http://keycloak.invalid"] {
        let (keycloak, metrics) = start(&settings(base, Duration::from_secs(5)));
        let error = keycloak.secret(client("c", "k", Some(ID))).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
        let text = metrics.encode(Format::Text).unwrap();
        assert!(
            text.contains("fleetmint_keycloak_calls_total{operation=\"get_token\",status=\"0\"} 2"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_second_attempt_is_made_if_it_is_safe() {
    let stand_in =
        StandIn::start(|request, before| (request.ends_with("/client-secret") && before == 0).then_some(Reply::Close))
            .await;
    let (keycloak, _) = start(&settings(&stand_in.base, LIMIT));
    let secret = keycloak.secret(client("c", "k", Some(ID))).await.unwrap();
    assert_eq!(secret.expose(), "the secret of the stand-in");
    assert_eq!(stand_in.count("/client-secret"), 2);
}

#[tokio::test]
async fn a_creation_that_may_have_arrived_is_not_repeated() {
    let stand_in = StandIn::start(|request, _| request.ends_with("/clients").then_some(Reply::Close)).await;
    let (keycloak, _) = start(&settings(&stand_in.base, LIMIT));
    let error = keycloak
        .create(client("c", "k", None), &Secret::new("secret".to_owned()))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    assert_eq!(stand_in.count("POST /admin/realms/fleet/clients"), 1);
}

#[tokio::test]
async fn a_creation_without_a_usable_location_is_an_error() {
    for location in ["", "location: http://127.0.0.1/clients/..%2Fusers\r\n"] {
        let head = format!("HTTP/1.1 201 Created\r\n{location}content-length: 0\r\n\r\n");
        let stand_in = StandIn::start(move |request, _| {
            request
                .ends_with("/clients")
                .then(|| Reply::Raw(head.clone().into_bytes()))
        })
        .await;
        let (keycloak, _) = start(&settings(&stand_in.base, LIMIT));
        let error = keycloak
            .create(client("c", "k", None), &Secret::new("secret".to_owned()))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Unreadable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let stand_in = StandIn::start(|request, before| {
        (request.ends_with("/client-secret") && before == 0).then(|| Reply::Json(401, "{}".to_owned()))
    })
    .await;
    let (keycloak, _) = start(&settings(&stand_in.base, LIMIT));
    keycloak.secret(client("c", "k", Some(ID))).await.unwrap();
    assert_eq!(stand_in.count("/token"), 2);
    assert_eq!(stand_in.count("/client-secret"), 2);

    let stand_in = StandIn::start(|request, _| {
        request
            .ends_with("/client-secret")
            .then(|| Reply::Json(401, "{}".to_owned()))
    })
    .await;
    let (keycloak, _) = start(&settings(&stand_in.base, LIMIT));
    let error = keycloak.secret(client("c", "k", Some(ID))).await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 401 }), "{error:?}");
    assert_eq!(stand_in.count("/token"), 2);
    assert_eq!(stand_in.count("/client-secret"), 2);
}

fn short_lived(request: &str) -> Option<Reply> {
    request
        .ends_with("/token")
        .then(|| Reply::Json(200, r#"{"access_token": "e30.e30.e30", "expires_in": 4}"#.to_owned()))
}

#[tokio::test]
async fn a_token_is_kept_and_renewed_before_it_expires() {
    let stand_in = StandIn::start(|request, _| short_lived(request)).await;
    let clock = Arc::<AdvancedClock>::default();
    let (keycloak, _) = start_at(&settings(&stand_in.base, LIMIT), clock.clone());
    let secret = || async { keycloak.secret(client("c", "k", Some(ID))).await.unwrap() };
    for _ in 0..5 {
        secret().await;
    }
    assert_eq!(stand_in.count("/token"), 1);
    clock.advance(Duration::from_secs(3));
    secret().await;
    assert_eq!(stand_in.count("/token"), 2, "it had a quarter of its life left");
}

#[tokio::test]
async fn many_calls_at_once_fetch_one_token() {
    let stand_in = StandIn::start(|_, _| None).await;
    let (keycloak, _) = start(&settings(&stand_in.base, Duration::from_secs(5)));
    let calls = (0..32).map(|_| {
        let keycloak = keycloak.clone();
        tokio::spawn(async move { keycloak.secret(client("c", "k", Some(ID))).await.map(drop) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(stand_in.count("/token"), 1);
    assert_eq!(stand_in.count("/client-secret"), 32);
}

#[tokio::test]
async fn a_call_that_hangs_does_not_block_others() {
    const HANGS: &str = "0b0f2ad0-1c3a-4d0b-9a3e-6f6d9f4f9f99";
    const HANGING: usize = 16;
    // Only a failing test takes this long: here a call hangs until the test lets it continue.
    const NEVER: Duration = Duration::from_secs(600);
    let released = Arc::new(Semaphore::new(0));
    let stand_in = StandIn::start({
        let released = Arc::clone(&released);
        move |request, _| request.contains(HANGS).then(|| Reply::Held(Arc::clone(&released)))
    })
    .await;
    let (keycloak, _) = start(&settings(&stand_in.base, NEVER));
    keycloak.secret(client("c", "k", Some(ID))).await.unwrap();
    let hanging: Vec<_> = (0..HANGING)
        .map(|_| {
            let keycloak = keycloak.clone();
            tokio::spawn(async move { keycloak.secret(client("c", "k", Some(HANGS))).await.map(drop) })
        })
        .collect();
    let asked = || {
        let requests = stand_in.requests();
        requests.iter().filter(|request| request.contains(HANGS)).count()
    };
    while asked() < HANGING {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A call that waited for one of these would wait until their time limit.
    for _ in 0..20 {
        keycloak.secret(client("c", "k", Some(ID))).await.unwrap();
    }
    assert!(hanging.iter().all(|call| !call.is_finished()));
    released.add_permits(HANGING);
    for call in hanging {
        call.await.unwrap().unwrap();
    }
}

/// Keycloak 26's answer until its start has finished.
#[tokio::test]
async fn a_starting_keycloak_is_reported_as_starting() {
    let bootstrap = r#"{"error":"Bootstrap in progress"}"#;
    let stand_in = StandIn::start(|_, _| Some(Reply::Json(503, bootstrap.to_owned()))).await;
    let said = "the identity provider answered 503: it is unavailable, and may still be starting";
    let (keycloak, _) = start(&settings(&stand_in.base, LIMIT));
    let error = keycloak.secret(client("c", "k", Some(ID))).await.unwrap_err();
    assert_eq!(error.to_string(), said);
    assert_eq!(keycloak.problems().await, [said]);
    let is_starting = Arc::new(AtomicBool::new(false));
    let stand_in = StandIn::start({
        let is_starting = Arc::clone(&is_starting);
        move |_, _| {
            is_starting
                .load(Ordering::SeqCst)
                .then(|| Reply::Json(503, bootstrap.to_owned()))
        }
    })
    .await;
    let server = server(&stand_in).await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    is_starting.store(true, Ordering::SeqCst);
    let answer = server.image(&device, 4096).await;
    assert_eq!(answer.problem(), problem(502, "identity-provider-failed", &[]));
    let detail = answer.json()["detail"].to_string();
    assert!(
        detail.contains("answered 503") && detail.contains("may still be starting"),
        "{detail}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_readiness_probe_is_answered_in_time() {
    let stand_in = StandIn::start(|_, _| Some(Reply::Hang)).await;
    let (keycloak, _) = start(&settings(&stand_in.base, Duration::from_secs(5)));
    let began = Instant::now();
    let problems = keycloak.problems().await;
    assert!(began.elapsed() < Duration::from_millis(1_500));
    assert_eq!(problems, ["Keycloak did not answer within 900 ms"]);
    // And the next probe does not ask again.
    let began = Instant::now();
    assert_eq!(keycloak.problems().await, problems);
    assert!(began.elapsed() < Duration::from_millis(500));
    assert_eq!(stand_in.requests().len(), 1);
}

/// A server whose Keycloak is the stand-in.
pub(super) async fn server(stand_in: &StandIn) -> Server {
    let server = Server::start_with(&[
        ("identity.provider", "keycloak"),
        ("identity.keycloak.base_url", &stand_in.base),
        ("identity.keycloak.realm", "fleet"),
        ("identity.keycloak.client_id", "fleetmint"),
        ("identity.keycloak.client_secret", "the service account's secret"),
        ("identity.keycloak.timeout_seconds", "1.5"),
        ("provisioning.token_url", "http://192.0.2.1/token"),
    ])
    .await;
    server.keep_secret("the service account's secret");
    server.keep_secret("the secret of the stand-in");
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_disclosed_without_its_audit_record_whatever_keycloak_answers() {
    let stand_in = StandIn::start(|_, _| None).await;
    let server = server(&stand_in).await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    // More operations than one commit has, so that callers wait for some and not yet for others.
    let ask = || async { join_all((0..24).map(|_| server.image(&device, 4096))).await };
    for answer in ask().await {
        assert_eq!(answer.status, 200);
    }
    let trigger = "CREATE TRIGGER no_room BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END";
    server.execute(trigger);
    for answer in ask().await {
        assert_eq!(answer.problem(), problem(503, "unavailable", &[]));
    }
    server.execute("DROP TRIGGER no_room");
    assert_eq!(server.image(&device, 4096).await.status, 200);
    let mut outcomes = server.outcomes("get_provisioning").await;
    outcomes.sort();
    assert_eq!(outcomes, [["started"; 25], ["succeeded"; 25]].concat());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_get_each_fault_and_other_calls_are_not_affected() {
    let fault: &'static Mutex<Option<fn() -> Reply>> = Box::leak(Box::default());
    let stand_in = StandIn::start(move |request, _| {
        let fault = *fault.lock().unwrap();
        fault
            .filter(|_| request.ends_with("/client-secret"))
            .map(|reply| reply())
    })
    .await;
    let server = server(&stand_in).await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    assert_eq!(server.image(&device, 4096).await.status, 200);
    let server = Arc::new(server);
    for case in CASES.iter().chain(SECRETS) {
        *fault.lock().unwrap() = Some(case.reply);
        let began = Instant::now();
        let asking = tokio::spawn({
            let (server, device) = (Arc::clone(&server), device.clone());
            async move { server.image(&device, 4096).await }
        });
        // Calls that do not need Keycloak are answered in the meantime.
        let other = Instant::now();
        server.get("/api/devices").await.expect(200);
        assert!(other.elapsed() < MARGIN, "{}: {:?}", case.name, other.elapsed());
        let answer = asking.await.unwrap();
        let (status, kind) = case.answer;
        assert_eq!(answer.problem(), problem(status, kind, &[]), "{}", case.name);
        assert!(began.elapsed() < LIMIT + MARGIN, "{}: {:?}", case.name, began.elapsed());
    }
    // After the fault has ended, calls succeed again.
    *fault.lock().unwrap() = None;
    assert_eq!(server.image(&device, 4096).await.status, 200);
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn an_unusable_token_url_is_reported_by_the_name_of_its_setting() {
    let stand_in = StandIn::start(|_, _| None).await;
    let long = format!("http://192.0.2.1/{}", "x".repeat(4_000));
    for (url, kind) in [("", "value-missing"), (" ", "value-missing"), (&long, "value-too-long")] {
        let server = Server::start_with(&[
            ("identity.provider", "keycloak"),
            ("identity.keycloak.base_url", &stand_in.base),
            ("identity.keycloak.realm", "fleet"),
            ("identity.keycloak.client_id", "fleetmint"),
            ("identity.keycloak.client_secret", "the service account's secret"),
            ("identity.keycloak.token_url", url),
        ])
        .await;
        let model = server.model("m").await;
        let device = server.device(&model).await;
        let answer = server.image(&device, 4096).await;
        assert_eq!(
            answer.problem(),
            problem(422, kind, &["/provisioning/token_url"]),
            "{url:.20}"
        );
        let detail = answer.json()["errors"][0]["detail"].to_string();
        assert!(detail.contains("identity.keycloak.token_url"), "{detail}");
        server.stop().await;
    }
    // The token of the stand-in has no issuer: then the address of the realm that we call is used.
    let (keycloak, _) = start(&settings(&stand_in.base, LIMIT));
    assert_eq!(keycloak.token_url(), None);
    keycloak.secret(client("c", "k", Some(ID))).await.unwrap();
    let usual = format!("{}/realms/fleet/protocol/openid-connect/token", stand_in.base);
    assert_eq!(keycloak.token_url(), Some(usual));
}

#[test]
fn an_invalid_file_of_authorities_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let mut settings = settings("https://127.0.0.1", LIMIT);
    settings.ca_file = Some(path.clone());
    let refused = || {
        let started = Keycloak::start(
            &settings,
            &Metrics::default(),
            Arc::new(SystemRandom),
            Arc::new(SystemClock),
        );
        let error = started.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("identity.keycloak.ca_file: {}: ", path.display())),
            "{error}"
        );
    };
    refused();
    std::fs::write(&path, "no certificate").unwrap();
    refused();
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let started = Keycloak::start(
        &settings,
        &Metrics::default(),
        Arc::new(SystemRandom),
        Arc::new(SystemClock),
    );
    let error = started.unwrap_err().to_string();
    assert!(error.starts_with("identity.keycloak"), "{error}");
}
