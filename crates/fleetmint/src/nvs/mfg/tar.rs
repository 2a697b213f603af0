//! `--tar`: all outputs as one archive, which is written as they come. The same outputs make the same bytes.
//!
//! Its files are as `bin/…`, `keys/…` and `qr/…` would be: for their owner alone. Their time is the start of 1970, which says
//! that none is known; the manifest has no time either.

use std::io::{self, Write};
use std::path::Path;

use tar::{Builder, EntryType, Header, HeaderMode};

use crate::exit::Failure;
use crate::files::Stream;

/// An archive that is being written. Without [`finish`](Self::finish) none appears.
pub(crate) struct Archive {
    builder: Builder<Stream>,
}

impl Archive {
    /// Begins an archive; `-` is standard output.
    pub(crate) fn new(path: &Path, force: bool) -> Result<Self, Failure> {
        let mut builder = Builder::new(Stream::create(path, force)?);
        builder.mode(HeaderMode::Deterministic);
        Ok(Self { builder })
    }

    /// Adds a file. Its name is its path in the output folder.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let added = append(&mut self.builder, name, bytes);
        added.map_err(|error| self.builder.get_ref().failed(&error))
    }

    /// Ends the archive, and lets it appear.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let mut builder = self.builder;
        let ended = builder.finish();
        ended.map_err(|error| builder.get_ref().failed(&error))?;
        match builder.into_inner() {
            Ok(stream) => stream.finish(),
            Err(error) => Err(Failure::unusable(error)),
        }
    }
}

fn append<W: Write>(builder: &mut Builder<W>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(bytes.len() as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    builder.append_data(&mut header, name, bytes)
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Archive")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use super::*;

    #[test]
    fn an_archive_holds_what_was_added_and_appears_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.tar");
        let long = format!("bin/{}.bin", "ü".repeat(120));
        let files = [
            ("bin/a-1.bin", vec![0xFF; 24_576]),
            ("keys/keys-a-1.bin", vec![1; 100]),
            (&long, vec![]),
            ("a.csv", vec![2; 513]),
        ];
        let write = || {
            let mut archive = Archive::new(&path, false).unwrap();
            for (name, bytes) in &files {
                archive.add(name, bytes).unwrap();
            }
            archive
        };
        drop(write());
        assert!(!path.exists());
        write().finish().unwrap();
        let first = fs::read(&path).unwrap();
        let mut archive = tar::Archive::new(&first[..]);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!(
                (entry.header().mode().unwrap(), entry.header().mtime().unwrap()),
                (0o600, 0)
            );
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            found.push((entry.path().unwrap().to_str().unwrap().to_string(), bytes));
        }
        assert!(
            found
                .iter()
                .map(|(name, bytes)| (name.as_str(), bytes.clone()))
                .eq(files.clone())
        );
        write().finish().unwrap();
        assert!(fs::read(&path).unwrap() == first);
    }

    #[test]
    fn a_name_that_leads_out_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Archive::new(&folder.path().join("out.tar"), false).unwrap();
        for name in ["../x", "/x"] {
            assert!(archive.add(name, b"x").is_err(), "{name}");
        }
    }
}
