//! From a port to a chip in download mode whose stub runs.

use std::io::Read as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use espflash::Error;
use espflash::command::Command;
use espflash::connection::{Connection, Port, ResetAfterOperation, ResetBeforeOperation};
use espflash::flasher::Flasher;
use espflash::target::efuse;
use serialport::{SerialPort as _, UsbPortInfo};

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
    let connector = Connector {
        name: &name,
        usb: &usb,
        before: before.into(),
        after: options.after.into(),
        stub: !options.no_stub,
        has_reset_lines,
    };
    let mut flasher = connector.connect(port, options.baud)?;
    let target = flasher.chip();
    if flasher.secure_download_mode() {
        return Err(Problem::SecureDownload {
            chip: target.to_string(),
        });
    }
    let failed = |error: Error| not_connected(&error);
    if flasher.connection().baud().map_err(failed)? < options.baud {
        flasher.change_baud(options.baud).map_err(failed)?;
    }
    let identity = identity(&mut flasher).map_err(failed)?;
    let connection = flasher.into_connection();
    let baud = connection.baud().map_err(failed)?;
    Ok(Chip {
        identity,
        line: Line::new(name, connection.into_serial(), baud, !options.no_stub),
        target,
        usb,
        after: options.after.into(),
        has_reset_lines,
    })
}

/// How to connect to a port.
struct Connector<'a> {
    name: &'a str,
    usb: &'a UsbPortInfo,
    before: ResetBeforeOperation,
    after: ResetAfterOperation,
    stub: bool,
    has_reset_lines: bool,
}

impl Connector<'_> {
    /// Connects, and uploads the stub. The speed of the connection is at most `baud`.
    fn connect(&self, port: Port, baud: u32) -> Result<Flasher, Problem> {
        let mut connection = self.connection(port, self.before, ROM_BAUD);
        if baud <= ROM_BAUD || self.is_usb_of_the_chip() {
            return self.upload(connection).map_err(|failed| self.problem(failed));
        }
        if let Err(error) = connection.begin() {
            return Err(self.problem(Box::new((error, connection))));
        }
        let raised = raise_speed(&mut connection, baud);
        let speed = if matches!(raised, Ok(true)) { baud } else { ROM_BAUD };
        let port = connection.into_serial();
        match self.upload(self.connection(port, ResetBeforeOperation::NoReset, speed)) {
            // A chip that cannot follow is reset, and gets the stub at the speed at which it begins.
            Err(failed) if speed > ROM_BAUD && self.has_reset_lines => {
                let mut port = Port::from(failed.1);
                port.set_baud_rate(ROM_BAUD)
                    .map_err(|error| Problem::NotConnected(error.description.to_lowercase()))?;
                self.upload(self.connection(port, self.before, ROM_BAUD))
                    .map_err(|failed| self.problem(failed))
            }
            uploaded => uploaded.map_err(|failed| self.problem(failed)),
        }
    }

    /// Such a connection has no speed.
    fn is_usb_of_the_chip(&self) -> bool {
        (self.usb.vid, self.usb.pid) == port::USB_SERIAL_JTAG
    }

    fn connection(&self, port: Port, before: ResetBeforeOperation, baud: u32) -> Connection {
        Connection::new(port, self.usb.clone(), self.after, before, baud)
    }

    fn upload(&self, connection: Connection) -> Result<Flasher, Box<(Error, Connection)>> {
        Flasher::try_connect(connection, self.stub, false, false, None, None)
    }

    fn problem(&self, failed: Box<(Error, Connection)>) -> Problem {
        let (error, connection) = *failed;
        failure(&error, connection.into_serial(), self.name, self.has_reset_lines)
    }
}

/// Raises the speed of the ROM loader, so that the stub is uploaded at it: at 115,200 baud that takes half a second, as long as
/// all the rest. Whether the chip said that it does.
///
/// The ROM loaders of ESP32 and ESP32-C2 calculate the speed from a crystal that they may be wrong about (`change_baud` of
/// esptool): they raise it once the stub runs.
fn raise_speed(connection: &mut Connection, baud: u32) -> Result<bool, Error> {
    use espflash::target::Chip::{Esp32, Esp32c2};
    // The chip answers at the old speed, and then changes it.
    const SETTLE: Duration = Duration::from_millis(20);
    if matches!(connection.detect_chip(false)?, Esp32 | Esp32c2) {
        return Ok(false);
    }
    connection.command(Command::ChangeBaudrate {
        new_baud: baud,
        prior_baud: 0,
    })?;
    sleep(SETTLE);
    connection.set_baud(baud)?;
    Ok(true)
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
        // An ESP32 does not say so: it refuses to say which chip it is.
        (Error::RomError(refused), _) if refused.to_string().contains("ReadReg") => Problem::SecureDownload {
            chip: "chip".to_string(),
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
