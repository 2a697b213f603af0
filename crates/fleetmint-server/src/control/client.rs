//! The commands' side of the control socket.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::Request;
use crate::data_folder::DataFolder;

/// How long a command waits for a running server's answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a running server did not carry out a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server runs, or it has no control socket.
    #[error("no server listens at {}: {cause}", socket.display())]
    NoServer { socket: PathBuf, cause: io::Error },
    #[error("{}: {cause}", socket.display())]
    Unreachable { socket: PathBuf, cause: io::Error },
    #[error("{}: another user, {uid}, listens there; no request was sent", socket.display())]
    Foreign { socket: PathBuf, uid: u32 },
    #[error("{}: the running server did not answer: {cause}; it may have carried out the request", socket.display())]
    NoAnswer { socket: PathBuf, cause: io::Error },
    /// The server's own text.
    #[error("{reason}")]
    Refused { reason: String },
}

/// Asks the server that runs with this data folder to do something, and waits until it is done or `timeout` has passed.
///
/// # Errors
/// See [`Error`].
#[cfg(unix)]
pub fn ask(folder: &DataFolder, request: Request, timeout: Duration) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| Error::Unreachable {
        socket: folder.control_socket_path(),
        cause,
    })?;
    runtime.block_on(unix::ask(folder, request, timeout))
}

/// Without Unix sockets no server listens.
///
/// # Errors
/// [`Error::NoServer`].
#[cfg(not(unix))]
pub fn ask(folder: &DataFolder, _request: Request, _timeout: Duration) -> Result<(), Error> {
    Err(Error::NoServer {
        socket: folder.control_socket_path(),
        cause: io::ErrorKind::Unsupported.into(),
    })
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::time::Duration;

    use tokio::net::UnixStream;

    use super::Error;
    use crate::control::{Answer, Request, line, socket};
    use crate::data_folder::DataFolder;

    pub(super) async fn ask(folder: &DataFolder, request: Request, timeout: Duration) -> Result<(), Error> {
        let path = folder.control_socket_path();
        let stream = socket::connect(&path).await.map_err(|cause| {
            let socket = path.clone();
            match cause.kind() {
                // So many clients already wait that the kernel accepts no more.
                io::ErrorKind::WouldBlock | io::ErrorKind::PermissionDenied => Error::Unreachable { socket, cause },
                _ => Error::NoServer { socket, cause },
            }
        })?;
        let uid = stream
            .peer_cred()
            .map(|peer| peer.uid())
            .map_err(|cause| Error::Unreachable {
                socket: path.clone(),
                cause,
            })?;
        if !is_trusted(folder, uid) {
            return Err(Error::Foreign { socket: path, uid });
        }
        let answer = tokio::time::timeout(timeout, exchange(&stream, request)).await;
        match answer.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok(Answer::Done) => Ok(()),
            Ok(Answer::Refused { reason }) => Err(Error::Refused { reason }),
            Err(cause) => Err(Error::NoAnswer { socket: path, cause }),
        }
    }

    async fn exchange(stream: &UnixStream, request: Request) -> io::Result<Answer> {
        let sent = line::write(stream, &request).await;
        // A server that refuses this user answers and closes before it has read anything.
        match (line::read(stream).await, sent) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
        }
    }

    /// A server of this user, of root or of the data folder's owner.
    fn is_trusted(folder: &DataFolder, uid: u32) -> bool {
        uid == 0 || uid == rustix::process::geteuid().as_raw() || folder.owner() == Some(uid)
    }
}
