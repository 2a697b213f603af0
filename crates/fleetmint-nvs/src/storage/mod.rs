//! A model of ESP-IDF's NVS library: what it reads, repairs, writes and erases, call by call.
//!
//! [`Storage`] works on a flash that can be read, written (bits only clear) and erased by page: embedded-storage's
//! `NorFlash`. [`SliceFlash`] is one in memory. After each call the flash holds, bit for bit, what the library would
//! have left there: at commit 102122904ade of ESP-IDF (July 2026) with its default options.
//!
//! [`Storage::open`] does what `nvs_flash_init` does, in this order:
//!
//! | step | in the firmware | file |
//! |---|---|---|
//! | load each page: header, bitmap, items; repair what one page shows | `Page::load`, `mLoadEntryTable` | `page/load` |
//! | order the pages in use by sequence number, the free ones after them | `PageManager::load` | `page_manager` |
//! | erase what the last item replaces; move a page again whose move was interrupted | `PageManager::load` | `page_manager` |
//! | list the namespaces | `Storage::init` | `init` |
//! | erase blob indexes whose chunks do not add up, then chunks without an index | `eraseMismatchedBlobIndexes`, `eraseOrphanDataBlobs` | `init` |
//!
//! The calls after that:
//!
//! | call | in the firmware | file |
//! |---|---|---|
//! | find an item on the pages in order, in a page from its first item on | `Storage::findItem`, `Page::findItem` | `find`, `page` |
//! | get a value; erase it if it is damaged | `readItem`, `readMultiPageBlob` | `get` |
//! | list: iterate over the items, get each | `findEntry`, `nextEntry` | `visit` |
//! | open a namespace; set a value: write the new item, then erase the old one | `createOrOpenNamespace`, `writeItem` | `set`, `page/write` |
//! | set a blob: chunks, then the index | `writeMultiPageBlob` | `blob` |
//! | take a free page; move the page with the most unused entries to the last one | `requestNewPage`, `copyItems` | `page_manager` |
//! | erase a value, a blob, a namespace's values | `eraseItem`, `eraseMultiPageBlob`, `eraseNamespace` | `erase`, `page/erase` |
//!
//! `medium` is the flash with its cipher; `journal` records repairs; `query` is what a search looks for. Everything that is
//! there for speed alone stands in `fast`, each shortcut with the plain path that it must equal.
//!
//! Source: `components/nvs_flash/src` of ESP-IDF, and images that the library itself wrote.
//!
//! ```
//! use fleetmint_nvs::storage::{Mode, SliceFlash, Storage, Value};
//! use fleetmint_nvs::{Error, Key, Namespace};
//!
//! let mut image = vec![0xFF; 0x6000];
//! let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None)?;
//! let prov = storage.open_namespace(&Namespace::new("prov")?)?;
//! storage.set_str(prov, &Key::new("client_id")?, "iotdevice-tempsensor-k3x9a2b7")?;
//!
//! let listed = storage.list()?;
//! assert_eq!(listed[0].namespace.as_bytes(), b"prov");
//! assert!(matches!(&listed[0].value, Ok(Value::Str(text)) if text.starts_with(b"iotdevice-")));
//! # Ok::<(), Error>(())
//! ```

mod blob;
mod entry_set;
mod erase;
mod fast;
mod find;
mod flash;
mod get;
mod init;
mod journal;
mod list;
mod medium;
mod page;
mod page_manager;
mod patch;
mod query;
mod raw;
mod repair;
mod set;
mod visit;

pub use crate::crypt::check_key;
pub use flash::{Flash, Metered, ReadOnlySlice, SliceFlash};
pub use list::{Listed, Value, ValueType};
pub use medium::{FlashOps, Mode};
pub use patch::{PatchError, PatchFault, Patched};
pub use raw::{PageFault, RawPage, RawSlot, SlotContent, pages, slots};
pub use repair::{Repair, RepairKind};
pub use set::NamespaceIndex;

use crate::crypt::Xts;
use crate::error::{Error, EspError};
use crate::key::RawName;
use crate::layout::{ENTRY_COUNT, PAGE_SIZE, PARTITION_MAX, page_offset};
use alloc::vec::Vec;
use core::fmt;
use fast::NameIndex;
use medium::{Fail, Medium};
use page::Page;

/// A partition as the firmware has it open.
///
/// `F` is the flash; a `&mut` of one is one too. The first page of the partition is at the flash's offset 0.
pub struct Storage<F> {
    medium: Medium<F>,
    /// By page number.
    pages: Vec<Page>,
    /// Numbers of the pages: first those in use, by sequence number, then the free ones, in the order in which they will
    /// be taken. So a page is taken by counting one more as in use.
    order: Vec<usize>,
    in_use: usize,
    next_sequence: u32,
    /// Name and index, in the order of their entries.
    namespaces: Vec<(RawName, u8)>,
    names: NameIndex,
}

/// How full a partition is, in entries of 32 bytes: the figures of `nvs_get_stats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Entries that hold something.
    pub used_entries: usize,
    /// All others, erased ones included.
    pub free_entries: usize,
    /// Free ones without the page that always stays free.
    pub available_entries: usize,
    /// All entries of all pages.
    pub total_entries: usize,
    /// Namespaces.
    pub namespace_count: usize,
}

impl<F: Flash> Storage<F> {
    /// Opens a partition as the firmware does when it starts; an encrypted one with `cipher`. Read-write, this repairs the
    /// flash.
    ///
    /// In one respect it is safer than the firmware: if the key seems to be wrong or missing, nothing is changed.
    /// [`Storage::open_as_firmware`] does what the firmware does then.
    ///
    /// ```
    /// use fleetmint_nvs::crypt::Xts;
    /// use fleetmint_nvs::storage::{Mode, SliceFlash, Storage};
    /// use fleetmint_nvs::{Error, Key, Namespace};
    ///
    /// let mut image = vec![0xFF; 0x3000];
    /// let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None)?;
    /// let prov = storage.open_namespace(&Namespace::new("prov")?)?;
    /// storage.set_str(prov, &Key::new("client_id")?, "iotdevice")?;
    /// drop(storage);
    ///
    /// let before = image.clone();
    /// let key = Xts::new(&[1; 32], &[2; 32]);
    /// let wrong = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, Some(key.clone()));
    /// assert!(matches!(wrong.err(), Some(Error::WrongKey { written: 3, encrypted: true, .. })));
    /// assert_eq!(image, before);
    ///
    /// let mut erased = Storage::open_as_firmware(SliceFlash::new(&mut image), Mode::ReadWrite, Some(key))?;
    /// assert!(erased.list()?.is_empty());
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongKey`] by the rule of [`check_key`]; [`Error::PartitionSize`]; [`Error::NewVersion`],
    /// [`Error::NoFreePages`], [`Error::NotAllowed`], [`Error::Firmware`] and [`Error::Flash`] where the firmware's start
    /// fails; [`Error::Stopped`]. Except with a wrong key, what was repaired before the error stays repaired.
    pub fn open(flash: F, mode: Mode, cipher: Option<Xts>) -> Result<Self, Error> {
        Self::start(Medium::new(flash, cipher, mode))
    }

    /// [`Storage::open`] without the check of the key. If the key is wrong or missing, this erases every entry read-write
    /// and fails read-only.
    ///
    /// # Errors
    /// Those of [`Storage::open`] except [`Error::WrongKey`].
    pub fn open_as_firmware(flash: F, mode: Mode, cipher: Option<Xts>) -> Result<Self, Error> {
        let mut medium = Medium::new(flash, cipher, mode);
        medium.key_is_checked = true;
        Self::start(medium)
    }

    fn start(medium: Medium<F>) -> Result<Self, Error> {
        let size = medium.capacity();
        if size == 0 || !size.is_multiple_of(PAGE_SIZE) || size > PARTITION_MAX {
            return Err(Error::PartitionSize { size });
        }
        let mut storage = Self {
            medium,
            pages: Vec::new(),
            order: Vec::new(),
            in_use: 0,
            next_sequence: 0,
            namespaces: Vec::new(),
            names: NameIndex::default(),
        };
        storage
            .load(size / PAGE_SIZE)
            .map_err(|fail| storage.open_error(fail))?;
        storage.medium.key_is_checked = true;
        Ok(storage)
    }

    fn load(&mut self, pages: usize) -> Result<(), Fail> {
        self.load_pages(pages)?;
        self.load_namespaces()?;
        self.repair_blobs()
    }

    fn open_error(&mut self, fail: Fail) -> Error {
        if let Some(misfit) = self.medium.misfit.filter(|_| fail == Fail::WRONG_KEY) {
            return misfit.into();
        }
        let page = fail.offset / PAGE_SIZE;
        match fail.code {
            EspError::NoFreePages => Error::NoFreePages {
                pages: self.medium.capacity() / PAGE_SIZE,
            },
            EspError::NewVersionFound => {
                let mut version = [0];
                // It could be read a moment ago. If that fails now, 0 is not a known version either.
                let _ = self.medium.read_raw(page_offset(page) + 8, &mut version);
                let [version] = version;
                Error::NewVersion { page, version }
            }
            _ => plain_error(fail),
        }
    }

    /// How often the flash was written and erased so far, including the repairs of [`Storage::open`].
    #[must_use]
    pub fn ops(&self) -> FlashOps {
        self.medium.ops
    }

    /// What was repaired so far: by [`Storage::open`], or because a value that was read was damaged.
    #[must_use]
    pub fn repairs(&self) -> &[Repair] {
        &self.medium.journal.repairs
    }

    /// The namespaces with their indices, in the order of their entries.
    pub fn namespaces(&self) -> impl Iterator<Item = (RawName, u8)> + '_ {
        self.namespaces.iter().copied()
    }

    /// How full the partition is.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let total = self.pages.len() * ENTRY_COUNT;
        let used = self.used_pages().map(|number| self.page(number).used()).sum();
        let free = total.saturating_sub(used);
        Stats {
            used_entries: used,
            free_entries: free,
            available_entries: free.saturating_sub(ENTRY_COUNT),
            total_entries: total,
            namespace_count: self.namespaces.len(),
        }
    }

    /// Returns the flash.
    #[must_use]
    pub fn into_flash(self) -> F {
        self.medium.into_flash()
    }

    /// The pages in use, in order.
    fn used_pages(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.order.iter().take(self.in_use).copied()
    }

    /// The last page in use: the one that is written to.
    fn last_page(&self) -> Option<usize> {
        self.used_page(self.in_use.checked_sub(1)?)
    }

    /// The page in use at this position of the order.
    #[inline]
    fn used_page(&self, position: usize) -> Option<usize> {
        self.order.get(position).copied().filter(|_| position < self.in_use)
    }

    /// The same with the medium, for the calls that read or write the page.
    #[inline]
    fn page_in_use(&mut self, position: usize) -> Option<(&mut Page, &mut Medium<F>)> {
        let number = self.used_page(position)?;
        Some(self.page_and_medium(number))
    }

    #[inline]
    fn page(&self, number: usize) -> &Page {
        #[expect(clippy::indexing_slicing, reason = "the order holds only numbers of pages")]
        &self.pages[number]
    }

    #[inline]
    fn page_and_medium(&mut self, number: usize) -> (&mut Page, &mut Medium<F>) {
        #[expect(clippy::indexing_slicing, reason = "the order holds only numbers of pages")]
        (&mut self.pages[number], &mut self.medium)
    }
}

/// The error of a step that failed, if no more is known about it.
fn plain_error(fail: Fail) -> Error {
    let Fail { code, offset } = fail;
    match code {
        _ if fail == Fail::STOPPED => Error::Stopped,
        EspError::NotAllowed => Error::NotAllowed { offset },
        EspError::FlashOpFail => Error::Flash { offset },
        _ => Error::Firmware { code, offset },
    }
}

/// Shows nothing of what the partition holds.
impl<F> fmt::Debug for Storage<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("pages", &self.pages.len())
            .field("namespaces", &self.namespaces.len())
            .field("medium", &self.medium)
            .finish_non_exhaustive()
    }
}
