//! Sets the values of a device in a partition that already holds data.
//!
//! The data of other software (Wi-Fi, calibration, the application) stays: the partition is, bit for bit, what the firmware
//! would leave if it set these values with `nvs_set_str()`.

mod differences;

pub use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::layout::{ENTRY_COUNT, ENTRY_SIZE, PAGE_SIZE};
use fleetmint_nvs::storage::{Metered, Mode, SliceFlash, Storage};
use fleetmint_nvs::{Key, Namespace};
use zeroize::Zeroizing;

use self::differences::{NAMES_MAX, Reader};
use crate::flash_dump::{NotNvs, check_nvs};
use crate::provisioning::{self, Checked, NAMESPACE, Setting, Values};
use crate::report::MaskedKey;

/// The changes, without values.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The numbers of the 4096-byte sectors that differ, in order. They must be written to the chip.
    pub changed_sectors: Vec<usize>,
    /// The keys that differ, by namespace and key.
    pub differences: Vec<MaskedKey<'static>>,
}

/// Why a partition cannot be patched.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Values(#[from] provisioning::Error),
    #[error(
        "a partition of one page cannot be changed: no page would stay free, and the firmware's next start would fail \
         (ESP_ERR_NVS_NO_FREE_PAGES)"
    )]
    OnePage,
    /// The bytes are not an NVS partition: the firmware would erase every page.
    #[error(transparent)]
    NotNvs(#[from] NotNvs),
    /// The firmware would erase everything.
    #[error("{0}; the firmware's next start would erase them all")]
    WrongKey(fleetmint_nvs::Error),
    /// The firmware's own start fails.
    #[error("the firmware cannot open the partition: {0}")]
    Open(fleetmint_nvs::Error),
    /// The caller's meter stopped the work.
    #[error("the work on the partition was stopped before it was done")]
    Stopped,
    /// Items of no namespace would become items of the new one, or the firmware's start would erase too many.
    #[error(
        "more than {NAMES_MAX} keys or a quarter of the partition would change: the partition is damaged, or it holds items \
         of no namespace, which would become items of the new one"
    )]
    TooManyChanges,
    #[error("the partition has no room: {cause}")]
    DoesNotFit { cause: fleetmint_nvs::Error },
    #[error("{setting} cannot be set: {cause}")]
    Set {
        setting: Setting,
        cause: fleetmint_nvs::Error,
    },
}

/// Sets the values in `image`, a whole partition as read from the chip: a multiple of 4096 bytes from 8192 to 16 MiB,
/// encrypted if `keys` is given. An optional value that is not set is erased.
///
/// `salt` should be random and new for each call, so that nobody can try values against the fingerprints later. After an
/// error the content of `image` is unspecified.
///
/// `may_go_on` is called often, with the number of entries that were read since the last call. It returns whether the work
/// continues. [`steps`] is the most entries that are read.
///
/// # Errors
/// See [`Error`]. The rules for values are those of [`Values::encode_into`].
pub fn patch(
    image: &mut [u8],
    keys: Option<&Keys>,
    values: &Values<'_>,
    salt: &[u8],
    mut may_go_on: impl FnMut(usize) -> bool,
) -> Result<Patched, Error> {
    let meter: Meter<'_> = &mut may_go_on;
    provisioning::check_partition_size(image.len())?;
    let values = values.checked_all()?;
    if image.len() == PAGE_SIZE {
        return Err(Error::OnePage);
    }
    check_nvs(image)?;
    let cipher = || keys.map(Keys::xts);
    let before = Zeroizing::new(image.to_vec());
    set(image, cipher(), values, meter)?;

    let changed_sectors = changed_sectors(&before, image);
    let mut reader = Reader::new(image.len(), cipher(), salt);
    Ok(Patched {
        differences: reader.differences(&before, image, meter)?,
        changed_sectors,
    })
}

/// Counts the steps, and decides whether the work continues.
type Meter<'a> = &'a mut dyn FnMut(usize) -> bool;

/// The most steps that the work on a partition of this size takes, whatever it holds: each entry is read several times for
/// each entry of its page.
#[must_use]
pub fn steps(size: usize) -> usize {
    const EACH: usize = 8 * ENTRY_COUNT;
    (size / ENTRY_SIZE).saturating_mul(EACH)
}

/// The most bytes of memory that [`patch`] needs for a partition of this size in addition to the partition, whatever it
/// holds. A partition of less than a MiB may need some more.
#[must_use]
pub const fn memory(size: usize) -> usize {
    size.saturating_mul(8)
}

fn set(image: &mut [u8], cipher: Option<Xts>, values: Checked<'_>, meter: Meter<'_>) -> Result<(), Error> {
    let flash = Metered::new(SliceFlash::new(image), meter);
    let mut storage = Storage::open(flash, Mode::ReadWrite, cipher).map_err(not_opened)?;
    let namespace = Namespace::new(NAMESPACE).map_err(Error::Open)?;
    let namespace = storage.open_namespace(&namespace).map_err(|cause| match cause {
        cause @ fleetmint_nvs::Error::NotEnoughSpace { .. } => Error::DoesNotFit { cause },
        cause => not_opened(cause),
    })?;
    for (setting, value) in values {
        let failed = |cause| match cause {
            cause @ fleetmint_nvs::Error::NotEnoughSpace { .. } => Error::DoesNotFit { cause },
            fleetmint_nvs::Error::Stopped => Error::Stopped,
            cause => Error::Set { setting, cause },
        };
        let key = Key::new(setting.key()).map_err(failed)?;
        let done = match value {
            Some(value) => storage.set_str(namespace, &key, value.as_bytes()),
            None => match storage.erase_key(namespace, &key) {
                Err(fleetmint_nvs::Error::NotFound { .. }) => Ok(()),
                done => done,
            },
        };
        done.map_err(failed)?;
    }
    storage.commit().map_err(not_opened)
}

fn not_opened(cause: fleetmint_nvs::Error) -> Error {
    match cause {
        fleetmint_nvs::Error::Stopped => Error::Stopped,
        cause @ fleetmint_nvs::Error::WrongKey { .. } => Error::WrongKey(cause),
        cause => Error::Open(cause),
    }
}

/// The numbers of the 4096-byte sectors that differ between two states of a partition.
#[must_use]
pub fn changed_sectors(before: &[u8], after: &[u8]) -> Vec<usize> {
    let sectors = before.chunks(PAGE_SIZE).zip(after.chunks(PAGE_SIZE)).enumerate();
    sectors
        .filter(|(_, (before, after))| before != after)
        .map(|(number, _)| number)
        .collect()
}
