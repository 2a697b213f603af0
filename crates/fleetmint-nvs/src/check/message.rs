//! The text of findings.

use super::finding::{Effect, Finding, FindingKind, When};
use crate::error::{Error, EspError};
use crate::key::RawName;
use crate::storage::RepairKind;
use core::fmt;

/// Keys of a namespace that are named in one line.
const KEYS_SHOWN: usize = 8;

impl Finding {
    /// What is wrong, without the place and what the firmware does.
    pub fn what(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            let FindingKind::NamespaceTwice { reached, index } = self.kind else {
                return write!(f, "{}", self.kind);
            };
            let name = self.namespace.unwrap_or(RawName::EMPTY);
            write!(
                f,
                "namespace {name} is there twice (index {reached} and {index}): the getters reach index {reached} alone; "
            )?;
            let [first, more @ ..] = self.keys.as_slice() else {
                return write!(f, "index {index} holds nothing");
            };
            write!(f, "what index {index} holds ({first}")?;
            for key in more.iter().take(KEYS_SHOWN - 1) {
                write!(f, ", {key}")?;
            }
            match self.keys.len().saturating_sub(KEYS_SHOWN) {
                0 => {}
                others => write!(f, " and {others} more")?,
            }
            f.write_str(") can't be read by name")
        })
    }
}

impl FindingKind {
    const fn fails_start(self) -> bool {
        matches!(
            self,
            Self::WrongKey { .. } | Self::NewVersion { .. } | Self::StartFails { .. } | Self::NoFreePages { .. }
        )
    }
}

/// Where, what, and what the firmware does, in one line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.page, self.entry) {
            (Some(page), Some(entry)) => write!(f, "page {page} entry {entry} (offset {:#x}): ", self.offset),
            (Some(page), None) => write!(f, "page {page} (offset {:#x}): ", self.offset),
            (None, _) => Ok(()),
        }?;
        match (self.namespace, self.key) {
            (Some(namespace), Some(key)) => write!(f, "key \"{key}\" of namespace \"{namespace}\": "),
            (None, Some(key)) => write!(f, "key \"{key}\": "),
            _ => Ok(()),
        }?;
        write!(f, "{}; ", self.what())?;
        f.write_str(match (self.effect, self.when, self.kind) {
            (Effect::Nothing, _, kind) if kind.fails_start() => "the firmware's start fails each time",
            (Effect::Nothing, _, FindingKind::PageHeader | FindingKind::PageState { .. }) => {
                "the firmware ignores the page"
            }
            (_, _, FindingKind::WrongKey { .. }) => "the firmware's next start erases every entry",
            (Effect::ErasesPartition, _, FindingKind::NoFreePages { pages: 1 }) => {
                "in a partition of its own size the firmware's next start fails, and stock start-up code erases it"
            }
            (Effect::ErasesPartition, ..) => {
                "the firmware's next start fails, and stock start-up code erases the partition"
            }
            (_, _, FindingKind::Repair(RepairKind::Moved)) => "the firmware's next start moves it again and erases it",
            (Effect::ErasesPage, When::Start, _) => "the firmware's next start erases the page",
            (Effect::ErasesPage, ..) => "the firmware erases the page before it uses it",
            (_, _, FindingKind::BlobLost) => "the firmware's next start loses both",
            (Effect::LosesEntry, When::Start, _) => "the firmware's next start erases it",
            (Effect::LosesEntry, ..) => "the firmware erases it when it is read",
            (Effect::Nothing, ..) => "the firmware does nothing about it",
        })
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongKey {
                written,
                encrypted,
                plain,
            } => {
                let error = Error::WrongKey {
                    written: *written,
                    encrypted: *encrypted,
                    plain: *plain,
                };
                write!(f, "{error}")
            }
            Self::NoFreePages { pages } => {
                let code = EspError::NoFreePages;
                write!(f, "no page is free, so it can only be opened read-only ({code})")?;
                if *pages == 1 {
                    f.write_str(
                        "; an image of one page belongs at the start of an erased partition of at least 0x3000 bytes, of \
                         which the other pages are free",
                    )?;
                }
                Ok(())
            }
            Self::NewVersion { version } => {
                write!(
                    f,
                    "format version {version:#04x} is newer than the firmware knows ({})",
                    EspError::NewVersionFound
                )
            }
            Self::StartFails { code } => write!(f, "the start fails ({code})"),
            Self::PageHeader => {
                f.write_str("the checksum of the page's header doesn't fit, so everything in the page is lost")
            }
            Self::PageState { word } => write!(
                f,
                "the page's state word {word:#010x} is unknown, so everything in the page is lost"
            ),
            Self::PageNotBlank => f.write_str("a page without a header isn't blank"),
            Self::Repair(kind) => write!(f, "{kind}"),
            Self::BlobLost => f.write_str(
                "a blob update was cut off between its chunk and its index, with the old chunk on the same page",
            ),
            Self::Unreadable { code } => write!(f, "the value can't be read ({code})"),
            Self::Orphan => {
                f.write_str("its namespace has no name, so it can't be read; the next new namespace may take it over")
            }
            Self::Duplicate => f.write_str("the key is there twice, and the older value is the one that is read"),
            Self::TwoTypes { other } => write!(f, "the key is there with another type too ({other})"),
            Self::NamespaceAny => f.write_str(
                "namespace index 255 means \"any\" to the firmware, which may then erase items of other namespaces",
            ),
            Self::ReadOnlyVanishes => {
                f.write_str("opened read-only, its repair fails unnoticed and values of its page vanish")
            }
            Self::NoRoom => f.write_str("no entry is left, so any new value is refused (ESP_ERR_NVS_NOT_ENOUGH_SPACE)"),
            Self::LowRoom { needed, available } => write!(
                f,
                "it takes {needed} entries and {available} are left, so it can't be changed \
                 (ESP_ERR_NVS_NOT_ENOUGH_SPACE): a new value is written before the old one is erased"
            ),
            Self::ClosedEarly { entries } => write!(
                f,
                "the page was closed with {entries} entries unused, though what follows would have fit, as older generators \
                 do; they stay unused until the firmware moves the page"
            ),
            // `Finding::what` adds the names.
            Self::NamespaceTwice { reached, index } => {
                write!(f, "a namespace is there twice (index {reached} and {index})")
            }
        }
    }
}

impl fmt::Display for RepairKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HalfWritten => f.write_str("a place that should be free was written to"),
            Self::IllegalState => f.write_str("its state in the bitmap is impossible"),
            Self::Damaged(fault) => write!(f, "{fault}"),
            Self::Incomplete => f.write_str("not all entries of the item are marked written"),
            Self::Duplicate => f.write_str("an older copy of an item that exists twice"),
            Self::BlobMismatch => f.write_str("a blob index that its chunks don't add up to"),
            Self::OrphanChunk => f.write_str("a blob's chunk without an index"),
            Self::DamagedValue => f.write_str("the checksum of its data doesn't fit"),
            Self::MissingChunk => f.write_str("a chunk of the blob is missing"),
            Self::HalfMoved => f.write_str("the half-filled copy of a page that was being moved"),
            Self::Moved => f.write_str("a page whose move was interrupted"),
            Self::DirtyPage => f.write_str("a page that isn't blank is taken into use"),
        }
    }
}
