//! The calls that put what is wanted into a partition.

use std::collections::HashSet;

#[cfg(feature = "changes")]
use fleetmint_nvs::csv::{Action, Row};
use fleetmint_nvs::storage::{Flash, Storage};
use fleetmint_nvs::{Key, Namespace};

use super::{Error, not_opened};
use crate::provisioning::{Checked, NAMESPACE, Setting};

/// The calls that an application would make to get what is wanted.
pub(crate) enum Calls<'a> {
    /// `nvs_set_str()` for each string of a device in the namespace `prov`, `nvs_erase_key()` for each `None`.
    Device(Vec<StringCall<'a>>),
    /// The calls of a list of changes.
    #[cfg(feature = "changes")]
    Rows {
        rows: &'a [Row],
        /// Returns the bytes of the file that a `file` row names.
        read_file: ReadFile<'a>,
    },
}

/// Returns the bytes of a file, or why there are none.
#[cfg(feature = "changes")]
pub type ReadFile<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>;

/// A string to set, or a key to erase.
pub(crate) type StringCall<'a> = (Key, Option<&'a [u8]>);

impl<'a> Calls<'a> {
    /// What the values of a device become.
    pub(crate) fn strings(values: Checked<'a>) -> Result<Vec<StringCall<'a>>, fleetmint_nvs::Error> {
        let call =
            |(setting, value): (Setting, Option<&'a str>)| Ok((Key::new(setting.key())?, value.map(str::as_bytes)));
        values.into_iter().map(call).collect()
    }

    /// The namespaces that the calls open.
    pub(super) fn namespaces(&self) -> HashSet<Vec<u8>> {
        match self {
            Self::Device(_) => HashSet::from([NAMESPACE.as_bytes().to_vec()]),
            #[cfg(feature = "changes")]
            Self::Rows { rows, .. } => {
                let opened = rows.iter().filter(|row| row.action == Action::Namespace);
                opened.map(|row| row.key.clone().into_bytes()).collect()
            }
        }
    }

    /// Makes the calls, then commits.
    pub(super) fn make<F: Flash>(self, storage: &mut Storage<F>) -> Result<(), Error> {
        let strings = match self {
            Self::Device(strings) => strings,
            #[cfg(feature = "changes")]
            Self::Rows { rows, read_file } => {
                return match storage.patch(rows, read_file) {
                    Ok(_) => Ok(()),
                    Err(error) => Err(Error::Row(error)),
                };
            }
        };
        let namespace = Namespace::new(NAMESPACE).map_err(Error::Open)?;
        let namespace = storage.open_namespace(&namespace).map_err(|cause| match cause {
            cause @ fleetmint_nvs::Error::NotEnoughSpace { .. } => Error::DoesNotFit { cause },
            cause => not_opened(cause),
        })?;
        for (key, value) in strings {
            let done = match value {
                Some(value) => storage.set_str(namespace, &key, value),
                None => match storage.erase_key(namespace, &key) {
                    Err(fleetmint_nvs::Error::NotFound { .. }) => Ok(()),
                    done => done,
                },
            };
            done.map_err(|cause| match cause {
                cause @ fleetmint_nvs::Error::NotEnoughSpace { .. } => Error::DoesNotFit { cause },
                fleetmint_nvs::Error::Stopped => Error::Stopped,
                cause => Error::Set {
                    key: key.to_string(),
                    cause,
                },
            })?;
        }
        storage.commit().map_err(not_opened)
    }
}
