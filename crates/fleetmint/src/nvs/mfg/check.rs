//! Pass 1: every image is made in memory, and compared with what exists; nothing is written.

use std::collections::HashMap;

use fleetmint_nvs::csv::mfg::ERRORS_MAX;

use super::existing::Existing;
use super::keys::Scheme;
use super::label_output::{self, ExistingCodes};
use super::labels::{Label, Labels};
use super::manifest::{HEADER, Row};
use super::names::excerpt;
use super::run::{Desk, Numbered, Run};
use super::work;
use crate::exit::Failure;
use crate::terminal::{Progress, count, say};

/// What is known of a device after it was checked.
struct Checked {
    line: usize,
    id: Option<String>,
    errors: Vec<String>,
    row: Option<Row>,
    label: Option<Label>,
}

/// Checks all devices, and returns their number.
pub(super) fn all(run: &Run<'_>) -> Result<usize, Failure> {
    let existing = Existing::open(run)?;
    let (codes, mut lists) = match &run.labels {
        Some(labels) => label_output::existing(run, labels).map(|(codes, lists)| (Some((labels, codes)), lists))?,
        None => Default::default(),
    };
    let mut progress = Progress::new("lines checked", run.lines);
    let (mut devices, mut wrong, mut errors) = (0, 0, Vec::new());
    let mut lines: HashMap<String, usize> = HashMap::new();
    let mut manifest = existing.compares_manifest().then(|| HEADER.to_owned());
    let mut add = |found: Vec<String>| {
        wrong += found.len();
        let room = ERRORS_MAX.saturating_sub(errors.len());
        errors.extend(found.into_iter().take(room));
    };
    let checked = |desk: &mut Desk<'_>, numbered| check(run, &existing, codes.as_ref(), desk, numbered);
    work::in_order(
        run.devices(),
        || run.desk(),
        checked,
        |checked| {
            let Checked {
                line,
                id,
                errors,
                row,
                label,
            } = checked;
            devices += 1;
            add(errors);
            if let (Some(id), Some(_)) = (id, run.id_column)
                && let Some(first) = lines.insert(id.clone(), line)
            {
                let id = excerpt(&id);
                add(vec![format!(
                    "{}: line {line}: the id {id:?} is that of line {first}; two devices would have one file",
                    run.values_name
                )]);
            }
            if let (Some(manifest), Some(row)) = (&mut manifest, row) {
                row.write(manifest);
            }
            if let Some(label) = label {
                lists.add(&label).map_err(Failure::unusable)?;
            }
            progress.reach(line);
            Ok::<(), Failure>(())
        },
    )?;
    drop(progress);
    if let (Scheme::NewHmac { file: Some(_) }, 2..) = (&run.scheme, devices) {
        add(vec![format!(
            "--kp_hmac_keyfile: {} would write their HMAC keys to one file, and only the last would be left; without it each \
             has a file of its own",
            count(devices, "device")
        )]);
    }
    if wrong > 0 {
        return Err(refused(&run.values_name, &errors, wrong));
    }
    existing.check_manifest(run, manifest.as_deref().unwrap_or_default())?;
    if let Some(labels) = &run.labels {
        lists.finish(run, labels)?;
    }
    Ok(devices)
}

fn check(
    run: &Run<'_>,
    existing: &Existing,
    codes: Option<&(&Labels, ExistingCodes)>,
    desk: &mut Desk<'_>,
    (number, device): Numbered,
) -> Checked {
    let mut checked = Checked {
        line: 0,
        id: None,
        errors: Vec::new(),
        row: None,
        label: None,
    };
    let device = match device {
        Ok(device) => device,
        Err(errors) => {
            checked.line = errors.first().map_or(0, |error| error.line);
            checked.errors = run.named(&errors);
            return checked;
        }
    };
    checked.line = device.line();
    let image = run.image(&device, desk);
    let names = run.names(number, &device);
    if let (Some((labels, codes)), Ok((id, names))) = (codes, &names) {
        match codes.check(run, labels, &device, id, names) {
            Ok(label) => checked.label = label,
            Err(error) => checked.errors.push(run.at(&device, error)),
        }
    }
    match (image, names) {
        (Ok(()), Ok((id, names))) => {
            match existing.check(run, &id, &names, &mut desk.buffer) {
                Ok(row) => checked.row = row,
                Err(error) => checked.errors.push(run.at(&device, error)),
            }
            checked.id = Some(id);
        }
        (image, names) => {
            if let Err(mut errors) = image {
                // That of the first device is said once, for that one.
                errors.retain(|error| error.line >= device.line());
                checked.errors.extend(run.named(&errors));
            }
            match names {
                Ok((id, _)) => checked.id = Some(id),
                Err(error) => checked.errors.push(run.at(&device, error)),
            }
        }
    }
    checked
}

/// Reports the errors, of which there were `all`.
pub(super) fn refused(name: &str, errors: &[String], all: usize) -> Failure {
    for error in errors {
        say(error);
    }
    if all > errors.len() {
        say(format_args!("{name}: and {} more errors", all - errors.len()));
    }
    Failure::unusable(format_args!(
        "{name}: nothing was written: {} must be corrected first",
        count(all, "error")
    ))
}
