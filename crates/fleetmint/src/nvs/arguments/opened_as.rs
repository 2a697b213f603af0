//! What a partition is to the firmware that opens it.

use clap::{Args, ValueEnum};
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::storage::Mode;

use super::image::ImageFile;
use crate::terminal::say;

#[derive(Debug, Args)]
pub(crate) struct OpenAs {
    /// Open the partition as this [default: as its partition table says in a whole flash dump, else read-write]
    #[arg(long = "as", value_name = "MODE")]
    mode: Option<OpenedAs>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OpenedAs {
    /// As a partition that the firmware may write to
    ReadWrite,
    /// As a partition with the flag readonly
    Readonly,
}

impl OpenAs {
    /// Whether the caller asks for a partition that is only read.
    pub(crate) const fn is_readonly(&self) -> bool {
        matches!(self.mode, Some(OpenedAs::Readonly))
    }

    /// How this image is opened: as the caller says, else as its partition table says.
    pub(crate) fn mode(&self, image: &ImageFile) -> Mode {
        match self.mode {
            Some(OpenedAs::ReadWrite) => Mode::ReadWrite,
            Some(OpenedAs::Readonly) => Mode::ReadOnly,
            None if image.is_readonly() => {
                say(format_args!(
                    "{}: opened as readonly, as the partition table says",
                    image.name()
                ));
                Mode::ReadOnly
            }
            None => Mode::ReadWrite,
        }
    }

    /// The same for reading alone: a single page is no partition that could be written to.
    pub(crate) fn mode_to_read(&self, image: &ImageFile) -> Mode {
        if self.mode.is_none() && !image.is_readonly() && image.bytes().len() == PAGE_SIZE {
            return Mode::ReadOnly;
        }
        self.mode(image)
    }
}
