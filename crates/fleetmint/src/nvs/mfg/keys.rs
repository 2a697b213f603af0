//! The encryption keys of each device: given, derived from one HMAC key, or new.

use std::path::{Path, PathBuf};

use clap::Args;
use fleetmint_nvs::crypt::{HmacKey, KEY_PARTITION_SIZE, Keys};
use zeroize::Zeroizing;

use super::names::DeviceNames;
use crate::exit::Failure;
use crate::files;
use crate::files::place::Folder;
use crate::nvs::arguments::keys::{self as key_files, TO_A_FILE, no_randomness};

#[derive(Debug, Args)]
pub(super) struct KeyOptions {
    /// Encrypt the images, with new keys for each device
    #[arg(long, conflicts_with = "inputkey")]
    keygen: bool,

    /// Encrypt the images, all with the keys of this file: a key partition, or only the 64 bytes of the keys
    #[arg(long, value_name = "FILE", conflicts_with = "key_protect_hmac")]
    inputkey: Option<PathBuf>,

    /// Derive the keys from an HMAC key in the chip's eFuse, instead of storing them in a key partition that flash encryption
    /// protects
    #[arg(long = "key_protect_hmac", requires_all = ["keygen", "hmac_key"])]
    key_protect_hmac: bool,

    /// Create a new HMAC key for each device
    #[arg(long = "kp_hmac_keygen", group = "hmac_key", requires = "key_protect_hmac")]
    kp_hmac_keygen: bool,

    /// File for the new HMAC key in the folder keys, if there is only one device [default: hmac-keys-<prefix>-<id>.bin]
    #[expect(rustdoc::invalid_html_tags, reason = "this is the text of --help")]
    #[arg(
        long = "kp_hmac_keyfile",
        value_name = "FILE",
        requires = "kp_hmac_keygen",
        value_parser = files::named(TO_A_FILE)
    )]
    kp_hmac_keyfile: Option<PathBuf>,

    /// Read the HMAC key of all devices from this file of 32 bytes
    #[arg(
        long = "kp_hmac_inputkey",
        value_name = "FILE",
        group = "hmac_key",
        requires = "key_protect_hmac"
    )]
    kp_hmac_inputkey: Option<PathBuf>,
}

/// Where the keys of the devices come from.
pub(super) enum Scheme {
    /// The images are not encrypted.
    Plain,
    /// All devices have the keys of this file.
    Given { keys: Keys, file: String },
    /// All devices have the keys that are derived from this HMAC key. Each has a file of them.
    Derived(Keys),
    /// Each device has new keys.
    New,
    /// Each device has a new HMAC key. The file is named if there is only one device.
    NewHmac { file: Option<String> },
}

impl KeyOptions {
    pub(super) fn scheme(&self) -> Result<Scheme, Failure> {
        if let Some(path) = &self.inputkey {
            return Ok(Scheme::Given {
                keys: key_files::read(path)?,
                file: files::input_name(path),
            });
        }
        if let Some(path) = &self.kp_hmac_inputkey {
            return Ok(Scheme::Derived(key_files::read_hmac_key(path)?.nvs_keys()));
        }
        match (self.keygen, self.kp_hmac_keygen, &self.kp_hmac_keyfile) {
            (_, true, file) => Ok(Scheme::NewHmac {
                file: file.as_deref().map(name_in_keys).transpose()?,
            }),
            (true, false, _) => Ok(Scheme::New),
            (false, false, _) => Ok(Scheme::Plain),
        }
    }
}

/// The name of a file in the folder `keys`.
fn name_in_keys(file: &Path) -> Result<String, Failure> {
    let mut named = file.to_path_buf();
    if named.extension().is_none() {
        named.set_extension("bin");
    }
    match named.to_str() {
        Some(name) if named.file_name() == Some(named.as_os_str()) => Ok(name.to_owned()),
        _ => Err(Failure::unusable(format_args!(
            "--kp_hmac_keyfile {}: it must be the name of a file in the folder keys, in UTF-8 and without a folder",
            file.display()
        ))),
    }
}

/// The keys of one device.
pub(super) struct DeviceKeys {
    /// `None` if its image is not encrypted.
    pub(super) keys: Option<Keys>,
    /// Its files in the folder `keys`, in the order in which they are written.
    pub(super) files: Vec<KeyFile>,
    /// What the manifest says.
    pub(super) key_file: String,
}

pub(super) struct KeyFile {
    pub(super) name: String,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// The keys of a device that an earlier run has left.
pub(super) enum Left {
    Nothing,
    Keys(DeviceKeys),
}

impl Scheme {
    /// Whether each device has keys of its own, which are new.
    pub(super) fn is_new(&self) -> bool {
        matches!(self, Self::New | Self::NewHmac { .. })
    }

    /// Whether there are files of keys.
    pub(super) fn has_files(&self) -> bool {
        !matches!(self, Self::Plain | Self::Given { .. })
    }

    /// The keys of a device, if they are known before it has any file.
    pub(super) fn known(&self, names: &DeviceNames) -> Option<DeviceKeys> {
        match self {
            Self::Plain => Some(DeviceKeys {
                keys: None,
                files: Vec::new(),
                key_file: String::new(),
            }),
            Self::Given { keys, file } => Some(DeviceKeys {
                keys: Some(keys.clone()),
                files: Vec::new(),
                key_file: file.clone(),
            }),
            Self::Derived(keys) => Some(with_key_file(names, keys.clone(), None)),
            Self::New | Self::NewHmac { .. } => None,
        }
    }

    /// New keys for a device.
    pub(super) fn create(&self, names: &DeviceNames) -> Result<DeviceKeys, String> {
        let failed = |error| no_randomness(error).message;
        match (self, self.known(names)) {
            (_, Some(known)) => Ok(known),
            (Self::NewHmac { .. }, None) => {
                let key = HmacKey::generate(getrandom::fill).map_err(failed)?;
                Ok(self.of_hmac_key(names, &key))
            }
            (_, None) => {
                let keys = Keys::generate(getrandom::fill).map_err(failed)?;
                Ok(with_key_file(names, keys, None))
            }
        }
    }

    /// The new keys that an earlier run has left for a device.
    pub(super) fn left(&self, names: &DeviceNames, folder: &Folder) -> Result<Left, String> {
        let read = |name: &str| {
            let content = folder.read(name, KEY_PARTITION_SIZE as u64 + 1);
            content.map_err(|failure| failure.message)
        };
        let keys = match read(&names.keys())? {
            None => None,
            Some(content) if content.len() != KEY_PARTITION_SIZE => {
                return Err(format!(
                    "keys/{}: it is not a key partition of {KEY_PARTITION_SIZE} bytes",
                    names.keys()
                ));
            }
            Some(content) => Some(Keys::decode(&content).map_err(|error| format!("keys/{}: {error}", names.keys()))?),
        };
        if !matches!(self, Self::NewHmac { .. }) {
            return Ok(keys.map_or(Left::Nothing, |keys| Left::Keys(with_key_file(names, keys, None))));
        }
        let hmac_name = self.hmac_name(names);
        match (read(&hmac_name)?, keys) {
            (None, None) => Ok(Left::Nothing),
            (None, Some(_)) => Err(format!(
                "keys/{}: its HMAC key, keys/{hmac_name}, is missing; without it no chip can read the image",
                names.keys()
            )),
            (Some(content), keys) => {
                let key = HmacKey::decode(&content).map_err(|error| format!("keys/{hmac_name}: {error}"))?;
                let device = self.of_hmac_key(names, &key);
                // Equal keys are equal files.
                match keys {
                    Some(keys) if device.keys.as_ref().map(Keys::encode) != Some(keys.encode()) => Err(format!(
                        "keys/{}: these are not the keys that keys/{hmac_name} gives",
                        names.keys()
                    )),
                    _ => Ok(Left::Keys(device)),
                }
            }
        }
    }

    fn of_hmac_key(&self, names: &DeviceNames, key: &HmacKey) -> DeviceKeys {
        let hmac = KeyFile {
            name: self.hmac_name(names),
            bytes: Zeroizing::new(key.as_bytes().to_vec()),
        };
        with_key_file(names, key.nvs_keys(), Some(hmac))
    }

    /// The name of the file of a device's HMAC key.
    pub(super) fn hmac_name(&self, names: &DeviceNames) -> String {
        match self {
            Self::NewHmac { file: Some(file) } => file.clone(),
            _ => names.hmac_key(),
        }
    }
}

/// The keys of a device that has a file of them, which comes after that of its HMAC key.
fn with_key_file(names: &DeviceNames, keys: Keys, hmac: Option<KeyFile>) -> DeviceKeys {
    let name = names.keys();
    let key_file = format!("keys/{name}");
    let bytes = Zeroizing::new(keys.encode().to_vec());
    DeviceKeys {
        keys: Some(keys),
        files: hmac.into_iter().chain([KeyFile { name, bytes }]).collect(),
        key_file,
    }
}
