//! A server of its own for each test, and a client that checks every answer: its status must be in the OpenAPI
//! document, an error must be a problem, and no secret may be in an error, a metric or the log.

pub(crate) mod log;
pub(crate) mod nvs;
pub(crate) mod page;
pub(crate) mod proxy;
pub(crate) mod python;
pub(crate) mod raw;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fleetmint_server::app::App;
use fleetmint_server::clock::AdvancedClock;
use fleetmint_server::config::{self, Sources};
use fleetmint_server::database;
use fleetmint_server::random::{Random, SystemRandom};
use fleetmint_server::serve::Service;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running server with a data folder of its own.
pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) app: App,
    pub(crate) clock: Arc<AdvancedClock>,
    pub(crate) folder: tempfile::TempDir,
    client: reqwest::Client,
    document: Value,
    secrets: Mutex<Vec<String>>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of an answer that has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem's short name, its status and the pointers of its errors.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, String, Vec<String>) {
        let body = self.json();
        let kind = body["type"]
            .as_str()
            .unwrap()
            .strip_prefix("urn:fleetmint:problem:")
            .unwrap();
        let errors = body["errors"].as_array().unwrap();
        let pointers = errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned());
        (self.status.as_u16(), kind.to_owned(), pointers.collect())
    }
}

/// The result of [`Answer::problem`].
pub(crate) fn problem(status: u16, kind: &str, pointers: &[&str]) -> (u16, String, Vec<String>) {
    (
        status,
        kind.to_owned(),
        pointers.iter().map(|&pointer| pointer.to_owned()).collect(),
    )
}

/// Every setting that a test changes, by its key.
pub(crate) type Settings<'a> = &'a [(&'static str, &'a str)];

impl Server {
    /// Starts a server with embedded defaults in a new folder, on a port of its own.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(settings: Settings<'_>) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings).await
    }

    /// Starts a server in a folder that another may have used before.
    pub(crate) async fn start_in(folder: tempfile::TempDir, settings: Settings<'_>) -> Self {
        Self::start_by(folder, settings, Arc::new(SystemRandom)).await
    }

    /// The same, with the test's randomness.
    pub(crate) async fn start_by(folder: tempfile::TempDir, settings: Settings<'_>, random: Arc<dyn Random>) -> Self {
        log::subscribe();
        // reqwest uses the process's provider; another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Arc::<AdvancedClock>::default();
        let service = Service::start(load(folder.path(), settings), page::ASSETS, clock.clone(), random)
            .await
            .unwrap();
        let base = format!("http://{}", service.address());
        let token = match settings.iter().find(|(key, _)| *key == "access.bootstrap_token") {
            Some((_, token)) => (*token).to_owned(),
            None => std::fs::read_to_string(service.token_path()).unwrap().trim().to_owned(),
        };
        let app = service.app().clone();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            service.serve(stopped).await;
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let document = client.get(format!("{base}/api/openapi.json")).send().await.unwrap();
        let document = serde_json::from_slice(&document.bytes().await.unwrap()).unwrap();
        let secrets = Mutex::new(vec![token.clone()]);
        Self {
            base,
            token,
            app,
            clock,
            folder,
            client,
            document,
            secrets,
            stop: Some(stop),
            served: Some(served),
        }
    }

    /// A call without a token.
    pub(crate) async fn anonymous(&self, method: Method, path: &str) -> Answer {
        self.send(
            method.clone(),
            path,
            self.client.request(method, format!("{}{path}", self.base)),
        )
        .await
    }

    /// A call without a token, changed by `shape`.
    pub(crate) async fn anonymous_with(
        &self,
        method: Method,
        path: &str,
        shape: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Answer {
        let request = self.client.request(method.clone(), format!("{}{path}", self.base));
        self.send(method, path, shape(request)).await
    }

    /// A call of the administrator, changed by `shape`.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        shape: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Answer {
        let request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        self.send(method, path, shape(request)).await
    }

    /// A call with these `Authorization` headers.
    pub(crate) async fn authorized(&self, method: Method, path: &str, authorizations: &[&str]) -> Answer {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        for authorization in authorizations {
            request = request.header(AUTHORIZATION, *authorization);
        }
        self.send(method, path, request).await
    }

    pub(crate) async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        self.send(Method::POST, path, request).await
    }

    /// The token endpoint's answer for the secret in the device's image.
    pub(crate) async fn token_answer(&self, device: &Value) -> Answer {
        let image = self.image(device, 0x6000).await;
        let values = nvs::strings(&image.body);
        let value = |key: &str| values.iter().find(|(known, _)| known == key).unwrap().1.as_str();
        self.keep_secret(value("client_secret"));
        let credentials = [
            ("client_id", value("client_id")),
            ("client_secret", value("client_secret")),
        ];
        self.post_form(
            "/oauth2/token",
            &[&[("grant_type", "client_credentials")], &credentials[..]].concat(),
        )
        .await
    }

    pub(crate) async fn device_token(&self, device: &Value) -> String {
        let token = self.token_answer(device).await.expect(200)["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        self.keep_secret(&token);
        token
    }

    /// Changes the database behind the service's back.
    pub(crate) fn execute(&self, sql: &str) {
        use diesel::connection::SimpleConnection as _;
        self.app
            .database
            .write_blocking::<_, database::Error>(|connection| Ok(connection.batch_execute(sql)?))
            .unwrap();
    }

    /// The path of the database.
    pub(crate) fn data_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// The number of rows of `FROM …`.
    pub(crate) fn count(&self, from: &str) -> i64 {
        self.number(&format!("SELECT count(*) AS number FROM {from}"))
    }

    /// From now on the database may only grow by this many pages, as if the disk were full.
    pub(crate) fn limit_pages(&self, room: i64) {
        let pages = self.number("SELECT page_count AS number FROM pragma_page_count");
        self.execute(&format!("PRAGMA max_page_count = {}", pages + room));
    }

    /// SQLite's plan for a query.
    pub(crate) fn plan(&self, query: &str) -> String {
        use diesel::prelude::*;
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            detail: String,
        }
        let read =
            |connection: &mut _| Ok(diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load::<Row>(connection)?);
        let rows = self.app.database.read_blocking::<_, database::Error>(read).unwrap();
        rows.into_iter().map(|row| row.detail).collect::<Vec<_>>().join("; ")
    }

    /// The column `number` of a query's one row.
    fn number(&self, query: &str) -> i64 {
        use diesel::prelude::*;
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            number: i64,
        }
        let read = |connection: &mut _| Ok(diesel::sql_query(query).get_result::<Row>(connection)?);
        self.app
            .database
            .read_blocking::<_, database::Error>(read)
            .unwrap()
            .number
    }

    /// Waits until a condition holds.
    pub(crate) async fn eventually(&self, what: &str, is_so: impl Fn() -> bool) {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !is_so() {
            assert!(std::time::Instant::now() < limit, "{what}: not after a minute");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, |request| request).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, |request| request).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, |request| request.json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.call(Method::PATCH, path, |request| {
            request.header(CONTENT_TYPE, "application/merge-patch+json").body(body)
        })
        .await
    }

    /// The outcomes in the records of an operation, newest first, with the reason if there is one. Includes records
    /// that no caller waited for.
    pub(crate) async fn outcomes(&self, action: &str) -> Vec<String> {
        self.app.audit.flush().await;
        let page = self
            .get(&format!("/api/audit?action={action}&limit=500"))
            .await
            .expect(200);
        let items = page["items"].as_array().unwrap();
        let outcomes = items.iter().map(|item| {
            let text = |member: &str| item[member].as_str().unwrap_or_default();
            format!("{} {}", text("outcome"), text("reason")).trim_end().to_owned()
        });
        outcomes.collect()
    }

    /// The bytes of a device's image.
    pub(crate) async fn image(&self, device: &Value, size: usize) -> Answer {
        let path = format!("/api/devices/{}/provisioning?partition_size={size}", device["id"]);
        self.call(Method::GET, &path, |request| {
            request.header(ACCEPT, "application/octet-stream")
        })
        .await
    }

    pub(crate) async fn model(&self, code: &str) -> Value {
        self.post("/api/device-models", &json!({"code": code, "name": "A model"}))
            .await
            .expect(201)
    }

    pub(crate) async fn device(&self, model: &Value) -> Value {
        self.post(
            "/api/devices",
            &json!({"device_model_id": model["id"], "name": "A device"}),
        )
        .await
        .expect(201)
    }

    /// From now on this text must not be in any error, metric or log line.
    pub(crate) fn keep_secret(&self, secret: &str) {
        assert!(secret.len() >= 8, "too short to be distinguished from other text");
        self.secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(secret.to_owned());
    }

    /// The device's values in its image, by their keys. The client's secret is kept secret from now on.
    pub(crate) async fn values(&self, device: &Value) -> serde_json::Map<String, Value> {
        let strings = nvs::strings(&self.image(device, 0x6000).await.body);
        for (_, secret) in strings.iter().filter(|(key, _)| key == "client_secret") {
            self.keep_secret(secret);
        }
        strings.into_iter().map(|(key, value)| (key, value.into())).collect()
    }

    async fn send(&self, method: Method, path: &str, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap().to_vec();
        let answer = Answer { status, headers, body };
        self.look_twice(&method, path, &answer);
        answer
    }

    fn look_twice(&self, method: &Method, path: &str, answer: &Answer) {
        let path = path.split('?').next().unwrap();
        let status = answer.status.as_u16();
        let item = self.documented(path);
        if let Some(operation) = item.and_then(|item| item.get(method.as_str().to_lowercase())) {
            assert!(
                operation["responses"].get(status.to_string()).is_some(),
                "{method} {path} answers {status}, which is not documented"
            );
        }
        assert!(
            !answer.header("x-request-id").is_empty(),
            "{method} {path} has no request id"
        );
        if status < 400 {
            return;
        }
        self.assert_no_secret(&String::from_utf8_lossy(&answer.body), "an error");
        if matches!(path, "/oauth2/token" | "/readyz") || method == Method::HEAD {
            return;
        }
        // The page says to a browser that nothing is there.
        if (status, item) == (404, None) && answer.header("content-type").starts_with("text/html") {
            return;
        }
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{method} {path}"
        );
        let body = answer.json();
        assert_eq!(body["status"], status);
        for member in ["title", "detail", "type"] {
            assert!(!body[member].as_str().unwrap().is_empty(), "{member}");
        }
        assert!(body["retryable"].is_boolean());
        for error in body["errors"].as_array().unwrap() {
            assert!(error["pointer"].is_string());
            assert!(!error["detail"].as_str().unwrap().is_empty());
        }
    }

    /// The document's entry for a path.
    fn documented(&self, path: &str) -> Option<&Value> {
        let fits = |template: &str| {
            let (mut parts, mut wanted) = (path.split('/'), template.split('/'));
            loop {
                match (parts.next(), wanted.next()) {
                    (None, None) => return true,
                    (Some(part), Some(wanted)) if part == wanted => {}
                    (Some(part), Some(wanted)) if !part.is_empty() && wanted.starts_with('{') => {}
                    _ => return false,
                }
            }
        };
        let mut paths = self.document["paths"].as_object().unwrap().iter();
        paths.find(|(template, _)| fits(template)).map(|(_, item)| item)
    }

    pub(crate) fn assert_no_secret(&self, text: &str, where_: &str) {
        for secret in self.secrets.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            assert!(!text.contains(secret), "{where_} holds a secret"); // without showing it
        }
    }

    /// The OpenAPI document.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// Stops the server and searches all its output for secrets.
    pub(crate) async fn stop(mut self) -> tempfile::TempDir {
        let metrics = self.anonymous(Method::GET, "/metrics").await;
        self.assert_no_secret(&String::from_utf8_lossy(&metrics.body), "a metric");
        self.tell_to_stop();
        self.stopped().await
    }

    pub(crate) fn tell_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has stopped after a request to stop, and searches the log for secrets.
    pub(crate) async fn stopped(mut self) -> tempfile::TempDir {
        self.served.take().unwrap().await.unwrap();
        self.assert_no_secret(&log::text(), "the log");
        self.folder
    }
}

/// The settings of a server in this folder.
fn load(folder: &Path, settings: Settings<'_>) -> config::Settings {
    let mut flags = vec![
        ("data.dir", "--dir", folder.join("data").to_str().unwrap().to_owned()),
        ("server.listen", "--listen", "127.0.0.1:0".to_owned()),
    ];
    for (key, value) in settings {
        flags.retain(|(known, ..)| known != key);
        flags.push((key, "a test", (*value).to_owned()));
    }
    let (settings, _) = config::Settings::load(&Sources {
        flags,
        ..Sources::default()
    })
    .unwrap();
    settings
}
