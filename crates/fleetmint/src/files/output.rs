//! Writing files: all outputs of a call or none, and none in place of an input.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use fleetmint_nvs::crypt::{HMAC_KEY_SIZE, KEYS_SIZE, Keys};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::temporary::{Undisturbed, undisturbed};
use super::{Identity, inputs, is_standard, reason};
use crate::exit::Failure;
use crate::standard_output;

/// Other names of standard output.
const STANDARD_OUTPUT: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// A file to be written.
pub(crate) struct Output<'a> {
    /// Where it goes; `-` is standard output.
    pub(crate) path: &'a Path,
    pub(crate) bytes: &'a [u8],
    pub(crate) content: Content,
}

/// What an output holds, and with that what it may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// An image: it replaces any file but a table or keys.
    Image,
    /// Keys: they replace no file, since what was encrypted with the keys in it would be lost.
    Keys,
}

/// Writes an image whole or not at all; see [`write_all`].
pub(crate) fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    let content = Content::Image;
    write_all(&[Output { path, bytes, content }], force)
}

/// Writes all these files or none of them: into temporary files beside them, which then take their names, new keys first
/// and the others in this order. Folders on the way are made. What is no regular file (a pipe, a device) is written to directly.
///
/// Images and keys hold secrets: only the owner can read the files, and if an input is stricter, they are so too.
///
/// An output that is an input of this call as well is refused, always. With `force` an output may replace a table or
/// keys.
pub(crate) fn write_all(outputs: &[Output<'_>], force: bool) -> Result<(), Failure> {
    let targets: Vec<Target<'_>> = outputs
        .iter()
        .map(|output| Target::find(output, force))
        .collect::<Result<_, _>>()?;
    for (number, target) in targets.iter().enumerate() {
        if let Some(same) = targets.iter().take(number).find(|other| other.is_same(target)) {
            return Err(target.refused(format_args!("is the same file as the output {}", same.name())));
        }
    }
    let mut written = Vec::new();
    for target in &targets {
        written.push(target.prepare()?);
    }
    commit(written, || ())
}

/// Has a file written by `fill`, which gets the path of an empty temporary file beside it: it appears whole or not at all,
/// for its owner alone. It replaces another only with `force`, and takes the place of none of `never`, each with what it
/// is, by whatever name. Its folder must be there.
#[cfg(feature = "serve")]
pub(crate) fn fill(
    path: &Path,
    never: &[(PathBuf, &'static str)],
    force: bool,
    fill: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let refused = |reason: &str| Failure::unusable(format_args!("{}: not written: {reason}", path.display()));
    let failed = |error: &io::Error| refused(&reason(error));
    let uncreated = |error: &io::Error| refused(&no_file_in(folder(path), error));
    let identity = |path: &Path| {
        fs::metadata(path)
            .ok()
            .and_then(|metadata| Identity::of(path, &metadata))
    };
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(refused("it is a folder: name a file in it"));
    }
    let own = identity(path);
    // Also a file that is not there: the program would find the copy in its place.
    let own_place = resolved(path).ok();
    let is_own = |other: &PathBuf| {
        own.is_some() && identity(other) == own || own_place.is_some() && resolved(other).ok() == own_place
    };
    if let Some((_, what)) = never.iter().find(|(other, _)| is_own(other)) {
        return Err(refused(&format!("it is {what}")));
    }
    if fs::symlink_metadata(path).is_ok() && !force {
        return Err(refused("it exists; --force replaces it"));
    }
    // Where the disk for the copies is not mounted, a new folder would be on another one.
    if is_missing(folder(path)) && no_folder_above(path).is_none() {
        return Err(refused(&format!(
            "the folder {} is missing: create it, or mount what belongs there",
            folder(path).display()
        )));
    }
    let file = undisturbed().create(folder(path)).map_err(|error| uncreated(&error))?;
    fill(file.path())?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    let _undisturbed = undisturbed();
    let renamed = match force {
        true => file.persist(path),
        false => file.persist_noclobber(path),
    };
    renamed.map_err(|error| failed(&error.error))?;
    let _ = File::open(folder(path)).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Where an output goes.
struct Target<'a> {
    output: &'a Output<'a>,
    place: Place,
    force: bool,
}

enum Place {
    StandardOutput,
    /// Not a regular file: a pipe, a device.
    Direct(PathBuf),
    File {
        path: PathBuf,
        /// Of the file that is there already.
        before: Option<Identity>,
    },
}

/// An output of which everything is done that can fail, save its last step.
struct Prepared<'a> {
    target: &'a Target<'a>,
    temporary: Option<NamedTempFile>,
}

impl<'a> Target<'a> {
    fn find(output: &'a Output<'a>, force: bool) -> Result<Self, Failure> {
        let mut target = Self {
            output,
            place: Place::StandardOutput,
            force,
        };
        if is_standard(output.path) {
            standard_output::expect_open().map_err(|error| target.failed(&error))?;
            if io::stdout().is_terminal() {
                return Err(Failure::unusable(
                    "standard output is a terminal: an image is not for reading, send it to a file or a program",
                ));
            }
            if let Some(identity) = standard_output_file() {
                target.is_no_input(&identity)?;
            }
            return Ok(target);
        }
        // A pipe behind /dev/stdout has a name that leads nowhere.
        let metadata = fs::metadata(output.path);
        if metadata
            .as_ref()
            .is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
        {
            if STANDARD_OUTPUT.iter().any(|path| output.path == Path::new(path)) {
                standard_output::expect_open().map_err(|error| target.failed(&error))?;
            }
            target.place = Place::Direct(output.path.to_path_buf());
            return Ok(target);
        }
        let path = resolved(output.path).map_err(|error| match error.kind() {
            ErrorKind::NotADirectory => target.uncreated(output.path, &error),
            _ => target.failed(&error),
        })?;
        target.place = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => return Err(target.failed(&ErrorKind::IsADirectory.into())),
            Ok(metadata) => {
                let before = Identity::of(&path, &metadata);
                if let Some(identity) = &before {
                    target.is_no_input(identity)?;
                }
                if !force {
                    target.may_replace(&path, metadata.len())?;
                }
                Place::File { path, before }
            }
            Err(_) => Place::File { path, before: None },
        };
        Ok(target)
    }

    fn is_no_input(&self, identity: &Identity) -> Result<(), Failure> {
        match inputs().iter().find(|input| input.identity == *identity) {
            Some(input) if input.name == self.name() => Err(self.refused("is an input too: name another output")),
            Some(input) => Err(self.refused(format_args!(
                "is the same file as the input {}: name another output",
                input.name
            ))),
            None => Ok(()),
        }
    }

    /// What is there already can be made again, or somebody wants it replaced.
    fn may_replace(&self, path: &Path, size: u64) -> Result<(), Failure> {
        let what = match self.output.content {
            Content::Keys => Some(
                "exists, and a file of keys replaces no other: what was encrypted with the keys in it would be lost",
            ),
            Content::Image => precious(path, size).map_err(|error| self.failed(&error))?,
        };
        match what {
            Some(what) => Err(self.refused(format_args!("{what}; --force replaces it"))),
            None => Ok(()),
        }
    }

    fn is_new_key(&self) -> bool {
        self.output.content == Content::Keys && matches!(self.place, Place::File { before: None, .. })
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::StandardOutput, Place::StandardOutput) => true,
            (Place::File { path: a, before: was_a }, Place::File { path: b, before: was_b }) => {
                a == b || was_a.is_some() && was_a == was_b
            }
            _ => false,
        }
    }

    fn prepare(&self) -> Result<Prepared<'_>, Failure> {
        let Place::File { path, .. } = &self.place else {
            return Ok(Prepared {
                target: self,
                temporary: None,
            });
        };
        let folder = folder(path);
        let mut file = fs::create_dir_all(folder)
            .and_then(|()| undisturbed().create(folder))
            .map_err(|error| self.uncreated(path, &error))?;
        file.write_all(self.output.bytes)
            .and_then(|()| restrict(file.as_file()))
            .and_then(|()| file.as_file().sync_all())
            .map_err(|error| self.failed(&error))?;
        Ok(Prepared {
            target: self,
            temporary: Some(file),
        })
    }

    fn name(&self) -> String {
        if is_standard(self.output.path) {
            "standard output".to_string()
        } else {
            self.output.path.display().to_string()
        }
    }

    fn refused(&self, reason: impl std::fmt::Display) -> Failure {
        Failure::unusable(format_args!("{}: not written: it {reason}", self.name()))
    }

    /// No file could be created where this one goes.
    fn uncreated(&self, path: &Path, error: &io::Error) -> Failure {
        let reason = no_file_in(folder(path), error);
        Failure::unusable(format_args!("{}: not written: {reason}", self.name()))
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::unusable(format_args!("{}: not written: {}", self.name(), reason(error)))
    }
}

/// Files that have their names already, each with what it replaced.
type Done = Vec<(PathBuf, Option<NamedTempFile<()>>)>;

/// Gives all temporary files their names. If one can't have it, the others give theirs back. `stepped` is called after each
/// step, to see what the program would leave if it were killed there.
///
/// New keys come first, and keys that replace others last: so there is never an image without its keys, unless the keys of
/// another image had to go for them.
fn commit(written: Vec<Prepared<'_>>, mut stepped: impl FnMut()) -> Result<(), Failure> {
    let several = written.len() > 1;
    let (new_keys, others): (Vec<_>, Vec<_>) = written.into_iter().partition(|prepared| prepared.target.is_new_key());
    let mut done = Done::new();
    let mut outcome = give_names(&mut undisturbed(), new_keys, several, &mut done, &mut stepped);
    // Then what may have to wait for its reader: a signal can end that, which deletes the new keys too.
    for Prepared { target, temporary } in &others {
        if temporary.is_none() && outcome.is_ok() {
            outcome = target.write_directly().map_err(|error| target.failed(&error));
            stepped();
        }
    }
    let mut undisturbed = undisturbed();
    let outcome = outcome.and_then(|()| give_names(&mut undisturbed, others, several, &mut done, &mut stepped));
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

fn give_names(
    undisturbed: &mut Undisturbed,
    written: Vec<Prepared<'_>>,
    several: bool,
    done: &mut Done,
    mut stepped: impl FnMut(),
) -> Result<(), Failure> {
    for Prepared { target, temporary } in written {
        let (Some(temporary), Place::File { path, before }) = (temporary, &target.place) else {
            continue;
        };
        let kept = replace(undisturbed, temporary, path, before.is_some() && several, target)
            .map_err(|error| target.failed(&error))?;
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
    let renamed = if target.output.content == Content::Keys && !target.force {
        temporary.persist_noclobber(path)
    } else {
        temporary.persist(path)
    };
    renamed.map_err(|error| error.error)?;
    // On the disk before the next output takes its place, as far as the file system can.
    let _ = File::open(folder(path)).and_then(|folder| folder.sync_all());
    Ok(kept)
}

impl Target<'_> {
    fn write_directly(&self) -> io::Result<()> {
        match &self.place {
            Place::StandardOutput => standard_output::write_all(self.output.bytes),
            Place::Direct(path) | Place::File { path, .. } => {
                File::options().write(true).open(path)?.write_all(self.output.bytes)
            }
        }
    }
}

/// The file that a path means: through symbolic links, also where they lead to no file yet.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const LINKS_MAX: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        match fs::canonicalize(&path) {
            Ok(path) => return Ok(path),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        match fs::read_link(&path) {
            Ok(link) => path = folder(&path).join(link),
            Err(_) => {
                let name = path.file_name().ok_or(ErrorKind::IsADirectory)?;
                return Ok(match fs::canonicalize(folder(&path)) {
                    Ok(folder) => folder.join(name),
                    // It is made later.
                    Err(_) => path,
                });
            }
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn is_missing(path: &Path) -> bool {
    matches!(fs::metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// What is on the way to a path, and is not a folder.
fn no_folder_above(path: &Path) -> Option<&Path> {
    let mut above = path.ancestors().skip(1);
    above.find(|above| fs::metadata(above).is_ok_and(|metadata| !metadata.is_dir()))
}

/// Why no file could be created in this folder: the system does not say which part of the path it means.
fn no_file_in(folder: &Path, error: &io::Error) -> String {
    let reason = reason(error);
    if let Some(other) = no_folder_above(&folder.join("file")) {
        format!("{} is not a folder", other.display())
    } else if is_missing(folder) {
        format!(
            "the folder {} is missing and cannot be created: {reason}",
            folder.display()
        )
    } else {
        format!("no file can be created in the folder {}: {reason}", folder.display())
    }
}

/// Why a file should not be replaced by an image, if there is a reason.
fn precious(path: &Path, size: u64) -> io::Result<Option<&'static str>> {
    use io::Read;
    /// A table's header is in its first lines, keys are in the first bytes.
    const LOOKED_AT: u64 = 64 << 10;
    let mut content = Zeroizing::new(Vec::with_capacity(LOOKED_AT as usize));
    match File::open(path) {
        Ok(file) => file.take(LOOKED_AT).read_to_end(&mut content)?,
        // What can't be read can still be replaced.
        Err(_) => return Ok(None),
    };
    Ok(if is_table(&content) {
        Some("is a table, as its columns key, type, encoding, value say (was the output's name forgotten?)")
    } else if content.len() > KEYS_SIZE && Keys::decode(&content).is_ok() {
        Some("holds encryption keys")
    } else if size == HMAC_KEY_SIZE as u64 {
        Some("has the 32 bytes of an HMAC key")
    } else {
        None
    })
}

/// Whether the first line that is no comment names a table's columns, however they are separated or encoded.
fn is_table(content: &[u8]) -> bool {
    // Of UTF-16 text that leaves the ASCII characters.
    let text: Vec<u8> = content.iter().copied().filter(|byte| *byte != 0).collect();
    let mut lines = text.split(|byte| *byte == b'\n' || *byte == b'\r').map(|line| {
        let line = String::from_utf8_lossy(line);
        line.trim_matches(|char: char| !char.is_ascii_graphic())
            .to_ascii_lowercase()
    });
    let header = lines.find(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("sep="));
    let header = header.unwrap_or_default();
    let columns: Vec<&str> = header
        .split([',', ';', '\t'])
        .map(|column| column.trim_matches(|char: char| char.is_whitespace() || char == '"'))
        .collect();
    ["key", "type", "encoding", "value"]
        .iter()
        .all(|column| columns.contains(column))
}

/// Makes a file readable for the owner alone, and no looser than the strictest input.
#[cfg(unix)]
fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let strictest = inputs().iter().fold(0o600, |strictest, input| strictest & input.mode);
    // Its owner can read it in any case.
    file.set_permissions(fs::Permissions::from_mode(strictest | 0o400))
}

#[cfg(not(unix))]
fn restrict(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Which file standard output goes to, if it is one.
#[cfg(unix)]
fn standard_output_file() -> Option<Identity> {
    use std::os::fd::AsFd;
    let file = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
    Identity::of(Path::new(""), &metadata)
}

#[cfg(not(unix))]
fn standard_output_file() -> Option<Identity> {
    None
}

/// `created FILE`, or that it went to standard output.
pub(crate) fn created(path: &Path) -> String {
    if is_standard(path) {
        "written to standard output".to_string()
    } else {
        format!("created {}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a kill at any step leaves: never an image without its keys.
    #[test]
    fn new_keys_have_their_names_before_their_image() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let paths = [place("image"), place("keys")];
        let steps = |force: bool| {
            let outputs = [
                (&paths[0], b"image", Content::Image),
                (&paths[1], b"keys!", Content::Keys),
            ]
            .map(|(path, bytes, content)| Output { path, bytes, content });
            let targets = outputs.each_ref().map(|output| Target::find(output, force).unwrap());
            let written = targets.each_ref().map(|target| target.prepare().unwrap());
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
        // The keys of another image are replaced only when the image that needs the new ones is there.
        fs::write(&paths[0], "old").unwrap();
        fs::write(&paths[1], "old").unwrap();
        assert_eq!(steps(true), [[true, false], [true, true]]);
    }

    #[test]
    fn what_has_its_name_already_gives_it_back_if_another_output_fails() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::write(place("image"), "old").unwrap();
        let output = |name, content| (place(name), content);
        let paths = [
            output("image", Content::Image),
            output("keys", Content::Keys),
            output("last", Content::Keys),
        ];
        let outputs = paths.each_ref().map(|(path, content)| Output {
            path,
            bytes: b"new",
            content: *content,
        });
        let targets = outputs.each_ref().map(|output| Target::find(output, false).unwrap());
        let written = targets.each_ref().map(|target| target.prepare().unwrap());
        // Somebody else was quicker.
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
