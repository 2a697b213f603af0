//! Sets the values of a device in a partition that already holds data.
//!
//! The data of other software (Wi-Fi, calibration, the application) stays: the partition is, bit for bit, what the firmware
//! would leave if it set these values with `nvs_set_str()`.

mod calls;
mod differences;
#[cfg(feature = "changes")]
mod rows;

pub(crate) use calls::Calls;
#[cfg(feature = "changes")]
pub use calls::ReadFile;
use fleetmint_nvs::RawName;
pub use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::entry::EntryFault;
use fleetmint_nvs::layout::{ENTRY_COUNT, ENTRY_SIZE, PAGE_SIZE};
#[cfg(feature = "changes")]
use fleetmint_nvs::storage::PatchError;
use fleetmint_nvs::storage::{Metered, Mode, Repair, RepairKind, SliceFlash, Storage};
use zeroize::Zeroizing;

pub(crate) use self::differences::Reader;
use self::differences::{Compared, NAMES_MAX};
#[cfg(feature = "changes")]
pub use self::rows::{Made, rows};
use crate::flash_dump::{NotNvs, check_nvs};
use crate::provisioning::{self, Values};
use crate::report::MaskedKey;

/// The changes, without values.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The numbers of the 4096-byte sectors that differ, in order. They must be written to the chip.
    pub changed_sectors: Vec<usize>,
    /// The keys that differ, by namespace and key.
    pub differences: Vec<MaskedKey<'static>>,
    /// What is in other namespaces, which stays as it is.
    pub others: Others,
    /// The key of the device whose identity the partition held.
    pub device_key: Option<String>,
    /// What the firmware's start repaired before the first call.
    pub repaired: Repaired,
}

/// What the firmware's start repairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    pub count: usize,
    /// How many of them are erased because their type is unknown.
    pub unknown_types: usize,
    /// The key of the first one of these.
    pub first_unknown: Option<RawName>,
}

impl Repaired {
    fn of(repairs: &[Repair]) -> Self {
        let unknown = |repair: &&Repair| repair.kind == RepairKind::Damaged(EntryFault::Type);
        Self {
            count: repairs.len(),
            unknown_types: repairs.iter().filter(unknown).count(),
            first_unknown: repairs.iter().find(unknown).map(|repair| repair.name),
        }
    }
}

/// The values in namespaces that a patch does not open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    pub values: usize,
    pub namespaces: usize,
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
    #[error("{key} cannot be set: {cause}")]
    Set { key: String, cause: fleetmint_nvs::Error },
    /// A row of a list of changes failed.
    #[cfg(feature = "changes")]
    #[error(transparent)]
    Row(PatchError),
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
    provisioning::check_partition_size(image.len())?;
    let calls = Calls::Device(Calls::strings(values.checked_all()?).map_err(Error::Open)?);
    let before = Zeroizing::new(image.to_vec());
    change(&before, image, keys, calls, salt, &mut may_go_on)
}

/// Makes the calls in `image`, a copy of `before`: the partition as the firmware would leave it. [`patch`] and the flash
/// plan are both made of this.
pub(crate) fn change(
    before: &[u8],
    image: &mut [u8],
    keys: Option<&Keys>,
    calls: Calls<'_>,
    salt: &[u8],
    meter: Meter<'_>,
) -> Result<Patched, Error> {
    if image.len() == PAGE_SIZE {
        return Err(Error::OnePage);
    }
    check_nvs(image)?;
    let cipher = || keys.map(Keys::xts);
    let opened = calls.namespaces();
    let flash = Metered::new(SliceFlash::new(image), &mut *meter);
    let mut storage = Storage::open(flash, Mode::ReadWrite, cipher()).map_err(not_opened)?;
    let repaired = Repaired::of(storage.repairs());
    calls.make(&mut storage)?;
    drop(storage);

    let mut reader = Reader::new(image.len(), cipher(), salt);
    let Compared {
        differences,
        others,
        device_key,
    } = reader.compare(before, image, &opened, meter)?;
    Ok(Patched {
        changed_sectors: changed_sectors(before, image),
        differences,
        others,
        device_key,
        repaired,
    })
}

/// Counts the steps, and decides whether the work continues.
pub(crate) type Meter<'a> = &'a mut dyn FnMut(usize) -> bool;

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
