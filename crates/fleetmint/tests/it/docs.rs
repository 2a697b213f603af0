//! docs/nvs.md and docs/mfg.md: their commands run, and the output is the one in the document.

use esp_idf_part::PartitionTable;

use crate::espressif::python;
use crate::folder::Folder;
use crate::reference::folder as reference;

/// The blocks of a language, in order.
pub(crate) fn blocks<'a>(text: &'a str, language: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        lines.find(|line| line.strip_prefix("```") == Some(language))?;
        Some(lines.by_ref().take_while(|line| *line != "```").collect())
    })
}

/// Fingerprints are different in each report.
fn without_fingerprints(line: &str) -> String {
    line.split(' ')
        .map(|word| match word.strip_prefix('#') {
            Some(mark) if mark.len() == 8 => "#",
            _ => word,
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn prepared(text: &str) -> Folder {
    let folder = Folder::new();
    let mut tables = blocks(text, "csv").map(|lines| lines.join("\n") + "\n");
    let device = tables.next().unwrap();
    folder.write("excel.csv", device.replace(',', ";"));
    folder.write("device.csv", device);
    folder.write("board.csv", tables.next().unwrap());
    folder.line("fleetmint nvs generate board.csv board.bin 0x3000").done();
    folder.write("changes.csv", tables.next().unwrap());
    let partitions = tables.next().unwrap();
    assert_eq!(tables.next(), None);
    folder.write("certs/ca.der", [0x30, 0x82, 0x01, 0x0A]);
    folder.write(
        "bad.csv",
        "key,type,encoding,value\nprov,namespace,,\nretries,data,u8,300\n",
    );
    folder.write(
        "long.csv",
        "key,type,encoding,value\nprov,namespace,,\na_key_of_sixteen,data,u8,1\n",
    );
    let copy = |from: &str, name: &str, to: &str| folder.write(to, std::fs::read(reference(from).join(name)).unwrap());
    copy("golden", "cut_blob_smallupd_02.bin", "board.bin");
    let used = copy("patch", "foreign_reprov.before.bin", "used.bin");
    copy("golden", "full_3.bin", "full.bin");
    let table = PartitionTable::try_from_str(partitions).unwrap().to_bin().unwrap();
    let mut flash = vec![0xFF; 0x20_0000];
    flash[0x8000..][..table.len()].copy_from_slice(&table);
    flash[0x9000..0xD000].copy_from_slice(&std::fs::read(used).unwrap());
    folder.write("flash.bin", flash);
    folder
}

/// Runs the commands of the console blocks that call the program, and compares what they print. Returns their number.
fn run_console_blocks(text: &str, folder: &Folder) -> usize {
    let mut commands = 0;
    for block in blocks(text, "console") {
        let mut lines = block.iter().peekable();
        while let Some(line) = lines.next() {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("no command: {line}"));
            let mut said = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                said.push(without_fingerprints(line));
            }
            if !command.starts_with("fleetmint ") {
                assert!(said.is_empty(), "{command}");
                continue;
            }
            // Output that goes to a file is not in the document.
            let (command, shows) = command
                .split_once(" > ")
                .map_or((command, true), |(command, _)| (command, false));
            let run = folder.line(command);
            let shown = if shows { run.stdout.as_str() } else { "" };
            let mut says: Vec<String> = run
                .stderr
                .lines()
                .chain(shown.lines())
                .map(without_fingerprints)
                .collect();
            if said.last().is_some_and(|line| line == "…") {
                said.pop();
                says.truncate(said.len());
            }
            assert_eq!(says, said, "{command}");
            commands += 1;
        }
    }
    commands
}

#[test]
fn every_console_block_of_the_nvs_guide() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/nvs.md");
    let text = std::fs::read_to_string(path).unwrap();
    let folder = prepared(&text);
    let commands = run_console_blocks(&text, &folder);
    assert!(commands > 15, "{commands}");
}

#[test]
fn every_console_block_of_the_guide_to_production_runs() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mfg.md");
    let text = std::fs::read_to_string(path).unwrap();
    let folder = Folder::new();
    let mut tables = blocks(&text, "csv").map(|lines| lines.join("\n") + "\n");
    folder.write("conf.csv", tables.next().unwrap());
    let values = tables.next().unwrap();
    assert_eq!(tables.next(), None);
    folder.write("values.csv", &values);
    folder.write("ca.der", [0x30; 600]);
    let header_and_first: Vec<&str> = values.lines().take(2).collect();
    let bad = [
        header_and_first.as_slice(),
        &["SN0002,k2,c2,s2", "SN0001,k3,c3,s3,,,,", "SN0004,k4,c4,s4,,,7,"],
    ];
    folder.write("bad.csv", bad.concat().join("\n"));
    assert_eq!(run_console_blocks(&text, &folder), 6);
    burn(&text, &folder);
}

/// The document's commands of espefuse run against the chip that it simulates.
fn burn(text: &str, folder: &Folder) {
    let Some(python) = python("espefuse", "espefuse, of esptool,") else {
        return;
    };
    let espefuse = |arguments: &str| {
        let arguments = arguments.replace(
            "--port /dev/ttyUSB0",
            "--virt --path-efuse-file efuses.bin --do-not-confirm",
        );
        let output = std::process::Command::new(&python)
            .args(["-m", "espefuse"])
            .args(arguments.split_whitespace())
            .current_dir(folder.path())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let mut commands = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("$ espefuse "));
    let (burn, summary) = (commands.next().unwrap(), commands.next().unwrap());
    assert_eq!(commands.next(), None);
    // A key that is too short is refused before anything is burned.
    folder.write("short.bin", [7; 31]);
    assert!(!espefuse(&burn.replace("hmac/keys/hmac-keys-Fan-SN0001.bin", "short.bin")).0);
    let (burned, said) = espefuse(burn);
    assert!(burned, "{said}");
    let (summed, said) = espefuse(summary);
    assert!(summed, "{said}");
    let efuses: serde_json::Value = serde_json::from_slice(&folder.read("efuses.json")).unwrap();
    assert_eq!(efuses["KEY_PURPOSE_4"]["value"], "HMAC_UP");
    assert_eq!(efuses["BLOCK_KEY4"]["readable"], false);
    assert_eq!(efuses["BLOCK_KEY4"]["writeable"], false);
    // Burned once: another device's key is refused.
    assert!(!espefuse(&burn.replace("SN0001", "SN0002")).0);
}
