mod backup;
mod reset_token;

/// The check comes before anything that cannot be repeated.
#[test]
fn closed_standard_output_is_an_error_before_the_work() {
    use crate::folder::Folder;
    use crate::running::{Running, token};
    let folder = Folder::new();
    let server = Running::start(&folder, &[]);
    let before = token(&folder);
    let program = env!("CARGO_BIN_EXE_fleetmint");
    for line in ["admin reset-token", "admin backup copy.db", "adopt"] {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("exec {program} {line} >&-")])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(2), "fleetmint: standard output: it is closed\n"),
            "{line}"
        );
    }
    assert_eq!(token(&folder), before);
    assert_eq!(server.get("/api/devices", &before), 200);
    assert!(!folder.file("copy.db").exists());
}

#[test]
fn a_hyphen_is_refused_where_a_file_needs_a_name() {
    use crate::folder::Folder;
    let folder = Folder::new();
    for (line, said) in [
        (
            "admin backup -",
            "'<FILE>': - is standard output, and the copy needs a file of its own",
        ),
        (
            "admin backup copy.db --config -",
            "'--config <FILE>': - is standard input",
        ),
        ("admin reset-token --config -", "'--config <FILE>': - is standard input"),
        ("adopt --config -", "'--config <FILE>': - is standard input"),
        ("serve --config -", "'--config <FILE>': - is standard input"),
    ] {
        let run = folder.line(&format!("fleetmint {line}"));
        assert_eq!((run.exit, run.stdout.as_str()), (2, ""), "{line}: {}", run.stderr);
        assert!(run.stderr.contains(said), "{line}: {}", run.stderr);
    }
    assert_eq!(folder.names(), [""; 0]);
}
