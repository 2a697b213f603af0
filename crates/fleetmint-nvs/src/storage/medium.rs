//! The flash as the storage uses it: with its cipher, in its mode, every call counted.

use super::flash::Flash;
use super::journal::Journal;
use crate::crypt::{KeyMisfit, Xts, key_misfit};
use crate::error::EspError;
use crate::layout::{ENTRIES_OFFSET, ENTRY_COUNT, ENTRY_SIZE, PAGE_SIZE, entry_offset, page_offset};
use crate::wiped::make_room;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

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

/// A step that failed: the firmware's code, and the offset in the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fail {
    pub(super) code: EspError,
    pub(super) offset: usize,
}

impl Fail {
    /// The flash's meter stopped the work. No partition has this offset.
    pub(super) const STOPPED: Self = Self {
        code: EspError::FlashOpFail,
        offset: usize::MAX,
    };

    /// The key is not the partition's: [`Medium::misfit`] has the details.
    pub(super) const WRONG_KEY: Self = Self {
        code: EspError::FlashOpFail,
        offset: usize::MAX - 1,
    };

    pub(super) const NOT_FOUND: Self = Self::of_partition(EspError::NotFound);

    /// A failure of the whole partition.
    pub(super) const fn of_partition(code: EspError) -> Self {
        Self { code, offset: 0 }
    }

    const fn of_flash(offset: usize) -> Self {
        Self {
            code: EspError::FlashOpFail,
            offset,
        }
    }
}

pub(super) type Step<T> = Result<T, Fail>;

/// The entries of a page, as they are in the flash.
pub(super) type Entries = [[u8; ENTRY_SIZE]; ENTRY_COUNT];

/// The flash with its cipher. Entries are encrypted, headers and bitmaps are not.
pub(super) struct Medium<F> {
    flash: F,
    /// In a box: most partitions have none, and moving the medium leaves no copy of the keys behind.
    cipher: Option<Box<Xts>>,
    mode: Mode,
    /// The flash is in memory and not encrypted, so that entries and data need not be copied to be read.
    in_place: bool,
    /// The entry that was read last, where it had to be copied.
    buffer: Option<Zeroizing<[u8; ENTRY_SIZE]>>,
    pub(super) ops: FlashOps,
    pub(super) journal: Journal,
    /// Whether the key was checked, or need not be.
    pub(super) key_is_checked: bool,
    pub(super) misfit: Option<KeyMisfit>,
    #[cfg(test)]
    plain: bool,
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
            journal: Journal::default(),
            key_is_checked: false,
            misfit: None,
            #[cfg(test)]
            plain: false,
        }
    }

    /// The same without the shortcuts in [`fast`](super::fast), which says what remains: what those must equal.
    #[cfg(test)]
    pub(super) fn plain(flash: F, cipher: Option<Xts>, mode: Mode) -> Self {
        Self {
            in_place: false,
            plain: true,
            ..Self::new(flash, cipher, mode)
        }
    }

    /// Whether the shortcuts in [`fast`](super::fast) may be used: always, except in tests of them.
    #[inline]
    pub(super) fn may_use_shortcuts(&self) -> bool {
        #[cfg(test)]
        return !self.plain;
        #[cfg(not(test))]
        true
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.mode == Mode::ReadOnly
    }

    /// Counts steps, one for each entry that was read, and asks whether to go on.
    #[inline]
    pub(super) fn spend(&mut self, steps: usize) -> Step<()> {
        if self.flash.may_go_on(steps) {
            Ok(())
        } else {
            Err(Fail::STOPPED)
        }
    }

    /// Called before the first repair: fails if the key is wrong, so that nothing is erased that another key can read.
    pub(super) fn check_key(&mut self) -> Step<()> {
        if self.key_is_checked {
            return Ok(());
        }
        let pages = self.flash.capacity() / PAGE_SIZE;
        self.spend(2 * pages * ENTRY_COUNT)?;
        let flash = &mut self.flash;
        self.misfit = key_misfit(pages, self.cipher.as_deref(), |number| {
            let offset = page_offset(number);
            let mut page = Zeroizing::new(alloc::vec![0; PAGE_SIZE]);
            let address = u32::try_from(offset).map_err(|_| Fail::of_flash(offset))?;
            flash.read(address, &mut page).map_err(|_| Fail::of_flash(offset))?;
            Ok(page)
        })?;
        if self.misfit.is_some() {
            return Err(Fail::WRONG_KEY);
        }
        self.key_is_checked = true;
        Ok(())
    }

    pub(super) fn capacity(&self) -> usize {
        self.flash.capacity()
    }

    pub(super) fn into_flash(self) -> F {
        self.flash
    }

    /// Reads bytes as they are in the flash: what is not encrypted.
    #[inline]
    pub(super) fn read_raw(&mut self, offset: usize, bytes: &mut [u8]) -> Step<()> {
        let address = u32::try_from(offset).map_err(|_| Fail::of_flash(offset))?;
        self.flash.read(address, bytes).map_err(|_| Fail::of_flash(offset))
    }

    /// The partition, if it need not be copied to be read.
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
            return entry.ok_or(Fail::of_flash(offset));
        }
        let mut bytes = [0; ENTRY_SIZE];
        self.read_raw(offset, &mut bytes)?;
        if let Some(cipher) = &self.cipher {
            cipher.decrypt_entry(offset as u32, &mut bytes);
        }
        Ok(self.buffer.insert(Zeroizing::new(bytes)))
    }

    /// A page, if it need not be copied to be read.
    #[inline]
    pub(super) fn page(&self, page: usize) -> Option<&[u8]> {
        self.plain_memory()?.get(page_offset(page)..)?.get(..PAGE_SIZE)
    }

    /// The entries of a page, if they need not be copied to be read. Plain path: [`Medium::entry`], one by one.
    #[inline]
    pub(super) fn entries(&self, page: usize) -> Option<&Entries> {
        let (entries, _) = self.page(page)?.get(ENTRIES_OFFSET..)?.as_chunks();
        entries.first_chunk()
    }

    /// The `size` bytes of data that begin at this entry, if they need not be copied to be read. Plain path:
    /// [`Medium::read_data`].
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
        make_room(to, stored);
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

    /// The address at this offset, if the flash may be changed.
    fn address_to_change(&self, offset: usize) -> Step<u32> {
        if self.mode == Mode::ReadOnly {
            return Err(Fail {
                code: EspError::NotAllowed,
                offset,
            });
        }
        u32::try_from(offset).map_err(|_| Fail::of_flash(offset))
    }

    /// Writes bytes as they are: what is not encrypted, and zeros over what is erased.
    pub(super) fn write_raw(&mut self, offset: usize, bytes: &[u8]) -> Step<()> {
        let address = self.address_to_change(offset)?;
        self.ops.writes += 1;
        self.flash.write(address, bytes).map_err(|_| Fail::of_flash(offset))
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
        let address = self.address_to_change(offset)?;
        self.ops.erases += 1;
        self.flash
            .erase(address, address + PAGE_SIZE as u32)
            .map_err(|_| Fail::of_flash(offset))
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
