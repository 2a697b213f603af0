//! The serial ports of this computer, and which of them belong to boards.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serialport::{SerialPortInfo, SerialPortType, UsbPortInfo};

use super::problem::Problem;
use crate::terminal::shown;

/// The speed at which every ROM loader begins.
pub(super) const ROM_BAUD: u32 = 115_200;

/// Vendor and product of the USB that is in the chip itself.
pub(super) const USB_SERIAL_JTAG: (u16, u16) = (0x303A, 0x1001);

/// A serial port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    pub(crate) port: String,
    /// What connects the board: `None` if it is not known to be on a board.
    pub(crate) bridge: Option<&'static str>,
    /// USB vendor and product, in hexadecimal: `303a:1001`.
    pub(crate) usb: Option<String>,
    /// What the USB device calls itself.
    pub(crate) product: Option<String>,
    pub(crate) serial_number: Option<String>,
}

/// What connects ESP32 boards by USB, by the vendor. The sources are the vendors' entries in the list of USB IDs.
fn bridge(vendor: u16, product: u16) -> Option<&'static str> {
    match (vendor, product) {
        USB_SERIAL_JTAG => Some("USB-Serial/JTAG of the chip"),
        (0x303A, _) => Some("USB of the chip"),
        (0x10C4, _) => Some("CP210x"),
        (0x1A86, _) => Some("CH340/CH910x"),
        (0x0403, _) => Some("FTDI"),
        _ => None,
    }
}

impl From<&SerialPortInfo> for Found {
    fn from(info: &SerialPortInfo) -> Self {
        let mut found = Self {
            port: info.port_name.clone(),
            bridge: None,
            usb: None,
            product: None,
            serial_number: None,
        };
        if let SerialPortType::UsbPort(usb) = &info.port_type {
            found.bridge = bridge(usb.vid, usb.pid);
            found.usb = Some(format!("{:04x}:{:04x}", usb.vid, usb.pid));
            found.product.clone_from(&usb.product);
            found.serial_number.clone_from(&usb.serial_number);
        }
        found
    }
}

fn infos() -> Result<Vec<SerialPortInfo>, Problem> {
    // The library ends the program where this folder does not exist, as in a small container.
    if cfg!(target_os = "linux") && !Path::new("/sys/class/tty").is_dir() {
        return Ok(Vec::new());
    }
    let mut ports = serialport::available_ports().map_err(|error| Problem::NoList(error.description))?;
    // macOS has two names for each port; /dev/tty.… waits for a carrier signal.
    ports.retain(|port| !port.port_name.starts_with("/dev/tty."));
    ports.sort_by(|a, b| a.port_name.cmp(&b.port_name));
    Ok(ports)
}

/// The serial ports of this computer.
pub(crate) fn list() -> Result<Vec<Found>, crate::exit::Failure> {
    Ok(infos()?.iter().map(Found::from).collect())
}

/// The port to use, and its USB device.
pub(super) fn choose(wanted: Option<&str>) -> Result<(String, UsbPortInfo), Problem> {
    let (port, infos) = match wanted {
        // A port that is named need not be one that can be listed.
        Some(port) => (port.to_string(), infos().unwrap_or_default()),
        None => {
            let infos = infos()?;
            (only_board(&infos.iter().map(Found::from).collect::<Vec<_>>())?, infos)
        }
    };
    // A link, such as those in /dev/serial/by-id, has the USB device of the port that it leads to.
    let real = Path::new(&port).canonicalize();
    let usb = infos.into_iter().find_map(|info| {
        let same = info.port_name == port || real.as_ref().is_ok_and(|real| real == Path::new(&info.port_name));
        match info.port_type {
            SerialPortType::UsbPort(usb) if same => Some(usb),
            _ => None,
        }
    });
    let unknown = UsbPortInfo {
        vid: 0,
        pid: 0,
        serial_number: None,
        manufacturer: None,
        product: None,
    };
    Ok((port, usb.unwrap_or(unknown)))
}

fn only_board(ports: &[Found]) -> Result<String, Problem> {
    let boards: Vec<&Found> = ports.iter().filter(|port| port.bridge.is_some()).collect();
    match boards.as_slice() {
        [board] => Ok(board.port.clone()),
        [] => Err(Problem::NoBoard {
            others: ports.iter().map(|port| port.port.clone()).collect(),
        }),
        _ => Err(Problem::SeveralBoards {
            boards: boards.into_iter().map(described).collect(),
        }),
    }
}

fn described(board: &Found) -> String {
    let mut parts = vec![board.bridge.unwrap_or_default().to_string()];
    parts.extend(
        board
            .serial_number
            .as_ref()
            .map(|number| format!("serial number {}", shown(number, 40))),
    );
    format!("{} ({})", board.port, parts.join(", "))
}

pub(super) fn open(port: &str) -> Result<espflash::connection::Port, Problem> {
    use serialport::ErrorKind;
    use std::io::ErrorKind as Io;
    serialport::new(port, ROM_BAUD)
        .timeout(Duration::from_secs(3))
        .open_native()
        .map_err(|error| {
            let port = port.to_string();
            match error.kind {
                ErrorKind::Io(Io::NotFound) => Problem::NoPort { port },
                ErrorKind::Io(Io::PermissionDenied) => Problem::Permission { port },
                ErrorKind::NoDevice if Path::new(&port).exists() => Problem::Busy { port },
                ErrorKind::NoDevice => Problem::NoPort { port },
                _ => Problem::NotOpened {
                    port,
                    reason: error.description.to_lowercase(),
                },
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usb(port: &str, vid: u16, pid: u16) -> Found {
        Found::from(&SerialPortInfo {
            port_name: port.to_string(),
            port_type: SerialPortType::UsbPort(UsbPortInfo {
                vid,
                pid,
                serial_number: Some("0001".to_string()),
                manufacturer: None,
                product: Some("CP2102 USB to UART Bridge Controller".to_string()),
            }),
        })
    }

    fn built_in(port: &str) -> Found {
        Found::from(&SerialPortInfo {
            port_name: port.to_string(),
            port_type: SerialPortType::Unknown,
        })
    }

    #[test]
    fn the_only_board_is_chosen() {
        let ports = [
            built_in("/dev/ttyS0"),
            usb("/dev/ttyUSB0", 0x10C4, 0xEA60),
            usb("/dev/ttyACM0", 0x2341, 0x0043),
        ];
        assert_eq!(only_board(&ports).unwrap(), "/dev/ttyUSB0");
        for (vid, pid) in [
            (0x303A, 0x1001),
            (0x303A, 2),
            (0x1A86, 0x7523),
            (0x1A86, 0x55D4),
            (0x0403, 0x6010),
        ] {
            assert_eq!(only_board(&[usb("COM7", vid, pid)]).unwrap(), "COM7");
        }
    }

    #[test]
    fn no_board_or_several_are_an_error_that_names_the_ports() {
        let none = only_board(&[built_in("/dev/ttyS0"), usb("/dev/ttyACM0", 0x2341, 0x0043)]);
        assert_eq!(
            none.unwrap_err().to_string(),
            "no board found: connect one with a USB cable that carries data, or name its port with --port (serial ports here: \
             /dev/ttyS0, /dev/ttyACM0)"
        );
        assert_eq!(
            only_board(&[]).unwrap_err().to_string(),
            "no board found: connect one with a USB cable that carries data, or name its port with --port (this computer has no \
             serial port)"
        );
        let two = [usb("/dev/ttyUSB0", 0x10C4, 0xEA60), usb("/dev/ttyACM0", 0x303A, 0x1001)];
        assert_eq!(
            only_board(&two).unwrap_err().to_string(),
            "2 boards are connected: choose one with --port: /dev/ttyUSB0 (CP210x, serial number 0001), /dev/ttyACM0 \
             (USB-Serial/JTAG of the chip, serial number 0001)"
        );
    }
}
