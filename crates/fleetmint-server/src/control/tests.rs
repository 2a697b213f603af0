use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::access::{Access, TokenStore};
use crate::clock::SystemClock;
use crate::data_folder::DataFolder;
use crate::database::Database;
use crate::random::SystemRandom;
use crate::seal::{MasterKey, Seal};

const RESET: Request = Request::ResetAdminToken {
    bootstrap_token_is_set: false,
};

/// A control socket and the server behind it.
struct Server {
    folder: DataFolder,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
    _root: tempfile::TempDir,
}

impl Server {
    /// `below` is the path of the data folder in the test's own folder.
    fn start(below: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(&root.path().join(below)).unwrap();
        let access = access(&folder);
        let control = Control::listen(&folder, &access).unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(control.serve(async { drop(stopped.await) }));
        Self {
            folder,
            stop,
            served,
            _root: root,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.control_socket_path()
    }

    fn token(&self) -> String {
        self.folder.admin_token().unwrap().unwrap().expose().to_owned()
    }

    /// Sends a request like a command, on a thread of its own.
    async fn ask(&self, timeout: Duration) -> Result<(), Error> {
        ask_from(&self.folder, timeout).await
    }

    async fn stop(self) {
        let socket = self.socket();
        drop(self.stop);
        self.served.await.unwrap();
        assert!(!socket.exists());
    }
}

fn access(folder: &DataFolder) -> Access {
    let random = Arc::new(SystemRandom);
    let store = TokenStore {
        database: Database::open(&folder.admin_token_path().with_file_name("fleetmint.db")).unwrap(),
        folder: folder.clone(),
        seal: Seal::new(&MasterKey::generate(&*random), Arc::clone(&random) as _),
        random,
        clock: Arc::new(SystemClock),
    };
    Access::start(store, None).unwrap().0
}

async fn ask_from(folder: &DataFolder, timeout: Duration) -> Result<(), Error> {
    let folder = folder.clone();
    let asked = tokio::task::spawn_blocking(move || ask(&folder, RESET, timeout));
    asked.await.unwrap()
}

/// Sends these bytes as a client and returns the whole answer.
async fn send(socket: PathBuf, bytes: impl AsRef<[u8]> + Send + 'static) -> String {
    let sent = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(socket).unwrap();
        // The server may close before it has read everything.
        let _ = stream.write_all(bytes.as_ref());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    });
    sent.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_resets_the_token_and_deletes_its_socket_when_it_stops() {
    let server = Server::start("data");
    let mode = server.socket().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = server.token();
    server.ask(ANSWER_TIMEOUT).await.unwrap();
    assert_ne!(server.token(), before);
    let folder = server.folder.clone();
    server.stop().await;
    let error = ask_from(&folder, ANSWER_TIMEOUT).await.unwrap_err();
    assert!(matches!(error, Error::NoServer { .. }), "{error}");
}

/// Deeper than a socket's address can name.
#[tokio::test(flavor = "multi_thread")]
async fn the_data_folder_may_be_deep() {
    let server = Server::start(&"a-folder-with-a-long-name/".repeat(8));
    assert!(server.socket().as_os_str().len() > 200);
    assert!(server.socket().exists());
    let before = server.token();
    server.ask(ANSWER_TIMEOUT).await.unwrap();
    assert_ne!(server.token(), before);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_requests_are_refused_or_cut_off_and_block_nobody() {
    let server = Server::start("data");
    let before = server.token();
    for garbage in [
        "\n",
        "reset\n",
        "{}\n",
        "{\"command\":\"shut_down\"}\n",
        "{\"command\":\"reset_admin_token\"}\n",
        "{\"command\":\"reset_admin_token\",\"bootstrap_token_is_set\":false,\"force\":true}\n",
    ] {
        let answer: Answer = serde_json::from_str(&send(server.socket(), garbage).await).unwrap();
        let Answer::Refused { reason } = answer else {
            panic!("{garbage}");
        };
        assert!(reason.contains("does not know this request"), "{reason}");
    }
    // A line that is too long, and no line at all.
    assert_eq!(send(server.socket(), vec![b'a'; 1 << 20]).await, "");

    // All slots are taken by clients that send nothing, until their time limit.
    let silent: Vec<_> = (0..8).map(|_| UnixStream::connect(server.socket()).unwrap()).collect();
    let began = Instant::now();
    server.ask(Duration::from_secs(30)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_ne!(server.token(), before);
    drop(silent);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_resets_at_once_all_end() {
    let server = Server::start("data");
    let before = server.token();
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let folder = server.folder.clone();
            tokio::task::spawn_blocking(move || ask(&folder, RESET, Duration::from_secs(60)))
        })
        .collect();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_ne!(server.token(), before);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_has_the_servers_text() {
    let server = Server::start("data");
    let folder = server.folder.clone();
    let request = Request::ResetAdminToken {
        bootstrap_token_is_set: true,
    };
    let asked = tokio::task::spawn_blocking(move || ask(&folder, request, ANSWER_TIMEOUT));
    let error = asked.await.unwrap().unwrap_err();
    assert!(
        error.to_string().starts_with("the administrator token is the setting"),
        "{error}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_of_a_killed_server_is_replaced_and_nothing_else_is() {
    let root = tempfile::tempdir().unwrap();
    let folder = DataFolder::create(root.path()).unwrap();
    let path = folder.control_socket_path();
    // A dropped listener leaves its file.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let error = ask_from(&folder, ANSWER_TIMEOUT).await.unwrap_err();
    assert!(matches!(error, Error::NoServer { .. }), "{error}");
    let access = access(&folder);
    drop(Control::listen(&folder, &access).unwrap());
    assert!(!path.exists());

    std::fs::write(&path, "an operator's own").unwrap();
    assert!(Control::listen(&folder, &access).is_none());
    let error = ask_from(&folder, ANSWER_TIMEOUT).await.unwrap_err();
    assert!(matches!(error, Error::NoServer { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "an operator's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_an_answer_times_out_and_has_no_later_effect() {
    let root = tempfile::tempdir().unwrap();
    let folder = DataFolder::create(root.path()).unwrap();
    let access = access(&folder);
    let before = folder.admin_token().unwrap().unwrap();
    // It listens but does not serve, like a process that a signal suspended.
    let control = Control::listen(&folder, &access).unwrap();
    let error = ask_from(&folder, Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    // When it continues, the client has gone.
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(control.serve(async { drop(stopped.await) }));
    assert_eq!(
        send(folder.control_socket_path(), "x\n")
            .await
            .matches("refused")
            .count(),
        1
    );
    drop(stop);
    served.await.unwrap();
    assert_eq!(folder.admin_token().unwrap().unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_before_it_answers_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let folder = DataFolder::create(root.path()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(folder.control_socket_path()).unwrap();
    let server = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let error = ask_from(&folder, ANSWER_TIMEOUT).await.unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    server.join().unwrap();
}
