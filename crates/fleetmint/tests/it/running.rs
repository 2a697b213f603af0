//! A server that runs in a folder.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::folder::Folder;

/// A running `fleetmint serve`. It is killed with the test, however the test ends.
pub(crate) struct Running {
    child: Child,
    /// `host:port`
    pub(crate) address: String,
    stdout: BufReader<std::process::ChildStdout>,
    said: String,
}

impl Running {
    /// Starts a server on a free port and waits until it listens.
    pub(crate) fn start(folder: &Folder, environment: &[(&str, &str)]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_fleetmint")), folder, environment)
    }

    /// The same, by a command that executes the program.
    pub(crate) fn start_by(mut command: Command, folder: &Folder, environment: &[(&str, &str)]) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(std::fs::File::create(folder.file("stderr")).unwrap()))
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        stdout.read_line(&mut said).unwrap();
        let address = said
            .trim()
            .rsplit_once("http://")
            .unwrap_or_else(|| panic!("{said:?} {}", String::from_utf8_lossy(&folder.read("stderr"))))
            .1
            .to_owned();
        stdout.read_line(&mut said).unwrap();
        Self {
            child,
            address,
            stdout,
            said,
        }
    }

    /// Its first two lines.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request; returns the status and the body.
    pub(crate) fn call(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let authorization = match token {
            "" => String::new(),
            token => format!("authorization: Bearer {token}\r\n"),
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{authorization}connection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> u16 {
        self.call("GET", path, token, "").0
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Sends a signal, waits for the end, and returns the exit code and everything that was written to standard output.
    pub(crate) fn end(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let exit = self.child.wait().unwrap().code();
        let mut said = std::mem::take(&mut self.said);
        self.stdout.read_to_string(&mut said).unwrap();
        (exit, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The administrator token in the data folder of a server.
pub(crate) fn token(folder: &Folder) -> String {
    let token = String::from_utf8(folder.read("fleetmint-data/admin-token")).unwrap();
    token.trim_end().to_owned()
}
