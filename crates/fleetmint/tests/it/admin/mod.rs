mod backup;
mod reset_token;

/// Before anything is done that can't be done again.
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
