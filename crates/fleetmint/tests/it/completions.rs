//! `fleetmint completions`.

use std::process::Command;

use crate::command_tree::subcommands;
use crate::folder::Folder;

#[test]
fn every_shells_completions_have_every_subcommand() {
    let names = subcommands(&["nvs"]);
    for shell in ["bash", "zsh", "fish"] {
        let script = Folder::new().run(["completions", shell]).done().stdout;
        for name in &names {
            assert!(script.contains(name.as_str()), "{shell}: {name}");
        }
    }
}

#[test]
fn bash_completes_commands_and_options() {
    let folder = Folder::new();
    let script = folder.run(["completions", "bash"]).done().stdout;
    folder.write("fleetmint.bash", script);
    let complete = |words: &str| {
        let asked = format!(
            "source ./fleetmint.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _fleetmint fleetmint \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash")
            .args(["-c", &asked])
            .current_dir(folder.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    };
    assert_eq!(complete("fleetmint nvs gen"), "generate generate-key");
    assert_eq!(complete("fleetmint nvs encrypt --inp"), "--inputkey");
}

#[test]
fn an_unknown_shell_is_refused() {
    let run = Folder::new().run(["completions", "dosbox"]);
    assert_eq!(run.exit, 2);
    assert!(
        run.stderr.contains("bash") && run.stderr.contains("fish"),
        "{}",
        run.stderr
    );
}
