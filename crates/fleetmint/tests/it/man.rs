//! `fleetmint man`.

use std::os::unix::fs::PermissionsExt as _;

use crate::command_tree::subcommands;
use crate::folder::Folder;

fn pages(command: &[&str], all: &mut Vec<String>) {
    let name: Vec<&str> = [&["fleetmint"], command].concat();
    all.push(format!("{}.1", name.join("-")));
    for name in subcommands(command) {
        pages(&[command, &[&name]].concat(), all);
    }
}

#[test]
fn every_command_has_its_page() {
    let folder = Folder::new();
    let run = folder.run(["man", "share/man1"]).done();
    let mut names: Vec<String> = std::fs::read_dir(folder.file("share/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected = Vec::new();
    pages(&[], &mut expected);
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(run.stderr, format!("share/man1: {} pages\n", names.len()));

    let page = String::from_utf8(folder.read("share/man1/fleetmint-nvs-dump.1")).unwrap();
    assert!(
        page.contains(".TH fleetmint-nvs-dump 1") && page.contains(r"fleetmint nvs dump"),
        "{page}"
    );
    let mode = std::fs::metadata(folder.file("share/man1/fleetmint.1"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777 & !0o022, 0o644, "others may read it");
    // A second time it replaces them.
    folder.run(["man", "share/man1"]).done();
}

#[test]
fn a_folder_that_cannot_be_created_is_named() {
    let folder = Folder::new();
    folder.write("file", "");
    let line = folder.run(["man", "file/man1"]).refused(2);
    assert!(line.starts_with("fleetmint: file/man1: "), "{line}");
    assert_eq!(folder.run(["man", "-"]).exit, 2);
}
