//! From tables to an image, as Espressif's generator does it.

use super::error::{Error, ErrorKind, Place};
use super::row::{Action, Encoding, Row, Source, read};
use super::wifi::{Along, Wifi};
use crate::image::{self, Value};
use crate::key::{Key, Namespace};
use crate::layout::Version;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// Makes an image of one or several tables, byte for byte as Espressif's generator; see the [module](super).
///
/// Tables follow one another as if they were one: the last namespace of one goes on in the next.
pub struct Generator<'a> {
    writer: image::Writer<'a>,
    namespaces: Vec<(Namespace, u8, Place)>,
    /// Which of them the rows belong to.
    current: Option<usize>,
    keys: BTreeMap<(u8, Key), Place>,
    wifi: Wifi,
    tables: usize,
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
            keys: BTreeMap::new(),
            wifi: Wifi::default(),
            tables: 0,
        })
    }

    /// Adds the rows of a table. `read_file` gives a file's bytes for the path in a `file` row.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line. The image is of no use then.
    pub fn add<B: Into<Vec<u8>>, E: fmt::Display>(
        &mut self,
        table: &[u8],
        mut read_file: impl FnMut(&str) -> Result<B, E>,
    ) -> Result<(), Error> {
        self.tables += 1;
        for row in read(table)? {
            self.row(&row, &mut read_file).map_err(|kind| kind.at(row.line))?;
        }
        Ok(())
    }

    /// Closes the image and gives the bytes in use, a multiple of 4096. [`image::file_len`] says how much of the image
    /// Espressif's generator puts into its file.
    pub fn finish(self) -> usize {
        self.writer.finish()
    }

    fn row<B: Into<Vec<u8>>, E: fmt::Display>(
        &mut self,
        row: &Row,
        read_file: impl FnMut(&str) -> Result<B, E>,
    ) -> Result<(), ErrorKind> {
        let place = Place {
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
            Action::Delete => Err(ErrorKind::ChangeRow { row_type: "delete" }),
            Action::DeleteAll => Err(ErrorKind::ChangeRow { row_type: "delete-all" }),
        }
    }

    fn namespace(&mut self, namespace: Namespace, place: Place) -> Result<(), ErrorKind> {
        self.current = self.namespaces.iter().position(|(known, ..)| *known == namespace);
        if self.current.is_none() {
            let index = self.writer.namespace(&namespace).map_err(ErrorKind::Image)?;
            self.current = Some(self.namespaces.len());
            self.namespaces.push((namespace, index, place));
        }
        Ok(())
    }

    fn set(
        &mut self,
        key: Key,
        value: Value<'_>,
        encoding: Encoding,
        source: &Source,
        place: Place,
    ) -> Result<(), ErrorKind> {
        let current = self.current.ok_or(ErrorKind::NoNamespace { key })?;
        let (Some((namespace, index, first)), Some((latest, ..))) =
            (self.namespaces.get(current).copied(), self.namespaces.last().copied())
        else {
            return Err(ErrorKind::NoNamespace { key });
        };
        // Espressif's generator goes on in the latest namespace here.
        if namespace != latest {
            return Err(ErrorKind::Reopened {
                namespace,
                first: first.seen_from(place),
                latest,
            });
        }
        let along = match key.raw().as_str() {
            Some(name) => self.wifi.along(name, encoding, source),
            None => Along::Nothing,
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

impl Place {
    fn seen_from(self, place: Place) -> Self {
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
