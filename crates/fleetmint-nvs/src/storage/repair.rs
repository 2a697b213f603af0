//! The firmware's repairs, as they are reported.

use crate::entry::EntryFault;
use crate::key::RawName;

/// One repair. Read-only, one that the firmware attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The number of the page, from 0.
    pub page: usize,
    /// The number of the entry in its page, from 0. `None`: the whole page.
    pub entry: Option<usize>,
    /// The entry's namespace index as stored, which may be damaged.
    pub ns_index: u8,
    /// The entry's key as stored, which may be damaged.
    pub name: RawName,
    /// The fault that was repaired, which decides the repair.
    pub kind: RepairKind,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RepairKind {
    /// An entry that should be free is not blank: it was marked erased.
    HalfWritten,
    /// An impossible state in the bitmap: the entry was marked erased.
    IllegalState,
    /// A damaged entry, erased.
    Damaged(EntryFault),
    /// An item whose entries are not all marked written, erased.
    Incomplete,
    /// Two items of the same name: the earlier one was erased.
    Duplicate,
    /// A blob index whose chunks do not add up, erased.
    BlobMismatch,
    /// A chunk without a blob index, erased.
    OrphanChunk,
    /// A value whose data was found damaged when it was read, erased.
    DamagedValue,
    /// A blob that was found to miss a chunk when it was read: all of it was erased.
    MissingChunk,
    /// An incomplete copy of a page that was being moved: the copy was erased.
    HalfMoved,
    /// A page whose move was interrupted: it was moved again.
    Moved,
    /// A free page that was needed and is not blank: it was erased.
    DirtyPage,
}
