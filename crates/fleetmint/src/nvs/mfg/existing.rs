//! What the output folder holds already, and whether the run may go on beside it.

use fleetmint_nvs::crypt;
use sha2::{Digest, Sha256};

use super::keys::{DeviceKeys, Left, Scheme};
use super::manifest::Row;
use super::names::DeviceNames;
use super::run::Run;
use crate::exit::Failure;
use crate::files::place::{Folder, State};

/// The folders of an earlier run.
#[derive(Debug)]
pub(super) struct Existing {
    outdir: Option<Folder>,
    bin: Option<Folder>,
    keys: Option<Folder>,
    /// Whether the manifest of an earlier run must be that of this one.
    compares_manifest: bool,
}

impl Existing {
    pub(super) fn open(run: &Run<'_>) -> Result<Self, Failure> {
        let mut existing = Self {
            outdir: None,
            bin: None,
            keys: None,
            compares_manifest: false,
        };
        if run.tar.is_some() {
            return Ok(existing);
        }
        existing.outdir = Folder::existing(&run.outdir)?;
        if let Some(outdir) = &existing.outdir {
            existing.bin = Folder::existing(&run.outdir.join("bin"))?;
            existing.keys = Folder::existing(&run.outdir.join("keys"))?;
            let manifest = outdir.state(&run.names.manifest(), &[])?;
            existing.compares_manifest = !matches!(manifest, State::Missing) && !run.resume && !run.force;
        }
        Ok(existing)
    }

    /// Whether [`check`](Self::check) must return rows of the manifest.
    pub(super) fn compares_manifest(&self) -> bool {
        self.compares_manifest
    }

    /// Checks the manifest of an earlier run, which must be this one.
    pub(super) fn check_manifest(&self, run: &Run<'_>, manifest: &str) -> Result<(), Failure> {
        let Some(outdir) = &self.outdir else {
            return Ok(());
        };
        let name = run.names.manifest();
        let state = outdir.state(&name, manifest.as_bytes())?;
        let what = match state {
            State::Missing | State::Same => return Ok(()),
            State::Other if run.resume || run.force => return Ok(()),
            State::Other => "exists and lists other images; another prefix or --outdir leaves it, --force replaces it",
            State::Input => "is an input too",
            State::NotAFile => "is not a file",
        };
        Err(Failure::unusable(format_args!(
            "{}: nothing was written: it {what}",
            run.outdir.join(name).display()
        )))
    }

    /// Checks the files of a device, whose plain image this is. The image may be encrypted afterwards.
    ///
    /// Returns the row of the manifest if that is compared.
    pub(super) fn check(
        &self,
        run: &Run<'_>,
        id: &str,
        names: &DeviceNames,
        image: &mut [u8],
    ) -> Result<Option<Row>, String> {
        let file = names.image();
        let is_there = match &self.bin {
            Some(bin) => !matches!(state(bin, &file, &[])?, State::Missing),
            None => false,
        };
        let keys = match run.scheme.known(names) {
            Some(keys) => keys,
            None => match self.new_keys(run, names, is_there)? {
                Some(keys) => keys,
                None => return Ok(None),
            },
        };
        if let Some(folder) = &self.keys {
            for key in &keys.files {
                may_be("keys", &key.name, state(folder, &key.name, &key.bytes)?, run.force)?;
            }
        }
        if !is_there && !self.compares_manifest {
            return Ok(None);
        }
        encrypt(image, &keys)?;
        if let Some(bin) = &self.bin {
            may_be("bin", &file, state(bin, &file, image)?, run.force)?;
        }
        Ok(self.compares_manifest.then(|| row(id, names, image, &keys)))
    }

    /// The new keys that an earlier run has left for a device. `None`: it gets new ones now.
    fn new_keys(&self, run: &Run<'_>, names: &DeviceNames, is_there: bool) -> Result<Option<DeviceKeys>, String> {
        if run.resume {
            let left = match &self.keys {
                Some(folder) => run.scheme.left(names, folder)?,
                None => Left::Nothing,
            };
            return match left {
                Left::Keys(keys) => Ok(Some(keys)),
                Left::Nothing if is_there => Err(format!(
                    "bin/{}: it exists and its keys, keys/{}, are missing: restore them, or delete the image",
                    names.image(),
                    names.keys()
                )),
                Left::Nothing => Ok(None),
            };
        }
        let mut may_not_exist = Vec::new();
        if let Some(bin) = &self.bin {
            may_not_exist.push(("bin", bin, names.image()));
        }
        if let Some(keys) = &self.keys {
            may_not_exist.push(("keys", keys, names.keys()));
            if matches!(run.scheme, Scheme::NewHmac { .. }) {
                may_not_exist.push(("keys", keys, run.scheme.hmac_name(names)));
            }
        }
        for (place, folder, name) in may_not_exist {
            match state(folder, &name, &[])? {
                State::Missing => {}
                State::Other | State::Same if !run.force => {
                    return Err(format!(
                        "{place}/{name}: it exists, and this run would give the device new keys; --resume goes on with a run \
                         that was cut off, --force replaces image and keys"
                    ));
                }
                state => may_be(place, &name, state, run.force)?,
            }
        }
        Ok(None)
    }
}

pub(super) fn state(folder: &Folder, name: &str, bytes: &[u8]) -> Result<State, String> {
    folder.state(name, bytes).map_err(|failure| failure.message)
}

/// Whether an output may be written where there is something in this state.
pub(super) fn may_be(place: &str, name: &str, state: State, force: bool) -> Result<(), String> {
    match state {
        State::Missing | State::Same => Ok(()),
        State::Other if force => Ok(()),
        State::Other => Err(format!(
            "{place}/{name}: it exists with other content; --force replaces it"
        )),
        State::Input => Err(format!("{place}/{name}: it is an input too: name another --outdir")),
        State::NotAFile => Err(format!("{place}/{name}: it exists and is not a file")),
    }
}

/// Encrypts an image, if the device has keys.
pub(super) fn encrypt(image: &mut [u8], keys: &DeviceKeys) -> Result<(), String> {
    match &keys.keys {
        Some(keys) => crypt::encrypt(image, keys).map_err(|error| error.to_string()),
        None => Ok(()),
    }
}

/// The row of the manifest of this image, which is complete.
pub(super) fn row(id: &str, names: &DeviceNames, image: &[u8], keys: &DeviceKeys) -> Row {
    Row {
        id: id.to_owned(),
        file: format!("bin/{}", names.image()),
        size: image.len(),
        sha256: hex::encode(Sha256::digest(image)),
        key_file: keys.key_file.clone(),
    }
}
