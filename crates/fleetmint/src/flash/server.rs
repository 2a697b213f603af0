//! What the server is told about a flash.

use super::board::Board;
use crate::client::{BeginError, Device, FlashEnd, FlashOutcome, FlashPartition, FlashStart, Server};
use crate::exit::Failure;
use crate::terminal::warn;
use fleetmint_board::flash_dump::SECTOR;

const TOOL: &str = concat!("fleetmint ", env!("CARGO_PKG_VERSION"));

/// The most characters of a reason.
const REASON_MAX: usize = 500;

/// A flash that the server knows of, if there is a server.
pub(super) struct Started<'a>(Option<Flash<'a>>);

struct Flash<'a> {
    server: &'a Server,
    device: &'a Device,
    id: i64,
}

impl<'a> Started<'a> {
    pub(super) fn nowhere() -> Self {
        Self(None)
    }

    /// # Errors
    /// The device is on another board, the board carries another device, or the server does not answer: nothing may be
    /// written.
    pub(super) fn at(
        server: &'a Server,
        device: &'a Device,
        board: &Board,
        replace_board: bool,
    ) -> Result<Self, Failure> {
        let nvs = &board.target.nvs;
        let start = FlashStart {
            mac: &board.identity.mac,
            chip: &board.identity.chip,
            partition: FlashPartition {
                name: &nvs.name,
                offset: u32::try_from(nvs.offset).unwrap_or(u32::MAX),
                size: u32::try_from(nvs.size).unwrap_or(u32::MAX),
            },
            tool: TOOL,
            replace_board,
        };
        match server.begin_flash(device.id, &start) {
            Ok(flash) => Ok(Self(Some(Flash {
                server,
                device,
                id: flash.id,
            }))),
            Err(BeginError::AnotherBoard(detail)) => Err(Failure::no(format_args!(
                "{detail}; --replace-board replaces that, and nothing was written"
            ))),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn unchanged(self) {
        self.end(FlashOutcome::Unchanged, 0, None);
    }

    pub(super) fn written(self, sectors: usize) {
        self.end(FlashOutcome::Written, sectors, None);
    }

    /// `begun` sectors may have been erased: with one, the server no longer knows what the board holds.
    pub(super) fn failed(self, reason: &str, begun: usize) {
        let reason: String = reason.chars().take(REASON_MAX).collect();
        self.end(FlashOutcome::Failed, begun, Some(&reason));
    }

    /// The board is as it is, whatever the server answers: a failure is a warning.
    fn end(self, outcome: FlashOutcome, sectors: usize, reason: Option<&str>) {
        let Some(Flash { server, device, id }) = self.0 else {
            return;
        };
        let end = FlashEnd {
            outcome,
            sectors: u32::try_from(sectors).unwrap_or(u32::MAX),
            bytes: (sectors * SECTOR) as u64,
            reason,
        };
        if let Err(error) = server.end_flash(device.id, id, &end) {
            warn(format_args!("the server does not know the outcome: {error}"));
        }
    }
}
