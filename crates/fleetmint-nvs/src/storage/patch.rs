//! A list of changes, each made by the call that an application would make.

use super::{Flash, NamespaceIndex, Storage};
use crate::csv::{self, Action, Row, Value};
use crate::error::Error;
use crate::key::{Key, Namespace};
use alloc::vec::Vec;
use core::fmt;

/// What a patch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patched {
    /// Rows that were carried out.
    pub rows: usize,
    /// `delete` rows whose key did not exist, which is not an error.
    pub absent: usize,
}

/// The row that failed, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchError {
    /// The number of the row, from 1 for the first after the header.
    pub row: usize,
    /// The line in which the row begins, from 1.
    pub line: usize,
    /// Why.
    pub cause: PatchFault,
}

/// Why a row failed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PatchFault {
    /// The call of this row failed.
    Call(Error),
    /// The row's value cannot be read.
    Value(csv::Error),
    /// No `namespace` row comes before it.
    NoNamespace,
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            PatchFault::Call(error) => write!(f, "row {} (line {}): {error}", self.row, self.line),
            // The error names the line itself.
            PatchFault::Value(error) => write!(f, "row {}, {error}", self.row),
            PatchFault::NoNamespace => {
                write!(
                    f,
                    "row {} (line {}): no namespace row comes before it",
                    self.row, self.line
                )
            }
        }
    }
}

impl core::error::Error for PatchError {}

impl<F: Flash> Storage<F> {
    /// Carries out a list of changes, row by row, then commits: `namespace` opens a namespace, `data` and `file` set a value,
    /// `delete` and `delete-all` erase. `read_file` returns the bytes of the file that a `file` row names.
    ///
    /// ```
    /// use fleetmint_nvs::csv;
    /// use fleetmint_nvs::storage::{Mode, SliceFlash, Storage};
    ///
    /// let mut image = vec![0xFF; 0x3000];
    /// let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None)?;
    /// let rows = csv::read_changes(b"key,type,encoding,value\nprov,namespace,,\nretries,data,u8,3\nold,delete,,\n")?;
    /// let done = storage.patch(&rows, |_| Err::<Vec<u8>, _>("no files here"))?;
    /// assert_eq!((done.rows, done.absent), (3, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first row that fails. The rows before it have changed the flash, as they would have on the device.
    pub fn patch<B: Into<Vec<u8>>, E: fmt::Display>(
        &mut self,
        rows: &[Row],
        mut read_file: impl FnMut(&str) -> Result<B, E>,
    ) -> Result<Patched, PatchError> {
        let mut done = Patched::default();
        let mut namespace = None;
        for (number, row) in (1..).zip(rows) {
            // The library computes none in any case.
            if row.action == Action::NoComputedRows {
                continue;
            }
            let changed = self.patch_row(row, &mut namespace, &mut read_file);
            let present = changed.map_err(|cause| PatchError {
                row: number,
                line: row.line,
                cause,
            })?;
            done.rows += 1;
            done.absent += usize::from(!present);
        }
        let last = rows.last().map_or(0, |row| row.line);
        self.commit().map_err(|error| PatchError {
            row: rows.len(),
            line: last,
            cause: PatchFault::Call(error),
        })?;
        Ok(done)
    }

    /// `false`: a `delete` whose key does not exist.
    fn patch_row<B: Into<Vec<u8>>, E: fmt::Display>(
        &mut self,
        row: &Row,
        namespace: &mut Option<NamespaceIndex>,
        read_file: impl FnOnce(&str) -> Result<B, E>,
    ) -> Result<bool, PatchFault> {
        if row.action == Action::Namespace {
            let name = Namespace::new(&row.key).map_err(PatchFault::Call)?;
            *namespace = Some(self.open_namespace(&name).map_err(PatchFault::Call)?);
            return Ok(true);
        }
        let namespace = namespace.ok_or(PatchFault::NoNamespace)?;
        if row.action == Action::DeleteAll {
            return self.erase_all(namespace).map(|()| true).map_err(PatchFault::Call);
        }
        let key = Key::new(&row.key).map_err(PatchFault::Call)?;
        let Some(value) = row.value(read_file).map_err(PatchFault::Value)? else {
            return match self.erase_key(namespace, &key) {
                Ok(()) => Ok(true),
                Err(Error::NotFound { .. }) => Ok(false),
                Err(error) => Err(PatchFault::Call(error)),
            };
        };
        let set = match &value {
            Value::Number(number) => self.set_number(namespace, &key, *number),
            Value::Str(text) => self.set_str(namespace, &key, text),
            Value::Blob(bytes) => self.set_blob(namespace, &key, bytes),
        };
        set.map(|()| true).map_err(PatchFault::Call)
    }
}
