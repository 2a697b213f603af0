//! Images: one for each device, by the code that makes one of a table.

use super::configuration::{Content, KeyRow};
use super::devices::Device;
use super::error::Error;
use super::errors::{Errors, only};
use super::values::Values;
use crate::csv::error::{ErrorKind, RowPlace};
use crate::csv::generator::Generator;
use crate::csv::row::SourceRef;
use crate::csv::value::{Value, value_of};
use crate::csv::wifi::Wifi;
use crate::layout::Version;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

impl Values<'_> {
    /// What writes the images of the devices.
    #[must_use]
    pub fn images(&self, version: Version) -> Images<'_> {
        Images::new(self, version)
    }

    /// [`Images::write`] for a single device, without what others have in common with it.
    ///
    /// # Errors
    /// As [`Images::write`].
    pub fn write<B: Into<Vec<u8>>, E: fmt::Display>(
        &self,
        device: &Device,
        image: &mut [u8],
        version: Version,
        read_file: impl FnMut(&str) -> Result<B, E>,
    ) -> Result<usize, Vec<Error>> {
        self.images(version).write(device, image, read_file)
    }
}

/// Writes the images of a table's devices, one after the other. A program with several threads gives each its own.
///
/// It remembers what devices have in common: the values of keys with `REPEAT`, decoded, and the last Wi-Fi key, which takes
/// 4096 rounds to compute. The image depends on the device alone: that of a new `Images` for each device is the same.
pub struct Images<'a> {
    values: &'a Values<'a>,
    version: Version,
    /// The text and the value of each key with `REPEAT`, in the configuration's order; none for the other keys.
    repeated: Vec<Option<(Zeroizing<String>, Value)>>,
    wifi: Wifi,
}

impl<'a> Images<'a> {
    fn new(values: &'a Values<'a>, version: Version) -> Self {
        Self {
            values,
            version,
            repeated: Vec::new(),
            wifi: Wifi::default(),
        }
    }

    /// Writes the image of a device over this buffer, whose length is the partition's size, and returns the bytes in use, a
    /// multiple of 4096. The bytes are those of [`Generator`] for a table with the same rows.
    ///
    /// `read_file` gives a file's bytes for the path in a field. For a key with `REPEAT` it is not called again.
    ///
    /// # Errors
    /// All values that are not what their encoding asks for or that NVS doesn't allow, and the first that does not fit, with
    /// the device's line. The image is then incomplete. What is wrong with a value of a key with `REPEAT` has the line of the
    /// first device: it is the same error for every device, and a list of all needs it once.
    pub fn write<B: Into<Vec<u8>>, E: fmt::Display>(
        &mut self,
        device: &Device,
        image: &mut [u8],
        read_file: impl FnMut(&str) -> Result<B, E>,
    ) -> Result<usize, Vec<Error>> {
        let wifi = core::mem::take(&mut self.wifi);
        let mut generator = match Generator::with_wifi(image, self.version, wifi) {
            Ok(generator) => generator,
            Err(error) => return only(ErrorKind::Image(error).at(device.line())),
        };
        let mut faults = Faults::default();
        self.rows(device, &mut generator, &mut faults, read_file);
        let used;
        (used, self.wifi) = generator.into_parts();
        faults.errors.or(|| used)
    }

    fn rows<B: Into<Vec<u8>>, E: fmt::Display>(
        &mut self,
        device: &Device,
        generator: &mut Generator<'_>,
        faults: &mut Faults,
        mut read_file: impl FnMut(&str) -> Result<B, E>,
    ) {
        let values = self.values;
        self.repeated.resize(values.column_of().len(), None);
        let mut keys = values.column_of().iter().zip(&mut self.repeated);
        for row in values.configuration().rows() {
            let place = RowPlace {
                table: RowPlace::CONFIGURATION,
                line: row.line,
                elsewhere: true,
            };
            match &row.content {
                Content::Namespace(namespace) => {
                    let opened = generator.namespace(*namespace, place);
                    if let Err(kind) = opened {
                        faults.add(device, false, kind, generator);
                        // The rows that follow belong to it all the same.
                        let _ = generator.namespace(*namespace, place);
                    }
                }
                Content::NoComputedRows => generator.compute_nothing(),
                Content::Key(row) => {
                    let Some((column, known)) = keys.next() else { return };
                    let field = device.field(*column);
                    if let Err(kind) = set(generator, row, field, known, place, &mut read_file) {
                        faults.add(device, row.is_repeated, kind, generator);
                    }
                }
            }
        }
    }
}

/// Sets the key of a row to what this field gives. `known` is what the same text gave before.
fn set<B: Into<Vec<u8>>, E: fmt::Display>(
    generator: &mut Generator<'_>,
    row: &KeyRow,
    field: &str,
    known: &mut Option<(Zeroizing<String>, Value)>,
    place: RowPlace,
    read_file: impl FnMut(&str) -> Result<B, E>,
) -> Result<(), ErrorKind> {
    let source = match row.is_file {
        true => SourceRef::File(field),
        false => SourceRef::Text(field),
    };
    if let Some((text, value)) = known
        && text.as_str() == field
    {
        return generator.set(row.key, (&*value).into(), row.encoding, source, place);
    }
    let value = value_of(row.encoding, &row.name, source, read_file)?;
    generator.set(row.key, (&value).into(), row.encoding, source, place)?;
    if row.is_repeated {
        *known = Some((Zeroizing::new(field.to_string()), value));
    }
    Ok(())
}

/// What is wrong with a device.
#[derive(Default)]
struct Faults {
    errors: Errors,
    /// Whether something did not fit.
    full: bool,
}

impl Faults {
    fn add(&mut self, device: &Device, is_repeated: bool, kind: ErrorKind, generator: &mut Generator<'_>) {
        let mut line = if is_repeated { device.first() } else { device.line() };
        if let ErrorKind::Image(crate::Error::NotEnoughSpace { .. }) = kind {
            // What follows is checked in the space from its beginning.
            generator.start_over();
            if core::mem::replace(&mut self.full, true) {
                return;
            }
            // That depends on the device's other values.
            line = device.line();
        }
        self.errors.add(line, || kind.into());
    }
}

/// Shows no value.
impl fmt::Debug for Images<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images")
            .field("values", &self.values)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
