//! A temporary folder in which a test runs the program.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that is deleted at the end of the test.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

/// The outcome of a run of the program.
pub(crate) struct Run {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names of the files and folders here, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Runs the program here.
    pub(crate) fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        self.run_with(arguments, &[])
    }

    /// Runs the program here, with these variables in its environment.
    pub(crate) fn run_with(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &[(&str, &str)],
    ) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_fleetmint"))
            .args(arguments)
            .current_dir(self.path())
            .env("COLUMNS", "100")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        Run::from(output)
    }

    /// Runs a command line that begins with `fleetmint` and is split at spaces.
    pub(crate) fn line(&self, line: &str) -> Run {
        self.run(line.strip_prefix("fleetmint ").unwrap().split_whitespace())
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// The run, which must have succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.exit, 0, "{}", self.stderr);
        self
    }

    /// The last line of a run that had begun to log and ended with this exit code.
    #[cfg(feature = "serve")]
    #[track_caller]
    pub(crate) fn refused_with_log(self, exit: i32) -> String {
        assert_eq!((self.exit, self.stdout.as_str()), (exit, ""), "{}", self.stderr);
        self.stderr.lines().last().unwrap().to_string()
    }

    /// The only line of a run that wrote nothing to standard output and ended with this exit code.
    #[track_caller]
    pub(crate) fn refused(self, exit: i32) -> String {
        assert_eq!((self.exit, self.stdout.as_str()), (exit, ""), "{}", self.stderr);
        let line = self.stderr.trim_end();
        assert!(line.starts_with("fleetmint: ") && !line.contains('\n'), "{line}");
        line.to_string()
    }
}
