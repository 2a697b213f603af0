//! Lines of JSON on a Unix socket, read up to a limit.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

/// The longest line in bytes. A reason in an answer may name a few paths.
const MAX: usize = 16 << 10;

/// Reads one line and parses it.
pub(super) async fn read<T: DeserializeOwned>(stream: &UnixStream) -> io::Result<T> {
    let mut line = Vec::new();
    let mut chunk = [0; 512];
    loop {
        stream.readable().await?;
        let read = match stream.try_read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        line.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if let Some(end) = line.iter().position(|&byte| byte == b'\n') {
            line.truncate(end);
            return serde_json::from_slice(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
        }
        if line.len() > MAX {
            return Err(io::Error::other("the line is too long"));
        }
    }
}

/// Writes one line.
pub(super) async fn write(stream: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut rest = line.as_slice();
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the other side has closed the connection.
pub(super) fn is_closed(stream: &UnixStream) -> bool {
    match stream.try_read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}
