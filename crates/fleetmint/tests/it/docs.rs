//! docs/nvs.md: its commands run, and their output is the one in the document.

use esp_idf_part::PartitionTable;

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

#[test]
fn every_console_block_of_the_nvs_guide() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/nvs.md");
    let text = std::fs::read_to_string(path).unwrap();
    let folder = prepared(&text);
    let mut commands = 0;
    for block in blocks(&text, "console") {
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
    assert!(commands > 15, "{commands}");
}
