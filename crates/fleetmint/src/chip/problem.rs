//! What can go wrong on the cable, as sentences that a person can act on.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use espflash::command::CommandType;

use crate::exit::Failure;
use crate::system_error::reason;

#[derive(Debug)]
pub(super) enum Problem {
    NoList(String),
    NoBoard {
        others: Vec<String>,
    },
    SeveralBoards {
        boards: Vec<String>,
    },
    NoPort {
        port: String,
    },
    Permission {
        port: String,
    },
    Busy {
        port: String,
    },
    NotOpened {
        port: String,
        reason: String,
    },
    /// Text comes in place of answers.
    ApplicationRuns {
        port: String,
    },
    NoAnswer {
        port: String,
        has_reset_lines: bool,
    },
    UnknownChip(String),
    NotConnected(String),
    SecureDownload {
        chip: String,
    },
    NoFlash,
    Unplugged,
    Timeout {
        command: CommandType,
        after: Duration,
    },
    Refused {
        command: CommandType,
        error: u8,
    },
    Garbled(CommandType),
    Port(String),
    ReadDiffers {
        offset: usize,
        size: usize,
    },
    WriteDiffers {
        offset: usize,
        size: usize,
    },
    WriteWithoutStub,
    NoWholeSectors {
        offset: usize,
        size: usize,
    },
    OutOfFlash {
        offset: usize,
        size: usize,
        flash: usize,
    },
    TooLarge(usize),
    NoResetLines,
    NotReset(String),
}

const HOLD_BOOT: &str = "hold BOOT, press and release RESET, release BOOT";

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoList(reason) => write!(f, "the serial ports cannot be listed: {reason}"),
            Self::NoBoard { others } => {
                f.write_str(
                    "no board found: connect one with a USB cable that carries data, or name its port with --port ",
                )?;
                match others.as_slice() {
                    [] => f.write_str("(this computer has no serial port)"),
                    others => write!(f, "(serial ports here: {})", others.join(", ")),
                }
            }
            Self::SeveralBoards { boards } => write!(
                f,
                "{} boards are connected: choose one with --port: {}",
                boards.len(),
                boards.join(", ")
            ),
            Self::NoPort { port } => write!(
                f,
                "{port}: there is no such port; `fleetmint board list` shows the ports of this computer"
            ),
            Self::Permission { port } => write!(
                f,
                "{port}: permission denied: you may not open this port. On Linux, add yourself to the group that owns it (sudo \
                 usermod -a -G dialout $USER), and sign in again"
            ),
            Self::Busy { port } => write!(
                f,
                "{port}: another program has this port: close it (a serial monitor, an IDE, a browser tab) and try again"
            ),
            Self::NotOpened { port, reason } => write!(f, "{port}: this port cannot be opened: {reason}"),
            Self::ApplicationRuns { port } => write!(
                f,
                "{port}: the board is not in download mode: its application runs. Put it into download mode ({HOLD_BOOT}) and add \
                 --before no-reset"
            ),
            Self::NoAnswer { port, has_reset_lines } => {
                let lines = if *has_reset_lines {
                    ""
                } else {
                    " (this port has no reset lines)"
                };
                write!(
                    f,
                    "{port}: no answer from a chip in download mode{lines}. Put the board into download mode ({HOLD_BOOT}) and add \
                     --before no-reset; if that does not help, try another cable and port"
                )
            }
            Self::UnknownChip(reason) => write!(f, "the chip is not known: {reason}"),
            Self::NotConnected(reason) => write!(
                f,
                "the chip answers, and the connection fails: {reason}. Try --baud 115200, another cable, or reset the board"
            ),
            Self::SecureDownload { chip } => write!(
                f,
                "the {chip} is in secure download mode: its flash cannot be read, so its other values could not be kept"
            ),
            Self::NoFlash => f.write_str("the chip finds no flash: the board may be damaged, or wired differently"),
            Self::Unplugged => f.write_str("the connection to the board is gone: it was unplugged, or lost its power"),
            Self::Timeout { command, after } => write!(
                f,
                "the chip did not answer {command} within {} s: it was reset, or the connection is bad; try --baud 115200",
                after.as_secs()
            ),
            Self::Refused { command, error } => {
                write!(f, "the chip refused {command} with error {error:#04x}")?;
                // Source: esptool's documentation, "Serial Protocol".
                let meaning = match error {
                    0x05 => ": it does not know this command here",
                    0x06 | 0xC4 => ": its flash did not do what it was asked for",
                    0x07 | 0xC1 => ": the data was damaged on the cable; try --baud 115200",
                    0x08 => ": its flash cannot be written",
                    0x09 => ": its flash cannot be read",
                    0xC0 => ": the range is not in its flash",
                    0xC5 => ": its flash is write-protected",
                    0x0B | 0xC7..=0xC9 => ": it received other data than was sent; try --baud 115200",
                    _ => "",
                };
                f.write_str(meaning)
            }
            Self::Garbled(command) => write!(
                f,
                "the chip's answer to {command} is damaged: try --baud 115200, or another cable"
            ),
            Self::Port(reason) => write!(f, "the serial port failed: {reason}"),
            Self::ReadDiffers { offset, size } => write!(
                f,
                "what was read of {size:#x} bytes at {offset:#x} differs from the chip's MD5 of them: try --baud 115200, or another \
                 cable"
            ),
            Self::WriteDiffers { offset, size } => write!(
                f,
                "the chip's MD5 of {size:#x} bytes at {offset:#x} differs from what was written: the flash may be worn out or \
                 write-protected"
            ),
            Self::WriteWithoutStub => f.write_str(
                "the ROM loader cannot write single sectors: it erases more than it is asked to. Leave out --no-stub",
            ),
            Self::NoWholeSectors { offset, size } => write!(
                f,
                "{size:#x} bytes at {offset:#x} are not whole sectors of 0x1000 bytes"
            ),
            Self::OutOfFlash { offset, size, flash } => write!(
                f,
                "{size:#x} bytes at {offset:#x} are not in the flash, which has {flash:#x} bytes"
            ),
            Self::TooLarge(number) => write!(f, "{number:#x} is too large for the chip's protocol"),
            Self::NoResetLines => {
                f.write_str("the board was not reset, because its port has no reset lines: press RESET")
            }
            Self::NotReset(reason) => write!(f, "the board was not reset ({reason}): press RESET"),
        }
    }
}

impl From<Problem> for Failure {
    /// What the board says no to is exit code 1, as is what fails once it is connected; without a board it is 2.
    fn from(problem: Problem) -> Self {
        use Problem::{
            ApplicationRuns, Busy, NoAnswer, NoBoard, NoList, NoPort, NotOpened, OutOfFlash, Permission, SeveralBoards,
        };
        match problem {
            NoList(_)
            | NoBoard { .. }
            | SeveralBoards { .. }
            | NoPort { .. }
            | Permission { .. }
            | Busy { .. }
            | NotOpened { .. }
            | ApplicationRuns { .. }
            | NoAnswer { .. }
            | OutOfFlash { .. } => Self::unusable(problem),
            _ => Self::no(problem),
        }
    }
}

impl Problem {
    /// An error of the port while an answer was awaited.
    pub(super) fn of_port(error: &io::Error, command: CommandType, after: Duration) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Timeout { command, after },
            // A USB bridge that is unplugged hangs up (poll), or ends (read), or has an input/output error.
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => Self::Unplugged,
            // Longer than any answer.
            io::ErrorKind::StorageFull => Self::Garbled(command),
            _ if reason(error).contains("i/o error") => Self::Unplugged,
            _ => Self::Port(reason(error)),
        }
    }
}

/// What is at the bottom of an error, in the library's words.
pub(super) fn innermost(error: &espflash::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text.trim_end_matches('.').to_lowercase()
}
