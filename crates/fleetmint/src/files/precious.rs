//! Files that an image should not replace by mistake: tables and keys.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use fleetmint_nvs::crypt::{HMAC_KEY_SIZE, KEYS_SIZE, Keys};
use zeroize::Zeroizing;

/// The kind of an existing file that an image should not replace; `None` for other files.
pub(super) fn precious(path: &Path, size: u64) -> io::Result<Option<&'static str>> {
    /// A table's header is in its first lines, keys are in the first bytes.
    const LOOKED_AT: u64 = 64 << 10;
    let mut content = Zeroizing::new(Vec::with_capacity(LOOKED_AT as usize));
    match File::open(path) {
        Ok(file) => file.take(LOOKED_AT).read_to_end(&mut content)?,
        // A file that cannot be read can still be replaced.
        Err(_) => return Ok(None),
    };
    let columns = columns(&content);
    let has = |names: &[&str]| names.iter().all(|name| columns.iter().any(|column| column == name));
    Ok(if has(&["key", "type", "encoding", "value"]) {
        Some("is a table, as its columns key, type, encoding, value say (was the output's name forgotten?)")
    } else if has(&["model", "name"]) {
        Some("is a table of devices, as its columns model and name say; it may hold passwords")
    } else if content.len() > KEYS_SIZE && Keys::decode(&content).is_ok() {
        Some("holds encryption keys")
    } else if size == HMAC_KEY_SIZE as u64 {
        Some("has the 32 bytes of an HMAC key")
    } else {
        None
    })
}

/// The columns that the first line names that is not a comment, with any separator or encoding.
fn columns(content: &[u8]) -> Vec<String> {
    // Of UTF-16 text that leaves the ASCII characters.
    let text: Vec<u8> = content.iter().copied().filter(|byte| *byte != 0).collect();
    let mut lines = text.split(|byte| *byte == b'\n' || *byte == b'\r').map(|line| {
        let line = String::from_utf8_lossy(line);
        line.trim_matches(|char: char| !char.is_ascii_graphic())
            .to_ascii_lowercase()
    });
    let header = lines.find(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("sep="));
    let header = header.unwrap_or_default();
    let plain = |column: &str| {
        column
            .trim_matches(|char: char| char.is_whitespace() || char == '"')
            .to_owned()
    };
    header.split([',', ';', '\t']).map(plain).collect()
}
