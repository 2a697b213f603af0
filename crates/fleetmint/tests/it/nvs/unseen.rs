//! Control and format characters from images, tables and names of files never come out as they are.

use fleetmint_nvs::storage::{Mode, SliceFlash, Storage};
use fleetmint_nvs::{Key, Namespace};

use crate::folder::{Folder, Run};

/// ESC, DEL, CSI of C1, right-to-left override, isolate, zero-width space, line separator, a tag.
const EVIL: &str = "\x1b[31m\r\n\x7f\u{9b}31m\u{202e}\u{2066}\u{200b}\u{2028}\u{e0041}";
/// As a name it is short.
const NAME: &str = "\x1b[3m\n\u{202e}\u{9b}x";

fn image() -> Vec<u8> {
    let mut image = vec![0xFF; 0x3000];
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None).unwrap();
    let namespace = storage.open_namespace(&Namespace::new(NAME).unwrap()).unwrap();
    storage.set_str(namespace, &Key::new(NAME).unwrap(), EVIL).unwrap();
    drop(storage);
    image
}

fn is_unseen(char: char) -> bool {
    char.is_control() && char != '\n'
        || "\u{202e}\u{2066}\u{200b}\u{2028}\u{2029}\u{e0041}\u{feff}\u{ad}".contains(char)
}

#[track_caller]
fn assert_seen(what: &str, run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(is_unseen), "{what}: {text:?}");
        assert!(!text.contains("[3m\n"), "{what}: {text:?}");
    }
}

#[test]
fn in_what_the_commands_show() {
    let folder = Folder::new();
    folder.write("image.bin", image());
    folder.write("erased.bin", [0xFF; 0x3000]);
    for line in [
        "dump image.bin",
        "dump image.bin --raw",
        "check image.bin",
        "diff image.bin erased.bin --reveal",
        "diff image.bin erased.bin",
    ] {
        let run = folder.line(&format!("fleetmint nvs {line}"));
        assert!(run.exit < 2, "{line}: {}", run.stderr);
        assert_seen(line, &run);
        let json = folder.line(&format!("fleetmint nvs {line} --format json"));
        assert!(json.exit < 2, "{line}: {}", json.stderr);
        assert_seen(line, &json);
        let parsed: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        if line == "dump image.bin" {
            assert_eq!((&parsed[0]["key"], &parsed[0]["value"]), (&NAME.into(), &EVIL.into()));
            assert!(
                json.stdout.contains("\\u202e") && json.stdout.contains("\\u009b"),
                "{}",
                json.stdout
            );
        }
    }
}

#[test]
fn in_errors_and_warnings() {
    let folder = Folder::new();
    folder.write("image.bin", image());
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    folder.write(
        "bad.csv",
        format!(
            "key,type,encoding,value\na,namespace,,\n{},data,u8,{}\n",
            quoted(NAME),
            quoted(EVIL)
        ),
    );
    folder.write(
        "file.csv",
        format!(
            "key,type,encoding,value\na,namespace,,\nb,file,binary,{}\n",
            quoted(EVIL)
        ),
    );
    folder.write("type.csv", format!("key,type,encoding,value\na,{},,\n", quoted(EVIL)));
    for line in [
        "generate bad.csv out.bin 0x3000",
        "generate file.csv out.bin 0x3000",
        "generate type.csv out.bin 0x3000",
    ] {
        let run = folder.line(&format!("fleetmint nvs {line}"));
        assert_eq!(run.exit, 2, "{line}");
        assert_seen(line, &run);
        assert_eq!(run.stderr.matches('\n').count(), 1, "{line}: {:?}", run.stderr);
    }
    folder.line("fleetmint nvs dump image.bin --format csv");
}

#[cfg(unix)]
#[test]
fn in_names_of_files() {
    let folder = Folder::new();
    let name = EVIL;
    folder.write(name, image());
    for command in [
        &["dump"][..],
        &["check"],
        &["check", "--format", "json"],
        &["decrypt"],
        &["dump", "--keys"],
    ] {
        let arguments = [
            &["nvs"],
            command,
            &[name, name][..if command[0] == "decrypt" { 2 } else { 1 }],
        ]
        .concat();
        let run = folder.run(arguments);
        assert_seen(&format!("{command:?}"), &run);
    }
    // Also where the call itself makes no sense.
    let run = folder.run(["nvs", "dump", name, name]);
    assert_eq!(run.exit, 2);
    assert_seen("too many arguments", &run);
    let run = folder.run(["nvs", "repair", name, &format!("out{name}")]).done();
    assert_seen("repair", &run);
}

/// Runs a command on a terminal; gives its exit code and what the terminal got.
#[cfg(unix)]
fn on_a_terminal(folder: &Folder, line: &str) -> (i32, String) {
    let script = "import os, pty, sys\nsys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let output = std::process::Command::new("python3")
        .args(["-c", script, env!("CARGO_BIN_EXE_fleetmint")])
        .args(line.split_whitespace())
        .current_dir(folder.path())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[cfg(unix)]
#[test]
fn on_a_terminal_also_what_is_exact_elsewhere() {
    let folder = Folder::new();
    let mut image = vec![0xFF; 0x3000];
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None).unwrap();
    let namespace = storage.open_namespace(&Namespace::new("app").unwrap()).unwrap();
    storage
        .set_str(namespace, &Key::new("a").unwrap(), "\x1b[31m\u{202e}x")
        .unwrap();
    drop(storage);
    folder.write("image.bin", image);
    let table = folder.line("fleetmint nvs dump image.bin --format csv").done().stdout;
    assert!(table.contains("\x1b[31m\u{202e}x"), "{table:?}");
    let (exit, shown) = on_a_terminal(&folder, "nvs dump image.bin --format csv");
    assert_eq!(exit, 0, "{shown}");
    let shown = shown.replace('\r', "");
    assert!(
        shown.contains("\\u{1b}[31m\\u{202e}x") && !shown.contains(is_unseen),
        "{shown:?}"
    );
    // An image is nothing for a terminal.
    let (exit, shown) = on_a_terminal(&folder, "nvs repair image.bin -");
    assert!(
        exit == 2 && shown.contains("standard output is a terminal"),
        "{exit}: {shown}"
    );
}
