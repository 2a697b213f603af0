//! Temporary files beside their targets. They hold what their targets will, secrets too: only the owner can read them,
//! and they are deleted also when a signal ends the program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{Builder, NamedTempFile};

/// The temporary files that there may be.
static TEMPORARIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// While this is held, no signal ends the program.
pub(super) struct Undisturbed(MutexGuard<'static, Vec<PathBuf>>);

/// Waits for a signal that is being handled, and holds back others.
pub(super) fn undisturbed() -> Undisturbed {
    Undisturbed(TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Undisturbed {
    /// A new temporary file in this folder, which only the owner can read.
    pub(super) fn create(&mut self, folder: &Path) -> io::Result<NamedTempFile> {
        // Without permissions of its own the file is its owner's alone, and it is made with O_EXCL.
        self.known(builder().tempfile_in(folder)?)
    }

    /// The file `target` a second time, under a temporary name in its folder.
    pub(super) fn keep(&mut self, target: &Path, folder: &Path) -> io::Result<NamedTempFile<()>> {
        let copy = |path: &Path| fs::hard_link(target, path).or_else(|_| fs::copy(target, path).map(drop));
        self.known(builder().make_in(folder, copy)?)
    }

    /// This file is deleted too if a signal ends the program, until it is [left](Self::leave).
    pub(super) fn delete(&mut self, path: &Path) {
        self.0.push(path.to_path_buf());
    }

    /// The file stays, whatever ends the program.
    pub(super) fn leave(&mut self, path: &Path) {
        self.0.retain(|known| known != path);
    }

    fn known<F>(&mut self, file: NamedTempFile<F>) -> io::Result<NamedTempFile<F>> {
        self.0.push(file.path().to_path_buf());
        watch_signals()?;
        Ok(file)
    }
}

fn builder() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".fleetmint-");
    builder
}

/// From the first temporary file on, SIGINT, SIGTERM and SIGHUP delete what there is before they end the program.
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
            // Nothing is created or renamed any more.
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
