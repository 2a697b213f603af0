//! From a port to a chip in download mode whose stub runs.

use std::io::Read as _;
use std::time::{Duration, Instant};

use espflash::Error;
use espflash::connection::{Connection, Port, ResetBeforeOperation};
use espflash::flasher::Flasher;
use espflash::target::efuse;
use serialport::SerialPort as _;

use super::line::Line;
use super::options::{Before, Options};
use super::port::{self, ROM_BAUD};
use super::problem::{Problem, innermost};
use super::{Chip, Identity, Security};

pub(super) fn connect(options: &Options) -> Result<Chip, Problem> {
    let (name, usb) = port::choose(options.port.as_deref())?;
    let mut port = port::open(&name)?;
    // A pseudo-terminal, or a port behind a network, has no reset lines.
    let has_reset_lines = port.read_clear_to_send().is_ok();
    let before = if has_reset_lines { options.before } else { Before::No };
    let before = ResetBeforeOperation::from(before);
    let after = options.after.into();
    let connection = Connection::new(port, usb.clone(), after, before, ROM_BAUD);
    let stub = !options.no_stub;
    let mut flasher = Flasher::try_connect(connection, stub, false, false, None, None)
        .map_err(|failed| failure(&failed.0, failed.1.into(), &name, has_reset_lines))?;
    let target = flasher.chip();
    if flasher.secure_download_mode() {
        return Err(Problem::SecureDownload {
            chip: target.to_string(),
        });
    }
    let failed = |error: Error| not_connected(&error);
    if options.baud > ROM_BAUD {
        flasher.change_baud(options.baud).map_err(failed)?;
    }
    let identity = identity(&mut flasher).map_err(failed)?;
    let connection = flasher.into_connection();
    let baud = connection.baud().map_err(failed)?;
    Ok(Chip {
        identity,
        line: Line::new(name, connection.into_serial(), baud, stub),
        target,
        usb,
        after,
        has_reset_lines,
    })
}

fn identity(flasher: &mut Flasher) -> Result<Identity, Error> {
    let chip = flasher.chip();
    // The library detected it when it connected, and does not give it out alone.
    let flash_size = flasher.flash_detect()?.ok_or(Error::FlashConnect)?.size() as usize;
    Ok(Identity {
        chip: chip.to_string(),
        mac: chip.mac_address(flasher.connection())?,
        flash_size,
        security: security(flasher)?,
    })
}

fn security(flasher: &mut Flasher) -> Result<Security, Error> {
    const SECURE_BOOT_EN: u32 = 1 << 0;
    let chip = flasher.chip();
    // An ESP32 has no such command: its eFuses say the same.
    if chip == espflash::target::Chip::Esp32 {
        let connection = flasher.connection();
        let mut read = |field| chip.read_efuse_le::<u32>(connection, field);
        let crypt_count = read(efuse::esp32::FLASH_CRYPT_CNT)?;
        let secure_boot = read(efuse::esp32::ABS_DONE_0)? | read(efuse::esp32::ABS_DONE_1)?;
        return Ok(Security {
            flash_encryption: is_odd(crypt_count),
            secure_boot: secure_boot != 0,
        });
    }
    let info = flasher.security_info()?;
    Ok(Security {
        flash_encryption: is_odd(info.flash_crypt_cnt.into()),
        secure_boot: info.flags & SECURE_BOOT_EN != 0,
    })
}

/// Flash encryption is on if an odd number of the counter's bits is set.
fn is_odd(count: u32) -> bool {
    count.count_ones() % 2 == 1
}

fn failure(error: &Error, port: Port, name: &str, has_reset_lines: bool) -> Problem {
    let port_name = name.to_string();
    match (error, heard(port)) {
        (_, Heard::Gone) => Problem::Unplugged,
        (Error::ChipDetectError(reason), _) => Problem::UnknownChip(reason.to_lowercase()),
        (Error::FlashConnect, _) => Problem::NoFlash,
        (Error::Connection(_), Heard::Text) => Problem::ApplicationRuns { port: port_name },
        (Error::Connection(_), Heard::Nothing) => Problem::NoAnswer {
            port: port_name,
            has_reset_lines,
        },
        _ => not_connected(error),
    }
}

fn not_connected(error: &Error) -> Problem {
    match innermost(error) {
        // The library gives its own kinds of errors for these no names that others could use.
        reason if ["i/o error", "broken pipe"].iter().any(|gone| reason.contains(gone)) => Problem::Unplugged,
        reason => Problem::NotConnected(reason),
    }
}

/// What a port says by itself.
enum Heard {
    Nothing,
    Text,
    Gone,
}

/// Listens for the text of an application, which a board in download mode does not send.
fn heard(mut port: Port) -> Heard {
    const LISTEN: Duration = Duration::from_millis(700);
    const TEXT_MIN: usize = 8;
    let end = Instant::now() + LISTEN;
    let mut text = 0;
    let mut bytes = [0; 256];
    // The application of a board is silent until it is asked, or writes a line from time to time.
    while let Some(rest) = end
        .checked_duration_since(Instant::now())
        .filter(|rest| !rest.is_zero())
    {
        if port.set_timeout(rest).is_err() {
            return Heard::Gone;
        }
        match port.read(&mut bytes) {
            Ok(0) => return Heard::Gone,
            Ok(count) => {
                let seen = bytes.get(..count).unwrap_or_default();
                text += seen
                    .iter()
                    .filter(|byte| byte.is_ascii_graphic() || **byte == b' ')
                    .count();
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => break,
            Err(_) => return Heard::Gone,
        }
    }
    if text >= TEXT_MIN { Heard::Text } else { Heard::Nothing }
}
