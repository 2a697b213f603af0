//! The flash plan: which sectors of a board's flash to write so that its NVS partition holds what is wanted and keeps all
//! else, or why that cannot be done.
//!
//! ```text
//!   read off the chip                                    wanted
//!   ┌────────────────────────┐                           ┌──────────────────────────────────────┐
//!   │ sector of the table    │──► table ──► Target       │ a device's provisioning image, or    │
//!   │ the NVS partition      │──┐                        │ a list of changes                    │
//!   │ the key partitions     │──┤                        └───────────────────┬──────────────────┘
//!   └────────────────────────┘  └──────────────► plan ◄──────────────────────┘
//!                                                 │
//!                    a Refusal ◄──────────────────┴──► a Plan: sectors with their old and new bytes, masked difference,
//!                                                      what stays, warnings
//! ```
//!
//! A plan is pure: no clock, no randomness, no chip, so `fleetmint flash`, the page and the tests make the same one. The
//! bytes in a sector's place after it was written are, bit for bit, what the firmware itself would leave: a partition that
//! holds data is opened and changed by the firmware's calls ([`crate::patch`] is the same work for a partition that somebody
//! else reads and writes), a blank one is initialized by the firmware's first start. The values of other software stay, and
//! never leave the desk.
//!
//! **The order of the sectors** is that of their offsets. No order would make a cut-off write harmless: to write a sector,
//! the chip erases it, and with it the values of other software, and the firmware's own way (first the new item, then the
//! mark on the old one) needs two writes to one sector, with a start of the firmware possible between the two. What makes a
//! cut harmless is that the caller has stored the sectors' old and new bytes before the first write, and completes or
//! restores all of them before the firmware starts again. An ascending order lets neighbours be written with one command.
//!
//! ```
//! use fleetmint_board::partition_table::PartitionTable;
//! use fleetmint_board::plan::{self, Options, PartitionKeys, Read, Wanted};
//! use fleetmint_board::provisioning::{Setting, Values};
//! use fleetmint_board::wiped::Wiped;
//!
//! // What the server gives.
//! let mut image = vec![0; 0x1000];
//! Values::default()
//!     .with(Setting::DeviceKey, Some("abcd1234"))
//!     .with(Setting::ClientId, Some("iotdevice-m-abcd1234"))
//!     .with(Setting::ClientSecret, Some("a secret"))
//!     .with(Setting::TokenUrl, Some("https://id.example/token"))
//!     .with(Setting::BaseUrl, Some("https://api.example"))
//!     .encode_into(&mut image)?;
//!
//! // What the chip holds: a table, and a blank partition.
//! let table = PartitionTable::from_file(b"nvs,data,nvs,0x9000,24K\nfactory,app,factory,,1M\n", 0x8000)?;
//! let target = plan::target(&table, 0x8000, 4 << 20, None)?;
//! let read = Read {
//!     target: &target,
//!     partition: Wiped::filled(0xFF, target.nvs.size),
//!     keys: &PartitionKeys::OnChip(Vec::new()),
//! };
//! let plan = plan::plan(read, Wanted::Image(&image), &Options::default())?;
//! assert_eq!(plan.sectors().map(|sector| sector.offset).collect::<Vec<_>>(), [0x9000]);
//! assert!(plan.differences.iter().all(|difference| difference.change == "added"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod lost;
mod refusal;
mod survival;
mod target;
mod wanted;

use std::fmt;

use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::layout::READ_WRITE_MIN;
use fleetmint_nvs::storage::check_key;

pub use self::lost::Lost;
pub use self::refusal::Refusal;
pub use self::survival::has_all;
pub use self::target::{Target, table, target};
pub use self::wanted::{ImageFault, Wanted};
use crate::flash_dump::{FlashKeys, SECTOR, has_entries, keys_among};
use crate::partition_table::{Partition, quoted_name};
use crate::patch::{self, Others, Patched, changed_sectors};
use crate::provisioning::{NAMESPACE, Setting, check_partition_size};
use crate::report::MaskedKey;
use crate::wiped::Wiped;

/// What was read off a board.
#[derive(Debug)]
pub struct Read<'a> {
    /// Which partition it is.
    pub target: &'a Target,
    /// All bytes of the NVS partition.
    pub partition: Wiped,
    pub keys: &'a PartitionKeys,
}

/// Where the keys of an encrypted partition come from.
#[derive(Debug)]
pub enum PartitionKeys {
    /// Somebody gives them.
    Given(Keys),
    /// The key partitions that were read off the chip, each with its name. They are used if they are the partition's.
    OnChip(Vec<(String, Wiped)>),
}

/// How a plan is made.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// If the partition cannot be kept, because the firmware would erase it or nobody can read it, write a fresh one.
    pub overwrite: bool,
    /// Should be random and new for each plan, so that nobody can try values against the fingerprints later.
    pub salt: &'a [u8],
}

/// What to write to a board. `Debug` shows no value.
pub struct Plan {
    offset: usize,
    before: Wiped,
    after: Wiped,
    changed: Vec<usize>,
    /// The keys that differ, by namespace and key, without their values.
    pub differences: Vec<MaskedKey<'static>>,
    /// What is in other namespaces, and stays.
    pub others: Others,
    /// Whether the partition is encrypted.
    pub is_encrypted: bool,
    /// Why the partition could not be kept, and what is lost. Only with [`Options::overwrite`].
    pub overwritten: Option<Overwritten>,
    pub warnings: Vec<Warning>,
}

/// A partition that a fresh one replaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Overwritten {
    /// What the plan would be refused for.
    pub why: Refusal,
    pub lost: Lost,
}

/// A sector to write.
#[derive(Clone, Copy)]
pub struct Sector<'a> {
    /// Its number in the partition, from 0.
    pub number: usize,
    /// Its offset in the flash.
    pub offset: usize,
    /// What it holds now.
    pub old: &'a [u8],
    /// What it is to hold.
    pub new: &'a [u8],
}

/// What a person should know before the plan is carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// The firmware's start would repair something, which is part of the plan.
    #[error(
        "the partition is damaged in {count} {}, which the firmware's next start would repair; the plan contains the repaired \
         state",
        if *count == 1 { "place" } else { "places" }
    )]
    Repairs {
        /// Repairs.
        count: usize,
    },
    /// The partition is blank, and so is the key partition beside it.
    #[error(
        "the key partition {partition:?} is erased, so the values are written unencrypted: firmware with NVS encryption \
         creates keys at its first start and erases them; if it has NVS encryption, start it once before this"
    )]
    NoKeysYet {
        /// The name of the key partition.
        partition: String,
    },
    /// A fresh partition is written unencrypted in place of one that seems encrypted.
    #[error("the partition seems encrypted, and the fresh one is not: firmware with NVS encryption erases its values")]
    NoLongerEncrypted,
    /// The partition is too small for the firmware to write to.
    #[error("the partition has {size:#x} bytes: below {READ_WRITE_MIN:#x} the firmware can only read it")]
    Small {
        /// Its size.
        size: usize,
    },
    /// The partition holds the identity of another device.
    #[error("the partition holds the identity of device {}, which is replaced", quoted_name(key))]
    OtherDevice {
        /// That device's key.
        key: String,
    },
}

/// Makes the plan.
///
/// # Errors
/// See [`Refusal`].
pub fn plan(read: Read<'_>, mut wanted: Wanted<'_>, options: &Options<'_>) -> Result<Plan, Refusal> {
    let Read {
        target: Target { nvs, .. },
        partition: before,
        keys,
    } = read;
    let size = before.len();
    if size != nvs.size {
        return Err(Refusal::CutShort {
            name: nvs.name.clone(),
            size: nvs.size,
            read: size,
        });
    }
    check_partition_size(size).map_err(|cause| Refusal::Size {
        name: nvs.name.clone(),
        cause,
    })?;
    let refused = match change(before.as_ref(), nvs, keys, &mut wanted, options.salt) {
        Ok(changed) => return Ok(changed.into_plan(nvs, before, None)),
        Err(refused) => refused,
    };
    if !options.overwrite || !refused.is_overwritable() {
        return Err(refused);
    }
    // A fresh partition is one that the firmware finds blank.
    let blank = Wiped::filled(0xFF, size);
    let mut changed = change(blank.as_ref(), nvs, keys, &mut wanted, options.salt)?;
    if refused.is_about_keys() && changed.keys.is_none() {
        changed.warnings.push(Warning::NoLongerEncrypted);
    }
    let given = match keys {
        PartitionKeys::Given(keys) => Some(keys.xts()),
        PartitionKeys::OnChip(_) => None,
    };
    let overwritten = Overwritten {
        lost: Lost::of(before.as_ref(), given.as_ref()),
        why: refused,
    };
    Ok(changed.into_plan(nvs, before, Some(overwritten)))
}

/// A partition with what is wanted in it.
struct Changed {
    after: Wiped,
    patched: Patched,
    keys: Option<Keys>,
    warnings: Vec<Warning>,
}

fn change(
    before: &[u8],
    nvs: &Partition,
    keys: &PartitionKeys,
    wanted: &mut Wanted<'_>,
    salt: &[u8],
) -> Result<Changed, Refusal> {
    let mut warnings = Vec::new();
    if before.len() < READ_WRITE_MIN {
        warnings.push(Warning::Small { size: before.len() });
    }
    let keys = keys.choose(before, &mut warnings)?;
    let mut after = Wiped::filled(0, before.len());
    after.as_mut().copy_from_slice(before);
    let calls = wanted.calls()?;
    let patched = patch::change(before, after.as_mut(), keys.as_ref(), calls, salt, &mut |_| true)
        .map_err(|error| Refusal::of_patch(error, nvs))?;
    let repaired = patched.repaired;
    // The start of the firmware that this crate knows would erase them, but other firmware wrote them.
    if let Some(key) = repaired.first_unknown {
        return Err(Refusal::UnknownType {
            key,
            count: repaired.unknown_types,
        });
    }
    if repaired.count > 0 {
        warnings.push(Warning::Repairs { count: repaired.count });
    }
    let is_device_key = |changed: &MaskedKey<'_>| {
        changed.name.namespace.as_deref() == Some(NAMESPACE)
            && changed.name.key.as_deref() == Some(Setting::DeviceKey.key())
    };
    let is_replaced = patched
        .differences
        .iter()
        .any(|key| is_device_key(key) && key.before.is_some());
    if let Some(key) = patched.device_key.clone().filter(|_| is_replaced) {
        warnings.push(Warning::OtherDevice { key });
    }
    Ok(Changed {
        after,
        patched,
        keys,
        warnings,
    })
}

/// Whether the partitions that may hold the keys of this one have to be read: unless it proves that it needs no keys.
#[must_use]
pub fn needs_keys(partition: &[u8]) -> bool {
    !has_entries(partition) || check_key(partition, None).is_err()
}

impl PartitionKeys {
    /// The keys of a partition, if it is encrypted.
    ///
    /// # Errors
    /// [`Refusal::KeysDoNotFit`], [`Refusal::KeysUnreadable`].
    pub fn of(&self, partition: &[u8]) -> Result<Option<Keys>, Refusal> {
        self.choose(partition, &mut Vec::new())
    }

    /// The same, with what a person should know of it.
    fn choose(&self, partition: &[u8], warnings: &mut Vec<Warning>) -> Result<Option<Keys>, Refusal> {
        let on_chip = match self {
            Self::Given(keys) => return Ok(Some(keys.clone())),
            Self::OnChip(on_chip) => on_chip,
        };
        let read = on_chip.iter().map(|(name, bytes)| (name.as_str(), bytes.as_ref()));
        match keys_among(read.clone(), partition) {
            FlashKeys::Fit { keys, .. } => Ok(Some(keys)),
            FlashKeys::DoNotFit { partition } => Err(Refusal::KeysDoNotFit { partition }),
            FlashKeys::Unreadable { partition } => Err(Refusal::KeysUnreadable { partition }),
            FlashKeys::None if has_entries(partition) => Ok(None),
            // Nothing in the partition proves that it is not encrypted.
            FlashKeys::None => {
                let is_erased = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0xFF);
                for (name, bytes) in read {
                    let partition = name.to_string();
                    match is_erased(bytes) {
                        true => warnings.push(Warning::NoKeysYet { partition }),
                        false => return Err(Refusal::KeysUnreadable { partition }),
                    }
                }
                Ok(None)
            }
        }
    }
}

impl Changed {
    fn into_plan(self, nvs: &Partition, before: Wiped, overwritten: Option<Overwritten>) -> Plan {
        Plan {
            offset: nvs.offset,
            changed: changed_sectors(before.as_ref(), self.after.as_ref()),
            before,
            after: self.after,
            differences: self.patched.differences,
            others: self.patched.others,
            is_encrypted: self.keys.is_some(),
            overwritten,
            warnings: self.warnings,
        }
    }
}

impl Plan {
    /// Whether the partition already holds what is wanted, and nothing is to be written.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.changed.is_empty()
    }

    /// The sectors to write, by offset.
    pub fn sectors(&self) -> impl ExactSizeIterator<Item = Sector<'_>> {
        self.changed.iter().map(|number| {
            let start = number.saturating_mul(SECTOR);
            let place = start..start.saturating_add(SECTOR);
            Sector {
                number: *number,
                offset: self.offset.saturating_add(start),
                old: self.before.as_ref().get(place.clone()).unwrap_or_default(),
                new: self.after.as_ref().get(place).unwrap_or_default(),
            }
        })
    }

    /// The partition as it was read.
    #[must_use]
    pub fn before(&self) -> &[u8] {
        self.before.as_ref()
    }

    /// The partition as it will be.
    #[must_use]
    pub fn after(&self) -> &[u8] {
        self.after.as_ref()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("offset", &self.offset)
            .field("changed", &self.changed)
            .field("others", &self.others)
            .field("is_encrypted", &self.is_encrypted)
            .field("overwritten", &self.overwritten)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Sector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sector")
            .field("number", &self.number)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
