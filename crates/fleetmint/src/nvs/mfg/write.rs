//! Pass 2: the files, or one archive; the manifest comes last.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::existing::{encrypt, row};
use super::keys::{DeviceKeys, Left};
use super::label_output::{self, Output, Sheets};
use super::labels::{FOLDER, Label, Labels};
use super::manifest::{HEADER, Row};
use super::names::DeviceNames;
use super::run::{Desk, Numbered, Run};
use super::tar::Archive;
use super::work;
use crate::exit::Failure;
use crate::files::place::{Folder, State};
use crate::files::{self, Stream};
use crate::terminal::Progress;

/// What a run has made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) images: Images,
    /// Where it is, in messages.
    pub(super) place: String,
}

#[derive(Debug, Default)]
pub(super) struct Images {
    pub(super) created: usize,
    /// How many of them were there already.
    pub(super) existing: usize,
}

/// Writes all devices, whose number is known.
pub(super) fn all(run: &Run<'_>, devices: usize) -> Result<Made, Failure> {
    match &run.tar {
        Some(path) => to_archive(run, devices, path),
        None => to_files(run, devices),
    }
}

/// A device whose files are made.
struct Device {
    row: Row,
    /// Its files, if they are not written yet.
    members: Vec<(String, Zeroizing<Vec<u8>>)>,
    label: Option<Label>,
    existed: bool,
}

/// What a device gets beside its image.
struct Beside {
    names: DeviceNames,
    row: Row,
    keys: DeviceKeys,
    label: Option<Label>,
}

fn to_archive(run: &Run<'_>, devices: usize, path: &Path) -> Result<Made, Failure> {
    let mut archive = Archive::new(path, run.force)?;
    let mut sheets = match &run.labels {
        Some(labels) => Sheets::begin(labels, run.force)?,
        None => None,
    };
    let mut table = run.labels.as_ref().map(Labels::header).unwrap_or_default();
    let mut progress = Progress::new("images", devices);
    let (mut images, mut manifest) = (Images::default(), HEADER.to_owned());
    let make = |desk: &mut Desk<'_>, numbered| {
        make(run, desk, numbered, |names| run.scheme.create(names)).map(|beside| {
            let Beside {
                names,
                row,
                keys,
                mut label,
            } = beside;
            let mut members: Vec<_> = keys
                .files
                .into_iter()
                .map(|key| (format!("keys/{}", key.name), key.bytes))
                .collect();
            members.push((format!("bin/{}", names.image()), desk.buffer.clone()));
            let codes = label.iter_mut().flat_map(|label| label.files.drain(..));
            members.extend(codes.map(|(name, bytes)| (format!("{FOLDER}/{name}"), bytes.into_zeroizing())));
            Device {
                row,
                members,
                label,
                existed: false,
            }
        })
    };
    work::in_order(
        run.devices(),
        || run.desk(),
        make,
        |device| {
            let device = device.map_err(Failure::unusable)?;
            for (name, bytes) in &device.members {
                archive.add(name, bytes)?;
            }
            device.row.write(&mut manifest);
            if let Some(label) = &device.label {
                // Writing to memory does not fail.
                let _ = fmt::Write::write_str(&mut table, &label.record);
                sheets.iter_mut().try_for_each(|sheets| sheets.add(label))?;
            }
            images.created += 1;
            progress.step();
            Ok::<(), Failure>(())
        },
    )?;
    if run.labels.is_some() {
        archive.add(&run.names.labels(), table.as_bytes())?;
    }
    if let Some(sheets) = sheets {
        sheets.finish()?;
    }
    archive.add(&run.names.manifest(), manifest.as_bytes())?;
    archive.finish()?;
    let place = files::created(path);
    Ok(Made { images, place })
}

/// The folders of the output.
struct Folders {
    bin: Folder,
    keys: Option<Folder>,
    codes: Option<Output>,
    /// Whether they may hold files of an earlier run.
    may_hold_files: bool,
}

fn to_files(run: &Run<'_>, devices: usize) -> Result<Made, Failure> {
    let path = |name: &str| run.outdir.join(name);
    let existed = |path: PathBuf| Folder::existing(&path).map(|folder| folder.is_some());
    let has_keys = run.scheme.has_files();
    let may_hold_files = existed(path("bin"))? || has_keys && existed(path("keys"))?;
    let outdir = Folder::open(&run.outdir)?;
    let begun = run.labels.as_ref().map(|labels| label_output::begin(run, labels));
    let (codes, mut lists) = begun.transpose()?.unzip();
    let folders = Folders {
        bin: Folder::open(&path("bin"))?,
        keys: has_keys.then(|| Folder::open(&path("keys"))).transpose()?,
        codes,
        may_hold_files,
    };
    if run.resume {
        outdir.clean()?;
        folders.bin.clean()?;
        folders.keys.iter().try_for_each(Folder::clean)?;
    }
    let mut progress = Progress::new("images", devices);
    let mut images = Images::default();
    // Whether it may replace another manifest was checked before.
    let mut manifest = Stream::create(&path(&run.names.manifest()), true)?;
    let mut line = HEADER.to_owned();
    let make = |desk: &mut Desk<'_>, numbered| write_device(run, &folders, desk, numbered);
    let outcome = work::in_order(
        run.devices(),
        || run.desk(),
        make,
        |device| {
            let device = device?;
            device.row.write(&mut line);
            let written = manifest.write_all(line.as_bytes());
            written.map_err(|error| manifest.failed(&error).message)?;
            line.clear();
            if let (Some(lists), Some(label)) = (&mut lists, &device.label) {
                lists.add(label).map_err(|failure| failure.message)?;
            }
            images.created += 1;
            images.existing += usize::from(device.existed);
            progress.step();
            Ok::<(), String>(())
        },
    );
    if let Err(error) = outcome {
        return Err(Failure::unusable(format_args!(
            "{error}; {} of {devices} images are written, and the same command with --resume goes on",
            images.created
        )));
    }
    drop(progress);
    // On the disk before the manifest says that they are there.
    folders.bin.sync()?;
    folders.keys.iter().try_for_each(Folder::sync)?;
    folders.codes.iter().try_for_each(Output::sync)?;
    if let Some(lists) = lists {
        lists.finish()?;
    }
    manifest.finish()?;
    Ok(Made {
        images,
        place: path("bin").display().to_string(),
    })
}

/// Writes the files of a device, keys first.
fn write_device(run: &Run<'_>, folders: &Folders, desk: &mut Desk<'_>, numbered: Numbered) -> Result<Device, String> {
    let keys = |names: &DeviceNames| {
        if let (true, true, Some(folder)) = (run.resume, run.scheme.is_new(), &folders.keys)
            && let Left::Keys(keys) = run.scheme.left(names, folder)?
        {
            return Ok(keys);
        }
        run.scheme.create(names)
    };
    let Beside {
        names,
        row,
        keys,
        mut label,
    } = make(run, desk, numbered, keys)?;
    let put = |folder: &Folder, name: &str, bytes: &[u8]| {
        let told = |failure: Failure| failure.message;
        if folders.may_hold_files && folder.state(name, bytes).map_err(told)? == State::Same {
            return folder.keep(name).map_err(told).map(|()| true);
        }
        folder.put(name, bytes, run.force).map_err(told).map(|()| false)
    };
    if let Some(folder) = &folders.keys {
        for key in &keys.files {
            put(folder, &key.name, &key.bytes)?;
        }
    }
    let existed = put(&folders.bin, &names.image(), &desk.buffer)?;
    if let (Some(codes), Some(label)) = (&folders.codes, &mut label) {
        codes.put(label)?;
        label.files.clear();
    }
    Ok(Device {
        row,
        label,
        members: Vec::new(),
        existed,
    })
}

/// Makes the image of a device at this desk, encrypted with the keys that it gets.
fn make(
    run: &Run<'_>,
    desk: &mut Desk<'_>,
    (number, device): Numbered,
    keys: impl FnOnce(&DeviceNames) -> Result<DeviceKeys, String>,
) -> Result<Beside, String> {
    let first = |errors: Vec<String>| errors.into_iter().next().unwrap_or_default();
    let device = device.map_err(|errors| first(run.named(&errors)))?;
    run.image(&device, desk).map_err(|errors| first(run.named(&errors)))?;
    let (id, names) = run.names(number, &device)?;
    let keys = keys(&names).map_err(|error| run.at(&device, error))?;
    encrypt(&mut desk.buffer, &keys).map_err(|error| run.at(&device, error))?;
    let row = row(&id, &names, &desk.buffer, &keys);
    let label = run
        .labels
        .as_ref()
        .map(|labels| labels.make(&id, &names.stem, |column| device.field(column)));
    let label = label.transpose().map_err(|error| run.at(&device, error))?;
    Ok(Beside {
        names,
        row,
        keys,
        label,
    })
}
