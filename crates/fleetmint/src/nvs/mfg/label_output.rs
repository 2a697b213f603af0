//! Where codes, their table and the sheets go: what is there already, and writing them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fleetmint_nvs::csv::mfg::Device;

use super::existing::{may_be, state};
use super::labels::{Document, FOLDER, Label, Labels};
use super::names::DeviceNames;
use super::run::Run;
use crate::exit::Failure;
use crate::files::place::{Folder, State};
use crate::files::{Comparison, Stream};
use crate::system_error::reason;

/// What an earlier run has left of the codes.
#[derive(Debug)]
pub(super) struct ExistingCodes {
    folder: Option<Folder>,
    /// Whether [`check`](Self::check) returns labels, to be compared.
    compares: bool,
}

/// The table and the sheets of an earlier run, which must be those of this one.
#[derive(Debug, Default)]
pub(super) struct ExistingLists {
    table: Option<Comparison>,
    sheets: Option<Document<Comparison>>,
}

/// Looks at what an earlier run has left.
pub(super) fn existing(run: &Run<'_>, labels: &Labels) -> Result<(ExistingCodes, ExistingLists), Failure> {
    let mut codes = ExistingCodes {
        folder: None,
        compares: false,
    };
    let mut lists = ExistingLists::default();
    let compares = !run.resume && !run.force;
    if let Some(path) = labels.sheets_path() {
        Stream::check(path, run.force)?;
        if compares && let Some(comparison) = Comparison::open(path)? {
            lists.sheets = labels
                .begin_sheets(comparison)
                .map_err(|error| unreadable(path, &error))?;
        }
    }
    if run.tar.is_none()
        && let Some(outdir) = Folder::existing(&run.outdir)?
    {
        codes.folder = Folder::existing(&run.outdir.join(FOLDER))?;
        let name = run.names.labels();
        match outdir.state(&name, &[])? {
            State::Input => return Err(nothing_written(&outdir.path(&name), "is an input too")),
            State::NotAFile => return Err(nothing_written(&outdir.path(&name), "is not a file")),
            State::Missing => {}
            State::Same | State::Other if compares => {
                lists.table = Comparison::open(&outdir.path(&name))?;
                if let Some(table) = &mut lists.table {
                    let written = table.write_all(labels.header().as_bytes());
                    written.map_err(|error| unreadable(&outdir.path(&name), &error))?;
                }
            }
            State::Same | State::Other => {}
        }
    }
    codes.compares = lists.table.is_some() || lists.sheets.is_some();
    Ok((codes, lists))
}

impl ExistingCodes {
    /// Whether a device can have its label, beside what is there. Returns the label if it is to be compared.
    pub(super) fn check(
        &self,
        run: &Run<'_>,
        labels: &Labels,
        device: &Device,
        id: &str,
        names: &DeviceNames,
    ) -> Result<Option<Label>, String> {
        let field = |column| device.field(column);
        labels.check(id, field).map_err(|error| error.to_string())?;
        let mut is_there = false;
        if let Some(folder) = &self.folder {
            for name in labels.file_names(&names.stem) {
                is_there |= state(folder, &name, &[])? != State::Missing;
            }
        }
        if !is_there && !self.compares {
            return Ok(None);
        }
        let mut label = labels.make(id, &names.stem, field).map_err(|error| error.to_string())?;
        if let Some(folder) = &self.folder {
            for (name, bytes) in &label.files {
                may_be(FOLDER, name, state(folder, name, bytes.as_ref())?, run.force)?;
            }
        }
        label.files.clear();
        Ok(self.compares.then_some(label))
    }
}

impl ExistingLists {
    /// Compares the next device's label.
    pub(super) fn add(&mut self, label: &Label) -> io::Result<()> {
        if let Some(table) = &mut self.table {
            table.write_all(label.record.as_bytes())?;
        }
        if let (Some(sheets), Some(drawing)) = (&mut self.sheets, &label.drawing) {
            sheets.add(drawing)?;
        }
        Ok(())
    }

    /// Refuses what is different.
    pub(super) fn finish(self, run: &Run<'_>, labels: &Labels) -> Result<(), Failure> {
        let other = |path: &Path| nothing_written(path, "exists with other content; --force replaces it");
        if self.table.is_some_and(|table| !table.finish()) {
            return Err(other(&run.outdir.join(run.names.labels())));
        }
        if let (Some(sheets), Some(path)) = (self.sheets, labels.sheets_path()) {
            let comparison = sheets.finish().map_err(|error| unreadable(path, &error))?;
            if !comparison.finish() {
                return Err(other(path));
            }
        }
        Ok(())
    }
}

/// The sheets that are being written.
#[derive(Debug)]
pub(super) struct Sheets {
    document: Document<Stream>,
    path: PathBuf,
}

impl Sheets {
    /// Begins the sheets, if there are any.
    pub(super) fn begin(labels: &Labels, force: bool) -> Result<Option<Self>, Failure> {
        let Some(path) = labels.sheets_path() else {
            return Ok(None);
        };
        let document = labels
            .begin_sheets(Stream::create(path, force)?)
            .map_err(|error| not_written(path, &error))?;
        Ok(document.map(|document| Self {
            document,
            path: path.to_path_buf(),
        }))
    }

    /// Adds the next device's label.
    pub(super) fn add(&mut self, label: &Label) -> Result<(), Failure> {
        match &label.drawing {
            Some(drawing) => self
                .document
                .add(drawing)
                .map_err(|error| not_written(&self.path, &error)),
            None => Ok(()),
        }
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        let stream = self
            .document
            .finish()
            .map_err(|error| not_written(&self.path, &error))?;
        stream.finish()
    }
}

/// What is written to files: the folder of the codes, the table and the sheets.
#[derive(Debug)]
pub(super) struct Output {
    folder: Folder,
    may_hold_files: bool,
    force: bool,
}

/// The lists of all devices.
#[derive(Debug)]
pub(super) struct Lists {
    table: Stream,
    sheets: Option<Sheets>,
}

/// Begins the files.
pub(super) fn begin(run: &Run<'_>, labels: &Labels) -> Result<(Output, Lists), Failure> {
    let path = run.outdir.join(FOLDER);
    let may_hold_files = Folder::existing(&path)?.is_some();
    let folder = Folder::open(&path)?;
    if run.resume {
        folder.clean()?;
    }
    let sheets = Sheets::begin(labels, run.force)?;
    // Whether it may replace another table was checked before.
    let mut table = Stream::create(&run.outdir.join(run.names.labels()), true)?;
    let written = table.write_all(labels.header().as_bytes());
    written.map_err(|error| table.failed(&error))?;
    let output = Output {
        folder,
        may_hold_files,
        force: run.force,
    };
    Ok((output, Lists { table, sheets }))
}

impl Output {
    /// Writes the codes of a device.
    pub(super) fn put(&self, label: &Label) -> Result<(), String> {
        for (name, bytes) in &label.files {
            let bytes = bytes.as_ref();
            if self.may_hold_files && state(&self.folder, name, bytes)? == State::Same {
                continue;
            }
            let put = self.folder.put(name, bytes, self.force);
            put.map_err(|failure| failure.message)?;
        }
        Ok(())
    }

    /// Waits until the codes are on the disk.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        self.folder.sync()
    }
}

impl Lists {
    /// Adds the next device's label.
    pub(super) fn add(&mut self, label: &Label) -> Result<(), Failure> {
        let written = self.table.write_all(label.record.as_bytes());
        written.map_err(|error| self.table.failed(&error))?;
        self.sheets.iter_mut().try_for_each(|sheets| sheets.add(label))
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        if let Some(sheets) = self.sheets {
            sheets.finish()?;
        }
        self.table.finish()
    }
}

fn nothing_written(path: &Path, what: &str) -> Failure {
    Failure::unusable(format_args!("{}: nothing was written: it {what}", path.display()))
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    Failure::unusable(format_args!("{}: not written: {}", path.display(), reason(error)))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::unusable(format_args!("{}: {}", path.display(), reason(error)))
}
