//! The board on the cable: find its port, connect, who it is, read, write, MD5, reset.
//!
//! ```text
//!   options ──► port ──► connect ──► Chip ──► line       the stub's commands, in memory that is wiped
//!                        (espflash)    └────► problem    what went wrong, as a sentence that a person can act on
//! ```
//!
//! espflash resets the chip, uploads Espressif's stub and reads who the chip is. From then on this room sends the few commands
//! that it needs by itself: espflash reads a flash only into a file, and leaves copies of what it reads and writes in memory,
//! and a flash holds secrets. What espflash would log is compiled out: its log has every command with its data.

mod connect;
mod line;
mod options;
mod port;
mod problem;

use espflash::connection::{Connection, ResetAfterOperation, ResetBeforeOperation};
use fleetmint_board::flash_dump::SECTOR;
use fleetmint_board::wiped::Wiped;
use md5::{Digest, Md5};
use serde::Serialize;

pub(crate) use options::Options;
pub(crate) use port::list;

use crate::exit::Failure;
use line::Line;
use problem::Problem;

/// Bytes that are read at once. A larger part that is erased is not read, only compared.
const AT_ONCE: usize = 64 << 10;
/// The rows of most partition tables.
const TABLE_HEAD: usize = 512;

/// Who the chip is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Identity {
    /// As ESP-IDF names its targets: `esp32c3`.
    pub(crate) chip: String,
    /// `aa:bb:cc:dd:ee:ff`, in lower case.
    pub(crate) mac: String,
    /// In bytes.
    pub(crate) flash_size: usize,
    pub(crate) security: Security,
}

/// What the chip's eFuses say. A chip in secure download mode is refused: its flash cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Security {
    /// What the flash holds is encrypted, the partition table too; an NVS partition is not.
    pub(crate) flash_encryption: bool,
    pub(crate) secure_boot: bool,
}

/// A chip in download mode.
#[derive(Debug)]
pub(crate) struct Chip {
    identity: Identity,
    line: Line,
    target: espflash::target::Chip,
    usb: serialport::UsbPortInfo,
    after: ResetAfterOperation,
    has_reset_lines: bool,
}

impl Chip {
    /// Finds the board, resets it into download mode and asks who it is.
    pub(crate) fn connect(options: &Options) -> Result<Self, Failure> {
        connect::connect(options).map_err(Failure::from)
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The name of the port.
    pub(crate) fn port(&self) -> &str {
        self.line.name()
    }

    /// Reads a part of the flash, and compares it with the chip's MD5. `step` is called after each sector.
    pub(crate) fn read(&mut self, offset: usize, size: usize, step: &mut dyn FnMut()) -> Result<Wiped, Failure> {
        self.check_range(offset, size)?;
        let mut content = Wiped::with_capacity(size);
        while content.len() < size {
            let rest = size - content.len();
            let part = match rest.min(AT_ONCE) {
                // A partition table: few of its rows are in use.
                part if size < SECTOR && content.is_empty() => part.min(TABLE_HEAD),
                part => part,
            };
            let part = self.read_part(offset + content.len(), part, step)?;
            content.push(part.as_ref()).map_err(Failure::no)?;
        }
        Ok(content)
    }

    fn read_part(&mut self, offset: usize, size: usize, step: &mut dyn FnMut()) -> Result<Wiped, Problem> {
        // What is erased need not be read.
        let erased = Wiped::filled(0xFF, size);
        if size > TABLE_HEAD && self.line.flash_md5(offset, size)? == md5(erased.as_ref()) {
            (0..size.div_ceil(SECTOR)).for_each(|_| step());
            return Ok(erased);
        }
        let part = self.line.read_flash(offset, size, step)?;
        if part.md5 != md5(part.content.as_ref()) {
            return Err(Problem::ReadDiffers { offset, size });
        }
        Ok(part.content)
    }

    /// The MD5 of a part of the flash, which the chip calculates.
    pub(crate) fn md5(&mut self, offset: usize, size: usize) -> Result<[u8; 16], Failure> {
        self.check_range(offset, size)?;
        Ok(self.line.flash_md5(offset, size)?)
    }

    /// Writes whole sectors, and compares them with the chip's MD5. `step` is called after each sector.
    ///
    /// The chip erases all of them before it writes the first: a cable that is pulled in between leaves them erased.
    pub(crate) fn write_sectors(&mut self, offset: usize, bytes: &[u8], step: &mut dyn FnMut()) -> Result<(), Failure> {
        self.check_range(offset, bytes.len())?;
        self.expect_stub()?;
        if !offset.is_multiple_of(SECTOR) || !bytes.len().is_multiple_of(SECTOR) {
            return Err(Problem::NoWholeSectors {
                offset,
                size: bytes.len(),
            }
            .into());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.line.write_flash(offset, bytes, step)?;
        if self.line.flash_md5(offset, bytes.len())? != md5(bytes) {
            return Err(Problem::WriteDiffers {
                offset,
                size: bytes.len(),
            }
            .into());
        }
        Ok(())
    }

    /// Writes those sectors of `content` whose numbers are given, neighbours together; see [`Chip::write_sectors`]. `content` is
    /// what the flash is to hold from `offset` on.
    pub(crate) fn write_changed(
        &mut self,
        offset: usize,
        content: &[u8],
        sectors: &[usize],
        step: &mut dyn FnMut(),
    ) -> Result<(), Failure> {
        for run in sectors.chunk_by(|sector, next| sector + 1 == *next) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            let (start, end) = (first * SECTOR, (last + 1) * SECTOR);
            self.write_sectors(offset + start, content.get(start..end).unwrap_or_default(), step)?;
        }
        Ok(())
    }

    /// Resets the chip as the options say. What was written is verified by then, so a failure is worth a warning and no more.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let hard = self.after != ResetAfterOperation::NoReset;
        if hard && !self.has_reset_lines {
            return Err(Problem::NoResetLines.into());
        }
        let before = ResetBeforeOperation::NoReset;
        let stub = self.line.is_stub();
        let (port, baud) = self.line.into_port();
        Connection::new(port, self.usb, self.after, before, baud)
            .reset_after(stub, self.target)
            .map_err(|error| Problem::NotReset(problem::innermost(&error)).into())
    }

    /// # Errors
    /// The stub does not run, so sectors cannot be written.
    pub(crate) fn expect_stub(&self) -> Result<(), Failure> {
        match self.line.is_stub() {
            true => Ok(()),
            false => Err(Problem::WriteWithoutStub.into()),
        }
    }

    fn check_range(&self, offset: usize, size: usize) -> Result<(), Failure> {
        let flash = self.identity.flash_size;
        match offset.checked_add(size) {
            Some(end) if end <= flash => Ok(()),
            _ => Err(Problem::OutOfFlash { offset, size, flash }.into()),
        }
    }
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}
