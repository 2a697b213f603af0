//! Tables that were made to harm `fleetmint nvs mfg generate`.

use std::process::Command;

use crate::folder::{Folder, Run};

/// Runs with 400 MB of address space, which is several times what honest tables need.
fn limited(folder: &Folder, options: &str) -> Run {
    let program = env!("CARGO_BIN_EXE_fleetmint");
    let line = format!(
        "ulimit -v 400000; exec {program} nvs mfg generate conf.csv values.csv Fan 0x3000 --outdir out {options}"
    );
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(folder.path())
        .output()
        .unwrap();
    Run::from(output)
}

/// The run is refused, without a control character on the terminal, and writes nothing.
#[track_caller]
fn refused(configuration: &str, values: &str, options: &str, mentions: &[&str]) {
    let folder = Folder::new();
    folder.write("conf.csv", configuration);
    folder.write("values.csv", values);
    let run = limited(&folder, options);
    let end: String = run
        .stderr
        .chars()
        .rev()
        .take(500)
        .collect::<Vec<_>>()
        .iter()
        .rev()
        .collect();
    assert_eq!((run.exit, run.stdout.as_str()), (2, ""), "{end}");
    for mention in mentions {
        assert!(run.stderr.contains(mention), "{mention}: {end}");
    }
    assert!(
        !run.stderr.chars().any(|char| char.is_control() && char != '\n'),
        "{end}"
    );
    assert_eq!(folder.names(), ["conf.csv", "values.csv"]);
}

const CONFIGURATION: &str = "a,namespace,\nk,data,string\n";

#[test]
fn tables_that_are_too_large() {
    let columns = "x,".repeat(1_000_000);
    refused(
        CONFIGURATION,
        &format!("k,{columns}\n1\n"),
        "",
        &["values.csv: line 1: ", "16384"],
    );
    refused(
        CONFIGURATION,
        &format!("k\n{columns}\n"),
        "",
        &["values.csv: line 2: ", "16384"],
    );
    refused(&columns, "k\n1\n", "", &["conf.csv: line 1: "]);
    let open = format!("\"{}", "text,\n".repeat(1_000_000));
    refused(
        CONFIGURATION,
        &format!("k\n1\n{open}"),
        "",
        &["values.csv: line 3: ", "quote"],
    );
    refused(&open, "k\n1\n", "", &["conf.csv: line 1: ", "quote"]);
    // A hundred thousand rows of namespaces, of keys, of keys without a column, of wrong rows.
    let rows = |row: &dyn Fn(u32) -> String| (0..100_000).map(row).collect::<String>();
    refused(
        &rows(&|n| format!("n{n},namespace,\n")),
        "k\n1\n",
        "",
        &["conf.csv: line 255: "],
    );
    refused(
        &rows(&|_| "k,data,u8\n".to_owned()),
        "k\n1\n",
        "",
        &["conf.csv: line 1: ", "more"],
    );
    let keys = format!("a,namespace,\n{}", rows(&|n| format!("k{n},data,u8\n")));
    refused(&keys, "k\n1\n", "", &["values.csv: line 1: key \"k0\"", "more"]);
    refused(
        "a,namespace,\nk,data,u8\n",
        &format!("k\n{}", "x\n".repeat(100_000)),
        "",
        &["values.csv: line 2: key \"k\"", "99000 more errors", "100000 errors"],
    );
}

#[test]
fn names_that_lead_out_of_the_folder_or_deceive() {
    for id in ["../x", "a/b", "..", "a\\b", "\u{1b}[2J", "a\tb", "x\u{202e}y", "\u{0}"] {
        refused(
            CONFIGURATION,
            &format!("id,k\n\"{id}\",1\n"),
            "--fileid id",
            &["values.csv: line 2: the id "],
        );
    }
    refused(CONFIGURATION, "k\n1\n", "--fileid \u{1b}[31m", &["--fileid"]);
    // Keys and headers are shown without their control characters.
    refused("a,namespace,\n\u{1b}[2Jk,data,u8\n", "\u{1b}[2Jk\nx\n", "", &["line 2"]);
    refused(CONFIGURATION, "\u{1b}]0x\u{7}\n1\n", "", &["key \"k\""]);
    refused(
        "a,namespace,\nf,file,string\n",
        "f\n\u{1b}[2Jmissing\n",
        "",
        &["values.csv: line 2: key \"f\""],
    );
}

/// As with Espressif's script, a field may name any file that its user can read: the tables are the user's own.
#[test]
fn files_in_other_folders() {
    let folder = Folder::new();
    folder.write("line/conf.csv", "a,namespace,\nf,file,string\n");
    folder.write("line/values.csv", "f\n../shared/site.txt\n");
    folder.write("shared/site.txt", "Berlin");
    let output = Command::new(env!("CARGO_BIN_EXE_fleetmint"))
        .args("nvs mfg generate conf.csv values.csv Fan 0x3000".split(' '))
        .current_dir(folder.file("line"))
        .output()
        .unwrap();
    Run::from(output).done();
    let value = folder.line("fleetmint nvs get line/bin/Fan-1.bin a f").done().stdout;
    assert_eq!(value.trim_end(), "Berlin");
}
