//! The flash under the storage: what it must be able to do, and partitions in memory.

use crate::layout::PAGE_SIZE;
use core::fmt;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};

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

/// A partition in memory that cannot be changed: each write and erase is an error.
///
/// It is all that reading needs: a storage that is opened read-only never writes or erases.
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
        /// Shows nothing of what the image holds.
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

/// The flash that holds a partition: embedded-storage's `NorFlash`, with a shortcut for one that is in memory.
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
    /// The whole partition, if it is in memory and need not be copied to be read. A flash behind a wire returns `None`.
    fn memory(&self) -> Option<&[u8]> {
        None
    }

    /// Whether the storage may go on. It asks regularly while it works; `steps` is the number of entries of 32 bytes that
    /// it has read since it asked last. After `false` the call fails with [`Error::Stopped`](crate::Error::Stopped).
    ///
    /// What was written before that stays, as after a power cut. [`Metered`] adds this to any flash.
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

/// A flash whose storage can be stopped: a function is called with the number of steps and returns whether to go on.
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
    /// The flash with a meter. Once the meter has returned `false`, it is not called again.
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
