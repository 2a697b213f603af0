//! What the firmware repairs.

use crate::entry::EntryFault;
use crate::key::RawName;

/// One repair. Read-only, one that the firmware tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The number of the page, from 0.
    pub page: usize,
    /// The number of the entry in its page, from 0; `None` where it is about the whole page.
    pub entry: Option<usize>,
    /// The entry's namespace index as stored, damaged or not.
    pub ns_index: u8,
    /// The entry's key as stored, damaged or not.
    pub name: RawName,
    /// What was wrong, and with it what was done.
    pub kind: RepairKind,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RepairKind {
    /// A place that should be free holds something: it was marked erased.
    HalfWritten,
    /// An impossible state in the bitmap: the entry was marked erased.
    IllegalState,
    /// A damaged entry: it was erased.
    Damaged(EntryFault),
    /// An item of which not all entries are marked written: it was erased.
    Incomplete,
    /// Two items of one name: the earlier was erased.
    Duplicate,
    /// A blob index whose chunks don't add up: it was erased.
    BlobMismatch,
    /// A chunk without a blob index: it was erased.
    OrphanChunk,
    /// A value whose data is damaged was read: it was erased.
    DamagedValue,
    /// A blob with a chunk missing was read: all of it was erased.
    MissingChunk,
    /// The half-filled copy of a page that was being moved: the page was erased.
    HalfMoved,
    /// A page whose move was interrupted: it was moved again.
    Moved,
    /// A page that was to be used isn't blank: it was erased.
    DirtyPage,
}
