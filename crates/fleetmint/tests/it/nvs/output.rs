//! Outputs: never an input, never half written, readable only for their owner, and which files they may replace.

use std::fs;
use std::process::{Command, Stdio};

use crate::folder::Folder;

const TABLE: &str = "key,type,encoding,value\nprov,namespace,,\nserial,data,u32,1\nca,file,binary,ca.der\n";
const CHANGES: &str = "key,type,encoding,value\nprov,namespace,,\nserial,data,u32,2\n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("ca.der", [0x30, 0x82, 1, 2]);
    folder.write("device.csv", TABLE);
    folder.write("changes.csv", CHANGES);
    folder
        .line("fleetmint nvs encrypt device.csv device.bin 0x3000 --keygen --keyfile k.bin")
        .done();
    folder.write("hmac.bin", [7; 32]);
    folder
}

/// All files, with their content.
fn content(folder: &Folder) -> Vec<(String, Vec<u8>)> {
    let mut names = folder.names();
    names.retain(|name| folder.file(name).is_file());
    names.push("keys/k.bin".to_string());
    names
        .into_iter()
        .map(|name| (name.clone(), folder.read(&name)))
        .collect()
}

#[cfg(unix)]
#[test]
fn an_output_is_never_an_input_by_whatever_name() {
    let folder = folder();
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(from, folder.file(to)).unwrap();
    for (name, linked) in [
        ("device.csv", "table"),
        ("ca.der", "ca"),
        ("device.bin", "image"),
        ("changes.csv", "changes"),
        ("keys/k.bin", "key"),
        ("hmac.bin", "hmac"),
    ] {
        link(name, &format!("symbolic-{linked}"));
        link(&format!("symbolic-{linked}"), &format!("twice-{linked}"));
        fs::hard_link(folder.file(name), folder.file(&format!("hard-{linked}"))).unwrap();
    }
    link(".", "here");
    let before = content(&folder);
    for (command, inputs) in [
        ("generate device.csv OUT 0x3000", &["table", "ca"][..]),
        (
            "encrypt device.csv OUT 0x3000 --inputkey keys/k.bin",
            &["table", "ca", "key"],
        ),
        ("decrypt device.bin keys/k.bin OUT", &["image", "key"]),
        ("repair device.bin OUT --keys keys/k.bin", &["image", "key"]),
        (
            "patch device.bin changes.csv OUT --keys keys/k.bin",
            &["image", "changes", "key"],
        ),
        (
            "generate-key --keyfile ABSOLUTE --key_protect_hmac --kp_hmac_inputkey hmac.bin",
            &["hmac"],
        ),
    ] {
        for input in inputs {
            let direct = match *input {
                "table" => "device.csv",
                "ca" => "ca.der",
                "image" => "device.bin",
                "changes" => "changes.csv",
                "key" => "keys/k.bin",
                _ => "hmac.bin",
            };
            for out in [
                direct.to_string(),
                format!("./{direct}"),
                format!("here/{direct}"),
                format!("symbolic-{input}"),
                format!("twice-{input}"),
                format!("hard-{input}"),
            ] {
                // A key file's name gets .bin if it has no extension.
                let absolute = folder.file(&out);
                if command.contains("ABSOLUTE") && absolute.extension().is_none() {
                    continue;
                }
                for force in ["", " --force"] {
                    let line = command
                        .replace("OUT", &out)
                        .replace("ABSOLUTE", absolute.to_str().unwrap());
                    let said = folder.line(&format!("fleetmint nvs {line}{force}")).refused(2);
                    assert!(
                        said.contains("not written: it is") && said.contains("input"),
                        "{line}: {said}"
                    );
                }
            }
        }
    }
    assert!(content(&folder) == before);
    assert!(folder.names().iter().all(|name| !name.starts_with(".fleetmint")));
}

#[test]
fn two_outputs_are_two_files() {
    let folder = folder();
    let before = content(&folder);
    let same = folder.file("new.bin");
    let same = same.to_str().unwrap();
    for line in [
        format!("encrypt device.csv new.bin 0x3000 --keygen --keyfile {same}"),
        format!("generate-key --keyfile {same} --key_protect_hmac --kp_hmac_keygen --kp_hmac_keyfile {same}"),
    ] {
        let said = folder.line(&format!("fleetmint nvs {line}")).refused(2);
        assert!(said.contains("is the same file as the output"), "{said}");
    }
    assert!(content(&folder) == before);
}

#[test]
fn a_table_in_the_output_s_place_is_not_replaced() {
    let folder = folder();
    folder.write("site.csv", CHANGES);
    let utf16: Vec<u8> = "\u{FEFF}key,type,encoding,value\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for table in [
        TABLE.as_bytes().to_vec(),
        b"\xEF\xBB\xBF# site 7\n\nkey;type;encoding;value\n".to_vec(),
        b"\"Key\"\t\"Type\"\tencoding\t value\n".to_vec(),
        utf16,
    ] {
        folder.write("other.csv", &table);
        for command in [
            "generate site.csv other.csv 0x3000",
            "encrypt site.csv other.csv 0x3000 --keygen --keyfile new.bin",
            "decrypt device.bin keys/k.bin other.csv",
        ] {
            let said = folder.line(&format!("fleetmint nvs {command}")).refused(2);
            assert!(said.contains("other.csv: not written: it is a table"), "{said}");
            assert!(folder.read("other.csv") == table && !folder.file("keys/new.bin").exists());
        }
    }
    folder
        .line("fleetmint nvs generate site.csv other.csv 0x3000 --force")
        .done();
    assert_eq!(folder.read("other.csv").len(), 0x3000);
}

#[test]
fn keys_are_not_replaced_before_what_needs_them_is_there() {
    let folder = folder();
    let before = content(&folder);
    for (command, said) in [
        (
            "encrypt device.csv new.bin 0x3000 --keygen --keyfile k.bin",
            "keys/k.bin: not written: it exists",
        ),
        ("generate-key --keyfile k.bin", "keys/k.bin: not written: it exists"),
        (
            "generate-key --keyfile new.bin --key_protect_hmac --kp_hmac_keygen --kp_hmac_keyfile k.bin",
            "keys/k.bin: not written: it exists",
        ),
        (
            "generate changes.csv keys/k.bin 0x3000",
            "keys/k.bin: not written: it holds encryption keys",
        ),
        (
            "generate changes.csv hmac.bin 0x3000",
            "hmac.bin: not written: it has the 32 bytes of an HMAC key",
        ),
        // The image cannot be written. --force is for the keys.
        (
            "encrypt device.csv keys 0x3000 --keygen --keyfile k.bin --force",
            "keys: not written: is a directory",
        ),
        (
            "encrypt device.csv device.csv/new.bin 0x3000 --keygen --keyfile k.bin --force",
            "device.csv/new.bin: not written",
        ),
        (
            "encrypt changes.csv new.bin 0x2001 --keygen --keyfile k.bin --force",
            "8193",
        ),
    ] {
        let line = folder.line(&format!("fleetmint nvs {command}")).refused(2);
        assert!(line.contains(said), "{line}");
        assert!(content(&folder) == before, "{command}");
    }
    folder
        .line("fleetmint nvs encrypt device.csv device.bin 0x3000 --keygen --keyfile k.bin --force")
        .done();
    assert!(folder.read("keys/k.bin") != before.last().unwrap().1);
    folder.line("fleetmint nvs dump device.bin --keys keys/k.bin").done();
}

#[cfg(unix)]
#[test]
fn no_output_is_looser_than_its_strictest_input() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let set = |name: &str, mode: u32| fs::set_permissions(folder.file(name), fs::Permissions::from_mode(mode)).unwrap();
    set("device.csv", 0o644);
    set("changes.csv", 0o644);
    for (command, out) in [
        ("generate device.csv out1.bin 0x3000", "out1.bin"),
        ("encrypt device.csv out2.bin 0x3000 --inputkey keys/k.bin", "out2.bin"),
        ("decrypt device.bin keys/k.bin out3.bin", "out3.bin"),
        ("repair device.bin out4.bin --keys keys/k.bin", "out4.bin"),
        ("patch device.bin changes.csv out5.bin --keys keys/k.bin", "out5.bin"),
        ("generate-key --keyfile out6.bin", "keys/out6.bin"),
    ] {
        // With a umask that removes no permission, over a file that everybody could read.
        if !out.starts_with("keys/") {
            folder.write(out, "");
            set(out, 0o666);
        }
        let program = env!("CARGO_BIN_EXE_fleetmint");
        let done = Command::new("sh")
            .args(["-c", &format!("umask 0; exec {program} nvs {command}")])
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success(), "{command}");
        let mode = fs::metadata(folder.file(out)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{command}");
    }
}

/// The program is stopped as soon as its temporary file exists. Others can never read that file.
#[cfg(unix)]
#[test]
fn temporary_files_go_when_a_signal_ends_the_program() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::ExitStatusExt;
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let mut stopped = 0;
        for _ in 0..200 {
            let folder = Folder::new();
            folder.write("device.csv", CHANGES);
            let mut child = Command::new(env!("CARGO_BIN_EXE_fleetmint"))
                .args(["nvs", "encrypt", "device.csv", "out/device.bin", "16M", "--keygen"])
                .current_dir(folder.path())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let temporaries = |name: &str| -> Vec<fs::Metadata> {
                let Ok(entries) = fs::read_dir(folder.file(name)) else {
                    return Vec::new();
                };
                let is_temporary =
                    |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".fleetmint-");
                entries
                    .map(Result::unwrap)
                    .filter(is_temporary)
                    .filter_map(|entry| entry.metadata().ok())
                    .collect()
            };
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                let seen = temporaries("out");
                if !seen.is_empty() {
                    assert!(seen.iter().all(|file| file.permissions().mode() & 0o077 == 0));
                    // Once it holds something.
                    if seen.iter().any(|file| file.size() > 0) {
                        let id = child.id().to_string();
                        let _ = Command::new("kill")
                            .args([&format!("-{signal}"), &id])
                            .status()
                            .unwrap();
                        break child.wait().unwrap();
                    }
                }
            };
            let whole = folder.file("out/device.bin").exists();
            assert!(
                temporaries("out").is_empty() && temporaries("keys").is_empty(),
                "SIG{signal}"
            );
            assert_eq!(
                fs::read_dir(folder.file("keys")).map_or(0, Iterator::count) > 0,
                whole,
                "SIG{signal}"
            );
            if status.signal() == Some(number) && !whole {
                stopped += 1;
            }
            if stopped == 3 {
                break;
            }
        }
        assert_eq!(stopped, 3, "SIG{signal}");
    }
}

/// The program is ended while a reader has some of the image and the program waits for it to take the rest.
#[cfg(unix)]
#[test]
fn an_image_never_leaves_the_program_before_its_keys_are_in_place() {
    use std::io::Read;
    for (signal, leaves_keys) in [("KILL", true), ("TERM", false)] {
        let folder = Folder::new();
        folder.write("device.csv", CHANGES);
        let made = Command::new("mkfifo").arg(folder.file("pipe")).status().unwrap();
        assert!(made.success());
        let mut child = Command::new(env!("CARGO_BIN_EXE_fleetmint"))
            .args("nvs encrypt device.csv pipe 1M --keygen --keyfile k.bin".split(' '))
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut image = vec![0; 0x1000];
        let mut pipe = fs::File::open(folder.file("pipe")).unwrap();
        pipe.read_exact(&mut image).unwrap();
        let _ = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status()
            .unwrap();
        assert!(!child.wait().unwrap().success());
        let names = fs::read_dir(folder.file("keys")).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["k.bin"][..usize::from(leaves_keys)], "SIG{signal}");
        if leaves_keys {
            image.resize(0x10_0000, 0xFF);
            folder.write("device.bin", image);
            folder
                .line("fleetmint nvs get device.bin prov serial --keys keys/k.bin")
                .done();
        }
    }
}

#[cfg(unix)]
#[test]
fn a_signal_that_the_caller_ignores_stays_ignored() {
    let folder = Folder::new();
    folder.write("device.csv", CHANGES);
    let program = env!("CARGO_BIN_EXE_fleetmint");
    let script = format!("trap '' HUP; exec {program} nvs generate device.csv device.bin 16M");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() && folder.names().len() == 1 {}
    let id = child.id().to_string();
    let _ = Command::new("kill")
        .args(["-HUP", &id])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(folder.names(), ["device.bin", "device.csv"]);
}

fn piped(folder: &Folder, line: &str, input: &[u8]) -> (i32, Vec<u8>, String) {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_fleetmint"))
        .args(line.split_whitespace())
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses the call reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), output.stdout, said)
}

#[test]
fn a_hyphen_is_standard_input_or_output() {
    let folder = folder();
    folder.line("fleetmint nvs generate device.csv plain.bin 0x3000").done();
    folder
        .line("fleetmint nvs patch plain.bin changes.csv patched.bin")
        .done();
    let (plain, patched) = (folder.read("plain.bin"), folder.read("patched.bin"));
    let keys = folder.read("keys/k.bin");
    let encrypted = folder.read("device.bin");
    for (line, input, output) in [
        ("generate - - 0x3000", TABLE.as_bytes(), &plain),
        ("generate - - 0x3000 --outdir elsewhere", TABLE.as_bytes(), &plain),
        ("encrypt - - 0x3000 --inputkey keys/k.bin", TABLE.as_bytes(), &encrypted),
        ("decrypt - keys/k.bin -", &encrypted, &plain),
        ("decrypt device.bin - -", &keys, &plain),
        ("encrypt device.csv - 0x3000 --inputkey -", &keys, &encrypted),
        ("repair - -", &plain, &plain),
        ("patch - changes.csv -", &plain, &patched),
        ("patch plain.bin - -", CHANGES.as_bytes(), &patched),
        // The names of the system work as well.
        ("repair /dev/stdin /dev/stdout", &plain, &plain),
    ] {
        let (exit, stdout, stderr) = piped(&folder, &format!("nvs {line}"), input);
        assert_eq!(exit, 0, "{line}: {stderr}");
        assert!(stdout == *output, "{line}");
        let said = if line.contains("/dev") {
            "created /dev/stdout: "
        } else {
            "written to standard output: "
        };
        assert!(stderr.contains(said), "{line}: {stderr}");
    }
    for (line, input) in [
        ("dump -", &plain),
        ("check -", &plain),
        ("get - prov serial", &plain),
        ("diff - plain.bin", &plain),
        ("diff plain.bin -", &plain),
        ("diff device.bin plain.bin --keys-a -", &keys),
        ("dump device.bin --keys -", &keys),
    ] {
        let (exit, _, stderr) = piped(&folder, &format!("nvs {line}"), input);
        assert_eq!(exit, 0, "{line}: {stderr}");
    }
    assert!(!folder.file("-").exists() && !folder.file("elsewhere").exists());
    // A file of that name is ./-
    folder.line("fleetmint nvs generate device.csv ./- 0x3000").done();
    assert!(folder.read("-") == plain);
}

#[test]
fn a_hyphen_means_one_thing() {
    let folder = folder();
    folder.line("fleetmint nvs generate device.csv plain.bin 0x3000").done();
    let plain = folder.read("plain.bin");
    for (line, said) in [
        ("diff - -", "standard input (-) can be only one input"),
        ("patch - - out.bin", "standard input (-) can be only one input"),
        ("patch - changes.csv - --format json", "standard output cannot be both"),
        ("dump - --keys -", "standard input (-) can be only one input"),
        ("dump -", "standard input: a partition of 0 bytes"),
    ] {
        let input: &[u8] = if line == "dump -" { b"" } else { &plain };
        let (exit, stdout, stderr) = piped(&folder, &format!("nvs {line}"), input);
        assert_eq!((exit, stdout.len()), (2, 0), "{line}: {stderr}");
        assert!(stderr.contains(said), "{line}: {stderr}");
    }
    // Files that need a name refuse it, and so do those that are never read from standard input.
    for (line, said) in [
        (
            "nvs generate-key --keyfile -",
            "'--keyfile <FILE>': - is standard output, and keys are only written to files",
        ),
        (
            "nvs generate-key --key_protect_hmac --kp_hmac_keygen --kp_hmac_keyfile -",
            "'--kp_hmac_keyfile <FILE>': - is standard output, and keys are only written to files",
        ),
        (
            "nvs encrypt device.csv out.bin 0x3000 --keygen --keyfile -",
            "'--keyfile <FILE>': - is standard output, and keys are only written to files",
        ),
    ] {
        let (exit, stdout, stderr) = piped(&folder, line, b"");
        assert_eq!((exit, stdout.len()), (2, 0), "{line}: {stderr}");
        assert!(stderr.contains(said), "{line}: {stderr}");
    }
    assert!(!folder.file("keys/-.bin").exists() && !folder.file("out.bin").exists());
    // A row of a table means a file.
    folder.write("row.csv", "key,type,encoding,value\na,namespace,,\nb,file,binary,-\n");
    let line = folder.line("fleetmint nvs generate row.csv out.bin 0x3000").refused(2);
    assert!(line.contains("no such file"), "{line}");
}

/// Every command that answers on standard output, which is closed, open only for reading, or full.
#[cfg(unix)]
#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let folder = folder();
    folder.line("fleetmint nvs generate device.csv plain.bin 0x3000").done();
    let program = env!("CARGO_BIN_EXE_fleetmint");
    let run = |line: &str, standard_output: &str| {
        let output = Command::new("sh")
            .args(["-c", &format!("exec {program} {line} {standard_output}")])
            .current_dir(folder.path())
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for line in [
        "nvs dump plain.bin",
        "nvs dump plain.bin --format json",
        "nvs dump plain.bin --format csv",
        "nvs dump plain.bin --raw",
        "nvs dump plain.bin --raw --format json",
        "nvs get plain.bin prov serial",
        "nvs get plain.bin prov serial --format json",
        "nvs check plain.bin",
        "nvs check plain.bin --format json",
        "nvs diff plain.bin plain.bin --format json",
        "nvs generate device.csv - 0x3000",
        "nvs generate device.csv /dev/stdout 0x3000",
        "nvs encrypt device.csv - 0x3000 --inputkey keys/k.bin",
        "nvs decrypt device.bin keys/k.bin -",
        "nvs repair plain.bin -",
        "nvs patch plain.bin changes.csv -",
        "nvs patch plain.bin changes.csv --dry-run",
        "nvs patch plain.bin changes.csv --dry-run --format json",
        "completions bash",
        "--help",
        "nvs dump --help",
        "--version",
    ] {
        for (standard_output, reason) in [
            (">&-", "it is closed"),
            ("1</dev/null", "it is open only for reading"),
            #[cfg(target_os = "linux")]
            (">/dev/full", "no space left on device"),
        ] {
            let (exit, stderr) = run(line, standard_output);
            assert_eq!(exit, 2, "{line} {standard_output}: {stderr}");
            let said = stderr.lines().last().unwrap();
            assert!(
                said.starts_with("fleetmint: ") && said.ends_with(reason),
                "{line} {standard_output}: {stderr}"
            );
        }
        // A caller that only wants the exit code gets it, also if /dev/null is open for reading too, as Python opens it.
        for standard_output in [">/dev/null", "1<>/dev/null"] {
            let (exit, stderr) = run(line, standard_output);
            assert_eq!(exit, 0, "{line} {standard_output}: {stderr}");
        }
    }
    // A command that writes nothing does not fail.
    assert_eq!(run("nvs diff plain.bin plain.bin", ">&-"), (0, String::new()));
    folder.line("fleetmint nvs generate device.csv out.bin 0x3000").done();
    assert_eq!(run("nvs generate device.csv out.bin 0x3000", ">&-").0, 0);
}

#[cfg(unix)]
#[test]
fn standard_input_and_output_are_files_too() {
    let folder = folder();
    folder.line("fleetmint nvs generate device.csv plain.bin 0x3000").done();
    let before = folder.read("plain.bin");
    let program = env!("CARGO_BIN_EXE_fleetmint");
    for line in ["repair - plain.bin < plain.bin", "repair plain.bin - >> plain.bin"] {
        let output = Command::new("sh")
            .args(["-c", &format!("exec {program} nvs {line}")])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(folder.read("plain.bin") == before, "{line}");
    }
}
