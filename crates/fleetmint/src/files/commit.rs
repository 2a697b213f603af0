//! The two steps of writing: everything that can fail, then the renames.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::input::inputs;
use super::output::OutputKind;
use super::path::folder;
use super::target::{Destination, Target};
use super::temporary::{Undisturbed, undisturbed};
use crate::exit::Failure;

/// An output that is complete except for its last step: the rename, or the write to a pipe or a device.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    target: &'a Target<'a>,
    temporary: Option<NamedTempFile>,
}

/// Writes the bytes to a temporary file beside the destination, if that is a file.
pub(super) fn prepare<'a>(target: &'a Target<'a>) -> Result<Prepared<'a>, Failure> {
    let Destination::File { path, .. } = &target.destination else {
        return Ok(Prepared {
            target,
            temporary: None,
        });
    };
    let folder = folder(path);
    let mut file = fs::create_dir_all(folder)
        .and_then(|()| undisturbed().create(folder))
        .map_err(|error| target.output.uncreated(path, &error))?;
    file.write_all(target.output.bytes)
        .and_then(|()| restrict(file.as_file()))
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| target.output.failed(&error))?;
    Ok(Prepared {
        target,
        temporary: Some(file),
    })
}

/// Makes a file readable only for its owner, with permissions as strict as those of the strictest input.
#[cfg(unix)]
pub(super) fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(strictest_mode()))
}

/// The permission bits of an output.
#[cfg(unix)]
pub(super) fn strictest_mode() -> u32 {
    let strictest = inputs().iter().fold(0o600, |strictest, input| strictest & input.mode);
    // The owner can always read it.
    strictest | 0o400
}

#[cfg(not(unix))]
pub(super) fn restrict(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Files that are renamed already, each with a copy of the file that it replaced.
type Done = Vec<(PathBuf, Option<NamedTempFile<()>>)>;

/// Renames all temporary files, or none: if one rename fails, the others are undone. Calls `stepped` after each step, so that
/// a test sees what the program would leave if it were killed there.
///
/// New keys come first, and keys that replace others last: no image is ever without its keys, unless its keys are replaced
/// by those of another image.
pub(super) fn commit(written: Vec<Prepared<'_>>, mut stepped: impl FnMut()) -> Result<(), Failure> {
    let several = written.len() > 1;
    let (new_keys, others): (Vec<_>, Vec<_>) = written.into_iter().partition(|prepared| prepared.target.is_new_key());
    let mut done = Done::new();
    let mut outcome = rename_all(&mut undisturbed(), new_keys, several, &mut done, &mut stepped);
    // Then the outputs that may wait for their reader. A signal can end the wait, and deletes the new keys too.
    for Prepared { target, temporary } in &others {
        if temporary.is_none() && outcome.is_ok() {
            outcome = target.write_directly().map_err(|error| target.output.failed(&error));
            stepped();
        }
    }
    let mut undisturbed = undisturbed();
    let outcome = outcome.and_then(|()| rename_all(&mut undisturbed, others, several, &mut done, &mut stepped));
    match &outcome {
        Ok(()) => done.iter().for_each(|(path, _)| undisturbed.leave(path)),
        Err(_) => {
            for (path, kept) in done.into_iter().rev() {
                let _ = match kept {
                    Some(kept) => kept.persist(&path).map(drop).map_err(|error| error.error),
                    None => fs::remove_file(&path),
                };
            }
        }
    }
    outcome
}

fn rename_all(
    undisturbed: &mut Undisturbed,
    written: Vec<Prepared<'_>>,
    several: bool,
    done: &mut Done,
    mut stepped: impl FnMut(),
) -> Result<(), Failure> {
    for Prepared { target, temporary } in written {
        let (Some(temporary), Destination::File { path, existing }) = (temporary, &target.destination) else {
            continue;
        };
        let kept = replace(undisturbed, temporary, path, existing.is_some() && several, target)
            .map_err(|error| target.output.failed(&error))?;
        if target.is_new_key() {
            undisturbed.delete(path);
        }
        done.push((path.clone(), kept));
        stepped();
    }
    Ok(())
}

fn replace(
    undisturbed: &mut Undisturbed,
    temporary: NamedTempFile,
    path: &Path,
    keep: bool,
    target: &Target<'_>,
) -> io::Result<Option<NamedTempFile<()>>> {
    let kept = keep.then(|| undisturbed.keep(path, folder(path))).transpose()?;
    let renamed = if target.output.kind == OutputKind::Keys && !target.force {
        temporary.persist_noclobber(path)
    } else {
        temporary.persist(path)
    };
    renamed.map_err(|error| error.error)?;
    // On the disk before the next output is renamed, as far as the file system supports it.
    let _ = File::open(folder(path)).and_then(|folder| folder.sync_all());
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::super::output::Output;
    use super::*;

    /// The files that a kill at any step leaves: never an image without its keys.
    #[test]
    fn new_keys_are_renamed_before_their_image() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let paths = [place("image"), place("keys")];
        let steps = |force: bool| {
            let outputs = [
                (&paths[0], b"image", OutputKind::Image),
                (&paths[1], b"keys!", OutputKind::Keys),
            ]
            .map(|(path, bytes, kind)| Output { path, bytes, kind });
            let targets = outputs.each_ref().map(|output| Target::find(output, force).unwrap());
            let written = targets.each_ref().map(|target| prepare(target).unwrap());
            let mut steps = Vec::new();
            commit(Vec::from(written), || {
                steps.push(
                    paths
                        .each_ref()
                        .map(|path| fs::read(path).is_ok_and(|bytes| bytes.len() == 5)),
                );
            })
            .unwrap();
            steps
        };
        assert_eq!(steps(false), [[false, true], [true, true]]);
        // The keys of another image are replaced only after the image that needs the new ones exists.
        fs::write(&paths[0], "old").unwrap();
        fs::write(&paths[1], "old").unwrap();
        assert_eq!(steps(true), [[true, false], [true, true]]);
    }

    #[test]
    fn renames_are_undone_if_another_output_fails() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::write(place("image"), "old").unwrap();
        let output = |name, kind| (place(name), kind);
        let paths = [
            output("image", OutputKind::Image),
            output("keys", OutputKind::Keys),
            output("last", OutputKind::Keys),
        ];
        let outputs = paths.each_ref().map(|(path, kind)| Output {
            path,
            bytes: b"new",
            kind: *kind,
        });
        let targets = outputs.each_ref().map(|output| Target::find(output, false).unwrap());
        let written = targets.each_ref().map(|target| prepare(target).unwrap());
        // Another program creates the file first.
        fs::write(place("last"), "theirs").unwrap();
        let failure = commit(Vec::from(written), || ()).unwrap_err();
        assert!(failure.message.contains("last: not written"), "{}", failure.message);
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["image", "last"]);
        assert_eq!(fs::read(place("image")).unwrap(), b"old");
        assert_eq!(fs::read(place("last")).unwrap(), b"theirs");
    }
}
