//! The manifest: which images a run has made.

use std::fmt::Write;

/// The first line.
pub(super) const HEADER: &str = "id,file,size,sha256,key_file\n";

/// A row of the manifest.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    /// The path of the image, from the output folder.
    pub(super) file: String,
    pub(super) size: usize,
    pub(super) sha256: String,
    /// The path of the file with its keys, from the output folder; as it was given, if all devices have one. Empty without
    /// encryption.
    pub(super) key_file: String,
}

impl Row {
    /// Appends its line.
    pub(super) fn write(&self, text: &mut String) {
        field(text, &self.id);
        text.push(',');
        field(text, &self.file);
        // Writing to a text does not fail.
        let _ = write!(text, ",{},{},", self.size, self.sha256);
        field(text, &self.key_file);
        text.push('\n');
    }
}

/// Appends a field of a CSV table (RFC 4180).
fn field(text: &mut String, field: &str) {
    let quoted = field.contains([',', '"', '\n', '\r']) || field.starts_with(['#', ' ']) || field.ends_with(' ');
    if quoted {
        text.push('"');
        text.push_str(&field.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_csv() {
        let mut text = HEADER.to_owned();
        let row = Row {
            id: "a,\"b".to_owned(),
            file: "bin/Fan-a,\"b.bin".to_owned(),
            size: 12288,
            sha256: "00ff".to_owned(),
            key_file: String::new(),
        };
        row.write(&mut text);
        let line = "\"a,\"\"b\",\"bin/Fan-a,\"\"b.bin\",12288,00ff,\n";
        assert_eq!(text, format!("{HEADER}{line}"));
    }
}
