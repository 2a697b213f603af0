//! The files that the fields of the tables name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::nvs::arguments::tables::read_file;

/// Files that are kept: a certificate that every device has is read once.
const KEPT_MAX: usize = 64;

/// A kept file has at most this many bytes.
const KEPT_SIZE_MAX: usize = 64 << 10;

/// Reads files, and keeps the first small ones.
#[derive(Default)]
pub(super) struct FilesRead {
    kept: Mutex<HashMap<String, Arc<Zeroizing<Vec<u8>>>>>,
}

impl FilesRead {
    /// The bytes of a file. A relative path starts at the current folder.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let known = self.lock().get(path).cloned();
        if let Some(known) = known {
            return Ok(known.to_vec());
        }
        let content = read_file(path)?;
        if content.len() <= KEPT_SIZE_MAX {
            let mut kept = self.lock();
            if kept.len() < KEPT_MAX {
                kept.insert(path.to_owned(), Arc::new(Zeroizing::new(content.clone())));
            }
        }
        Ok(content)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Zeroizing<Vec<u8>>>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
