//! `fleetmint board list`: the serial ports, and which of them are boards.

use clap::Args;

use crate::chip;
use crate::exit::Failure;
use crate::terminal::{self, Format, say, shown, table};

/// List the serial ports, and which of them are boards
///
/// A board is recognized by the USB device that connects it: the chip's own, or a bridge that is common on boards (CP210x,
/// CH340, CH910x, FTDI). The ports are not opened.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Format of the output
    #[arg(long, default_value = "text")]
    format: Format,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let ports = chip::list()?;
    if matches!(arguments.format, Format::Json) {
        return terminal::print_json_lines(&ports);
    }
    if ports.is_empty() {
        say("this computer has no serial port");
        return Ok(());
    }
    let rows = || {
        ports.iter().map(|port| {
            let foreign = |text: &Option<String>| shown(text.as_deref().unwrap_or_default(), 40);
            [
                port.port.clone(),
                port.bridge.unwrap_or("-").to_string(),
                port.usb.clone().unwrap_or_default(),
                foreign(&port.serial_number),
                foreign(&port.product),
            ]
        })
    };
    terminal::print_parts(table(["PORT", "BOARD", "USB", "SERIAL NUMBER", "PRODUCT"], &[], rows))
}
