//! What a board's partition is to hold.

use std::collections::HashSet;

#[cfg(feature = "changes")]
use fleetmint_nvs::csv::Row;
use fleetmint_nvs::image::{self, Decoded, DecodedValue};
use fleetmint_nvs::{Key, RawName};

use crate::patch::Calls;
#[cfg(feature = "changes")]
use crate::patch::ReadFile;
use crate::provisioning::{self, NAMESPACE, Setting, Values};

/// What a board's partition is to hold.
pub enum Wanted<'a> {
    /// A device's identity and settings: its provisioning image, of any size, as the server gives it. An optional setting
    /// that the image lacks is erased.
    Image(&'a [u8]),
    /// A list of changes, as for `fleetmint nvs patch`.
    #[cfg(feature = "changes")]
    Changes {
        rows: &'a [Row],
        /// Returns the bytes of the file that a `file` row names. It may be called again for the same file.
        read_file: ReadFile<'a>,
    },
}

/// Shows no value.
impl std::fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Image(_) => "Image(..)",
            #[cfg(feature = "changes")]
            Self::Changes { .. } => "Changes(..)",
        })
    }
}

/// Why an image is not a device's provisioning image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageFault {
    /// No fresh image.
    #[error(transparent)]
    NotFresh(fleetmint_nvs::Error),
    /// It has values of other namespaces.
    #[error(
        "it has key \"{key}\" in namespace \"{namespace}\", and a provisioning image has only the namespace {NAMESPACE}: put \
         other values into a list of changes"
    )]
    OtherNamespace { namespace: RawName, key: RawName },
    /// A value is no string.
    #[error("the value of key \"{key}\" is not a string of UTF-8")]
    NotText { key: RawName },
    /// A key is there twice.
    #[error("key \"{key}\" is there twice")]
    Twice { key: RawName },
    /// A value is missing, or breaks a rule.
    #[error(transparent)]
    Values(#[from] provisioning::Error),
}

impl Wanted<'_> {
    /// The calls that put it into a partition.
    pub(super) fn calls(&mut self) -> Result<Calls<'_>, ImageFault> {
        match self {
            Self::Image(image) => of_image(image),
            #[cfg(feature = "changes")]
            Self::Changes { rows, read_file } => Ok(Calls::Rows {
                rows,
                read_file: &mut **read_file,
            }),
        }
    }
}

/// The settings in the image's order, then the keys that a later version of the server has in addition.
fn of_image(image: &[u8]) -> Result<Calls<'_>, ImageFault> {
    let mut values = Values::default();
    let mut others = Vec::new();
    let mut keys = HashSet::new();
    for decoded in image::decode(image).map_err(ImageFault::NotFresh)? {
        let (key, text) = text(decoded.map_err(ImageFault::NotFresh)?)?;
        if !keys.insert(key) {
            return Err(ImageFault::Twice { key });
        }
        match Setting::ALL
            .into_iter()
            .find(|setting| setting.key().as_bytes() == key.as_bytes())
        {
            Some(setting) => values = values.with(setting, Some(text)),
            None => {
                let key = Key::new(key.as_bytes()).map_err(ImageFault::NotFresh)?;
                others.push((key, Some(text.as_bytes())));
            }
        }
    }
    let values = values.checked_all().map_err(ImageFault::Values)?;
    let mut strings = Calls::strings(values).map_err(ImageFault::NotFresh)?;
    strings.extend(others);
    Ok(Calls::Device(strings))
}

fn text<'a>(decoded: Decoded<'a>) -> Result<(RawName, &'a str), ImageFault> {
    let Decoded { namespace, key, value } = decoded;
    if namespace.as_bytes() != NAMESPACE.as_bytes() {
        return Err(ImageFault::OtherNamespace { namespace, key });
    }
    let text = match value {
        DecodedValue::Str(bytes) => std::str::from_utf8(bytes).ok(),
        DecodedValue::Number(_) | DecodedValue::Blob(_) => None,
    };
    text.map(|text| (key, text)).ok_or(ImageFault::NotText { key })
}
