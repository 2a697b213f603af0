//! The running program, and everything that it prints.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::http::Client;

pub(crate) struct Program {
    child: Child,
    pub(crate) client: Client,
    printed: Arc<Mutex<String>>,
    reading: Vec<JoinHandle<()>>,
    secrets: Mutex<Vec<String>>,
}

impl Program {
    /// Starts `fleetmint serve` with this data folder, and waits until it listens.
    pub(crate) fn start(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fleetmint"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("RUST_LOG", "debug")
            .env("FLEETMINT_DATA__DIR", folder)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = Arc::new(Mutex::new(String::new()));
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        let reading = vec![collect(child.stderr.take().unwrap(), &printed)];
        stdout.read_line(&mut first).unwrap();
        let Some(base) = first.split_whitespace().find(|word| word.starts_with("http://")) else {
            let _ = child.wait();
            reading.into_iter().for_each(|reading| reading.join().unwrap());
            panic!("fleetmint does not start: {first}{}", printed.lock().unwrap());
        };
        let token = std::fs::read_to_string(folder.join("admin-token"))
            .unwrap()
            .trim()
            .to_owned();
        let client = Client::new(base).with_token(&token);
        let mut program = Self {
            child,
            client,
            printed,
            reading,
            secrets: Mutex::new(vec![token]),
        };
        program.reading.push(collect(stdout, &program.printed));
        for (name, value) in environment {
            if name.ends_with("SECRET") {
                program.keep_secret(value);
            }
        }
        program
    }

    /// From now on the program must not print this.
    pub(crate) fn keep_secret(&self, secret: &str) {
        self.secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(secret.to_owned());
    }

    /// Ends the program as an operator does, and looks for secrets in what it printed.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let printed = self.printed();
        assert!(status.success(), "{status}: {printed}");
    }

    /// Kills the program, and looks for secrets in what it printed.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.was_killed("while it runs");
    }

    /// The program was killed by signal 9.
    pub(crate) fn was_killed(mut self, step: &str) {
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "{step}: {status}: {}", self.printed());
        self.printed();
    }

    fn printed(&mut self) -> String {
        self.reading.drain(..).for_each(|reading| reading.join().unwrap());
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for secret in self.secrets.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            assert!(!printed.contains(secret), "a secret was printed"); // without showing it
        }
        printed
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(from: impl Read + Send + 'static, into: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(from).lines();
        while let Some(Ok(line)) = lines.next() {
            let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
            *into += &line;
            into.push('\n');
        }
    })
}
