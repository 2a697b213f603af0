//! `--qr` and `--labels`: codes and sheets are read by programs that others wrote.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::files;
use crate::folder::{Folder, Run};

const CONF: &str = "prov,namespace,\npop,data,string\nroom,data,string\n";
const RAINMAKER: &str = r#"{"ver":"v1","name":"PROV_{{id}}","pop":"{{column:pop}}","transport":"ble"}"#;

/// Values that break a carelessly written template, table, name or path.
const POPS: [&str; 6] = [
    "abcd1234",
    "a\"b",
    "back\\slash",
    "grüße",
    "comma, and 'quotes'",
    "}}{{id}}",
];

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("conf.csv", CONF);
    let mut values = String::from("serial,pop,room,mac\n");
    for number in 0..30 {
        let pop = POPS.get(number).copied().unwrap_or("plain");
        let pop = pop.replace('"', "\"\"");
        values.push_str(&format!("sn-{number:03},\"{pop}\",hall,24:0a:c4:00:01:{number:02x}\n"));
    }
    folder.write("values.csv", values);
    folder
}

fn pop(number: usize) -> &'static str {
    POPS.get(number).copied().unwrap_or("plain")
}

/// What the code of a device says.
fn expected(number: usize) -> serde_json::Value {
    serde_json::json!({"ver": "v1", "name": format!("PROV_sn-{number:03}"), "pop": pop(number), "transport": "ble"})
}

fn generate(folder: &Folder, more: &[&str]) -> Run {
    let call = [
        "nvs",
        "mfg",
        "generate",
        "conf.csv",
        "values.csv",
        "lamp",
        "0x3000",
        "--fileid",
        "serial",
        "--outdir",
        "out",
    ];
    folder.run(call.iter().chain(more))
}

/// Whether a tool is installed. If not, that is printed.
fn have(tool: &str) -> bool {
    if Command::new(tool).arg("--version").output().is_ok() {
        return true;
    }
    let why = format!("SKIPPED: {tool} is not installed. `tools/install labels` installs it.\n");
    assert!(std::env::var_os("CI").is_none(), "{why}");
    // Not with a macro, whose output the test harness would capture.
    let _ = std::io::stderr().write_all(why.as_bytes());
    false
}

fn run(tool: &str, arguments: &[&str], folder: &Path) -> Vec<u8> {
    let output = Command::new(tool).args(arguments).current_dir(folder).output().unwrap();
    assert!(
        output.status.success(),
        "{tool}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// What zbar reads in a picture.
fn read_code(picture: &str, folder: &Path) -> serde_json::Value {
    let text = run(
        "zbarimg",
        &["--nodbus", "-q", "--raw", "-Sdisable", "-Sqrcode.enable", picture],
        folder,
    );
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{picture}: {error}"))
}

#[test]
fn codes_are_read_by_another_program() {
    let folder = folder();
    generate(&folder, &["--qr", RAINMAKER]).done();
    if !have("zbarimg") || !have("rsvg-convert") {
        return;
    }
    for number in 0..POPS.len() {
        let name = format!("out/qr/lamp-sn-{number:03}");
        assert_eq!(read_code(&format!("{name}.png"), folder.path()), expected(number));
        run(
            "rsvg-convert",
            &["-o", "svg.png", &format!("{name}.svg")],
            folder.path(),
        );
        assert_eq!(read_code("svg.png", folder.path()), expected(number));
    }
}

#[test]
fn the_table_says_what_is_on_each_label() {
    let folder = folder();
    let lines = ["--label-text", "{{id}}", "--label-text", "MAC {{column:mac}}"];
    generate(&folder, &[&["--qr", RAINMAKER][..], &lines].concat()).done();
    let mut table = csv::Reader::from_path(folder.file("out/lamp-labels.csv")).unwrap();
    assert_eq!(table.headers().unwrap(), &["id", "qr", "svg", "png", "label"][..]);
    let records: Vec<csv::StringRecord> = table.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), 30);
    for (number, record) in records.iter().enumerate() {
        assert_eq!(&record[0], format!("sn-{number:03}"));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&record[1]).unwrap(),
            expected(number)
        );
        for file in [&record[2], &record[3]] {
            assert!(folder.file(&format!("out/{file}")).is_file(), "{file}");
        }
        assert_eq!(&record[4], format!("sn-{number:03}\nMAC 24:0a:c4:00:01:{number:02x}"));
    }
}

/// A page of grey pixels, as `pdftoppm -gray` writes it.
struct Page {
    width: usize,
    pixels: Vec<u8>,
}

const DPI: f32 = 300.0;

impl Page {
    fn read(path: &Path) -> Self {
        let file = fs::read(path).unwrap();
        let head: Vec<&[u8]> = file.splitn(4, |byte| *byte == b'\n').collect();
        assert_eq!((head[0], head[2]), (&b"P5"[..], &b"255"[..]));
        let width = std::str::from_utf8(head[1])
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        Self {
            width,
            pixels: head[3].to_vec(),
        }
    }

    /// Cuts out a rectangle in millimetres from the upper left, and leaves white behind.
    fn cut(&mut self, [x, y, width, height]: [f32; 4], to: &Path) {
        let pixel = |mm: f32| (mm * DPI / 25.4).round() as usize;
        let (left, width) = (pixel(x), pixel(width));
        let mut cut = format!("P5\n{width} {}\n255\n", pixel(height)).into_bytes();
        for row in pixel(y)..pixel(y) + pixel(height) {
            let row = &mut self.pixels[row * self.width + left..][..width];
            cut.extend_from_slice(row);
            row.fill(255);
        }
        fs::write(to, cut).unwrap();
    }
}

#[test]
fn every_label_of_a_printed_sheet_is_read_in_its_place() {
    let folder = folder();
    let lines = ["--label-text", "{{id}}", "--label-text", "Gerät {{column:mac}}"];
    let sheet = [
        "--labels",
        "labels.pdf",
        "--label-sheet",
        "L7160",
        "--label-start",
        "20",
        "--qr-format",
        "none",
    ];
    generate(&folder, &[&["--qr", RAINMAKER][..], &lines, &sheet].concat()).done();
    if !have("pdftoppm") || !have("zbarimg") {
        return;
    }
    run("pdftoppm", &["-gray", "-r", "300", "labels.pdf", "page"], folder.path());
    let mut pages: Vec<Page> = (1..=3)
        .map(|page| Page::read(&folder.file(&format!("page-{page}.pgm"))))
        .collect();
    assert!(!folder.file("page-4.pgm").exists());
    for number in 0..30 {
        let place = 19 + number;
        let (column, row) = (place % 3, place % 21 / 3);
        // Avery's measures: margins of 7.21 and 15.15 mm, labels of 63.5 x 38.1 mm, 2.54 mm between the columns.
        let label = [7.21 + column as f32 * 66.04, 15.15 + row as f32 * 38.1, 63.5, 38.1];
        pages[place / 21].cut(label, &folder.file("label.pgm"));
        assert_eq!(read_code("label.pgm", folder.path()), expected(number));
    }
    for page in &pages {
        assert!(
            page.pixels.iter().all(|pixel| *pixel == 255),
            "something is beside the labels"
        );
    }
    let text = String::from_utf8(run("pdftotext", &["labels.pdf", "-"], folder.path())).unwrap();
    for number in 0..30 {
        assert!(text.contains(&format!("sn-{number:03}\n")), "{text}");
    }
    assert!(text.contains("Gerät"), "{text}");
    let fonts = String::from_utf8(run("pdffonts", &["labels.pdf"], folder.path())).unwrap();
    // Embedded, a part of the font, and with the characters of its glyphs.
    assert!(fonts.contains("yes yes yes"), "{fonts}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_codes_and_sheets() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let run = generate(&folder, &["--qr", RAINMAKER, "--labels", "labels.pdf"]).done();
    for path in [
        "labels.pdf",
        "out/lamp-labels.csv",
        "out/qr/lamp-sn-000.svg",
        "out/qr/lamp-sn-029.png",
    ] {
        let mode = fs::metadata(folder.file(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{path}");
    }
    for pop in POPS {
        assert!(!run.stdout.contains(pop) && !run.stderr.contains(pop));
    }
}

#[test]
fn a_run_that_was_cut_off_is_completed() {
    let folder = folder();
    let more = ["--qr", RAINMAKER, "--labels", "out/labels.pdf"];
    generate(&folder, &more).done();
    let whole = files(&folder.file("out"));
    assert_eq!(whole.keys().filter(|name| name.starts_with("qr/")).count(), 60);
    for lost in [
        "qr/lamp-sn-003.svg",
        "qr/lamp-sn-029.png",
        "lamp-labels.csv",
        "labels.pdf",
        "lamp-manifest.csv",
    ] {
        fs::remove_file(folder.file(&format!("out/{lost}"))).unwrap();
    }
    generate(&folder, &[&more[..], &["--resume"]].concat()).done();
    assert!(files(&folder.file("out")) == whole);
}

#[test]
fn a_code_with_other_content_is_not_replaced() {
    let folder = folder();
    folder.write("out/qr/lamp-sn-004.svg", "mine");
    let run = generate(&folder, &["--qr", RAINMAKER]);
    let said = "values.csv: line 6: qr/lamp-sn-004.svg: it exists with other content; --force replaces it";
    assert!(run.exit == 2 && run.stderr.contains(said), "{}", run.stderr);
    assert_eq!(files(&folder.file("out")).len(), 1);
    generate(&folder, &["--qr", RAINMAKER, "--force"]).done();
    assert!(folder.read("out/qr/lamp-sn-004.svg").starts_with(b"<svg "));
}

#[test]
fn the_same_run_again_changes_nothing_and_another_is_refused() {
    let folder = folder();
    let more = ["--qr", RAINMAKER, "--labels", "out/labels.pdf"];
    generate(&folder, &more).done();
    let whole = files(&folder.file("out"));
    generate(&folder, &more).done();
    assert!(files(&folder.file("out")) == whole);
    // Another sheet, and another text on the labels.
    for (other, name) in [
        (["--label-sheet", "L7159"], "out/labels.pdf"),
        (["--label-text", "x"], "out/lamp-labels.csv"),
    ] {
        let line = generate(&folder, &[&more[..], &other].concat()).refused(2);
        let said = format!("{name}: nothing was written: it exists with other content; --force replaces it");
        assert!(line.contains(&said), "{line}");
        assert!(files(&folder.file("out")) == whole);
    }
    generate(&folder, &[&more[..], &["--label-sheet", "L7159", "--force"]].concat()).done();
    assert!(folder.read("out/labels.pdf") != whole["labels.pdf"]);
}

#[test]
fn a_sheet_is_no_input_and_no_folder() {
    let folder = folder();
    fs::create_dir(folder.file("sheets")).unwrap();
    let before = folder.names();
    for (path, said) in [
        ("values.csv", "values.csv: not written: it is an input too"),
        ("conf.csv", "conf.csv: not written: it is an input too"),
        ("sheets", "sheets: not written: is a directory"),
    ] {
        let line = generate(&folder, &["--qr", "{{id}}", "--labels", path, "--force"]).refused(2);
        assert!(line.contains(said), "{line}");
        assert_eq!(folder.names(), before);
    }
}

#[test]
fn what_is_wrong_is_said_before_anything_is_written() {
    let folder = folder();
    folder.write("values.csv", "serial,pop,room,note,note\na,p,hall,1,2\n");
    let before = folder.names();
    for (more, said) in [
        (
            &["--qr", "{{column:gone}}"][..],
            "--qr: character 1: the table of values has no column \"gone\"",
        ),
        (
            &["--qr", "{{column:note}}"],
            "--qr: character 1: the table of values has more than one column \"note\"",
        ),
        (&["--qr", "a{{id}"], "--qr: character 2: \"{{\" without \"}}\" after it"),
        (
            &["--qr", "{\"p\":\"{{id}}\",}"],
            "--qr: character 1: it begins as JSON and is not JSON",
        ),
    ] {
        let line = generate(&folder, more).refused(2);
        assert!(line.contains(said), "{line}");
    }
    folder.write(
        "values.csv",
        format!("serial,pop,room\na,p,hall\n\nb,{},hall\nc,p,hall中\n", "x".repeat(2332)),
    );
    let run = generate(
        &folder,
        &[
            "--qr",
            "{{column:pop}}",
            "--labels",
            "labels.pdf",
            "--label-text",
            "{{column:room}}",
        ],
    );
    assert_eq!(run.exit, 2);
    assert!(!run.stderr.contains("xxx"), "{}", run.stderr);
    for said in [
        "values.csv: line 4: --qr: the text of the code has 2332 bytes; a QR code of the level M holds 2331 bytes",
        "values.csv: line 5: --labels: the font of the sheet has no sign for character 5 of line 1",
    ] {
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
    assert_eq!(folder.names(), before);
}

#[test]
fn a_tar_holds_the_codes_and_their_table() {
    let folder = folder();
    generate(&folder, &["--qr", RAINMAKER, "--labels", "a.pdf"]).done();
    generate(&folder, &["--qr", RAINMAKER, "--labels", "b.pdf", "--tar", "out.tar"]).done();
    assert!(folder.read("a.pdf") == folder.read("b.pdf"));
    fs::create_dir(folder.file("unpacked")).unwrap();
    run("tar", &["-xf", "../out.tar"], &folder.file("unpacked"));
    assert!(files(&folder.file("unpacked")) == files(&folder.file("out")));
}
