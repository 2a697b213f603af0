//! Why no plan is made. Each message names the fact and what to do.

use fleetmint_nvs::RawName;
#[cfg(feature = "changes")]
use fleetmint_nvs::storage::{PatchError, PatchFault};

use super::ImageFault;
use crate::flash_dump::{Content, NotNvs, not_nvs};
use crate::partition_table::{self, Partition, Unfit, quoted_name};
use crate::{patch, provisioning};

/// Why no plan is made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The place of the partition table is erased.
    #[error(
        "the flash is erased where the partition table would be, at offset {offset:#x}: flash the firmware first, or name \
         the offset of its table"
    )]
    FlashErased {
        /// The offset.
        offset: usize,
    },
    /// Flash encryption covers the partition table.
    #[error(
        "the partition table at offset {offset:#x} cannot be read, because flash encryption is on: give the table of the \
         firmware's build as a file (CSV or binary), and the keys of the NVS partition if it is encrypted"
    )]
    TableEncrypted {
        /// Its offset.
        offset: usize,
    },
    /// Something else is where the partition table would be.
    #[error(
        "there is no partition table at offset {offset:#x}, but what seems to be {content}: name the offset of the \
         firmware's table, or give the table as a file"
    )]
    NoTable {
        /// The offset.
        offset: usize,
        /// What is there.
        content: Content,
    },
    /// The partition table breaks a rule.
    #[error("{0}; flash the firmware's table again, or give the table as a file")]
    Table(partition_table::Error),
    /// No partition of the table can be used.
    #[error(transparent)]
    Partition(#[from] Unfit),
    /// The partition has the flag `readonly`.
    #[error(
        "partition {name:?} has the flag readonly in the partition table: the firmware never writes to it \
         (ESP_ERR_NOT_ALLOWED); remove the flag, or choose another partition"
    )]
    ReadOnly {
        /// Its name.
        name: String,
    },
    /// The flash is smaller than the table says.
    #[error(
        "partition {} ends at offset {end:#x}, and the flash has only {flash_size:#x} bytes: the table is for a larger \
         flash; flash the firmware for this board",
        quoted_name(name)
    )]
    BeyondFlash {
        /// Its name.
        name: String,
        /// The offset of its end.
        end: usize,
        /// Bytes in the flash.
        flash_size: usize,
    },
    /// No NVS partition has such a size.
    #[error("partition {}: {cause}; correct the partition table", quoted_name(name))]
    Size {
        /// Its name.
        name: String,
        /// The rule.
        cause: provisioning::Error,
    },
    /// Not all bytes of the partition were read.
    #[error(
        "partition {} has {size:#x} bytes, and {read:#x} were read: read it again",
        quoted_name(name)
    )]
    CutShort {
        /// Its name.
        name: String,
        /// Its size.
        size: usize,
        /// Bytes that were read.
        read: usize,
    },
    /// The partition has one page.
    #[error("{}; enlarge the partition in the partition table", patch::Error::OnePage)]
    OnePage,
    /// The partition is encrypted and no keys are known.
    #[error(
        "the partition is encrypted, and its keys are not on the chip where they could be read: {written} entries are marked \
         written and none passes its checksum; give the keys"
    )]
    KeyMissing {
        /// Entries that are marked written.
        written: usize,
    },
    /// The keys that were given are others.
    #[error(
        "the keys that were given are not this partition's: {written} entries are marked written and none passes its \
         checksum with them; give the keys of this board"
    )]
    WrongKey {
        /// Entries that are marked written.
        written: usize,
    },
    /// Keys were given for a partition that is not encrypted.
    #[error(
        "the partition is not encrypted: its {written} entries pass their checksum without the keys that were given; leave \
         the keys out"
    )]
    NotEncrypted {
        /// Entries that are marked written.
        written: usize,
    },
    /// The chip's own keys are others.
    #[error(
        "the partition is encrypted, and the keys in partition {} of the chip are not its keys: give the right ones",
        quoted_name(partition)
    )]
    KeysDoNotFit {
        /// The name of the key partition.
        partition: String,
    },
    /// Only the chip itself can read its key partition.
    #[error(
        "the keys in partition {} of the chip cannot be read, because flash encryption covers them: give the keys",
        quoted_name(partition)
    )]
    KeysUnreadable {
        /// The name of the key partition.
        partition: String,
    },
    /// The partition holds something else.
    #[error(
        "{}; the firmware's next start would erase it: overwrite it if it is not needed",
        not_nvs(Some(name), *offset, cause)
    )]
    NotNvs {
        /// The partition's name.
        name: String,
        /// Its offset in the flash.
        offset: usize,
        /// What it is instead.
        cause: NotNvs,
    },
    /// The firmware's start fails with an error after which stock start-up code erases the partition.
    #[error(
        "the firmware would erase the partition at its next start: {cause}; start the firmware that wrote it, or overwrite \
         the partition"
    )]
    WouldBeErased {
        /// The start's error.
        cause: fleetmint_nvs::Error,
    },
    /// The firmware's start fails.
    #[error("the firmware cannot open the partition: {cause}; overwrite it if what it holds is not needed")]
    CannotOpen {
        /// The start's error.
        cause: fleetmint_nvs::Error,
    },
    /// Newer firmware has written values that this program does not know.
    #[error(
        "the partition has {count} {} of a type that this version does not know, first key \"{key}\": a change could lose \
         {}; use a later version of this program",
        if *count == 1 { "item" } else { "items" },
        if *count == 1 { "it" } else { "them" }
    )]
    UnknownType {
        /// The key of the first one.
        key: RawName,
        /// How many there are.
        count: usize,
    },
    /// The partition has no room for what is wanted.
    #[error("the partition has no room: {cause}; delete keys that are not needed, or enlarge the partition")]
    NoRoom {
        /// What does not fit.
        cause: String,
    },
    /// The image is not a device's provisioning image.
    #[error("not a provisioning image: {0}")]
    Image(#[from] ImageFault),
    /// A row of the list of changes fails.
    #[cfg(feature = "changes")]
    #[error(transparent)]
    Row(PatchError),
    /// See [`patch::Error`].
    #[error(transparent)]
    Patch(patch::Error),
}

impl Refusal {
    pub(super) fn of_patch(error: patch::Error, nvs: &Partition) -> Self {
        use fleetmint_nvs::Error as Nvs;
        use patch::Error;
        match error {
            Error::OnePage => Self::OnePage,
            Error::NotNvs(cause) => Self::NotNvs {
                name: nvs.name.clone(),
                offset: nvs.offset,
                cause,
            },
            Error::WrongKey(Nvs::WrongKey {
                written,
                encrypted,
                plain,
            }) => match (encrypted, plain) {
                (_, true) => Self::NotEncrypted { written },
                (true, false) => Self::WrongKey { written },
                (false, false) => Self::KeyMissing { written },
            },
            Error::Open(cause @ (Nvs::NoFreePages { .. } | Nvs::NewVersion { .. })) => Self::WouldBeErased { cause },
            Error::Open(cause) => Self::CannotOpen { cause },
            Error::DoesNotFit { cause } => Self::NoRoom {
                cause: cause.to_string(),
            },
            #[cfg(feature = "changes")]
            Error::Row(row) => match &row.cause {
                PatchFault::Call(Nvs::NotEnoughSpace { .. }) => Self::NoRoom { cause: row.to_string() },
                _ => Self::Row(row),
            },
            error => Self::Patch(error),
        }
    }

    /// Whether a fresh partition could replace one that is refused for this.
    #[must_use]
    pub fn is_overwritable(&self) -> bool {
        self.is_about_keys()
            || matches!(
                self,
                Self::NotNvs { .. } | Self::WouldBeErased { .. } | Self::CannotOpen { .. }
            )
    }

    /// Whether the keys of the partition are missing or others.
    #[must_use]
    pub fn is_about_keys(&self) -> bool {
        matches!(
            self,
            Self::KeyMissing { .. }
                | Self::WrongKey { .. }
                | Self::NotEncrypted { .. }
                | Self::KeysDoNotFit { .. }
                | Self::KeysUnreadable { .. }
        )
    }
}
