//! Temporary files beside the output files. They hold the same secrets: only their owner can read them, and they are also
//! deleted when a signal ends the program.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{Builder, NamedTempFile};

/// The temporary files that may exist.
static TEMPORARIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// While this value exists, no signal ends the program.
pub(super) struct Undisturbed(MutexGuard<'static, Vec<PathBuf>>);

/// Waits until a signal in progress is handled, and delays the others.
pub(super) fn undisturbed() -> Undisturbed {
    Undisturbed(TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Undisturbed {
    /// A new temporary file in this folder, which only the owner can read.
    pub(super) fn create(&mut self, folder: &Path) -> io::Result<NamedTempFile> {
        // By default only the owner can read the file, and it is created with O_EXCL.
        self.known(builder().tempfile_in(folder)?)
    }

    /// A second link to the file `target`, or a copy, under a temporary name in its folder.
    pub(super) fn keep(&mut self, target: &Path, folder: &Path) -> io::Result<NamedTempFile<()>> {
        let copy = |path: &Path| fs::hard_link(target, path).or_else(|_| fs::copy(target, path).map(drop));
        self.known(builder().make_in(folder, copy)?)
    }

    /// A temporary name in this folder that `make` gives to a file.
    #[cfg(target_os = "linux")]
    pub(super) fn make(
        &mut self,
        folder: &Path,
        make: impl FnMut(&Path) -> io::Result<()>,
    ) -> io::Result<NamedTempFile<()>> {
        self.known(builder().make_in(folder, make)?)
    }

    /// Also deletes this file if a signal ends the program, until [`leave`](Self::leave) is called for it.
    pub(super) fn delete(&mut self, path: &Path) {
        self.0.push(path.to_path_buf());
    }

    /// The file stays if a signal ends the program.
    pub(super) fn leave(&mut self, path: &Path) {
        self.0.retain(|known| known != path);
    }

    fn known<F>(&mut self, file: NamedTempFile<F>) -> io::Result<NamedTempFile<F>> {
        self.0.push(file.path().to_path_buf());
        watch_signals()?;
        Ok(file)
    }
}

/// The beginning of the names, and how many random letters and digits follow.
const PREFIX: &str = ".fleetmint-";
const RANDOM: usize = 6;

fn builder() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).rand_bytes(RANDOM);
    builder
}

/// Whether a file of this name is one of ours.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    random.is_some_and(|random| random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// After the first temporary file, SIGINT, SIGTERM and SIGHUP delete the temporary files before they end the program.
#[cfg(unix)]
fn watch_signals() -> io::Result<()> {
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;
    use std::sync::atomic::{AtomicBool, Ordering};

    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let mut signals = Signals::new(crate::signals::ending())?;
    std::thread::Builder::new().name("signals".to_string()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // While the lock is held, nothing is created or renamed.
            let temporaries = TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner);
            for path in temporaries.iter() {
                let _ = fs::remove_file(path);
            }
            let _ = emulate_default_handler(signal);
            std::process::abort();
        }
    })?;
    Ok(())
}

#[cfg(not(unix))]
fn watch_signals() -> io::Result<()> {
    Ok(())
}
