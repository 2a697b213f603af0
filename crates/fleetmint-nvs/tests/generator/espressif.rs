//! One Python process that runs Espressif's generator any number of times: `tools/espressif_generator.py`.

use crate::tables::Tables;
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::layout::Version;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The keys of every encrypted image here: the bytes 00 to 3f.
pub(crate) fn keys() -> Keys {
    Keys::from_bytes(core::array::from_fn(|i| u8::try_from(i).unwrap()))
}

/// The generator's result for tables.
pub(crate) enum Answer {
    Image(Vec<u8>),
    /// It ends with an error or a traceback: its text.
    Refusal(String),
}

pub(crate) struct Espressif {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Espressif {
    /// Starts the process, with a folder of its own. `None` if it is not installed, which is printed.
    pub(crate) fn start(name: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = std::env::var_os("FLEETMINT_TEST_PYTHON")
            .map_or_else(|| root.join(".tools/venv/bin/python"), PathBuf::from);
        let installed = Command::new(&python)
            .args(["-c", "import esp_idf_nvs_partition_gen"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !installed {
            let why = format!(
                "SKIPPED: Espressif's NVS generator is not installed for {}. `tools/install python` installs it; \
                 FLEETMINT_TEST_PYTHON names another Python.\n",
                python.display()
            );
            assert!(std::env::var_os("CI").is_none(), "{why}");
            // Not with a macro, whose output the test harness would capture.
            let _ = std::io::stderr().write_all(why.as_bytes());
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("generator-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("keys.bin"), keys().encode()).unwrap();
        let mut child = Command::new(python)
            .arg(root.join("tools/espressif_generator.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (requests, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Some(Self {
            child,
            requests,
            answers: BufReader::new(answers),
            folder,
        })
    }

    /// Runs the generator with these arguments in its folder. Returns the output file's content, if it creates one and
    /// exits with code 0.
    fn run(&mut self, args: &[&str], output: &str) -> Answer {
        let output = self.folder.join(output);
        let _ = fs::remove_file(&output);
        writeln!(self.requests, "{}", json!({"args": args, "cwd": self.folder})).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        match (&answer["exit"], fs::read(&output)) {
            (exit, Ok(image)) if *exit == 0 && !image.is_empty() => Answer::Image(image),
            _ => Answer::Refusal(answer["output"].as_str().unwrap().to_owned()),
        }
    }

    pub(crate) fn generate(&mut self, tables: &Tables) -> Answer {
        let names: Vec<String> = (0..tables.tables.len()).map(|i| format!("{i}.csv")).collect();
        for (name, table) in names.iter().zip(&tables.tables) {
            fs::write(self.folder.join(name), table).unwrap();
        }
        for (name, content) in &tables.files {
            fs::write(self.folder.join(name), content).unwrap();
        }
        let size = format!("{:#x}", tables.size);
        let mut args = vec![if tables.encrypted { "encrypt" } else { "generate" }];
        args.extend(names.iter().map(String::as_str));
        args.extend([
            "out.bin",
            &size,
            "--version",
            if tables.version == Version::V1 { "1" } else { "2" },
        ]);
        if tables.encrypted {
            args.extend(["--inputkey", "keys.bin"]);
        }
        self.run(&args, "out.bin")
    }

    pub(crate) fn decrypt(&mut self, image: &[u8]) -> Vec<u8> {
        fs::write(self.folder.join("cipher.bin"), image).unwrap();
        image_of(self.run(&["decrypt", "cipher.bin", "keys.bin", "plain.bin"], "plain.bin"))
    }

    pub(crate) fn keys_from_hmac(&mut self, key: &[u8]) -> Vec<u8> {
        fs::write(self.folder.join("hmac.bin"), key).unwrap();
        let args = [
            "generate-key",
            "--keyfile",
            "derived.bin",
            "--key_protect_hmac",
            "--kp_hmac_inputkey",
            "hmac.bin",
        ];
        image_of(self.run(&args, "keys/derived.bin"))
    }

    pub(crate) fn new_keys(&mut self) -> Vec<u8> {
        image_of(self.run(&["generate-key", "--keyfile", "new.bin"], "keys/new.bin"))
    }
}

fn image_of(answer: Answer) -> Vec<u8> {
    match answer {
        Answer::Image(image) => image,
        Answer::Refusal(why) => panic!("the generator refuses: {why}"),
    }
}

impl Drop for Espressif {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
