//! A running server, and the commands that call it.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::folder::{Folder, Run};
use crate::running::{Running, token};

/// A server in a folder. The commands run in the same folder, so they find it.
pub(crate) struct Fleet {
    pub(crate) folder: Folder,
    pub(crate) server: Running,
    /// The administrator token.
    pub(crate) token: String,
}

impl Fleet {
    pub(crate) fn start() -> Self {
        let folder = Folder::new();
        let server = Running::start(&folder, &[]);
        let token = token(&folder);
        Self { folder, server, token }
    }

    /// With the model `tempsensor`.
    pub(crate) fn with_model() -> Self {
        let fleet = Self::start();
        fleet.run("model create tempsensor --name Sensor").done();
        fleet
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Runs a command line that is split at spaces, in the server's folder.
    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_in(&self.folder, line, &[], "")
    }

    /// The same with this standard input.
    pub(crate) fn run_with_input(&self, line: &str, input: &str) -> Run {
        self.run_in(&self.folder, line, &[], input)
    }

    /// Runs a command in any folder, with these variables and this standard input. The administrator token is never printed.
    pub(crate) fn run_in(&self, folder: &Folder, line: &str, environment: &[(&str, &str)], input: &str) -> Run {
        let run = run(folder, line, environment, input);
        for said in [&run.stdout, &run.stderr] {
            assert!(!said.contains(&self.token), "{line}: {said}");
        }
        run
    }

    /// What the JSON form of a command's answer has under a pointer.
    pub(crate) fn json(&self, line: &str) -> Json {
        Json(serde_json::from_str(&self.run(&format!("{line} --format json")).done().stdout).unwrap())
    }
}

/// The command in a folder that also has the login file, and with no variables of the caller that it would use.
pub(crate) fn command(folder: &Folder, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetmint"));
    for name in ["URL", "TOKEN", "TOKEN_FILE", "CA_FILE"] {
        command.env_remove(format!("FLEETMINT_{name}"));
    }
    command
        .args(arguments)
        .current_dir(folder.path())
        .env("COLUMNS", "100")
        .env("XDG_CONFIG_HOME", folder.file("config"))
        .envs(environment.iter().copied());
    command
}

/// Runs a command line that is split at spaces; see [`command`].
pub(crate) fn run(folder: &Folder, line: &str, environment: &[(&str, &str)], input: &str) -> Run {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let mut child = command(folder, &arguments, environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read it closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap().into()
}

/// Runs a command on a terminal, which `script` gives it, and answers its prompt. Returns the exit code and all that the
/// terminal showed after the prompt; `None` if `script` is not installed, which is printed.
pub(crate) fn on_terminal(folder: &Folder, line: &str, prompt: &str, answer: &str) -> Option<(i32, String)> {
    let mut script = Command::new("script");
    let call = format!("{} {line}", env!("CARGO_BIN_EXE_fleetmint"));
    script.args(["-qec", &call, "/dev/null"]).current_dir(folder.path());
    for (name, value) in command(folder, &[], &[]).get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        let why = "SKIPPED: a command on a terminal: `script` is missing. It is a part of util-linux.\n";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        let _ = std::io::stderr().write_all(why.as_bytes());
        return None;
    };
    let mut shown = child.stdout.take().unwrap();
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains(prompt) {
        let mut byte = [0];
        assert_eq!(shown.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
    // The program turns the echo off after its prompt, as all do: nobody types that fast.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{answer}").unwrap();
    let mut said = String::new();
    shown.read_to_string(&mut said).unwrap();
    drop(input);
    Some((child.wait().unwrap().code().unwrap(), said))
}

/// A JSON answer.
#[derive(Debug)]
pub(crate) struct Json(pub(crate) serde_json::Value);

impl Json {
    pub(crate) fn text(&self, pointer: &str) -> &str {
        let value = self.0.pointer(pointer).and_then(serde_json::Value::as_str);
        value.unwrap_or_else(|| panic!("{pointer}: {}", self.0))
    }
}
