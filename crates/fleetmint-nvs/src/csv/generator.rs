//! [`Generator`]: an image from tables, as Espressif's generator makes it.

use super::encoding::Encoding;
use super::error::{Error, ErrorKind, RowPlace};
use super::records::LineEnds;
use super::row::{Action, Row, Source};
use super::table::Rows;
use super::wifi::{Along, Wifi};
use crate::image::{self, Value};
use crate::key::{Key, Namespace};
use crate::layout::Version;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// Makes an image of one or several tables, byte for byte as Espressif's generator; see the [module](super).
///
/// Tables follow one another as if they were one: the last namespace of one continues in the next, and a namespace that
/// several of them open is the same. Within one table a namespace is opened once.
pub struct Generator<'a> {
    writer: image::Writer<'a>,
    namespaces: Vec<OpenNamespace>,
    /// The one that the rows belong to.
    current: Option<usize>,
    /// The one that this table opened last.
    latest: Option<usize>,
    /// Whether Wi-Fi rows are computed and added.
    computes: bool,
    keys: BTreeMap<(u8, Key), RowPlace>,
    wifi: Wifi,
    tables: usize,
}

/// A namespace that a table has opened.
struct OpenNamespace {
    namespace: Namespace,
    index: u8,
    /// Its row, in the latest table that has one.
    place: RowPlace,
    /// The latest table that opened it or had rows of it.
    table: usize,
}

impl<'a> Generator<'a> {
    /// Starts an image over this buffer, whose length is the partition's size; see [`image::Writer::new`].
    ///
    /// # Errors
    /// [`crate::Error::PartitionSize`]: the length isn't a multiple of 4096 from 4096 to 16 MiB.
    pub fn new(image: &'a mut [u8], version: Version) -> Result<Self, crate::Error> {
        Ok(Self {
            writer: image::Writer::new(image, version)?,
            namespaces: Vec::new(),
            current: None,
            latest: None,
            computes: true,
            keys: BTreeMap::new(),
            wifi: Wifi::default(),
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
        self.latest = self.current;
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
                    Some(value) => self.set(key, (&value).into(), *encoding, source, place),
                    None => Ok(()),
                }
            }
            Action::NoComputedRows => {
                self.computes = false;
                Ok(())
            }
            Action::Delete => Err(ErrorKind::ChangeRow { row_type: "delete" }),
            Action::DeleteAll => Err(ErrorKind::ChangeRow { row_type: "delete-all" }),
        }
    }

    fn namespace(&mut self, namespace: Namespace, place: RowPlace) -> Result<(), ErrorKind> {
        let mut known = self.namespaces.iter_mut().enumerate();
        match known.find(|(_, known)| known.namespace == namespace) {
            None => {
                let index = self.writer.namespace(&namespace).map_err(ErrorKind::Image)?;
                self.current = Some(self.namespaces.len());
                self.latest = self.current;
                self.namespaces.push(OpenNamespace {
                    namespace,
                    index,
                    place,
                    table: place.table,
                });
            }
            Some((at, known)) => {
                self.current = Some(at);
                if known.table != place.table {
                    (known.place, known.table) = (place, place.table);
                    self.latest = self.current;
                }
            }
        }
        Ok(())
    }

    fn set(
        &mut self,
        key: Key,
        value: Value<'_>,
        encoding: Encoding,
        source: &Source,
        place: RowPlace,
    ) -> Result<(), ErrorKind> {
        let latest = self.latest.and_then(|latest| self.namespaces.get(latest));
        let latest = latest.map(|latest| latest.namespace);
        let known = self.current.and_then(|current| self.namespaces.get_mut(current));
        let (Some(known), Some(latest)) = (known, latest) else {
            return Err(ErrorKind::NoNamespace { key });
        };
        known.table = place.table;
        let (namespace, index) = (known.namespace, known.index);
        // Espressif's generator would write into the latest namespace here.
        if namespace != latest {
            return Err(ErrorKind::Reopened {
                namespace,
                first: known.place.seen_from(place),
                latest,
            });
        }
        let along = match key.raw().as_str() {
            Some(name) if self.computes => self.wifi.along(name, encoding, source),
            _ => Along::Nothing,
        };
        let mut put = |name: Key, value: Value<'_>, along_with: Option<Key>| {
            if let Some(first) = self.keys.insert((index, name), place) {
                let first = first.seen_from(place);
                return Err(ErrorKind::DuplicateKey {
                    namespace,
                    key: name,
                    first,
                    along_with,
                });
            }
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

impl RowPlace {
    fn seen_from(self, place: RowPlace) -> Self {
        Self {
            elsewhere: self.table != place.table,
            ..self
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
