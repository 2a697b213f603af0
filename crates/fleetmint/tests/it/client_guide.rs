//! docs/cli.md: its commands run, and their output is the one in the document.

use std::collections::HashMap;

use crate::docs::blocks;
use crate::fleet::Fleet;

/// What is different in each run, by what the document has in its place: the keys of devices.
type Keys = HashMap<String, String>;

/// Also some words of the text, which are the same in each run.
fn is_key(word: &str) -> bool {
    let word = word.rsplit('-').next().unwrap_or_default();
    word.len() == 8
        && word.starts_with(|char: char| char.is_ascii_lowercase())
        && word
            .chars()
            .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit())
}

/// The words of a line, and what is between them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_inclusive([' ', ',']).flat_map(|part| {
        let word = part.trim_end_matches([' ', ',']);
        [word, part.get(word.len()..).unwrap_or_default()]
    })
}

/// A line without what is different in each run. Times and keys have always the same width.
fn without_chance(line: &str) -> String {
    let plain = |word: &str| match word {
        word if word.starts_with("20") && word.ends_with('Z') && word.contains('T') => "TIME".to_owned(),
        word if is_key(word) => word.get(..word.len() - 8).unwrap_or_default().to_owned() + "KEY",
        word => word.to_owned(),
    };
    words(line).map(plain).collect::<String>().trim_end().to_owned()
}

/// Learns which key a run has in place of the document's.
fn learn(said: &str, seen: &str, keys: &mut Keys) {
    for (said, seen) in words(said).zip(words(seen)) {
        if is_key(said) && !said.contains('-') {
            keys.insert(said.to_owned(), seen.to_owned());
        }
    }
}

#[test]
fn every_console_block_of_the_client_guide() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let text = std::fs::read_to_string(path).unwrap();
    let fleet = Fleet::start();
    let table = blocks(&text, "csv").next().unwrap().join("\n") + "\n";
    fleet.folder.write("devices.csv", table);
    let mut keys = Keys::new();
    let mut commands = 0;
    for block in blocks(&text, "console") {
        let mut lines = block.iter().peekable();
        while let Some(line) = lines.next() {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("no command: {line}"));
            let mut said = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                said.push(*line);
            }
            let Some(call) = command.strip_prefix("fleetmint ") else {
                let mut shell = std::process::Command::new("sh");
                let status = shell.args(["-c", command]).current_dir(fleet.folder.path()).status();
                assert!(status.unwrap().success() && said.is_empty(), "{command}");
                continue;
            };
            let own = |word| keys.get(word).map_or(word, String::as_str);
            let run = fleet.run(&words(call).map(own).collect::<String>());
            let seen = run.stdout.replace(&fleet.server.address, "127.0.0.1:8080") + &run.stderr;
            let seen: Vec<&str> = seen.lines().collect();
            let plain = |lines: &[&str]| lines.iter().map(|line| without_chance(line)).collect::<Vec<_>>();
            assert_eq!(plain(&seen), plain(&said), "{command}");
            for (said, seen) in said.iter().zip(&seen) {
                learn(said, seen, &mut keys);
            }
            commands += 1;
        }
    }
    assert!(commands >= 10, "{commands}");
}
