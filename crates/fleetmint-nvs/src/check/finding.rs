//! A finding: what is wrong and where, and what the firmware does about it.

use crate::entry::EntryFault;
use crate::error::EspError;
use crate::key::RawName;
use crate::layout::{entry_offset, page_offset};
use crate::storage::{Listed, Repair, RepairKind, ValueType};
use alloc::vec::Vec;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but not as expected or not for long.
    Warning,
    /// Something is lost or fails, or the firmware's start changes it.
    Error,
}

/// What the firmware does about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// It erases an entry, or an item with all its entries.
    LosesEntry,
    /// It erases a page.
    ErasesPage,
    /// It erases every entry; or its start fails, and then stock start-up code erases the partition.
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

/// When the firmware does something about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// At its next start.
    Start,
    /// When the value is read.
    Read,
    /// When it writes: it begins to use the page, or needs room.
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

/// The kind of a finding: what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingKind {
    /// The encryption key seems wrong or missing.
    WrongKey {
        /// Entries that are marked written.
        written: usize,
        /// Whether a key was given.
        encrypted: bool,
        /// Whether a key was given and the image is not encrypted.
        plain: bool,
    },
    /// No page is free.
    NoFreePages {
        /// Pages of the partition.
        pages: usize,
    },
    /// The format of a page is newer than the firmware knows.
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
    /// A page's state word is unknown.
    PageState {
        /// The word.
        word: u32,
    },
    /// A page without a header isn't blank.
    PageNotBlank,
    /// The firmware's start repairs this.
    Repair(RepairKind),
    /// A blob update was cut off between chunk and index: the old and the new value are lost.
    BlobLost,
    /// A value's getter fails.
    Unreadable {
        /// The firmware's code.
        code: EspError,
    },
    /// An item's namespace has no name.
    Orphan,
    /// The key is there twice with the same type. The getter returns the other value, which is older.
    Duplicate,
    /// The key is there with another type too.
    TwoTypes {
        /// The type of the other.
        other: ValueType,
    },
    /// An item or a namespace with the index 255, which means "any" to the firmware.
    NamespaceAny,
    /// A read-only start tries to repair this and fails. It reports nothing, and the page's values are missing.
    ReadOnlyVanishes,
    /// No entry is left, apart from the page that always stays free.
    NoRoom,
    /// Fewer entries are left than the largest value takes. It can't be changed, because the new value is written first.
    LowRoom {
        /// Entries that the value takes.
        needed: usize,
        /// Entries that are left.
        available: usize,
    },
    /// A page was closed although the next item would have fit.
    ClosedEarly {
        /// The page's unused entries.
        entries: usize,
    },
    /// Two namespaces have the same name, and the getters reach only one. [`Finding::keys`] are the keys of the other.
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
    /// The number of the page, from 0. `None`: the finding is about the whole partition or a value.
    pub page: Option<usize>,
    /// The number of the entry in its page, from 0.
    pub entry: Option<usize>,
    /// Where it is, in bytes from the start of the partition.
    pub offset: usize,
    /// The name of the namespace, if it is known.
    pub namespace: Option<RawName>,
    /// The stored key, if there is one.
    pub key: Option<RawName>,
    /// The keys, if the finding is about several.
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
            // A damaged entry has no reliable name.
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
        // Values that can't be read are lost.
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

    /// Changes the effect to that on a partition which the firmware never writes to: nothing is erased.
    pub(super) fn judge_read_only(&mut self) {
        self.effect = Effect::Nothing;
    }
}

fn is_guess(kind: RepairKind) -> bool {
    matches!(
        kind,
        RepairKind::HalfWritten | RepairKind::IllegalState | RepairKind::Damaged(EntryFault::Crc)
    )
}
