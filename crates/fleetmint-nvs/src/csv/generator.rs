//! [`Generator`]: an image from tables, as Espressif's generator makes it.

use super::encoding::Encoding;
use super::error::{Error, ErrorKind, RowPlace};
use super::names::Names;
use super::records::LineEnds;
use super::row::{Action, Row, SourceRef};
use super::table::Rows;
use super::wifi::{Along, Wifi};
use crate::image::{self, Value};
use crate::key::{Key, Namespace};
use crate::layout::Version;
use alloc::vec::Vec;
use core::fmt;

/// Makes an image of one or several tables, byte for byte as Espressif's generator; see the [module](super).
///
/// Tables follow one another as if they were one: the last namespace of one continues in the next, and a namespace that
/// several of them open is the same. Within one table a namespace is opened once.
pub struct Generator<'a> {
    writer: image::Writer<'a>,
    names: Names,
    /// The index of each namespace in the image, in the order of `names`.
    indices: Vec<u8>,
    /// Whether Wi-Fi rows are computed and added.
    computes: bool,
    wifi: Wifi,
    tables: usize,
}

impl<'a> Generator<'a> {
    /// Starts an image over this buffer, whose length is the partition's size; see [`image::Writer::new`].
    ///
    /// # Errors
    /// [`crate::Error::PartitionSize`]: the length isn't a multiple of 4096 from 4096 to 16 MiB.
    pub fn new(image: &'a mut [u8], version: Version) -> Result<Self, crate::Error> {
        Self::with_wifi(image, version, Wifi::default())
    }

    /// [`Generator::new`], with the computed key that this may still have of another image.
    pub(super) fn with_wifi(image: &'a mut [u8], version: Version, wifi: Wifi) -> Result<Self, crate::Error> {
        Ok(Self {
            writer: image::Writer::new(image, version)?,
            names: Names::default(),
            indices: Vec::new(),
            computes: true,
            wifi: wifi.begun_again(),
            tables: 0,
        })
    }

    /// Adds the rows of a table. `read_file` gives a file's bytes for the path in a `file` row.
    ///
    /// # Errors
    /// The first error, with its line. The image is then incomplete.
    pub fn add<B: Into<Vec<u8>>, E: fmt::Display>(
        &mut self,
        table: &[u8],
        mut read_file: impl FnMut(&str) -> Result<B, E>,
    ) -> Result<(), Error> {
        self.tables += 1;
        self.computes = true;
        self.names.begin_table();
        // Row by row: the size of the image limits how much of a table is in memory.
        for row in Rows::new(table, LineEnds::AsLf)? {
            let row = row?;
            self.row(&row, &mut read_file).map_err(|kind| kind.at(row.line))?;
        }
        Ok(())
    }

    /// Closes the image and returns the bytes in use, a multiple of 4096. [`image::file_len`] gives the length of the file
    /// that Espressif's generator writes.
    pub fn finish(self) -> usize {
        self.writer.finish()
    }

    /// [`Generator::finish`], with what the next image may take over.
    pub(super) fn into_parts(self) -> (usize, Wifi) {
        (self.writer.finish(), self.wifi)
    }

    /// Gives all the space to the rows that follow, so that they are still checked after one did not fit. The image is lost.
    pub(super) fn start_over(&mut self) {
        self.writer.start_over();
    }

    fn row<B: Into<Vec<u8>>, E: fmt::Display>(
        &mut self,
        row: &Row,
        read_file: impl FnMut(&str) -> Result<B, E>,
    ) -> Result<(), ErrorKind> {
        let place = RowPlace {
            table: self.tables,
            line: row.line,
            elsewhere: false,
        };
        match &row.action {
            Action::Namespace => self.namespace(Namespace::new(&row.key).map_err(ErrorKind::Image)?, place),
            Action::Set { encoding, source } => {
                let key = Key::new(&row.key).map_err(ErrorKind::Image)?;
                let value = row.value(read_file).map_err(|error| error.kind)?;
                match value {
                    Some(value) => self.set(key, (&value).into(), *encoding, source.as_ref(), place),
                    None => Ok(()),
                }
            }
            Action::NoComputedRows => {
                self.compute_nothing();
                Ok(())
            }
            Action::Delete => Err(ErrorKind::ChangeRow { row_type: "delete" }),
            Action::DeleteAll => Err(ErrorKind::ChangeRow { row_type: "delete-all" }),
        }
    }

    /// Opens a namespace.
    pub(super) fn namespace(&mut self, namespace: Namespace, place: RowPlace) -> Result<(), ErrorKind> {
        if !self.names.knows(&namespace) {
            self.indices
                .push(self.writer.namespace(&namespace).map_err(ErrorKind::Image)?);
        }
        self.names.open(namespace, place);
        Ok(())
    }

    /// Computes no Wi-Fi rows from here on.
    pub(super) fn compute_nothing(&mut self) {
        self.computes = false;
    }

    /// Sets a key, and those that are written along with it. `source` is where the value came from.
    pub(super) fn set(
        &mut self,
        key: Key,
        value: Value<'_>,
        encoding: Encoding,
        source: SourceRef<'_>,
        place: RowPlace,
    ) -> Result<(), ErrorKind> {
        let current = self.names.current(key, place)?;
        let Some(index) = self.indices.get(current).copied() else {
            return Err(ErrorKind::NoNamespace { key });
        };
        let along = match key.raw().as_str() {
            Some(name) if self.computes => self.wifi.along(name, encoding, source),
            _ => Along::Nothing,
        };
        let mut put = |name: Key, value: Value<'_>, along_with: Option<Key>| {
            self.names.take(current, name, place, along_with)?;
            self.writer.put(index, &name, value).map_err(ErrorKind::Image)
        };
        let name = |name: &str| Key::new(name).map_err(ErrorKind::Image);
        match along {
            Along::Nothing => put(key, value, None),
            Along::Before(before, blob) => {
                put(name(before)?, Value::Blob(&blob), Some(key))?;
                put(key, value, None)
            }
            Along::After(rows) => {
                put(key, value, None)?;
                rows.iter()
                    .try_for_each(|(after, blob)| put(name(after)?, Value::Blob(blob), Some(key)))
            }
            Along::Unclear => Err(ErrorKind::WifiText { key }),
        }
    }
}

/// Shows no content.
impl fmt::Debug for Generator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("writer", &self.writer)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}
