//! The flash under the storage: what it must be able to do, one in memory, and the layer that encrypts and counts.

use super::Repair;
use super::find::Erased;
use super::key_check::{Misfit, misfit};
use crate::crypt::Xts;
use crate::error::EspError;
use crate::layout::{ENTRIES_OFFSET, ENTRY_COUNT, ENTRY_SIZE, PAGE_SIZE, entry_offset, page_offset};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use zeroize::Zeroizing;

/// A partition in memory that behaves as NOR flash does: a write only clears bits, an erase sets one page to 0xFF.
///
/// ```
/// use embedded_storage::nor_flash::NorFlash;
/// use fleetmint_nvs::storage::SliceFlash;
/// let mut image = [0b1010_1010; 4096];
/// SliceFlash::new(&mut image).write(0, &[0b1111_0000; 4])?;
/// assert_eq!(image[..5], [0b1010_0000, 0b1010_0000, 0b1010_0000, 0b1010_0000, 0b1010_1010]);
/// # Ok::<(), embedded_storage::nor_flash::NorFlashErrorKind>(())
/// ```
pub struct SliceFlash<'a> {
    image: &'a mut [u8],
}

impl<'a> SliceFlash<'a> {
    /// The flash that holds this image. What is written to it is written to the image.
    pub fn new(image: &'a mut [u8]) -> Self {
        Self { image }
    }
}

/// A partition in memory that can't be changed: each write and erase is an error.
///
/// The storage opened read-only never tries, so this is all that reading needs.
#[derive(Clone, Copy)]
pub struct ReadOnlySlice<'a> {
    image: &'a [u8],
}

impl<'a> ReadOnlySlice<'a> {
    /// The flash that holds this image.
    #[must_use]
    pub fn new(image: &'a [u8]) -> Self {
        Self { image }
    }
}

macro_rules! quiet_debug {
    ($($name:ident),*) => {$(
        /// Says nothing about what the image holds.
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("size", &self.image.len()).finish_non_exhaustive()
            }
        }

        impl ErrorType for $name<'_> {
            type Error = NorFlashErrorKind;
        }

        impl ReadNorFlash for $name<'_> {
            const READ_SIZE: usize = 1;

            #[inline]
            fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
                let from = self.image.get(offset as usize..).and_then(|rest| rest.get(..bytes.len()));
                bytes.copy_from_slice(from.ok_or(NorFlashErrorKind::OutOfBounds)?);
                Ok(())
            }

            fn capacity(&self) -> usize {
                self.image.len()
            }
        }
    )*};
}
quiet_debug!(SliceFlash, ReadOnlySlice);

impl NorFlash for SliceFlash<'_> {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        if !(from as usize).is_multiple_of(PAGE_SIZE) || !(to as usize).is_multiple_of(PAGE_SIZE) {
            return Err(NorFlashErrorKind::NotAligned);
        }
        let range = self
            .image
            .get_mut(from as usize..to as usize)
            .ok_or(NorFlashErrorKind::OutOfBounds)?;
        range.fill(0xFF);
        Ok(())
    }

    #[inline]
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        if !offset.is_multiple_of(4) || !bytes.len().is_multiple_of(4) {
            return Err(NorFlashErrorKind::NotAligned);
        }
        let to = self
            .image
            .get_mut(offset as usize..)
            .and_then(|rest| rest.get_mut(..bytes.len()));
        for (to, from) in to.ok_or(NorFlashErrorKind::OutOfBounds)?.iter_mut().zip(bytes) {
            *to &= *from;
        }
        Ok(())
    }
}

impl NorFlash for ReadOnlySlice<'_> {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE_SIZE;

    fn erase(&mut self, _from: u32, _to: u32) -> Result<(), NorFlashErrorKind> {
        Err(NorFlashErrorKind::Other)
    }

    fn write(&mut self, _offset: u32, _bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        Err(NorFlashErrorKind::Other)
    }
}

/// A flash that a partition lies in: embedded-storage's `NorFlash`, and a shortcut for one that is in memory.
///
/// ```
/// use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
/// use fleetmint_nvs::storage::{Flash, Mode, Storage};
///
/// /// Counts what is read from another flash.
/// struct Counting<F>(F, usize);
///
/// impl<F: ErrorType> ErrorType for Counting<F> {
///     type Error = F::Error;
/// }
/// impl<F: ReadNorFlash> ReadNorFlash for Counting<F> {
///     const READ_SIZE: usize = F::READ_SIZE;
///     fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
///         self.1 += bytes.len();
///         self.0.read(offset, bytes)
///     }
///     fn capacity(&self) -> usize {
///         self.0.capacity()
///     }
/// }
/// impl<F: NorFlash> NorFlash for Counting<F> {
///     const WRITE_SIZE: usize = F::WRITE_SIZE;
///     const ERASE_SIZE: usize = F::ERASE_SIZE;
///     fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
///         self.0.erase(from, to)
///     }
///     fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), F::Error> {
///         self.0.write(offset, bytes)
///     }
/// }
/// impl<F: NorFlash> Flash for Counting<F> {}
///
/// # use fleetmint_nvs::storage::SliceFlash;
/// let mut image = vec![0xFF; 0x3000];
/// let mut flash = Counting(SliceFlash::new(&mut image), 0);
/// let mut storage = Storage::open(&mut flash, Mode::ReadWrite, None)?;
/// assert!(storage.list()?.is_empty());
/// drop(storage);
/// assert!(flash.1 > 0);
/// # Ok::<(), fleetmint_nvs::Error>(())
/// ```
pub trait Flash: NorFlash {
    /// The whole partition, if it can be looked at without reading it. A flash behind a wire says `None`.
    fn memory(&self) -> Option<&[u8]> {
        None
    }

    /// Asked again and again while the storage works: whether it may go on. `steps` is how many entries of 32 bytes it
    /// has looked at since it asked last. After `false` the call ends with [`Error::Stopped`](crate::Error::Stopped).
    ///
    /// What was written until then stays, as after a power cut. [`Metered`] adds this to any flash.
    #[inline]
    fn may_go_on(&mut self, steps: usize) -> bool {
        let _ = steps;
        true
    }
}

impl Flash for SliceFlash<'_> {
    #[inline]
    fn memory(&self) -> Option<&[u8]> {
        Some(self.image)
    }
}

impl Flash for ReadOnlySlice<'_> {
    #[inline]
    fn memory(&self) -> Option<&[u8]> {
        Some(self.image)
    }
}

impl<F: Flash> Flash for &mut F {
    fn memory(&self) -> Option<&[u8]> {
        (**self).memory()
    }

    #[inline]
    fn may_go_on(&mut self, steps: usize) -> bool {
        (**self).may_go_on(steps)
    }
}

/// A flash whose storage may be stopped: a meter is called at each step, and says whether the work may go on.
///
/// A budget of steps, a flag that another thread sets, or both:
///
/// ```
/// use core::sync::atomic::{AtomicBool, Ordering};
/// use fleetmint_nvs::storage::{Metered, Mode, SliceFlash, Storage};
/// use fleetmint_nvs::Error;
///
/// let cancelled = AtomicBool::new(false);
/// let mut left = 100_000usize;
/// let meter = |steps: usize| {
///     left = left.saturating_sub(steps);
///     left > 0 && !cancelled.load(Ordering::Relaxed)
/// };
/// let mut image = vec![0xFF; 0x6000];
/// let flash = Metered::new(SliceFlash::new(&mut image), meter);
/// let mut storage = Storage::open(flash, Mode::ReadWrite, None)?;
/// cancelled.store(true, Ordering::Relaxed);
/// assert_eq!(storage.list(), Err(Error::Stopped));
/// # Ok::<(), Error>(())
/// ```
pub struct Metered<F, M> {
    flash: F,
    meter: M,
    stopped: bool,
}

impl<F: Flash, M: FnMut(usize) -> bool> Metered<F, M> {
    /// The flash with a meter. Once that has said `false`, it is not asked again.
    pub fn new(flash: F, meter: M) -> Self {
        Self {
            flash,
            meter,
            stopped: false,
        }
    }
}

impl<F: ErrorType, M> ErrorType for Metered<F, M> {
    type Error = F::Error;
}

impl<F: ReadNorFlash, M> ReadNorFlash for Metered<F, M> {
    const READ_SIZE: usize = F::READ_SIZE;

    #[inline]
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        self.flash.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl<F: NorFlash, M> NorFlash for Metered<F, M> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
        self.flash.erase(from, to)
    }

    #[inline]
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), F::Error> {
        self.flash.write(offset, bytes)
    }
}

impl<F: Flash, M: FnMut(usize) -> bool> Flash for Metered<F, M> {
    #[inline]
    fn memory(&self) -> Option<&[u8]> {
        self.flash.memory()
    }

    #[inline]
    fn may_go_on(&mut self, steps: usize) -> bool {
        self.stopped = self.stopped || !(self.meter)(steps);
        !self.stopped
    }
}

impl<F: fmt::Debug, M> fmt::Debug for Metered<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered")
            .field("flash", &self.flash)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

/// How a partition is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// As `nvs_flash_init` does: repairs what needs it, and needs a free page.
    ReadWrite,
    /// As a partition with the flag `readonly`: a repair is an error (`ESP_ERR_NOT_ALLOWED`).
    ReadOnly,
}

/// What was done to the flash, counted in the firmware's own calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlashOps {
    /// Write calls, of 4 bytes to a page.
    pub writes: usize,
    /// Erases of a page.
    pub erases: usize,
}

/// A step that failed: the firmware's code, and where in the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fail {
    pub(super) code: EspError,
    pub(super) offset: usize,
}

impl Fail {
    /// The flash's meter has stopped the work: no place in a partition has this offset.
    pub(super) const STOPPED: Self = Self {
        code: EspError::FlashOpFail,
        offset: usize::MAX,
    };

    /// The key does not fit: how is in the medium.
    pub(super) const WRONG_KEY: Self = Self {
        code: EspError::FlashOpFail,
        offset: usize::MAX - 1,
    };
}

/// The entries of a page, as they lie there.
pub(super) type Entries = [[u8; ENTRY_SIZE]; ENTRY_COUNT];

pub(super) type Step<T> = Result<T, Fail>;

/// The flash with its cipher. Entries are encrypted, headers and bitmaps aren't.
pub(super) struct Medium<F> {
    flash: F,
    /// In a box, as most partitions have none, and what is moved leaves no copy of the keys then.
    cipher: Option<Box<Xts>>,
    mode: Mode,
    /// The flash is memory that can be looked at, and isn't encrypted.
    in_place: bool,
    /// The entry that was read last, where it can't be looked at in place.
    buffer: Option<Zeroizing<[u8; ENTRY_SIZE]>>,
    pub(super) ops: FlashOps,
    pub(super) repairs: Vec<Repair>,
    /// How often a page began to be in doubt: [`super::doubt`].
    pub(super) doubts: u32,
    /// Whether the key fits was asked, or is not wanted to be known.
    pub(super) key_is_settled: bool,
    pub(super) misfit: Option<Misfit>,
    /// Items that were erased, while the index of names wants to know.
    pub(super) erased: Option<Vec<Erased>>,
}

impl<F: Flash> Medium<F> {
    pub(super) fn new(flash: F, cipher: Option<Xts>, mode: Mode) -> Self {
        Self {
            in_place: cipher.is_none() && flash.memory().is_some(),
            flash,
            cipher: cipher.map(Box::new),
            mode,
            buffer: None,
            ops: FlashOps::default(),
            repairs: Vec::new(),
            doubts: 0,
            key_is_settled: false,
            misfit: None,
            erased: None,
        }
    }

    pub(super) fn read_only(&self) -> bool {
        self.mode == Mode::ReadOnly
    }

    /// A page is in doubt.
    #[inline]
    pub(super) fn in_doubt(&self) -> bool {
        self.doubts > 0
    }

    /// Counts steps: entries that were looked at.
    #[inline]
    pub(super) fn spend(&mut self, steps: usize) -> Step<()> {
        if self.flash.may_go_on(steps) {
            Ok(())
        } else {
            Err(Fail::STOPPED)
        }
    }

    /// Before the first repair: an error if the key does not fit, so that what it can't read is not thrown away.
    pub(super) fn settle_key(&mut self) -> Step<()> {
        if self.key_is_settled {
            return Ok(());
        }
        let pages = self.flash.capacity() / PAGE_SIZE;
        self.spend(2 * pages * ENTRY_COUNT)?;
        let flash = &mut self.flash;
        self.misfit = misfit(pages, self.cipher.as_deref(), |number| {
            let offset = page_offset(number);
            let mut page = Zeroizing::new(alloc::vec![0; PAGE_SIZE]);
            let place = u32::try_from(offset).map_err(|_| failed(offset))?;
            flash.read(place, &mut page).map_err(|_| failed(offset))?;
            Ok(Page(page))
        })?;
        if self.misfit.is_some() {
            return Err(Fail::WRONG_KEY);
        }
        self.key_is_settled = true;
        Ok(())
    }

    pub(super) fn capacity(&self) -> usize {
        self.flash.capacity()
    }

    pub(super) fn into_flash(self) -> F {
        self.flash
    }

    /// Reads what isn't encrypted.
    #[inline]
    pub(super) fn read_raw(&mut self, offset: usize, bytes: &mut [u8]) -> Step<()> {
        let place = u32::try_from(offset).map_err(|_| failed(offset))?;
        self.flash.read(place, bytes).map_err(|_| failed(offset))
    }

    /// The memory, if what it holds is what it means.
    #[inline]
    fn plain_memory(&self) -> Option<&[u8]> {
        self.flash.memory().filter(|_| self.in_place)
    }

    /// One entry, decrypted.
    #[inline]
    pub(super) fn entry(&mut self, page: usize, entry: usize) -> Step<&[u8; ENTRY_SIZE]> {
        let offset = entry_offset(page, entry);
        if self.in_place {
            let entry = self
                .flash
                .memory()
                .and_then(|memory| memory.get(offset..)?.first_chunk());
            return entry.ok_or(failed(offset));
        }
        let mut bytes = [0; ENTRY_SIZE];
        self.read_raw(offset, &mut bytes)?;
        if let Some(cipher) = &self.cipher {
            cipher.decrypt_entry(offset as u32, &mut bytes);
        }
        Ok(self.buffer.insert(Zeroizing::new(bytes)))
    }

    /// A page, if it can be looked at in place.
    #[inline]
    pub(super) fn page(&self, page: usize) -> Option<&[u8]> {
        self.plain_memory()?.get(page_offset(page)..)?.get(..PAGE_SIZE)
    }

    /// The entries of a page, if they can be looked at in place.
    #[inline]
    pub(super) fn entries(&self, page: usize) -> Option<&Entries> {
        let (entries, _) = self.page(page)?.get(ENTRIES_OFFSET..)?.as_chunks();
        entries.first_chunk()
    }

    /// The `size` bytes of data that begin at this entry, if they can be looked at in place.
    #[inline]
    pub(super) fn data(&self, page: usize, entry: usize, size: usize) -> Option<&[u8]> {
        self.plain_memory()?.get(entry_offset(page, entry)..)?.get(..size)
    }

    /// Appends the `size` bytes of data that begin at this entry, decrypted.
    #[inline]
    pub(super) fn read_data(&mut self, page: usize, entry: usize, size: usize, to: &mut Vec<u8>) -> Step<()> {
        self.spend(size / ENTRY_SIZE + 1)?;
        let offset = entry_offset(page, entry);
        let begin = to.len();
        let stored = if self.cipher.is_some() {
            size.next_multiple_of(ENTRY_SIZE)
        } else {
            size
        };
        to.resize(begin + stored, 0);
        let bytes = to.get_mut(begin..).unwrap_or_default();
        self.read_raw(offset, bytes)?;
        if let Some(cipher) = &self.cipher {
            let (entries, _) = bytes.as_chunks_mut();
            cipher.decrypt_entries(offset as u32, entries);
            to.truncate(begin + size);
        }
        Ok(())
    }

    fn before_change(&mut self, offset: usize) -> Step<u32> {
        if self.mode == Mode::ReadOnly {
            return Err(Fail {
                code: EspError::NotAllowed,
                offset,
            });
        }
        u32::try_from(offset).map_err(|_| failed(offset))
    }

    /// Writes what isn't encrypted, or what no longer means anything.
    pub(super) fn write_raw(&mut self, offset: usize, bytes: &[u8]) -> Step<()> {
        let place = self.before_change(offset)?;
        self.ops.writes += 1;
        self.flash.write(place, bytes).map_err(|_| failed(offset))
    }

    /// Writes entries in a row, encrypted, in one call. `bytes` is a multiple of 32 long.
    pub(super) fn write_entries(&mut self, page: usize, entry: usize, bytes: &[u8]) -> Step<()> {
        let offset = entry_offset(page, entry);
        let Some(cipher) = &self.cipher else {
            return self.write_raw(offset, bytes);
        };
        let mut sealed = Zeroizing::new(bytes.to_vec());
        let (entries, _) = sealed.as_chunks_mut();
        cipher.encrypt_entries(offset as u32, entries);
        self.write_raw(offset, &sealed)
    }

    pub(super) fn erase_page(&mut self, page: usize) -> Step<()> {
        let offset = page_offset(page);
        let place = self.before_change(offset)?;
        self.ops.erases += 1;
        self.flash
            .erase(place, place + PAGE_SIZE as u32)
            .map_err(|_| failed(offset))
    }
}

impl<F> fmt::Debug for Medium<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Medium")
            .field("mode", &self.mode)
            .field("ops", &self.ops)
            .finish_non_exhaustive()
    }
}

/// A page that was read as it lies there.
struct Page(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn failed(offset: usize) -> Fail {
    Fail {
        code: EspError::FlashOpFail,
        offset,
    }
}
