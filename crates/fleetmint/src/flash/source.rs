//! What is wanted, and where it comes from: a device of a server, or a file.

use fleetmint_board::patch::ReadFile;
use fleetmint_board::plan::{Target, Wanted};
use fleetmint_nvs::csv::{self, Row};
use zeroize::Zeroizing;

use super::board::Board;
use super::server::Started;
use super::{Arguments, What};
use crate::client::{Device, Server};
use crate::exit::Failure;
use crate::files;
use crate::nvs::arguments::tables::read_table;
use crate::terminal::warn;

/// The most bytes that an image may have: the largest partition.
const IMAGE_MAX: u64 = 16 << 20;

/// Where what is wanted comes from.
pub(super) enum Source {
    Device { server: Server, device: Box<Device> },
    Image { name: String, image: Zeroizing<Vec<u8>> },
    Changes { name: String, rows: Vec<Row> },
}

impl What {
    pub(super) fn takes_standard_input(&self) -> bool {
        [&self.image, &self.changes]
            .into_iter()
            .flatten()
            .any(|path| files::is_standard(path))
    }
}

impl Source {
    /// Reads the file, or asks the server for the device.
    pub(super) fn open(arguments: &Arguments) -> Result<Self, Failure> {
        let What { device, image, changes } = &arguments.what;
        if let Some(path) = image {
            let (name, image) = (files::input_name(path), files::read_up_to(path, IMAGE_MAX)?);
            return Ok(Self::Image { name, image });
        }
        if let Some(path) = changes {
            let name = files::input_name(path);
            let rows = csv::read_changes(&read_table(path)?)
                .map_err(|error| Failure::unusable(format_args!("{name}: {error}")))?;
            return Ok(Self::Changes { name, rows });
        }
        let server = Server::open(&arguments.server)?;
        let device = server.device(device.as_deref().unwrap_or_default())?;
        let device = Box::new(device);
        Ok(Self::Device { server, device })
    }

    /// As messages and journals name it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Device { device, .. } => format!("device {}", device.key),
            Self::Image { name, .. } | Self::Changes { name, .. } => name.clone(),
        }
    }

    pub(super) fn device(&self) -> Option<&Device> {
        match self {
            Self::Device { device, .. } => Some(device),
            Self::Image { .. } | Self::Changes { .. } => None,
        }
    }

    /// The device's image, for a partition of the board's size.
    pub(super) fn image(&self, target: &Target) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        match self {
            Self::Device { server, device } => {
                let image = server.provisioning_image(device.id, target.nvs.size)?;
                Ok(Some(image.into_zeroizing()))
            }
            Self::Image { image, .. } => Ok(Some(image.clone())),
            Self::Changes { .. } => Ok(None),
        }
    }

    pub(super) fn wanted<'a>(&'a self, image: Option<&'a Zeroizing<Vec<u8>>>, read_file: ReadFile<'a>) -> Wanted<'a> {
        match (self, image) {
            (Self::Changes { rows, .. }, _) => Wanted::Changes { rows, read_file },
            (_, image) => Wanted::Image(image.map_or(&[], |image| image.as_slice())),
        }
    }

    /// Tells the server that the flash begins.
    pub(super) fn start(&self, board: &Board, replace_board: bool) -> Result<Started<'_>, Failure> {
        match self {
            Self::Device { server, device } => Started::at(server, device, board, replace_board),
            Self::Image { .. } | Self::Changes { .. } => Ok(Started::nowhere()),
        }
    }

    /// Says what stands against a flash of this board before a person is asked, or in a dry run, which tells the server nothing
    /// and so cannot be refused.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) fn warn_of_another_board(&self, board: &Board) -> Result<(), Failure> {
        let Self::Device { server, device } = self else {
            return Ok(());
        };
        let here = &board.identity.mac;
        if let Some(mac) = device.board().filter(|mac| *mac != here) {
            warn(format_args!(
                "the server has this device on the board {mac}: --replace-board moves it to this one"
            ));
        }
        if let Some(other) = server.carried(here)?.filter(|other| other.id != device.id) {
            let key = other.key;
            warn(format_args!(
                "the server has the device {key} on this board: --replace-board replaces it"
            ));
        }
        Ok(())
    }
}
