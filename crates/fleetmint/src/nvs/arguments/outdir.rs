//! Paths of output files, as Espressif's generator places them.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::files;
use crate::terminal::warn;

#[derive(Debug, Args)]
pub(crate) struct Outdir {
    /// Folder for the output files [default: the current folder]
    #[arg(long, value_name = "DIR")]
    outdir: Option<PathBuf>,
}

impl Outdir {
    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        self.outdir.as_deref().unwrap_or(Path::new("."))
    }

    /// The path of an output file of this name.
    pub(crate) fn place(&self, file: &Path) -> PathBuf {
        match &self.outdir {
            Some(folder) if file.is_absolute() => {
                warn(format_args!(
                    "{}: the path is absolute, so --outdir {} does not apply to it",
                    file.display(),
                    folder.display()
                ));
                file.to_path_buf()
            }
            Some(folder) if !files::is_standard(file) => folder.join(file),
            _ => file.to_path_buf(),
        }
    }

    /// The path of a file of keys: in the folder `keys`. A name without an extension gets `.bin`.
    pub(crate) fn place_keys(&self, file: &Path) -> PathBuf {
        let mut file = file.to_path_buf();
        if file.extension().is_none() {
            file.set_extension("bin");
        }
        if file.is_absolute() {
            self.place(&file)
        } else {
            self.place(&Path::new("keys").join(file))
        }
    }
}
