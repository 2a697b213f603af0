//! Which file a path means, whatever the path is called.

use std::fs::Metadata;
use std::path::Path;
#[cfg(not(unix))]
use std::path::PathBuf;

/// A file's identity: equal for two names of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
    #[cfg(not(unix))]
    path: PathBuf,
}

impl Identity {
    #[cfg(unix)]
    pub(super) fn of(_path: &Path, metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        Some(Self {
            device_and_inode: (metadata.dev(), metadata.ino()),
        })
    }

    #[cfg(not(unix))]
    pub(super) fn of(path: &Path, _metadata: &Metadata) -> Option<Self> {
        let path = std::fs::canonicalize(path).ok()?;
        Some(Self { path })
    }
}
