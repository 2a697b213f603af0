//! How the firmware opens a partition.

use clap::{Args, ValueEnum};
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::storage::Mode;

use super::image::ImageFile;
use crate::terminal::say;

#[derive(Debug, Args)]
pub(crate) struct OpenAs {
    /// How the firmware opens the partition [default: as the partition table says in a dump of the whole flash, else
    /// read-write]
    #[arg(long = "as", value_name = "MODE")]
    mode: Option<OpenedAs>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OpenedAs {
    /// For reading and writing
    ReadWrite,
    /// Only for reading, as a partition with the flag readonly
    Readonly,
}

impl OpenAs {
    /// Whether the caller wants it opened read-only.
    pub(crate) const fn is_readonly(&self) -> bool {
        matches!(self.mode, Some(OpenedAs::Readonly))
    }

    /// The mode for this image: the one that the caller wants, else the one in its partition table.
    pub(crate) fn mode(&self, image: &ImageFile) -> Mode {
        match self.mode {
            Some(OpenedAs::ReadWrite) => Mode::ReadWrite,
            Some(OpenedAs::Readonly) => Mode::ReadOnly,
            None if image.is_readonly() => {
                say(format_args!(
                    "{}: opened read-only, because of the flag readonly in the partition table",
                    image.name()
                ));
                Mode::ReadOnly
            }
            None => Mode::ReadWrite,
        }
    }

    /// The same for a command that only reads: a single page is opened read-only, because no page is free.
    pub(crate) fn mode_to_read(&self, image: &ImageFile) -> Mode {
        if self.mode.is_none() && !image.is_readonly() && image.bytes().len() == PAGE_SIZE {
            return Mode::ReadOnly;
        }
        self.mode(image)
    }
}
