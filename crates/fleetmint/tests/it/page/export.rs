//! `fleetmint page export`. What it writes is opened from a folder in web/tests.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::folder::Folder;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Whether the program was built with the page. A build without Node.js has none: a test is skipped, which is printed.
fn has_page() -> bool {
    let is_built = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../web/dist-inspector/index.html")
        .exists();
    if !is_built {
        let why = "SKIPPED: the export of the page: this program was built without it. `tools/page build` \
                   before `cargo test` makes it.\n";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        // Not with a macro, whose output the test harness would capture.
        let _ = std::io::stderr().write_all(why.as_bytes());
    }
    is_built
}

#[test]
fn a_new_an_empty_and_an_earlier_folder_become_the_inspector() {
    if !has_page() {
        return;
    }
    let folder = Folder::new();
    fs::create_dir(folder.file("empty")).unwrap();
    for name in ["new/inspector", "empty", "empty", "."] {
        let run = folder.run(["page", "export", name]);
        if name == "." {
            let line = run.refused(2);
            assert!(
                line.contains("the folder has other files than an export of the page"),
                "{line}"
            );
            continue;
        }
        let said = run.done().stderr;
        assert!(
            said.starts_with(&format!("created {name}: the NVS inspector, ")),
            "{said}"
        );
    }
    let files = names(&folder.file("empty"));
    assert_eq!(files, names(&folder.file("new/inspector")));
    for wanted in [".fleetmint-page", "index.html", "licenses.md"] {
        assert!(files.iter().any(|name| name == wanted), "{files:?}");
    }
    let page = folder.file("empty/index.html");
    let text = fs::read_to_string(&page).unwrap();
    // Opened from a folder, a page can load neither modules nor anything by an absolute path.
    assert!(!text.contains("type=\"module\"") && !text.contains("=\"/"), "{text}");
    let mode = fs::metadata(page).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o022, 0o644, "a web server may read it");
}

#[test]
fn what_an_earlier_version_had_and_this_one_lacks_is_deleted() {
    if !has_page() {
        return;
    }
    let folder = Folder::new();
    folder.run(["page", "export", "inspector"]).done();
    let list = fs::read_to_string(folder.file("inspector/.fleetmint-page")).unwrap();
    folder.write("inspector/old.js", "old");
    folder.write("inspector/.fleetmint-page", format!("{list}old.js\n"));
    folder.run(["page", "export", "inspector"]).done();
    assert!(!folder.file("inspector/old.js").exists());
}

#[test]
fn what_a_killed_export_has_left_is_deleted() {
    if !has_page() {
        return;
    }
    let folder = Folder::new();
    fs::create_dir_all(folder.file("inspector/.fleetmint-page-AbCdEf/assets")).unwrap();
    fs::create_dir_all(folder.file("inspector/.fleetmint-page-empty")).unwrap();
    folder.write("inspector/.fleetmint-page-AbCdEf/index.html", "half");
    folder.write("inspector/.fleetmint-page-AbCdEf/assets/a.js", "half");
    folder.run(["page", "export", "inspector"]).done();
    let names = names(&folder.file("inspector"));
    assert!(
        names.iter().all(|name| !name.starts_with(".fleetmint-page-")),
        "{names:?}"
    );
    // A file of that name is not of an export.
    folder.write("inspector/.fleetmint-page-x", "mine");
    folder.run(["page", "export", "inspector"]).refused(2);
}

#[test]
fn a_folder_with_other_files_stays_as_it_is() {
    if !has_page() {
        return;
    }
    let folder = Folder::new();
    folder.run(["page", "export", "inspector"]).done();
    folder.write("inspector/notes.txt", "mine");
    folder.write("inspector/index.html", "mine");
    let line = folder.run(["page", "export", "inspector"]).refused(2);
    assert!(
        line.contains("notes.txt among them: name a new or an empty folder"),
        "{line}"
    );
    assert_eq!(folder.read("inspector/index.html"), b"mine");

    folder.write("file", "");
    let line = folder.run(["page", "export", "file"]).refused(2);
    assert!(line.starts_with("fleetmint: file: "), "{line}");
    assert_eq!(folder.run(["page", "export", "-"]).exit, 2);
}

#[test]
fn nothing_half_written_stays_where_it_cannot_be_written() {
    if !has_page() {
        return;
    }
    let folder = Folder::new();
    // A folder where a file belongs: the move fails after everything was written.
    fs::create_dir_all(folder.file("inspector/index.html")).unwrap();
    folder.run(["page", "export", "inspector"]).refused(2);
    assert!(
        names(&folder.file("inspector"))
            .iter()
            .all(|name| !name.starts_with(".fleetmint-p") || name == ".fleetmint-page")
    );
    let left = names(&folder.file("inspector"));
    assert!(
        left.iter()
            .all(|name| !name.starts_with(".fleetmint-") || name == ".fleetmint-page"),
        "{left:?}"
    );
}
