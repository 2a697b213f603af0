//! The commands that read and write the flash, over a port on which the stub or the ROM loader listens.
//!
//! ```text
//!   command   C0 │ 00 │ code │ size (u16) │ checksum (u32) │ data                 │ C0
//!   answer    C0 │ 01 │ code │ size (u16) │ value (u32)    │ data │ status │ error│ C0    the ROM loader adds 2 bytes
//!   blocks    C0 │ up to 4096 bytes of the flash │ C0 …      C0 │ MD5, 16 bytes   │ C0    each block is acknowledged by
//!                                                                                        the count of bytes so far
//! ```
//!
//! The frames are SLIP's (RFC 1055). Source: esptool's documentation, "Serial Protocol".

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use espflash::command::{Command, CommandType};
use espflash::connection::Port;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use fleetmint_board::flash_dump::SECTOR;
use fleetmint_board::wiped::Wiped;
use serialport::{ClearBuffer, SerialPort as _};
use slip_codec::{SlipDecoder, SlipEncoder, SlipError};

use super::problem::Problem;

/// Blocks that may be under way before the first is acknowledged, as esptool has it.
const IN_FLIGHT: u32 = 64;
/// Bytes in a block of compressed data, as esptool has it.
const WRITE_BLOCK: usize = 0x4000;
/// Bytes that the ROM loader reads at once.
const ROM_READ: usize = 64;
/// Room for an answer that is not a block of the flash: 8 bytes, a block of [`ROM_READ`] bytes, the status.
const ANSWER_MAX: usize = 128;
/// Room for a command without its data.
const COMMAND_MAX: usize = 64;
/// How long a chip may take for what it does at once.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Line {
    name: String,
    port: Port,
    baud: u32,
    /// Whether the stub answers, and not the ROM loader.
    stub: bool,
    received: Received,
    decoder: SlipDecoder,
}

/// What has been received: `bytes[taken..filled]` is not decoded yet.
#[derive(Debug)]
struct Received {
    bytes: Wiped,
    taken: usize,
    filled: usize,
}

/// A part of the flash, and the chip's MD5 of it.
pub(super) struct Part {
    pub(super) content: Wiped,
    pub(super) md5: [u8; 16],
}

impl Line {
    pub(super) fn new(name: String, port: Port, baud: u32, stub: bool) -> Self {
        Self {
            name,
            port,
            baud,
            stub,
            received: Received {
                bytes: Wiped::filled(0, SECTOR),
                taken: 0,
                filled: 0,
            },
            decoder: SlipDecoder::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_stub(&self) -> bool {
        self.stub
    }

    /// The port and its speed.
    pub(super) fn into_port(self) -> (Port, u32) {
        (self.port, self.baud)
    }

    /// Reads a part of the flash. `step` is called after each sector.
    pub(super) fn read_flash(&mut self, offset: usize, size: usize, step: &mut dyn FnMut()) -> Result<Part, Problem> {
        if !self.stub {
            let content = self.read_flash_slow(offset, size, step)?;
            let md5 = self.flash_md5(offset, size)?;
            return Ok(Part { content, md5 });
        }
        let command = Command::ReadFlash {
            offset: word(offset)?,
            size: word(size)?,
            block_size: word(SECTOR)?,
            max_in_flight: IN_FLIGHT,
        };
        self.command(command, PATIENCE)?;
        let mut content = Wiped::with_capacity(size);
        while content.len() < size {
            let expected = (content.len() + SECTOR).min(size);
            self.frame(&mut content, CommandType::ReadFlash, PATIENCE)?;
            if content.len() != expected {
                return Err(Problem::Garbled(CommandType::ReadFlash));
            }
            self.write_frame(&word(expected)?.to_le_bytes(), CommandType::ReadFlash)?;
            step();
        }
        let mut digest = Wiped::with_capacity(ANSWER_MAX);
        self.frame(&mut digest, CommandType::ReadFlash, PATIENCE)?;
        let md5 = digest.as_ref().try_into();
        let md5 = md5.map_err(|_| Problem::Garbled(CommandType::ReadFlash))?;
        Ok(Part { content, md5 })
    }

    fn read_flash_slow(&mut self, offset: usize, size: usize, step: &mut dyn FnMut()) -> Result<Wiped, Problem> {
        let mut content = Wiped::with_capacity(size);
        while content.len() < size {
            let wanted = (size - content.len()).min(ROM_READ);
            let command = Command::ReadFlashSlow {
                offset: word(offset + content.len())?,
                size: word(wanted)?,
                block_size: word(ROM_READ)?,
                max_in_flight: 1,
            };
            let block = self.command(command, PATIENCE)?;
            let block = block.data().get(..wanted);
            let pushed = block.map(|block| content.push(block));
            if !matches!(pushed, Some(Ok(()))) {
                return Err(Problem::Garbled(CommandType::ReadFlashSlow));
            }
            if content.len().is_multiple_of(SECTOR) || content.len() == size {
                step();
            }
        }
        Ok(content)
    }

    /// The chip's MD5 of a part of the flash.
    pub(super) fn flash_md5(&mut self, offset: usize, size: usize) -> Result<[u8; 16], Problem> {
        let size = word(size)?;
        let command = Command::FlashMd5 {
            offset: word(offset)?,
            size,
        };
        let answer = self.command(command, CommandType::FlashMd5.timeout_for_size(size))?;
        let mut md5 = [0; 16];
        let answer = answer.data();
        if answer.len() == md5.len() {
            md5.copy_from_slice(answer);
            return Ok(md5);
        }
        hex::decode_to_slice(answer, &mut md5).map_err(|_| Problem::Garbled(CommandType::FlashMd5))?;
        Ok(md5)
    }

    /// Erases sectors and writes them. `step` is called for each.
    pub(super) fn write_flash(&mut self, offset: usize, bytes: &[u8], step: &mut dyn FnMut()) -> Result<(), Problem> {
        let compressed = compressed(bytes)?;
        let blocks = compressed.as_ref().chunks(WRITE_BLOCK);
        let (sectors, count) = (bytes.len() / SECTOR, blocks.len());
        let size = word(bytes.len())?;
        let begin = Command::FlashDeflBegin {
            size,
            blocks: word(count)?,
            block_size: word(WRITE_BLOCK)?,
            offset: word(offset)?,
            supports_encryption: false,
        };
        self.command(begin, CommandType::FlashDeflBegin.timeout_for_size(size))?;
        let mut written = 0;
        for (sequence, data) in blocks.enumerate() {
            let block = Command::FlashDeflData {
                data,
                pad_to: 0,
                pad_byte: 0xFF,
                sequence: word(sequence)?,
            };
            self.command(block, CommandType::FlashDeflData.timeout_for_size(size))?;
            let reached = sectors * (sequence + 1) / count;
            (written..reached).for_each(|_| step());
            written = reached;
        }
        // The stub reports what went wrong with the last block only in the answer to the next command.
        let end = Command::FlashDeflEnd { reboot: false };
        self.command(end, CommandType::FlashDeflEnd.timeout())?;
        Ok(())
    }

    /// Sends a command, and awaits its answer.
    fn command(&mut self, command: Command<'_>, patience: Duration) -> Result<Answer, Problem> {
        let kind = command.command_type();
        let data = match command {
            Command::FlashDeflData { data, .. } => data.len(),
            _ => 0,
        };
        let mut packet = Wiped::with_capacity(data + COMMAND_MAX);
        command
            .write(&mut packet)
            .map_err(|error| Problem::of_port(&error, kind, patience))?;
        // What the chip said before is no answer to this.
        self.received.taken = self.received.filled;
        self.port
            .clear(ClearBuffer::Input)
            .map_err(|error| Problem::of_port(&error.into(), kind, patience))?;
        self.write_frame(packet.as_ref(), kind)?;
        // What is no answer does not extend the time for it.
        let end = Instant::now() + patience;
        loop {
            let mut frame = Wiped::with_capacity(ANSWER_MAX);
            self.frame_until(&mut frame, kind, patience, end)?;
            if let Some(answer) = Answer::to(kind, frame, data_size(kind, self.stub))? {
                return Ok(answer);
            }
        }
    }

    fn write_frame(&mut self, packet: &[u8], kind: CommandType) -> Result<(), Problem> {
        let mut frame = Wiped::with_capacity(2 * packet.len() + 2);
        SlipEncoder::new(true)
            .encode(packet, &mut frame)
            .and_then(|_| self.port.set_timeout(PATIENCE).map_err(io::Error::from))
            .and_then(|()| self.port.write_all(frame.as_ref()))
            .map_err(|error| Problem::of_port(&error, kind, PATIENCE))
    }

    /// Appends the content of the next frame.
    fn frame(&mut self, content: &mut Wiped, kind: CommandType, patience: Duration) -> Result<(), Problem> {
        self.frame_until(content, kind, patience, Instant::now() + patience)
    }

    /// The same, if it arrives before `end`.
    fn frame_until(
        &mut self,
        content: &mut Wiped,
        kind: CommandType,
        patience: Duration,
        end: Instant,
    ) -> Result<(), Problem> {
        let mut source = Source {
            port: &mut self.port,
            received: &mut self.received,
            end,
        };
        match self.decoder.decode(&mut source, content) {
            Ok(_) => Ok(()),
            Err(SlipError::ReadError(error)) => Err(Problem::of_port(&error, kind, patience)),
            Err(SlipError::EndOfStream) => Err(Problem::Unplugged),
            Err(SlipError::FramingError | SlipError::OversizedPacket) => Err(Problem::Garbled(kind)),
        }
    }
}

/// The port until a moment, through a buffer: the decoder takes single bytes.
struct Source<'a> {
    port: &'a mut Port,
    received: &'a mut Received,
    end: Instant,
}

impl Read for Source<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let received = &mut *self.received;
        if received.taken == received.filled {
            let rest = self.end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.port.set_timeout(rest)?;
            received.taken = 0;
            received.filled = 0;
            received.filled = self.port.read(received.bytes.as_mut())?;
        }
        let mut rest = received
            .bytes
            .as_ref()
            .get(received.taken..received.filled)
            .unwrap_or_default();
        let count = rest.read(out)?;
        received.taken += count;
        Ok(count)
    }
}

/// The answer to a command.
struct Answer {
    frame: Wiped,
    /// Where its data ends.
    end: usize,
}

/// Where an answer's data begins.
const HEADER: usize = 8;
/// Bytes that say whether the command succeeded. The ROM loader adds two more.
const STATUS: usize = 2;

/// Bytes of data in the answer to a command.
const fn data_size(command: CommandType, stub: bool) -> usize {
    match command {
        CommandType::FlashMd5 if stub => 16,
        // In hexadecimal.
        CommandType::FlashMd5 => 32,
        CommandType::ReadFlashSlow => ROM_READ,
        _ => 0,
    }
}

impl Answer {
    /// Reads a frame. `None` if it is no answer to this command; an error if the chip refused it.
    fn to(command: CommandType, frame: Wiped, data_size: usize) -> Result<Option<Self>, Problem> {
        let bytes = frame.as_ref();
        if !matches!(bytes, &[1, code, ..] if code == command as u8) {
            return Ok(None);
        }
        let data_end = HEADER + data_size;
        // A command that is refused has no data in its answer.
        let end = if bytes.len() < data_end + STATUS {
            HEADER
        } else {
            data_end
        };
        match bytes.get(end..) {
            Some([0, ..]) if end == data_end => Ok(Some(Self { frame, end })),
            Some(&[status, error, ..]) if status != 0 => Err(Problem::Refused { command, error }),
            _ => Err(Problem::Garbled(command)),
        }
    }

    fn data(&self) -> &[u8] {
        self.frame.as_ref().get(HEADER..self.end).unwrap_or_default()
    }
}

fn compressed(bytes: &[u8]) -> Result<Wiped, Problem> {
    // What cannot be compressed becomes a little longer.
    let room = bytes.len() + bytes.len() / 64 + COMMAND_MAX;
    let mut encoder = ZlibEncoder::new(Wiped::with_capacity(room), Compression::best());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|error| Problem::of_port(&error, CommandType::FlashDeflData, PATIENCE))
}

/// A number as the protocol has it.
fn word(number: usize) -> Result<u32, Problem> {
    u32::try_from(number).map_err(|_| Problem::TooLarge(number))
}
