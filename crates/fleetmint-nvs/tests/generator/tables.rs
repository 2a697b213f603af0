//! Random tables that Espressif's generator handles correctly.

use base64::Engine;
use fleetmint_nvs::csv;
use fleetmint_nvs::layout::Version;

/// Tables with their options for the generator's command line.
#[derive(Clone)]
pub(crate) struct Tables {
    pub(crate) tables: Vec<Vec<u8>>,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) size: usize,
    pub(crate) version: Version,
    pub(crate) encrypted: bool,
}

impl Tables {
    /// One table of these rows, plain, of version 2, for 0x6000 bytes.
    pub(crate) fn of(rows: impl AsRef<[u8]>) -> Self {
        let table = [b"key,type,encoding,value\n", rows.as_ref()].concat();
        Self {
            tables: vec![table],
            files: Vec::new(),
            size: 0x6000,
            version: Version::V2,
            encrypted: false,
        }
    }

    /// The tables of this seed.
    pub(crate) fn random(seed: u64) -> Self {
        let mut random = Random(seed);
        let size = *random.pick(&[
            0x1000, 0x1000, 0x2000, 0x3000, 0x4000, 0x6000, 0x6000, 0x1_0000, 0x2_0000,
        ]);
        let version = if random.one_in(6) { Version::V1 } else { Version::V2 };
        let encrypted = random.one_in(4);
        let usable = if size < 0x3000 { size } else { size - 0x1000 };
        // Mostly a part of the space, sometimes all of it or more.
        let percent = if random.one_in(6) {
            random.between(85, 115)
        } else {
            random.between(1, 85)
        };
        let mut maker = Maker {
            random,
            version,
            tables: vec![Table::default()],
            files: Vec::new(),
            names: Vec::new(),
            entries: usable / 4096 * 126 * percent / 100,
            sta: false,
        };
        maker.fill();
        // A table without rows is an error here.
        let tables = maker.tables.iter().map(Table::text);
        let tables = tables.filter(|table| csv::read(table).is_ok()).collect();
        Self {
            tables,
            files: maker.files,
            size,
            version,
            encrypted,
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn between(&mut self, low: usize, high: usize) -> usize {
        low + usize::try_from(self.next() % u64::try_from(high - low + 1).unwrap()).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.between(1, n) == 1
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.between(0, of.len() - 1)]
    }

    fn bytes(&mut self, size: usize) -> Vec<u8> {
        // Blank and zero bytes are frequent in flashes.
        match self.between(0, 9) {
            0 => vec![0xFF; size],
            1 => vec![0x00; size],
            _ => (0..size).map(|_| self.next().to_le_bytes()[0]).collect(),
        }
    }
}

/// The rows of one table, and its form.
#[derive(Default)]
struct Table {
    line_end: &'static str,
    /// The order of key, type, encoding, value, and whether a column of remarks comes first.
    order: [usize; 4],
    remarks: bool,
    lines: Vec<String>,
}

impl Table {
    fn text(&self) -> Vec<u8> {
        self.lines.concat().into_bytes()
    }
}

struct Maker {
    random: Random,
    version: Version,
    tables: Vec<Table>,
    files: Vec<(String, Vec<u8>)>,
    /// The keys of the current namespace.
    names: Vec<String>,
    /// The approximate number of entries that are still to be filled.
    entries: usize,
    sta: bool,
}

impl Maker {
    fn fill(&mut self) {
        self.header();
        self.namespace(0);
        let mut namespaces = 1;
        let wifi = self.random.one_in(12);
        while self.entries > 0 {
            match self.random.between(0, 99) {
                0..4 => {
                    self.namespace(namespaces);
                    namespaces += 1;
                }
                4..6 if self.tables.len() < 3 => {
                    self.tables.push(Table::default());
                    self.header();
                }
                6..9 => {
                    let comment = *self
                        .random
                        .pick(&["# a comment, with \"one quote", "#", "", "", "#k,data,u8,1"]);
                    let table = self.tables.last_mut().unwrap();
                    table.lines.push(format!("{comment}{}", table.line_end));
                }
                9 if wifi => self.wifi(),
                10..50 => self.number(),
                50..75 => self.string(),
                _ => self.blob(),
            }
        }
    }

    fn header(&mut self) {
        let line_end = *self.random.pick(&["\n", "\n", "\n", "\r\n", "\r"]);
        let mut order = [0, 1, 2, 3];
        if self.random.one_in(8) {
            for i in 0..4 {
                order.swap(i, self.random.between(0, 3));
            }
        }
        let remarks = self.random.one_in(10);
        let columns = order.map(|column| ["key", "type", "encoding", "value"][column]);
        let first = if remarks { "remarks," } else { "" };
        let table = self.tables.last_mut().unwrap();
        *table = Table {
            line_end,
            order,
            remarks,
            lines: vec![format!("{first}{}{line_end}", columns.join(","))],
        };
    }

    fn row(&mut self, fields: [&str; 4]) {
        let quoted: Vec<String> = fields.iter().map(|field| self.quoted(field)).collect();
        let table = self.tables.last_mut().unwrap();
        let mut line: Vec<&str> = table.order.iter().map(|column| quoted[*column].as_str()).collect();
        if table.remarks {
            line.insert(0, "see, below");
            line[0] = "\"see, below\"";
        }
        let mut line = line.join(",");
        if self.random.one_in(20) {
            line.push(',');
        }
        line.push_str(table.line_end);
        table.lines.push(line);
    }

    fn quoted(&mut self, field: &str) -> String {
        if field.contains([',', '"', '\n', '\r']) || field.starts_with('#') || self.random.one_in(15) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.to_owned()
        }
    }

    fn name(&mut self) -> String {
        loop {
            let length = *self.random.pick(&[1, 2, 5, 8, 14, 15, 15]);
            let alphabet: Vec<char> = match self.random.between(0, 5) {
                0 => (' '..='~').collect(),
                _ => ('a'..='z').chain('0'..='9').chain(['_']).collect(),
            };
            let name: String = (0..length).map(|_| *self.random.pick(&alphabet)).collect();
            if !self.names.contains(&name) && !name.starts_with("sta.") && !name.starts_with("ap.") {
                self.names.push(name.clone());
                return name;
            }
        }
    }

    fn namespace(&mut self, number: usize) {
        self.names.clear();
        let mut name = self.name();
        // No namespace twice: its number is in its name.
        name.truncate(11);
        name.push_str(&number.to_string());
        self.row([&name, "namespace", "", ""]);
        if self.random.one_in(10) {
            self.row([&name, "namespace", "", ""]);
        }
        self.entries = self.entries.saturating_sub(1);
    }

    /// A row with this value; sometimes in a file, then sometimes with a line end after it.
    fn value(&mut self, encoding: &str, text: &str, as_file: bool) {
        let key = self.name();
        if as_file {
            let name = format!("file{}", self.files.len());
            self.files.push((name.clone(), text.as_bytes().to_vec()));
            self.row([&key, "file", encoding, &name]);
        } else {
            self.row([&key, "data", encoding, text]);
        }
    }

    fn number(&mut self) {
        let (encoding, bits, signed) = *self.random.pick(&[
            ("u8", 8, false),
            ("i8", 8, true),
            ("u16", 16, false),
            ("i16", 16, true),
            ("u32", 32, false),
            ("i32", 32, true),
            ("u64", 64, false),
            ("i64", 64, true),
        ]);
        let span = 1_i128 << bits;
        let low = if signed { -span / 2 } else { 0 };
        let number = match self.random.between(0, 5) {
            0 => low,
            1 => low + span - 1,
            2 => 0,
            _ => low + i128::from(self.random.next()) % span,
        };
        let digits = number.unsigned_abs().to_string();
        let sign = if number < 0 {
            "-"
        } else {
            *self.random.pick(&["", "", "", "+"])
        };
        let text = match self.random.between(0, 9) {
            0 => format!(" {sign}00{digits}\t"),
            1 => format!(
                "{sign}{}",
                digits
                    .split("")
                    .filter(|digit| !digit.is_empty())
                    .collect::<Vec<_>>()
                    .join("_")
            ),
            _ => format!("{sign}{digits}"),
        };
        let encoding = if self.random.one_in(20) {
            encoding.to_uppercase()
        } else {
            encoding.to_owned()
        };
        let as_file = self.random.one_in(30);
        self.value(&encoding, &text, as_file);
        self.entries = self.entries.saturating_sub(1);
    }

    /// A size in bytes: often small, often around the edges of entries and pages.
    fn size(&mut self, most: usize) -> usize {
        let size = match self.random.between(0, 9) {
            0..5 => self.random.between(0, 100),
            5..8 => self.random.between(0, 40) * 32 + self.random.between(0, 2),
            8 => self.random.between(3900, 4100),
            _ => self.random.between(0, most),
        };
        // Rarely much more than the remaining space.
        let rest = if self.random.one_in(20) {
            most
        } else {
            self.entries * 32
        };
        size.min(most).min(rest)
    }

    fn string(&mut self) {
        // With its NUL at most 3968 bytes: the generator's limit.
        let most = if self.version == Version::V1 { 1983 } else { 3967 };
        let size = self.size(most);
        let alphabet: &[char] = if self.random.one_in(4) {
            &[
                'a', 'Z', '0', ' ', ',', '"', '\n', '\'', ';', '\t', 'é', '漢', '😀', '\u{7F}', '\u{1}',
            ]
        } else {
            &['a', 'b', 'x', '7', '-', '/', ':', '.']
        };
        let mut text = String::with_capacity(size);
        while text.len() < size {
            let char = *self.random.pick(alphabet);
            text.push(if text.len() + char.len_utf8() > size { 'e' } else { char });
        }
        if self.random.one_in(20) {
            text = text.replace('\n', "\r\n");
            text.truncate(text.floor_char_boundary(size));
        }
        self.entries = self.entries.saturating_sub(2 + text.len() / 32);
        let as_file = self.random.one_in(15);
        self.value("string", &text, as_file);
    }

    fn blob(&mut self) {
        let most = if self.version == Version::V1 { 1984 } else { 14_000 };
        let size = self.size(most);
        self.entries = self.entries.saturating_sub(3 + size / 32);
        let bytes = self.random.bytes(size);
        let as_file = self.random.one_in(8);
        match self.random.between(0, 5) {
            0 | 1 => {
                let mut text = hex::encode(&bytes);
                if self.random.one_in(3) {
                    text.make_ascii_uppercase();
                }
                let around = *self.random.pick(&["", "", " ", "\t"]);
                self.value("hex2bin", &format!("{around}{text}{around}"), as_file);
            }
            2 => {
                let mut text = base64::engine::general_purpose::STANDARD.encode(&bytes);
                if as_file {
                    // In lines, as the tool `base64` writes it.
                    text = text.as_bytes().chunks(76).fold(String::new(), |text, line| {
                        text + core::str::from_utf8(line).unwrap() + "\n"
                    });
                }
                self.value("base64", &text, as_file);
            }
            3 => {
                let text = "binary, ".repeat(size / 8 + 1);
                self.value("binary", &text[..size], as_file);
            }
            4 => {
                let name = format!("file{}", self.files.len());
                self.files.push((name.clone(), bytes));
                let key = self.name();
                self.row([&key, "file", "binary", &name]);
            }
            _ => {
                let (of, prefix) = *self.random.pick(&[("blob_fill", 0), ("blob_sz_fill", 4)]);
                let size = size.min(most - prefix);
                let text = "é€x".repeat(3);
                let text = if size < text.len() || self.random.one_in(2) {
                    ""
                } else {
                    &text
                };
                let fill = self.random.between(0, 255);
                self.value(&format!("{of}({size};0x{fill:02x})"), text, false);
            }
        }
    }

    /// Rows that add computed rows.
    fn wifi(&mut self) {
        if self.sta {
            return;
        }
        self.sta = true;
        let mut rows = [
            ("sta.ssid", "blob_sz_fill(32;0x00)", "Home, sweet"),
            ("ap.authmode", "u8", *self.random.pick(&["0", "3"])),
            ("sta.pswd", "string", "correct horse"),
            ("ap.ssid", "string", *self.random.pick(&["Café", ""])),
            ("ap.passwd", "blob_fill(65;0x00)", "battery staple"),
        ];
        for i in 0..rows.len() {
            rows.swap(i, self.random.between(0, 4));
        }
        for (key, encoding, value) in rows {
            self.row([key, "data", encoding, value]);
        }
        self.entries = self.entries.saturating_sub(30);
    }
}
