//! The server's side of the control socket.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Answer, Request, line, socket};
use crate::access::Access;
use crate::data_folder::DataFolder;
use crate::os_user;

/// How many clients are served at once; others wait in the kernel's queue.
const CLIENTS_MAX: usize = 8;

/// How long a client may take to send its request, and to take its answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server that stops waits for requests in progress.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How long accepting pauses after it failed, for example without a free file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A control socket that listens. Its file is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    access: Access,
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Err(error) = socket::delete(&self.path) {
            tracing::warn!(%error, "the control socket {} could not be deleted", self.path.display());
        }
    }
}

impl Control {
    /// Listens in the data folder, which the caller has locked. A server also works without a control socket, so a
    /// failure is only a warning.
    pub(crate) fn listen(folder: &DataFolder, access: &Access) -> Option<Self> {
        let path = folder.control_socket_path();
        match socket::listen(&path) {
            Ok(listener) => Some(Self {
                listener,
                path,
                access: access.clone(),
            }),
            Err(error) => {
                tracing::warn!(
                    "there is no control socket, so `fleetmint admin reset-token` works only after this server is stopped: {}: {error}",
                    path.display()
                );
                None
            }
        }
    }

    /// Serves clients until `stop` resolves and the requests in progress are answered.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(CLIENTS_MAX));
        let mut stop = std::pin::pin!(stop);
        loop {
            let client = tokio::select! {
                client = self.accept(&places) => client,
                () = &mut stop => break,
            };
            let Some((stream, uid, place)) = client else { continue };
            let access = self.access.clone();
            tokio::spawn(async move {
                if let Err(error) = serve_client(&stream, uid, access).await {
                    tracing::debug!(%error, uid, "a client of the control socket was not served");
                }
                drop(place);
            });
        }
        let all = places.acquire_many(u32::try_from(CLIENTS_MAX).unwrap_or(u32::MAX));
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::warn!("requests over the control socket were still in progress");
        }
    }

    /// The next client that is allowed, its user, and its slot of [`CLIENTS_MAX`].
    async fn accept(&self, places: &Arc<Semaphore>) -> Option<(UnixStream, u32, OwnedSemaphorePermit)> {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        let accepted = self
            .listener
            .accept()
            .await
            .and_then(|(stream, _)| Ok((stream.peer_cred()?.uid(), stream)));
        match accepted {
            Ok((uid, stream)) if may_ask(uid) => Some((stream, uid, place)),
            Ok((uid, stream)) => {
                tracing::warn!(uid, "another user's process was refused at the control socket");
                refuse(stream);
                None
            }
            Err(error) => {
                tracing::error!(%error, "accepting a client of the control socket failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

/// The server's own user, and root, who could change the token's file and the database anyway.
fn may_ask(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Answers without waiting, and closes.
fn refuse(stream: UnixStream) {
    let answer = Answer::Refused {
        reason: "only the server's own user and root may do this while it runs".to_owned(),
    };
    let refused = stream.into_std().and_then(|mut stream| {
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        stream.write_all(&line)
    });
    if let Err(error) = refused {
        tracing::debug!(%error, "a refused client of the control socket got no answer");
    }
}

async fn serve_client(stream: &UnixStream, uid: u32, access: Access) -> io::Result<()> {
    let answer = match within(CLIENT_TIMEOUT, line::read::<Request>(stream)).await {
        // The client no longer waits for the answer, for example because a signal suspended the server for a while.
        Ok(_) if line::is_closed(stream) => return Err(io::ErrorKind::BrokenPipe.into()),
        Ok(request) => carry_out(request, uid, access).await,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Answer::Refused {
            reason: format!(
                "the running server, fleetmint {}, does not know this request; the command may be of another version",
                env!("CARGO_PKG_VERSION")
            ),
        },
        Err(error) => return Err(error),
    };
    within(CLIENT_TIMEOUT, line::write(stream, &answer)).await
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work).await?
}

/// Does what a client asked for, on a thread for work that blocks.
async fn carry_out(request: Request, uid: u32, access: Access) -> Answer {
    let work = move || match request {
        Request::ResetAdminToken { bootstrap_token_is_set } => {
            access.reset(&os_user::actor(uid), bootstrap_token_is_set)
        }
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Answer::Done,
        Ok(Err(error)) => Answer::Refused {
            reason: error.to_string(),
        },
        Err(panicked) => {
            tracing::error!(error = %panicked, "a request over the control socket ended abnormally");
            Answer::Refused {
                reason: "the server failed; its log says why".to_owned(),
            }
        }
    }
}
