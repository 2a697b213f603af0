//! The help of every command is a snapshot, so that each change of the interface shows in review.
//! After a change: UPDATE_EXPECT=1 cargo test -p fleetmint --test it help

use expect_test::expect_file;

use crate::command_tree::subcommands;
use crate::folder::Folder;

fn whole_help(command: &[&str], text: &mut String) {
    let help = Folder::new().run(command.iter().chain(&["--help"])).done().stdout;
    let line = format!("$ fleetmint {} --help", command.join(" "));
    text.push_str(&format!("{line}\n{help}\n\n"));
    for name in subcommands(command) {
        whole_help(&[command, &[&name]].concat(), text);
    }
}

fn of(command: &str) -> String {
    let mut text = String::new();
    whole_help(&[command], &mut text);
    text
}

#[test]
fn nvs() {
    expect_file!["help/nvs.txt"].assert_eq(&of("nvs"));
}

#[cfg(all(feature = "cable", feature = "client"))]
#[test]
fn flash() {
    expect_file!["help/flash.txt"].assert_eq(&of("flash"));
}

#[cfg(feature = "cable")]
#[test]
fn board() {
    expect_file!["help/board.txt"].assert_eq(&of("board"));
}

#[test]
fn completions() {
    expect_file!["help/completions.txt"].assert_eq(&of("completions"));
}

#[test]
fn page() {
    expect_file!["help/page.txt"].assert_eq(&of("page"));
}

#[test]
fn man() {
    expect_file!["help/man.txt"].assert_eq(&of("man"));
}

#[cfg(feature = "client")]
#[test]
fn those_that_call_a_server() {
    for command in ["login", "logout", "whoami", "model", "device"] {
        let path = format!("{}/tests/it/help/{command}.txt", env!("CARGO_MANIFEST_DIR"));
        expect_test::expect_file![path].assert_eq(&of(command));
    }
}

#[cfg(feature = "serve")]
#[test]
fn serve_admin_and_adopt() {
    expect_file!["help/serve.txt"].assert_eq(&of("serve"));
    expect_file!["help/admin.txt"].assert_eq(&of("admin"));
    expect_file!["help/adopt.txt"].assert_eq(&of("adopt"));
}

#[cfg(all(feature = "cable", feature = "client", feature = "serve"))]
#[test]
fn the_program_and_no_command_without_a_snapshot() {
    let help = Folder::new().run(["--help"]).done().stdout;
    expect_file!["help/fleetmint.txt"].assert_eq(&help);
    assert_eq!(
        subcommands(&[]),
        [
            "serve",
            "admin",
            "adopt",
            "flash",
            "board",
            "nvs",
            "login",
            "logout",
            "whoami",
            "model",
            "device",
            "page",
            "completions",
            "man"
        ]
    );
}
