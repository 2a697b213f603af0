//! A finding: where, what, and what the firmware does.

use crate::entry::EntryFault;
use crate::error::{Error, EspError};
use crate::key::RawName;
use crate::layout::{entry_offset, page_offset};
use crate::storage::{Listed, Repair, RepairKind, ValueType};
use alloc::vec::Vec;
use core::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but not as one would think, or not for long.
    Warning,
    /// Something is lost, fails, or is changed by the firmware's start.
    Error,
}

/// What the firmware does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// It erases an entry, or an item with all its entries.
    LosesEntry,
    /// It erases a page.
    ErasesPage,
    /// It erases every entry, or its start fails and stock start-up code then erases the partition.
    ErasesPartition,
}

impl Effect {
    /// A name for reports: `nothing`, `loses-entry`, `erases-page`, `erases-partition`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::LosesEntry => "loses-entry",
            Self::ErasesPage => "erases-page",
            Self::ErasesPartition => "erases-partition",
        }
    }
}

/// When it does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// At its next start.
    Start,
    /// When the value is read.
    Read,
    /// When it writes: the page is taken into use, or room is needed.
    Write,
}

impl When {
    /// A name for reports: `start`, `read`, `write`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingKind {
    /// The encryption key seems wrong or missing.
    WrongKey {
        /// Entries that are marked written.
        written: usize,
        /// Whether a key was given.
        encrypted: bool,
        /// Whether a key was given, and the image is not encrypted.
        plain: bool,
    },
    /// No page is free.
    NoFreePages {
        /// Pages that there are.
        pages: usize,
    },
    /// A page's format is newer than the firmware knows.
    NewVersion {
        /// Its version byte.
        version: u8,
    },
    /// The start fails with this code.
    StartFails {
        /// The firmware's code.
        code: EspError,
    },
    /// The checksum of a page's header doesn't fit.
    PageHeader,
    /// A page's state word names no state.
    PageState {
        /// The word.
        word: u32,
    },
    /// A page without a header isn't blank.
    PageNotBlank,
    /// A repair of the firmware's start.
    Repair(RepairKind),
    /// A blob update was cut off between chunk and index: old and new value are lost.
    BlobLost,
    /// A value's getter fails.
    Unreadable {
        /// The firmware's code.
        code: EspError,
    },
    /// An item's namespace has no name.
    Orphan,
    /// The key was there before with the same type: the getter gives the other one, which is the older.
    Duplicate,
    /// The key was there before with another type.
    TwoTypes {
        /// The type of the other.
        other: ValueType,
    },
    /// An item or a namespace with the index 255, which means "any" to the firmware.
    NamespaceAny,
    /// A repair that a read-only start tries and can't make: the page vanishes, and the start says nothing.
    ReadOnlyVanishes,
    /// No entry is left beside the page that always stays free.
    NoRoom,
    /// Fewer entries are left than the largest value takes, so it can't be changed: the new one is written first.
    LowRoom {
        /// Entries that the value takes.
        needed: usize,
        /// Entries that are left.
        available: usize,
    },
    /// A page was closed though what follows would have fit.
    ClosedEarly {
        /// Entries that stay unused.
        entries: usize,
    },
    /// Two namespaces of one name: the getters only reach one. [`Finding::keys`] are those of the other.
    NamespaceTwice {
        /// The index that the getters reach.
        reached: u8,
        /// The index that they don't.
        index: u8,
    },
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub kind: FindingKind,
    /// The number of the page, from 0; `None` where it is about the whole partition or a value.
    pub page: Option<usize>,
    /// The number of the entry in its page, from 0.
    pub entry: Option<usize>,
    /// Where it is, in bytes from the start of the partition.
    pub offset: usize,
    /// The namespace's name, if it is known.
    pub namespace: Option<RawName>,
    /// The key as stored, if there is one.
    pub key: Option<RawName>,
    /// Keys that it is about, where they are several.
    pub keys: Vec<RawName>,
    /// What the firmware does.
    pub effect: Effect,
    /// When it does it.
    pub when: When,
}

impl Finding {
    fn new(kind: FindingKind, severity: Severity, effect: Effect, when: When) -> Self {
        Self {
            severity,
            kind,
            page: None,
            entry: None,
            offset: 0,
            namespace: None,
            key: None,
            keys: Vec::new(),
            effect,
            when,
        }
    }

    pub(super) fn of_partition(kind: FindingKind) -> Self {
        match kind {
            FindingKind::NoRoom => Self::new(kind, Severity::Warning, Effect::Nothing, When::Write),
            FindingKind::NamespaceAny => Self::new(kind, Severity::Warning, Effect::LosesEntry, When::Start),
            _ => Self::new(kind, Severity::Error, Effect::ErasesPartition, When::Start),
        }
    }

    pub(super) fn of_page(page: usize, kind: FindingKind) -> Self {
        let (severity, effect, when) = match kind {
            FindingKind::NewVersion { .. } => (Severity::Error, Effect::ErasesPartition, When::Start),
            FindingKind::PageNotBlank => (Severity::Warning, Effect::ErasesPage, When::Write),
            FindingKind::ClosedEarly { .. } => (Severity::Warning, Effect::Nothing, When::Write),
            _ => (Severity::Error, Effect::ErasesPage, When::Write),
        };
        Self {
            page: Some(page),
            offset: page_offset(page),
            ..Self::new(kind, severity, effect, when)
        }
    }

    pub(super) fn of_repair(repair: &Repair) -> Self {
        let effect = match repair.kind {
            RepairKind::HalfMoved | RepairKind::Moved | RepairKind::DirtyPage => Effect::ErasesPage,
            _ => Effect::LosesEntry,
        };
        let place = Self::new(FindingKind::Repair(repair.kind), Severity::Error, effect, When::Start);
        Self {
            page: Some(repair.page),
            entry: repair.entry,
            offset: repair
                .entry
                .map_or(page_offset(repair.page), |entry| entry_offset(repair.page, entry)),
            // The name in a damaged entry is as damaged as the rest.
            key: Some(repair.name).filter(|_| repair.entry.is_some() && !is_guess(repair.kind)),
            ..place
        }
    }

    pub(super) fn of_lost_blob(repair: &Repair) -> Self {
        Self {
            kind: FindingKind::BlobLost,
            key: Some(repair.name),
            ..Self::of_repair(repair)
        }
    }

    pub(super) fn of_read_only(repair: &Repair) -> Self {
        Self {
            kind: FindingKind::ReadOnlyVanishes,
            severity: Severity::Warning,
            effect: Effect::Nothing,
            ..Self::of_repair(repair)
        }
    }

    pub(super) fn of_value<B: AsRef<[u8]>>(listed: &Listed<B>, kind: FindingKind) -> Self {
        let (severity, effect, when) = match kind {
            FindingKind::Unreadable { .. } => (Severity::Error, Effect::LosesEntry, When::Read),
            FindingKind::Orphan => (Severity::Error, Effect::Nothing, When::Read),
            _ => (Severity::Warning, Effect::Nothing, When::Read),
        };
        let namespace = Some(listed.namespace).filter(|_| !listed.orphan);
        let (page, entry) = listed.place;
        Self {
            page: Some(page),
            entry: Some(entry),
            offset: entry_offset(page, entry),
            namespace,
            key: Some(listed.key),
            ..Self::new(kind, severity, effect, when)
        }
    }

    pub(super) fn of_twin_namespace(name: RawName, reached: u8, index: u8, keys: Vec<RawName>) -> Self {
        let kind = FindingKind::NamespaceTwice { reached, index };
        // What is never read is no less lost for lying there.
        let severity = if keys.is_empty() {
            Severity::Warning
        } else {
            Severity::Error
        };
        Self {
            namespace: Some(name),
            keys,
            ..Self::new(kind, severity, Effect::Nothing, When::Read)
        }
    }

    pub(super) fn of_low_room(namespace: RawName, key: RawName, needed: usize, available: usize) -> Self {
        let kind = FindingKind::LowRoom { needed, available };
        Self {
            namespace: Some(namespace),
            key: Some(key),
            ..Self::new(kind, Severity::Warning, Effect::Nothing, When::Write)
        }
    }

    /// What it means to a partition that the firmware never writes to: nothing is erased.
    pub(super) fn judge_read_only(&mut self) {
        self.effect = Effect::Nothing;
    }

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

/// Keys of a namespace that are named in one line.
const KEYS_SHOWN: usize = 8;

impl FindingKind {
    const fn fails_start(self) -> bool {
        matches!(
            self,
            Self::WrongKey { .. } | Self::NewVersion { .. } | Self::StartFails { .. } | Self::NoFreePages { .. }
        )
    }
}

fn is_guess(kind: RepairKind) -> bool {
    matches!(
        kind,
        RepairKind::HalfWritten | RepairKind::IllegalState | RepairKind::Damaged(EntryFault::Crc)
    )
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
                "the firmware passes the page over"
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
                    "format version {version:#04x}, newer than known ({})",
                    EspError::NewVersionFound
                )
            }
            Self::StartFails { code } => write!(f, "the start fails ({code})"),
            Self::PageHeader => {
                f.write_str("the checksum of the page's header doesn't fit, so all that it holds is lost")
            }
            Self::PageState { word } => write!(
                f,
                "the page's state word {word:#010x} names no state, so all that it holds is lost"
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
            // The names are the finding's.
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
            Self::Duplicate => f.write_str("an older copy of an item that is there again"),
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
