//! Reference images: a table for Espressif's generator and the image that it creates, and a minimal reader that is
//! independent of our own.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::python;

/// The strings of the namespace `prov` in an image of whole pages, in their order. Supports only what a new image has:
/// one namespace, entries one after the other, nothing erased.
pub(crate) fn strings(image: &[u8]) -> Vec<(String, String)> {
    const WRITTEN: u8 = 0b10;
    let mut strings = Vec::new();
    for page in image.chunks(4096) {
        let mut entry = 0;
        while entry < 126 {
            if page[32 + entry / 4] >> (entry % 4 * 2) & 0b11 != WRITTEN {
                break;
            }
            let at = 64 + entry * 32;
            let (kind, span) = (page[at + 1], usize::from(page[at + 2]));
            let key = page[at + 8..at + 24].split(|byte| *byte == 0).next().unwrap();
            if kind == 0x21 {
                let size = usize::from(u16::from_le_bytes([page[at + 24], page[at + 25]]));
                let text = &page[at + 32..at + 32 + size - 1];
                strings.push((
                    String::from_utf8(key.to_vec()).unwrap(),
                    String::from_utf8(text.to_vec()).unwrap(),
                ));
            } else {
                assert_eq!(
                    (kind, page[at], key),
                    (0x01, 0, &b"prov"[..]),
                    "only strings, and their namespace"
                );
            }
            entry += span;
        }
    }
    strings
}

/// A Python process that runs Espressif's generator any number of times.
pub(crate) struct Espressif {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Espressif {
    /// `None` if it is not installed, which is printed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let python = python::with("esp_idf_nvs_partition_gen", test)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/espressif_generator.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (requests, answers) = (
            child.stdin.take().unwrap(),
            BufReader::new(child.stdout.take().unwrap()),
        );
        Some(Self {
            child,
            requests,
            answers,
            folder: tempfile::tempdir().unwrap(),
        })
    }

    /// The generator's file for a partition of this size with one namespace of strings.
    pub(crate) fn generate(&mut self, namespace: &str, strings: &[(String, String)], size: usize) -> Vec<u8> {
        let mut table = format!("key,type,encoding,value\n{namespace},namespace,,\n");
        for (key, value) in strings {
            writeln!(table, "{key},data,string,\"{}\"", value.replace('"', "\"\"")).unwrap();
        }
        fs::write(self.folder.path().join("in.csv"), table).unwrap();
        let request =
            json!({"args": ["generate", "in.csv", "out.bin", format!("{size:#x}")], "cwd": self.folder.path()});
        writeln!(self.requests, "{request}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["exit"], 0, "{answer}");
        fs::read(self.folder.path().join("out.bin")).unwrap()
    }
}

impl Drop for Espressif {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
