//! What a write is about to change, on the disk until all of it is verified.
//!
//! ```text
//!   fleetmint journal 1\n        the format
//!   { "mac": …, … }\n            whose partition it is, and which write
//!   the partition as it was      its old bytes, whole
//!   the partition as it will be  its new bytes, whole
//!   CRC-32                       of all before it, little-endian
//! ```
//!
//! To write a sector the chip erases it, so a cable that is pulled in between loses what it held: a journal is on the disk
//! before the first sector is erased, and the next write to this partition begins with it. It has the whole partition and not
//! only the sectors that change, because a board that loses its cable mostly starts its firmware next, which repairs what it
//! finds and writes somewhere else.
//!
//! A journal holds the secrets of a board, so it is a file that only its owner can read, in `$XDG_STATE_HOME/fleetmint`. One
//! board has at most one journal for each partition.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use fleetmint_board::wiped::Wiped;
use fleetmint_nvs::layout::{PARTITION_MAX, crc32};
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::files;
use crate::system_error::reason;

const FORMAT: &[u8] = b"fleetmint journal 1\n";
const EXTENSION: &str = "journal";
const CRC_SIZE: usize = 4;
/// Room for the line with the facts.
const FACTS_MAX: usize = 4096;

/// What a journal is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// `aa:bb:cc:dd:ee:ff`
    pub(crate) mac: String,
    /// The name of the partition.
    pub(crate) partition: String,
    /// Its offset in the flash.
    pub(crate) offset: usize,
    pub(crate) size: usize,
    /// When the write began, as RFC 3339.
    pub(crate) started: String,
    /// What was written, such as `device vibxdl4f`.
    pub(crate) what: String,
}

/// A write that is not verified yet.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    pub(crate) facts: Facts,
    /// The partition before the write, then after it.
    bytes: Wiped,
}

/// Whether this board has a journal, usable or not: a write to it is neither completed nor undone.
pub(crate) fn is_left(mac: &str) -> bool {
    let entries = folder().ok().and_then(|folder| fs::read_dir(folder).ok());
    entries.is_some_and(|entries| entries.flatten().any(|entry| is_of(&entry.path(), mac)))
}

fn is_of(path: &Path, mac: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with(&file_name_prefix(mac)) && path.extension().is_some_and(|end| end == EXTENSION)
}

impl Journal {
    /// Stores a journal; one of an earlier write to the same partition is replaced. It is on the disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written: then nothing may be written to the board either.
    pub(crate) fn begin(facts: Facts, before: &[u8], after: &[u8]) -> Result<Self, Failure> {
        Self::begin_in(&folder()?, facts, before, after)
    }

    /// The journals of the board with this MAC, by the names of the partitions.
    ///
    /// # Errors
    /// One of them is unusable.
    pub(crate) fn find(mac: &str) -> Result<Vec<Self>, Failure> {
        // Without a folder nothing has been written to a board.
        folder().map_or_else(|_| Ok(Vec::new()), |folder| Self::find_in(&folder, mac))
    }

    /// The partition before the write.
    pub(crate) fn before(&self) -> &[u8] {
        self.bytes.as_ref().get(..self.facts.size).unwrap_or_default()
    }

    /// The partition after the write.
    pub(crate) fn after(&self) -> &[u8] {
        self.bytes.as_ref().get(self.facts.size..).unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Deletes the journal: all of the write is verified, or undone.
    ///
    /// # Errors
    /// The file cannot be deleted.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(
                &self.path,
                format_args!(
                    "the journal of a write that is done cannot be deleted: {}; delete it, before a later command completes that \
                     write again",
                    reason(&error)
                ),
            )),
            _ => Ok(()),
        }
    }

    fn begin_in(folder: &Path, facts: Facts, before: &[u8], after: &[u8]) -> Result<Self, Failure> {
        let path = folder.join(file_name(&facts.mac, &facts.partition));
        let refused = |reason: &dyn std::fmt::Display| {
            Failure::unusable(format_args!(
                "{}: the journal cannot be written, so nothing is written to the board: {reason}",
                path.display()
            ))
        };
        create_private(folder).map_err(|error| refused(&reason(&error)))?;
        // A write through a link, or into a pipe, would leave no journal here.
        check_may_be_used(&path).map_err(|rule| refused(&rule))?;
        let line = serde_json::to_string(&facts).map_err(|error| refused(&error))?;
        let mut content = Wiped::with_capacity(FORMAT.len() + line.len() + 1 + before.len() + after.len() + CRC_SIZE);
        for part in [FORMAT, line.as_bytes(), b"\n", before, after] {
            content.push(part).map_err(|error| refused(&error))?;
        }
        let crc = crc32(content.as_ref()).to_le_bytes();
        content.push(&crc).map_err(|error| refused(&error))?;
        files::write(&path, content.as_ref(), true).map_err(|failure| refused(&failure.message))?;
        let mut bytes = Wiped::with_capacity(before.len() + after.len());
        for part in [before, after] {
            bytes.push(part).map_err(|error| refused(&error))?;
        }
        Ok(Self { path, facts, bytes })
    }

    fn find_in(folder: &Path, mac: &str) -> Result<Vec<Self>, Failure> {
        let unreadable = |error: io::Error| {
            let rule = "whether a write was cut off cannot be seen, so nothing is written to the board";
            unusable(folder, format_args!("{rule}: {}", reason(&error)))
        };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(unreadable)?,
        };
        let mut journals = Vec::new();
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            if is_of(&path, mac) {
                journals.push(Self::read(&path)?);
            }
        }
        journals.retain(|journal| journal.facts.mac == mac);
        journals.sort_by(|one, other| one.facts.partition.cmp(&other.facts.partition));
        Ok(journals)
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        check_may_be_used(path).map_err(|rule| unusable(path, rule))?;
        let file = File::open(path).map_err(|error| unusable(path, reason(&error)))?;
        let size = file.metadata().map_or(0, |metadata| metadata.len() as usize);
        let most = FACTS_MAX + 2 * PARTITION_MAX;
        let read = Wiped::read(file, size, most).map_err(|error| unusable(path, reason(&error)))?;
        let decoded = decode(read.content.as_ref()).filter(|_| !read.is_cut);
        let (facts, bytes) = decoded.ok_or_else(|| {
            unusable(
                path,
                "not a journal of this version, or damaged; delete it to give up the write that it is of",
            )
        })?;
        Ok(Self {
            path: path.to_path_buf(),
            facts,
            bytes,
        })
    }
}

fn decode(content: &[u8]) -> Option<(Facts, Wiped)> {
    let (rest, crc) = content.split_last_chunk::<CRC_SIZE>()?;
    if crc32(rest) != u32::from_le_bytes(*crc) {
        return None;
    }
    let rest = rest.strip_prefix(FORMAT)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, partition) = rest.split_at_checked(end)?;
    let facts: Facts = serde_json::from_slice(line).ok()?;
    let partition = partition.get(1..)?;
    if partition.len() != facts.size.checked_mul(2)? {
        return None;
    }
    let mut bytes = Wiped::with_capacity(partition.len());
    bytes.push(partition).ok()?;
    Some((facts, bytes))
}

/// `aa-bb-cc-dd-ee-ff_nvs.journal`. Another character than a letter, a digit, `_` and `-` is in hexadecimal after `%`.
fn file_name(mac: &str, partition: &str) -> String {
    let mut name = file_name_prefix(mac);
    for byte in partition.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name.push('.');
    name.push_str(EXTENSION);
    name
}

fn file_name_prefix(mac: &str) -> String {
    format!("{}_", mac.replace(':', "-"))
}

/// `$XDG_STATE_HOME/fleetmint`, else `~/.local/state/fleetmint`. A relative path in the variable is ignored, as the XDG Base
/// Directory Specification says.
fn folder() -> Result<PathBuf, Failure> {
    let variable = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = match cfg!(windows) {
        true => variable("LOCALAPPDATA"),
        false => variable("HOME").map(|home| home.join(".local").join("state")),
    };
    let base = variable("XDG_STATE_HOME").or(home);
    base.map(|base| base.join("fleetmint")).ok_or_else(|| {
        Failure::unusable("there is no folder for the journal: neither XDG_STATE_HOME nor HOME is an absolute path")
    })
}

/// What a journal holds is written to a board, so nobody else may have written it.
#[cfg(unix)]
fn check_may_be_used(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata.map_err(|error| reason(&error))?,
    };
    let (mode, owner) = (metadata.mode() & 0o777, metadata.uid());
    if !metadata.is_file() {
        return Err("it is not a file".to_string());
    }
    if owner != rustix::process::geteuid().as_raw() && owner != 0 {
        return Err(format!("it belongs to another user, {owner}"));
    }
    if mode & 0o022 != 0 {
        return Err(format!(
            "other users can write it (mode {mode:03o}): chmod 600 it if nobody has"
        ));
    }
    Ok(())
}

/// Other systems have no modes.
#[cfg(not(unix))]
fn check_may_be_used(_path: &Path) -> Result<(), String> {
    Ok(())
}

#[cfg(unix)]
fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

fn unusable(path: &Path, rule: impl std::fmt::Display) -> Failure {
    Failure::unusable(format_args!("{}: {rule}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(mac: &str, partition: &str) -> Facts {
        Facts {
            mac: mac.to_string(),
            partition: partition.to_string(),
            offset: 0x9000,
            size: 0x2000,
            started: "2026-11-27T10:00:00Z".to_string(),
            what: "device vibxdl4f".to_string(),
        }
    }

    const MAC: &str = "aa:bb:cc:dd:ee:ff";

    #[test]
    fn a_journal_is_found_by_its_mac_until_it_ends() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("state").join("fleetmint");
        assert!(Journal::find_in(&folder, MAC).unwrap().is_empty());
        let (old, new) = (vec![1; 0x2000], vec![2; 0x2000]);
        Journal::begin_in(&folder, facts(MAC, "nvs"), &old, &new).unwrap();
        Journal::begin_in(&folder, facts(MAC, "a/b"), &old, &old).unwrap();
        Journal::begin_in(&folder, facts("aa:bb:cc:dd:ee:00", "nvs"), &old, &old).unwrap();
        let found = Journal::find_in(&folder, MAC).unwrap();
        let names: Vec<_> = found.iter().map(|journal| journal.facts.partition.as_str()).collect();
        assert_eq!(names, ["a/b", "nvs"]);
        assert!(found[1].before() == old && found[1].after() == new);
        assert_eq!(found[1].facts, facts(MAC, "nvs"));

        // A later write replaces it.
        let second = Journal::begin_in(&folder, facts(MAC, "nvs"), &new, &old).unwrap();
        assert_eq!(Journal::find_in(&folder, MAC).unwrap()[1].before(), new);
        second.end().unwrap();
        assert_eq!(Journal::find_in(&folder, MAC).unwrap().len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("fleetmint");
        let journal = Journal::begin_in(&folder, facts(MAC, "nvs"), &[1; 0x2000], &[2; 0x2000]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(journal.path()) & 0o077), (0o700, 0));
    }

    #[test]
    fn a_damaged_journal_is_not_taken_for_one() {
        let place = tempfile::tempdir().unwrap();
        let journal = Journal::begin_in(place.path(), facts(MAC, "nvs"), &[1; 0x2000], &[2; 0x2000]).unwrap();
        let whole = fs::read(journal.path()).unwrap();
        for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
            fs::write(journal.path(), &whole[..cut]).unwrap();
            let failure = Journal::find_in(place.path(), MAC).unwrap_err();
            assert!(
                failure.message.contains("_nvs.journal: not a journal"),
                "{}",
                failure.message
            );
        }
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        fs::write(journal.path(), &flipped).unwrap();
        assert!(Journal::find_in(place.path(), MAC).is_err());
    }
}
