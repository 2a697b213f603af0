//! How to reach the board, in esptool's words.

use clap::{Args, ValueEnum};
use espflash::connection::{ResetAfterOperation, ResetBeforeOperation};

/// The board on the cable.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Options {
    /// The board's serial port, such as /dev/ttyUSB0 or COM3 [default: the only board that is connected]
    #[arg(long, short = 'p', value_name = "PORT")]
    pub(crate) port: Option<String>,

    /// The speed of the connection; 115200 is the safest
    #[arg(long, short = 'b', value_name = "BAUD", default_value_t = 460_800,
          value_parser = clap::value_parser!(u32).range(9_600..=5_000_000))]
    pub(crate) baud: u32,

    /// How the board gets into download mode
    #[arg(long, value_name = "RESET", default_value = "default-reset")]
    pub(crate) before: Before,

    /// What happens to the board at the end
    #[arg(long, value_name = "RESET", default_value = "hard-reset")]
    pub(crate) after: After,

    /// Use the chip's ROM loader instead of Espressif's stub: it reads slowly, and cannot write single sectors
    #[arg(long)]
    pub(crate) no_stub: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Before {
    /// By the reset lines of the USB bridge, or of the chip's own USB
    #[value(name = "default-reset")]
    Default,
    /// By the USB of the chip itself (USB-Serial/JTAG)
    #[value(name = "usb-reset")]
    Usb,
    /// It is in download mode already: hold BOOT, press RESET, release BOOT
    #[value(name = "no-reset")]
    No,
}

impl From<Before> for ResetBeforeOperation {
    fn from(before: Before) -> Self {
        match before {
            Before::Default => Self::DefaultReset,
            Before::Usb => Self::UsbReset,
            Before::No => Self::NoReset,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum After {
    /// The application starts
    #[value(name = "hard-reset")]
    Hard,
    /// The board stays in download mode
    #[value(name = "no-reset")]
    No,
    /// The application starts, by the chip's watchdog: for boards whose own USB cannot reset them
    #[value(name = "watchdog-reset")]
    Watchdog,
}

impl From<After> for ResetAfterOperation {
    fn from(after: After) -> Self {
        match after {
            After::Hard => Self::HardReset,
            After::No => Self::NoReset,
            After::Watchdog => Self::WatchdogReset,
        }
    }
}
