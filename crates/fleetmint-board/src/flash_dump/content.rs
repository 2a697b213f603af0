//! What bytes from a flash seem to be, by their first bytes and by how they look.

use std::fmt;

use fleetmint_nvs::crypt::KEYS_SIZE;
use fleetmint_nvs::layout::crc32;
use fleetmint_nvs::page::PageState;
use fleetmint_nvs::storage;

use super::SECTOR;
use crate::partition_table::PartitionTable;

/// What a file or a partition seems to be that is not NVS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// An application, by its description.
    Application {
        /// The project's name.
        project: String,
        /// Its version.
        version: String,
    },
    /// An image for the chip without a description: a boot loader, or an application of another framework.
    EspImage {
        /// Its offset, after blank sectors.
        offset: usize,
    },
    /// Only a partition table.
    PartitionTable,
    /// A key partition: keys of NVS encryption, and their CRC.
    KeyPartition,
    /// `otadata`: which application the boot loader starts.
    OtaData,
    /// `phy_init`: the initial data of the radio.
    PhyInit,
    /// A program with its symbols, as the compiler writes it.
    Elf,
    /// Microsoft's format for flashing by copying a file.
    Uf2,
    /// Text.
    Text,
    /// No bytes.
    Empty,
    /// Zeros.
    Zeros,
    /// Random bytes: all byte values are equally frequent.
    Noise,
    /// Pages with a valid state and an invalid checksum.
    DamagedPages,
    /// None of these.
    Unknown,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Application { project, version } => {
                return write!(f, "an application image (project {project:?}, version {version:?})");
            }
            Self::EspImage { offset: 0 } => "an application image or a boot loader",
            Self::EspImage { offset } => {
                return write!(f, "an application image or a boot loader after {offset:#x} blank bytes");
            }
            Self::PartitionTable => "a partition table",
            Self::KeyPartition => "a key partition",
            Self::OtaData => "the partition otadata",
            Self::PhyInit => "the partition phy_init",
            Self::Elf => "an ELF program",
            Self::Uf2 => "a UF2 file",
            Self::Text => "text",
            Self::Empty => "empty",
            Self::Zeros => "zeros, which an erased flash does not hold",
            Self::Noise => "random bytes, as with flash encryption or a wrong offset",
            Self::DamagedPages => "NVS pages with damaged headers, which the firmware would erase",
            Self::Unknown => "something else",
        })
    }
}

impl Content {
    /// What to do instead.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::KeyPartition => "pass it as the keys, and the NVS partition as the image",
            Self::Text => "create an image from a table first",
            Self::Empty | Self::Zeros => "read it again",
            Self::Noise => "read it at the right offset; if the chip has flash encryption, let the chip itself read it",
            Self::DamagedPages => "read it again, to see whether the flash holds the same",
            _ => "read the NVS partition, at its offset in the partition table",
        }
    }

    /// What to do if it is in a partition of type NVS.
    pub(super) const fn advice_in_flash(&self) -> &'static str {
        match self {
            Self::Empty | Self::Zeros => "read the flash again",
            Self::Noise => {
                "if the chip has flash encryption, let the chip itself read the partition; otherwise read the flash again"
            }
            Self::DamagedPages => "read the flash again, to see whether the chip holds the same",
            _ => {
                "if the table is not the one that the firmware was built with, flash that one; if something was written to \
                  the wrong offset, erase the partition"
            }
        }
    }

    /// Whether the first bytes prove it.
    pub(super) fn is_certain(&self) -> bool {
        !matches!(
            self,
            Self::Empty | Self::Zeros | Self::Noise | Self::DamagedPages | Self::Unknown
        )
    }
}

/// What the bytes seem to be, if they are not NVS.
pub(crate) fn identify(bytes: &[u8]) -> Content {
    if bytes.is_empty() {
        return Content::Empty;
    }
    let damaged = |page: storage::RawPage| page.state.is_some_and(|state| state != PageState::Uninitialized);
    let blank = |sector: &[u8]| sector.iter().all(|byte| *byte == 0xFF);
    let begin = bytes.chunks(SECTOR).take_while(|sector| blank(sector)).count() * SECTOR;
    let rest = bytes.get(begin..).unwrap_or_default();
    if let Some(content) = certain(rest) {
        match content {
            Content::EspImage { .. } => Content::EspImage { offset: begin },
            content => content,
        }
    } else if storage::pages(bytes).any(damaged) {
        Content::DamagedPages
    } else if bytes.iter().all(|byte| *byte == 0) {
        Content::Zeros
    } else if is_text(bytes) {
        Content::Text
    } else if is_noise(bytes) {
        Content::Noise
    } else {
        Content::Unknown
    }
}

/// What a sector holds, if its first bytes prove it. A damaged NVS page is never one of these.
pub(super) fn certain(sector: &[u8]) -> Option<Content> {
    if is_esp_image(sector) {
        Some(application(sector).unwrap_or(Content::EspImage { offset: 0 }))
    } else if PartitionTable::in_flash(sector, 0).is_ok() {
        Some(Content::PartitionTable)
    } else if is_key_partition(sector) {
        Some(Content::KeyPartition)
    } else if is_ota_data(sector) {
        Some(Content::OtaData)
    } else if sector.starts_with(b"PHYINIT\0") {
        Some(Content::PhyInit)
    } else if sector.starts_with(b"\x7FELF") {
        Some(Content::Elf)
    } else if sector.starts_with(b"UF2\n") {
        Some(Content::Uf2)
    } else {
        None
    }
}

/// The header of every image that a boot loader starts, and of the boot loader itself: E9, the number of segments, the mode
/// of the flash. Source: `esp_image_header_t` of ESP-IDF, `components/bootloader_support/include/esp_app_format.h`.
pub(super) fn is_esp_image(bytes: &[u8]) -> bool {
    matches!(bytes, [0xE9, 1..=16, 0..=5, ..])
}

/// The description after the headers of the image and of its first segment: `esp_app_desc_t`.
fn application(bytes: &[u8]) -> Option<Content> {
    let description = bytes.get(0x20..0x120)?;
    if !description.starts_with(&[0x32, 0x54, 0xCD, 0xAB]) {
        return None;
    }
    let text = |at: usize| {
        let field = description.get(at..)?.get(..32)?;
        let text = field.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    Some(Content::Application {
        version: text(16)?,
        project: text(48)?,
    })
}

fn is_key_partition(bytes: &[u8]) -> bool {
    let Some((keys, rest)) = bytes.split_first_chunk::<KEYS_SIZE>() else {
        return false;
    };
    rest.first_chunk()
        .is_some_and(|stored| u32::from_le_bytes(*stored) == crc32(keys))
}

/// Whether a sector begins with an entry of `otadata`, and holds nothing else.
///
/// ```text
///   0         4                    24      28    32
///   ┌─────────┬────────────────────┬───────┬─────┬────
///   │ counter │ label              │ state │ CRC │ FF …      the CRC is that of the counter
///   └─────────┴────────────────────┴───────┴─────┴────
/// ```
///
/// Source: `esp_ota_select_entry_t` of ESP-IDF.
fn is_ota_data(bytes: &[u8]) -> bool {
    let Some((entry, rest)) = bytes.split_first_chunk::<32>() else {
        return false;
    };
    let (Some(counter), Some(crc)) = (entry.first_chunk::<4>(), entry.last_chunk::<4>()) else {
        return false;
    };
    u32::from_le_bytes(*crc) == crc32(counter)
        && *counter != [0xFF; 4]
        && rest.iter().take(SECTOR - 32).all(|byte| *byte == 0xFF)
}

fn is_text(bytes: &[u8]) -> bool {
    let bytes = bytes.get(..SECTOR).unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The last character may be incomplete.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_written = |char: char| !char.is_control() || matches!(char, '\n' | '\r' | '\t');
    !text.is_empty() && text.chars().all(is_written)
}

/// Whether all byte values are about equally frequent in the sectors that are not blank: the chi-squared statistic with 255
/// degrees of freedom, whose mean is 255 and whose standard deviation is 23.
fn is_noise(bytes: &[u8]) -> bool {
    const LEAST: u64 = 1024;
    const LIMIT: f64 = 500.0;
    let mut counts = [0_u64; 256];
    for sector in bytes.chunks(SECTOR) {
        if sector.iter().any(|byte| *byte != 0xFF) {
            for byte in sector {
                if let Some(count) = counts.get_mut(usize::from(*byte)) {
                    *count += 1;
                }
            }
        }
    }
    let total: u64 = counts.iter().sum();
    let expected = total as f64 / 256.0;
    let deviation = |count: &u64| (*count as f64 - expected).powi(2) / expected;
    total >= LEAST && counts.iter().map(deviation).sum::<f64>() < LIMIT
}
