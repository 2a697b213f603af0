//! A run: everything that its two passes share.

use std::path::PathBuf;

use fleetmint_nvs::csv;
use fleetmint_nvs::csv::mfg::{Device, Images, Values};
use fleetmint_nvs::image;
use fleetmint_nvs::layout::Version;
use zeroize::Zeroizing;

use super::files_read::FilesRead;
use super::keys::Scheme;
use super::labels::Labels;
use super::names::{DeviceNames, Names};

pub(super) struct Run<'a> {
    pub(super) values: &'a Values<'a>,
    /// The name of their file in messages.
    pub(super) values_name: String,
    /// How many lines the values have.
    pub(super) lines: usize,
    pub(super) id_column: Option<usize>,
    pub(super) names: Names,
    pub(super) scheme: Scheme,
    pub(super) labels: Option<Labels>,
    /// The partition's size in bytes.
    pub(super) size: usize,
    pub(super) version: Version,
    pub(super) files: FilesRead,
    pub(super) outdir: PathBuf,
    pub(super) tar: Option<PathBuf>,
    pub(super) resume: bool,
    pub(super) force: bool,
}

/// A device of the values, or what is wrong with its row; numbered from 0.
pub(super) type Numbered = (usize, Result<Device, Vec<csv::mfg::Error>>);

impl Run<'_> {
    /// The devices in order.
    pub(super) fn devices(&self) -> impl Iterator<Item = Numbered> {
        self.values.devices().enumerate()
    }

    /// The id of a device.
    pub(super) fn id(&self, number: usize, device: &Device) -> String {
        match self.id_column {
            Some(column) => device.field(column).to_owned(),
            None => (number + 1).to_string(),
        }
    }

    /// The id and the names of the files of a device.
    pub(super) fn names(&self, number: usize, device: &Device) -> Result<(String, DeviceNames), String> {
        let id = self.id(number, device);
        let names = self.names.of(number, &id)?;
        Ok((id, names))
    }

    /// An error with a device's line.
    pub(super) fn at(&self, device: &Device, error: impl std::fmt::Display) -> String {
        format!("{}: line {}: {error}", self.values_name, device.line())
    }

    /// Makes the plain image of a device, which is then in the desk's buffer with the length of its file.
    ///
    /// What is wrong with a value of the first device that goes to all devices has the first device's line.
    pub(super) fn image(&self, device: &Device, desk: &mut Desk<'_>) -> Result<(), Vec<csv::mfg::Error>> {
        desk.buffer.resize(self.size, 0xFF);
        let read = |path: &str| self.files.read(path);
        let used = desk.images.write(device, &mut desk.buffer, read)?;
        desk.buffer.truncate(image::file_len(self.size, used));
        Ok(())
    }

    /// Errors of the values, with the name of their file.
    pub(super) fn named(&self, errors: &[csv::mfg::Error]) -> Vec<String> {
        errors
            .iter()
            .map(|error| format!("{}: {error}", self.values_name))
            .collect()
    }

    /// A desk for one thread.
    pub(super) fn desk(&self) -> Desk<'_> {
        Desk {
            images: self.values.images(self.version),
            buffer: Zeroizing::new(vec![0xFF; self.size]),
        }
    }
}

/// What a thread makes images with, one after another.
pub(super) struct Desk<'a> {
    images: Images<'a>,
    /// The image that it made last.
    pub(super) buffer: Zeroizing<Vec<u8>>,
}
