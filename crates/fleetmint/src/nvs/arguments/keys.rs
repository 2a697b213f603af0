//! Encryption keys: read from files, or created.

use std::path::{Path, PathBuf};

use clap::Args;
use fleetmint_board::flash_dump::check_nvs;
use fleetmint_nvs::crypt::{HMAC_KEY_SIZE, HmacKey, KEY_PARTITION_SIZE, Keys};
use fleetmint_nvs::layout::PAGE_SIZE;
use zeroize::Zeroizing;

use super::outdir::Outdir;
use crate::exit::Failure;
use crate::files::{self, Beginning, Output, OutputKind};
use crate::terminal::say;

/// The most bytes that a file of keys may have: a key partition has 4096, and a larger one holds the keys at its start.
const KEYS_MAX: u64 = 64 << 10;

/// Reads the keys from the file of a key partition.
pub(crate) fn read(path: &Path) -> Result<Keys, Failure> {
    let Beginning { content, is_cut } = files::read_beginning(path, KEYS_MAX)?;
    let name = files::input_name(path);
    let decoded = Keys::decode(&content);
    if let (Ok(_), true) = (&decoded, is_cut) {
        return Err(too_long(&name));
    }
    decoded.map_err(|error| {
        let advice = if content.len() == HMAC_KEY_SIZE {
            "; `fleetmint nvs generate-key --key_protect_hmac --kp_hmac_inputkey FILE` creates a file with the keys"
        } else if content.len() >= PAGE_SIZE && check_nvs(&content).is_ok() {
            "; it is an NVS image: the image and the keys seem to be swapped"
        } else if is_cut {
            return too_long(&name);
        } else {
            ""
        };
        Failure::unusable(format_args!("{name}: {error}{advice}"))
    })
}

fn too_long(name: &str) -> Failure {
    Failure::unusable(format_args!(
        "{name}: it has more than {KEYS_MAX} bytes, the maximum for a file of keys; a key partition has \
         {KEY_PARTITION_SIZE}"
    ))
}

/// Reads an HMAC key from a file.
pub(crate) fn read_hmac_key(path: &Path) -> Result<HmacKey, Failure> {
    // A longer file is not an HMAC key. Its beginning shows whether it contains encryption keys.
    let content = files::read_beginning(path, KEY_PARTITION_SIZE as u64)?.content;
    let name = files::input_name(path);
    HmacKey::decode(&content).map_err(|error| {
        let advice = match Keys::decode(&content) {
            Ok(_) => "; pass them with --inputkey to encrypt, with --keys to the commands that read an image",
            Err(_) => "",
        };
        Failure::unusable(format_args!("{name}: {error}{advice}"))
    })
}

/// Keys are only written to files, which only their owner can read.
pub(crate) const TO_A_FILE: &str = "- is standard output, and keys are only written to files";

#[derive(Debug, Args)]
pub(crate) struct NewKeys {
    /// File for the encryption keys, in the folder keys of the output folder [default: keys-<month-day_hour-minute>.bin]
    #[arg(long, value_name = "FILE", value_parser = files::named(TO_A_FILE))]
    pub(crate) keyfile: Option<PathBuf>,

    /// Derive the keys from an HMAC key in the chip's eFuse, instead of storing them in a key partition that flash
    /// encryption protects
    #[arg(long = "key_protect_hmac", requires = "hmac_key")]
    key_protect_hmac: bool,

    /// Create a new HMAC key
    #[arg(long = "kp_hmac_keygen", group = "hmac_key", requires = "key_protect_hmac")]
    kp_hmac_keygen: bool,

    /// File for the new HMAC key, beside the encryption keys [default: hmac-<name of the key file>]
    #[expect(rustdoc::invalid_html_tags, reason = "this is the text of --help")]
    #[arg(
        long = "kp_hmac_keyfile",
        value_name = "FILE",
        requires = "kp_hmac_keygen",
        value_parser = files::named(TO_A_FILE)
    )]
    kp_hmac_keyfile: Option<PathBuf>,

    /// Read the HMAC key from this file of 32 bytes; - is standard input
    #[arg(
        long = "kp_hmac_inputkey",
        value_name = "FILE",
        group = "hmac_key",
        requires = "key_protect_hmac"
    )]
    kp_hmac_inputkey: Option<PathBuf>,
}

/// New keys, and their files, which are not written yet.
pub(crate) struct CreatedKeys {
    pub(crate) keys: Keys,
    files: Vec<KeyFile>,
}

struct KeyFile {
    path: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
    purpose: &'static str,
}

impl CreatedKeys {
    /// The files, which are written after the image that needs them.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = Output<'_>> {
        self.files.iter().map(|file| Output {
            path: &file.path,
            bytes: &file.bytes,
            kind: OutputKind::Keys,
        })
    }

    /// Reports that the files exist, and what they are for.
    pub(crate) fn announce(&self) {
        for file in &self.files {
            say(format_args!("created {}: {}", file.path.display(), file.purpose));
        }
    }
}

impl NewKeys {
    /// Creates the keys.
    pub(crate) fn create(&self, outdir: &Outdir) -> Result<CreatedKeys, Failure> {
        let mut files = Vec::new();
        let keyfile = match &self.keyfile {
            Some(file) => outdir.place_keys(file),
            None => unused(outdir)?,
        };
        let hmac_key = match &self.kp_hmac_inputkey {
            Some(path) => Some(read_hmac_key(path)?),
            None if self.kp_hmac_keygen => {
                let key = HmacKey::generate(getrandom::fill).map_err(no_randomness)?;
                let path = match &self.kp_hmac_keyfile {
                    Some(file) => outdir.place_keys(file),
                    None => beside(&keyfile),
                };
                files.push(KeyFile {
                    path,
                    bytes: Zeroizing::new(key.as_bytes().to_vec()),
                    purpose: "HMAC key, for an eFuse block with the purpose HMAC_UP",
                });
                Some(key)
            }
            None => None,
        };
        let keys = match &hmac_key {
            Some(key) => key.nvs_keys(),
            None => Keys::generate(getrandom::fill).map_err(no_randomness)?,
        };
        files.push(KeyFile {
            path: keyfile,
            bytes: Zeroizing::new(keys.encode().to_vec()),
            purpose: match hmac_key {
                Some(_) => "encryption keys, for this program's --keys; the chip derives the same from the HMAC key",
                None => "encryption keys, for the partition nvs_keys, to be flashed with flash encryption",
            },
        });
        Ok(CreatedKeys { keys, files })
    }
}

pub(crate) fn no_randomness(error: getrandom::Error) -> Failure {
    Failure::unusable(format_args!("the operating system gives no random bytes: {error}"))
}

/// `hmac-` and the name of the key file, in its folder.
fn beside(keyfile: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from("hmac-");
    name.push(keyfile.file_name().unwrap_or_default());
    keyfile.with_file_name(name)
}

/// The generator's default name, `keys-<month-day_hour-minute>.bin`. Existing keys are never replaced, because what was
/// encrypted with them would be lost: a second file in the same minute gets a number.
fn unused(outdir: &Outdir) -> Result<PathBuf, Failure> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program is where the clock is read; the time only names a file"
    )]
    let now = jiff::ZonedDateTime::now().strftime("%m-%d_%H-%M").to_string();
    for number in 1..1000 {
        let name = match number {
            1 => format!("keys-{now}.bin"),
            _ => format!("keys-{now}-{number}.bin"),
        };
        let path = outdir.place_keys(Path::new(&name));
        if !path.exists() {
            return Ok(path);
        }
    }
    Err(Failure::unusable(format_args!(
        "keys-{now}.bin to keys-{now}-999.bin exist: name the file with --keyfile"
    )))
}
