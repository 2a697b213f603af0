//! `fleetmint nvs dump`.

use std::path::Path;

use expect_test::expect;
use serde_json::Value as Json;

use crate::folder::Folder;
use crate::reference::{cases, folder, sorted};

const TABLE: &str = "\
key,type,encoding,value
prov,namespace,,
device_key,data,string,k1234567
interval,data,u16,30
offset,data,i64,-9007199254740993
gain,data,float,0.1
ratio,data,double,-inf
pin,data,hex2bin,12ab
note,data,string,\"two
lines, \"\"quoted\"\", ünïcödé\"
empty,data,string,
other,namespace,,
#hash,data,u8,1
\"#hash\",data,u8,2
unused,namespace,,
";

fn made() -> Folder {
    let folder = Folder::new();
    folder.write("device.csv", TABLE);
    folder
        .line("fleetmint nvs generate device.csv device.bin 0x3000")
        .done();
    folder
}

#[test]
fn a_table_for_people() {
    let text = made().line("fleetmint nvs dump device.bin").done().stdout;
    expect![[r#"
        NAMESPACE  KEY         TYPE    SIZE  VALUE
        other      #hash       u8            2
        prov       device_key  str        9  k1234567
        prov       empty       str        1
        prov       gain        float         0.1
        prov       interval    u16           30
        prov       note        str       33  two\nlines, "quoted", ünïcödé
        prov       offset      i64           -9007199254740993
        prov       pin         blob       2  12ab
        prov       ratio       double        -inf

        9 values in 3 namespaces; 18 of 378 entries in use, 234 available
    "#]]
    .assert_eq(&text);
}

#[test]
fn json_for_programs() {
    let text = made().line("fleetmint nvs dump device.bin --format json").done().stdout;
    expect![[r##"
        [
         {"namespace":"other","key":"#hash","type":"u8","value":2,"ns_index":2},
         {"namespace":"prov","key":"device_key","type":"str","value":"k1234567","size":9,"ns_index":1},
         {"namespace":"prov","key":"empty","type":"str","value":"","size":1,"ns_index":1},
         {"namespace":"prov","key":"gain","type":"float","value":0.1,"bits":"3dcccccd","ns_index":1},
         {"namespace":"prov","key":"interval","type":"u16","value":30,"ns_index":1},
         {"namespace":"prov","key":"note","type":"str","value":"two\nlines, \"quoted\", ünïcödé","size":33,"ns_index":1},
         {"namespace":"prov","key":"offset","type":"i64","value":-9007199254740993,"ns_index":1},
         {"namespace":"prov","key":"pin","type":"blob","value":"12ab","size":2,"ns_index":1},
         {"namespace":"prov","key":"ratio","type":"double","value":"-inf","bits":"fff0000000000000","ns_index":1}
        ]
    "##]]
    .assert_eq(&text);
}

#[test]
fn an_empty_partition_has_an_empty_listing() {
    let folder = Folder::new();
    folder.write("blank.bin", [0xFF; 0x3000]);
    let json = folder.line("fleetmint nvs dump blank.bin --format json").done().stdout;
    assert_eq!(serde_json::from_str::<Json>(&json).unwrap(), Json::Array(Vec::new()));
    let text = folder.line("fleetmint nvs dump blank.bin").done().stdout;
    assert!(text.starts_with("no values\n"), "{text}");
    let line = folder.line("fleetmint nvs dump blank.bin --format csv").refused(1);
    assert!(
        line.contains("the partition is empty, and generate accepts no table without rows"),
        "{line}"
    );
}

#[test]
fn csv_that_generate_takes_back() {
    let folder = made();
    let csv = folder.line("fleetmint nvs dump device.bin --format csv").done().stdout;
    folder.write("again.csv", &csv);
    folder.line("fleetmint nvs generate again.csv again.bin 0x3000").done();
    let json = |image: &str| {
        let text = folder
            .line(&format!("fleetmint nvs dump {image} --format json"))
            .done()
            .stdout;
        let mut entries: Vec<Json> = serde_json::from_str(&text).unwrap();
        // Sorted by name, the namespaces have other indices.
        entries
            .iter_mut()
            .for_each(|entry| drop(entry.as_object_mut().unwrap().remove("ns_index")));
        entries
    };
    assert_eq!(json("device.bin"), json("again.bin"));
    assert!(csv.ends_with("unused,namespace,,\n"), "{csv}");
    // From now on no byte changes.
    assert_eq!(
        folder.line("fleetmint nvs dump again.bin --format csv").done().stdout,
        csv
    );
}

/// Every reference image that a table can express: `diff` finds no difference in the image that is created from the table.
#[test]
fn csv_of_every_reference_image_comes_back() {
    let folder = Folder::new();
    let (mut carried, mut refused, mut wifi) = (0, 0, 0);
    let golden = cases("golden").into_iter().filter(|case| case.text("init") == "ESP_OK");
    let golden = golden.map(|case| (case.image(), case.keys(), case.name));
    let patch = cases("patch").into_iter().flat_map(|case| {
        let images = ["before", "after"].map(|when| case.path(&format!("{}.{when}.bin", case.name)));
        images.map(|image| (image, case.keys(), case.name.clone()))
    });
    for (image, keys, name) in golden.chain(patch.filter(|(image, ..)| Path::new(image).exists())) {
        let arguments = ["nvs", "dump", &image, "--format", "csv", "--force"].map(String::from);
        let csv = folder.run(arguments.iter().chain(&keys));
        if csv.exit == 1 {
            // A line about repairs may come first.
            let line = csv.stderr.lines().last().unwrap_or_default();
            if ["NEW_VERSION_FOUND", "NO_FREE_PAGES"]
                .iter()
                .any(|error| line.contains(error))
            {
                continue;
            }
            assert!(
                line.contains("--partial creates a table without it") || line.contains("the partition is empty"),
                "{name}: {line}"
            );
            refused += 1;
            continue;
        }
        let csv = csv.done().stdout;
        wifi += usize::from(csv.contains(",option,no-computed-rows,"));
        folder.write("again.csv", csv);
        folder.line("fleetmint nvs generate again.csv again.bin 0x40000").done();
        let mut diff = ["nvs", "diff", &image, "again.bin"].map(String::from).to_vec();
        if let [_, file] = keys.as_slice() {
            diff.extend(["--keys-a".to_owned(), file.clone()]);
        }
        let run = folder.run(diff);
        assert_eq!((run.exit, run.stdout.as_str()), (0, ""), "{name}: {}", run.stderr);
        carried += 1;
    }
    assert!(
        carried >= 200 && refused <= 60 && wifi >= 5,
        "{carried} carried, {refused} refused, {wifi} with Wi-Fi rows"
    );
}

/// The firmware packs closer than a fresh image: the warning names the size, and exactly that size is enough.
#[test]
fn a_table_that_needs_a_larger_partition_is_warned_of() {
    let test = Folder::new();
    let mut warned = 0;
    for case in cases("golden").into_iter().filter(|case| case.text("init") == "ESP_OK") {
        let (image, keys) = (case.image(), case.keys());
        let arguments = ["nvs", "dump", &image, "--format", "csv", "--force"].map(String::from);
        let csv = test.run(arguments.iter().chain(&keys));
        if csv.exit == 1 {
            continue;
        }
        let size = std::fs::metadata(&image).unwrap().len() as usize;
        let said = csv.stderr.lines().find_map(|line| line.split_once("; it needs "));
        let needed = said.map_or(size, |(_, bytes)| {
            let hex = bytes.trim_start_matches("0x").trim_end_matches(" bytes");
            usize::from_str_radix(hex, 16).unwrap()
        });
        test.write("again.csv", &csv.stdout);
        let generate = |size: usize| {
            test.line(&format!("fleetmint nvs generate again.csv again.bin {size:#x} --force"))
                .exit
        };
        assert_eq!(generate(needed), 0, "{}: {needed:#x}", case.name);
        if said.is_some() {
            warned += 1;
            assert_eq!(generate(needed - 0x1000), 2, "{}: {needed:#x}", case.name);
        }
    }
    assert!(warned >= 1);
    let full = folder("golden").join("full_3.bin");
    let csv = test
        .run(["nvs", "dump", full.to_str().unwrap(), "--format", "csv"])
        .done();
    let warning = "full_3.bin: a partition of its size, 0x3000 bytes, is too small for generate to create an image from this table; \
                   it needs 0x4000 bytes\n";
    assert!(csv.stderr.ends_with(warning), "{}", csv.stderr);
}

#[test]
fn a_table_without_what_it_cannot_carry() {
    let test = Folder::new();
    let image = folder("golden").join("str_utf8.bin");
    let image = image.to_str().unwrap();
    let line = test.run(["nvs", "dump", image, "--format", "csv"]).refused(1);
    assert!(
        line.contains(
            "a table cannot express \"badcont\": its text is not UTF-8; --format json shows it, --partial creates"
        ),
        "{line}"
    );
    let run = test.run(["nvs", "dump", image, "--format", "csv", "--partial"]).done();
    assert!(
        run.stderr
            .contains("\"badcont\": its text is not UTF-8; it is left out"),
        "{}",
        run.stderr
    );
    test.write("partial.csv", &run.stdout);
    test.line("fleetmint nvs generate partial.csv out.bin 0x3000").done();
    let line = test.run(["nvs", "dump", image, "--partial"]).refused(2);
    assert!(line.contains("--partial is for --format csv"), "{line}");
}

#[test]
fn every_reference_image_as_espressif_s_library_shows_it() {
    let folder = Folder::new();
    for case in cases("golden") {
        let modes = [
            ("read-write", case.text("init"), true),
            (
                "readonly",
                case.json["readonly"]["init"].as_str().unwrap(),
                case.json["readonly"]["entries_same_as_read_write"] == true,
            ),
        ];
        for (mode, init, as_listed) in modes {
            let name = format!("{} ({mode})", case.name);
            let mut arguments = ["nvs", "dump", &case.image(), "--format", "json", "--as", mode]
                .map(String::from)
                .to_vec();
            arguments.extend(case.keys());
            if init != "ESP_OK" {
                let line = folder.run(arguments).refused(1);
                assert!(line.contains(init), "{name}: {line}");
            } else if as_listed {
                // If the library reads nothing, it may have erased everything: the program does that only with --force.
                arguments.extend(case.entries().is_empty().then(|| "--force".to_string()));
                let run = folder.run(arguments).done();
                let entries: Vec<Json> = serde_json::from_str(&run.stdout).unwrap();
                assert_eq!(sorted(&entries), sorted(case.entries()), "{name}");
            }
        }
    }
}

#[test]
fn json_is_sorted_by_the_bytes_of_namespace_key_and_type() {
    for case in cases("golden")
        .iter()
        .filter(|case| case.text("init") == "ESP_OK")
        .take(40)
    {
        let image = case.image();
        let mut arguments = vec!["nvs", "dump", &image, "--format", "json", "--force"];
        let keys = case.keys();
        arguments.extend(keys.iter().map(String::as_str));
        let entries: Vec<Json> = serde_json::from_str(&Folder::new().run(arguments).done().stdout).unwrap();
        let bytes = |entry: &Json, field: &str| match entry[field].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => hex::decode(entry[format!("{field}_hex")].as_str().unwrap()).unwrap(),
        };
        let order: Vec<_> = entries
            .iter()
            .map(|entry| {
                (
                    bytes(entry, "namespace"),
                    bytes(entry, "key"),
                    entry["type"].as_str().unwrap(),
                )
            })
            .collect();
        assert!(order.is_sorted(), "{}", case.name);
    }
}

#[test]
fn raw_shows_what_lies_there() {
    let folder = made();
    let text = folder.line("fleetmint nvs dump device.bin --raw").done().stdout;
    let lines: Vec<&str> = text.lines().take(5).collect();
    expect![[r#"
        page 0 at 0x0: ACTIVE, sequence 0, version 0xfe
                0  0x000040  written  ns 0 namespace "prov" span 1
                1  0x000060  written  ns 1 str "device_key" span 2
                2  0x000080  written  data of 1  6b3132333435363700ffffffffffffffffffffffffffffffffffffffffffffff
                3  0x0000a0  written  ns 1 u16 "interval" span 1  30"#]]
    .assert_eq(&lines.join("\n"));

    let json = folder
        .line("fleetmint nvs dump device.bin --raw --format json")
        .done()
        .stdout;
    let pages: Vec<Json> = serde_json::from_str(&json).unwrap();
    assert_eq!(pages.len(), 3);
    for page in &pages {
        assert_eq!(page["slots"].as_array().unwrap().len(), 126);
    }
    assert_eq!(pages[0]["slots"][1]["item"]["key"], "device_key");
    assert_eq!(pages[0]["slots"][2]["data_of"], 1);
    assert_eq!(pages[2]["state"], "UNINITIALIZED");

    let line = folder
        .line("fleetmint nvs dump device.bin --raw --format csv")
        .refused(2);
    assert!(line.contains("text or json"), "{line}");
}

#[test]
fn raw_never_stops_at_what_the_firmware_would() {
    for case in cases("golden") {
        let image = case.image();
        for format in ["text", "json"] {
            let run = Folder::new().run(["nvs", "dump", &image, "--raw", "--format", format]);
            let said = match case.name.as_str() {
                "random_bytes" => {
                    "not an NVS partition: none of its 3 pages has a valid header; it seems to be random bytes"
                }
                _ => "",
            };
            let run = run.done();
            assert!(run.stderr.contains(said), "{}: {}", case.name, run.stderr);
            assert_eq!(run.stderr.is_empty(), said.is_empty(), "{}", run.stderr);
        }
    }
}

#[test]
fn a_repair_to_come_is_mentioned_and_the_image_stays_as_it_is() {
    let test = Folder::new();
    let damaged = std::fs::read(folder("golden").join("bad_strhdr_crc.bin")).unwrap();
    test.write("damaged.bin", &damaged);
    let run = test.line("fleetmint nvs dump damaged.bin").done();
    assert!(
        run.stderr.contains("damaged.bin: the firmware would repair this image"),
        "{}",
        run.stderr
    );
    assert_eq!(test.read("damaged.bin"), damaged);
}

#[test]
fn what_is_no_image() {
    let folder = made();
    folder.write("short.bin", [0xFF; 4095]);
    folder.write("empty.bin", []);
    for (arguments, said) in [
        (
            "short.bin",
            "short.bin: a partition of 4095 bytes: the size must be a multiple of 4096",
        ),
        ("empty.bin", "empty.bin: a partition of 0 bytes"),
        ("gone.bin", "gone.bin: no such file or directory"),
        ("device.bin --keys device.csv", "device.csv: not a file of NVS keys"),
        ("device.bin --keys gone.bin", "gone.bin: no such file or directory"),
        (".", "is a directory"),
    ] {
        let line = folder.line(&format!("fleetmint nvs dump {arguments}")).refused(2);
        assert!(line.contains(said), "{line}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_not() {
    use std::process::{Command, Stdio};
    let folder = made();
    let dump = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetmint"));
        command
            .args(["nvs", "dump", "device.bin"])
            .current_dir(folder.path())
            .stderr(Stdio::piped());
        command
    };
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = dump().stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "fleetmint: standard output: no space left on device\n"
    );

    let mut child = dump().stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait_with_output().unwrap().stderr.is_empty());
}

#[test]
fn what_a_flash_holds_cannot_drive_the_terminal() {
    let folder = Folder::new();
    folder.write(
        "t.csv",
        "key,type,encoding,value\nn,namespace,,\nk,data,string,\u{1b}[31mred\u{7}\n",
    );
    folder.line("fleetmint nvs generate t.csv t.bin 0x3000").done();
    let text = folder.line("fleetmint nvs dump t.bin").done().stdout;
    assert!(
        text.contains("\\u{1b}[31mred\\u{7}") && !text.contains('\u{1b}'),
        "{text}"
    );
}

#[test]
fn what_no_getter_reaches_is_shown_as_such() {
    let folder = Folder::new();
    folder.write("image.bin", super::check::twins());
    let json = folder.line("fleetmint nvs dump image.bin --format json").done().stdout;
    let entries: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(
        entries,
        serde_json::json!([
            {"namespace": "wifi", "key": "pass", "type": "str", "error": "ESP_ERR_NVS_NOT_FOUND", "ns_index": 3,
             "unreachable": {"value": "secret", "size": 7}},
            {"namespace": "wifi", "key": "ssid", "type": "str", "value": "plant", "size": 6, "ns_index": 1},
            {"namespace": "wifi", "key": "ssid", "type": "str", "value": "plant", "size": 6, "ns_index": 3, "repeat": true,
             "unreachable": {"value": "office", "size": 7}},
        ])
    );
    let text = folder.line("fleetmint nvs dump image.bin").done().stdout;
    assert!(text.contains("office  (unreachable: "), "{text}");
    let line = folder.line("fleetmint nvs dump image.bin --format csv").refused(1);
    assert!(
        line.contains("namespace \"wifi\": it exists twice (index 1 and 3)"),
        "{line}"
    );
}

#[test]
fn numbers_are_the_same_everywhere() {
    let folder = Folder::new();
    let table = |numbers: [&str; 4]| {
        let [a, b, c, d] = numbers;
        format!(
            "key,type,encoding,value\nn,namespace,,\na,data,double,{a}\nb,data,float,{b}\nc,data,double,{c}\nd,data,i64,{d}\n"
        )
    };
    let numbers = ["1e20", "0.1", "1.0", "-9007199254740993"];
    folder.write("t.csv", table(numbers));
    folder.write("zero.csv", table(["0", "0", "0", "0"]));
    for name in ["t", "zero"] {
        folder
            .line(&format!("fleetmint nvs generate {name}.csv {name}.bin 0x3000"))
            .done();
    }
    let answers = [
        "dump t.bin",
        "dump t.bin --format json",
        "dump t.bin --format csv",
        "dump t.bin --raw",
        "dump t.bin --raw --format json",
    ];
    for answer in answers {
        let text = folder.line(&format!("fleetmint nvs {answer}")).done().stdout;
        for number in numbers {
            assert!(text.contains(number), "{answer} has no {number}: {text}");
        }
    }
    for format in ["text", "json"] {
        let run = folder.line(&format!("fleetmint nvs diff zero.bin t.bin --reveal --format {format}"));
        for number in numbers {
            assert!(run.stdout.contains(number), "{format} has no {number}: {}", run.stdout);
        }
    }
}

/// A long answer is written piece by piece: when its first byte can be read, the program has used no more memory than the
/// image and a small multiple of its entries.
#[cfg(target_os = "linux")]
#[test]
fn a_long_answer_is_not_in_memory() {
    use std::io::Read;
    const KEYS: usize = 60_000;
    let folder = Folder::new();
    let rows: String = (0..KEYS).map(|n| format!("k{n},data,u8,1\n")).collect();
    folder.write("t.csv", format!("key,type,encoding,value\napp,namespace,,\n{rows}"));
    folder.line("fleetmint nvs generate t.csv t.bin 2M").done();
    let peak = |arguments: &[&str]| -> usize {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_fleetmint"))
            .args(arguments)
            .current_dir(folder.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        drop(child.stdout.take());
        // A reader that ends early is not an error.
        assert!(child.wait().unwrap().success(), "{arguments:?}");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kilobytes: usize = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        kilobytes << 10
    };
    // The image is small, but its answer is more than a pipe holds: otherwise the program may end before its memory is read.
    let rows: String = (0..2_000).map(|n| format!("k{n},data,u8,1\n")).collect();
    folder.write("small.csv", format!("key,type,encoding,value\napp,namespace,,\n{rows}"));
    folder.line("fleetmint nvs generate small.csv small.bin 80K").done();
    let alone = peak(&["nvs", "dump", "small.bin", "--raw", "--format", "json"]);
    for (format, most) in [
        (&["--format", "text"][..], 10),
        (&["--format", "json"], 10),
        (&["--raw"], 3),
        (&["--raw", "--format", "json"], 3),
    ] {
        let peak = peak(&[&["nvs", "dump", "t.bin"], format].concat());
        // The kernel counts pages in batches, so the two may be as good as equal.
        let more = peak.saturating_sub(alone);
        assert!(more < most * KEYS * 32, "{format:?}: {more} bytes");
    }
}
