//! What is shown of a flash, for people and for programs.

use std::fmt::Write as _;

use fleetmint_board::flash_dump::SECTOR;
use fleetmint_board::partition_table::quoted_name;
use fleetmint_board::plan::Plan;
use fleetmint_board::report::MaskedKey;
use serde::Serialize;

use super::board::Board;
use super::interrupted::Interrupted;
use super::source::Source;
use super::{Arguments, Format, Outcome};
use crate::chip::Identity;
use crate::exit::Failure;
use crate::terminal::{self, count, say, shown, warn};

/// Characters of a line that are shown.
const LINE_MAX: usize = 400;

pub(super) struct Report<'a> {
    board: &'a Board,
    source: &'a Source,
    plan: &'a Plan,
    interrupted: Option<&'a Interrupted>,
    changed: &'a [usize],
}

#[derive(Serialize)]
struct Json<'a> {
    outcome: &'static str,
    board: JsonBoard<'a>,
    partition: JsonPartition<'a>,
    device: Option<JsonDevice<'a>>,
    /// The write that was cut off before.
    interrupted: Option<JsonInterrupted<'a>>,
    sectors: usize,
    changed_sectors: &'a [usize],
    bytes: usize,
    diff: &'a [MaskedKey<'static>],
    /// What is in other namespaces, and stays.
    others: JsonOthers,
    overwritten: Option<JsonOverwritten>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct JsonBoard<'a> {
    #[serde(flatten)]
    identity: &'a Identity,
    port: &'a str,
}

#[derive(Serialize)]
struct JsonPartition<'a> {
    name: &'a str,
    offset: usize,
    size: usize,
    encrypted: bool,
}

#[derive(Serialize)]
struct JsonDevice<'a> {
    id: i64,
    key: &'a str,
    client_id: &'a str,
}

#[derive(Serialize)]
struct JsonInterrupted<'a> {
    started: &'a str,
    what: &'a str,
    sectors: usize,
    written: usize,
    changed_since: usize,
    outdated: bool,
}

#[derive(Serialize)]
struct JsonOthers {
    values: usize,
    namespaces: usize,
}

#[derive(Serialize)]
struct JsonOverwritten {
    why: String,
    namespaces: usize,
    keys: usize,
    unreadable_entries: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        board: &'a Board,
        source: &'a Source,
        plan: &'a Plan,
        interrupted: Option<&'a Interrupted>,
        changed: &'a [usize],
    ) -> Self {
        Self {
            board,
            source,
            plan,
            interrupted,
            changed,
        }
    }

    /// What is on the cable, and what will change: the answer for people.
    pub(super) fn print(&self) -> Result<(), Failure> {
        terminal::print(&self.text())?;
        self.warn();
        Ok(())
    }

    /// The same for a person who is asked, beside the answer for programs.
    pub(super) fn say(&self) {
        self.text().lines().for_each(say);
        self.warn();
    }

    fn text(&self) -> String {
        let Board {
            identity, port, target, ..
        } = self.board;
        let (nvs, plan) = (&target.nvs, self.plan);
        let on = |is_on| if is_on { "on" } else { "off" };
        let mut text = format!(
            "board      {} {}, {} of flash, on {}\nsecurity   flash encryption {}, secure boot {}\n",
            identity.chip,
            identity.mac,
            flash_size(identity.flash_size),
            shown(port, LINE_MAX),
            on(identity.security.flash_encryption),
            on(identity.security.secure_boot),
        );
        // Writing to memory does not fail.
        let _ = writeln!(
            text,
            "partition  {}, {:#x} bytes at offset {:#x}, {}",
            quoted_name(&nvs.name),
            nvs.size,
            nvs.offset,
            if plan.is_encrypted {
                "encrypted"
            } else {
                "not encrypted"
            }
        );
        let source = match self.source.device() {
            Some(device) => format!("device {} ({})", device.key, shown(&device.name, LINE_MAX)),
            None => shown(&self.source.name(), LINE_MAX),
        };
        let _ = writeln!(text, "writes     {source}\n");
        for key in &plan.differences {
            let _ = writeln!(text, "{}", shown(&key.to_string(), LINE_MAX));
        }
        if !plan.differences.is_empty() {
            text.push('\n');
        }
        let others = plan.others;
        if others.values > 0 {
            let _ = writeln!(
                text,
                "{} in {} stay as they are",
                count(others.values, "other value"),
                count(others.namespaces, "namespace")
            );
        }
        let sectors = count(nvs.size / SECTOR, "sector");
        let _ = match self.changed.len() {
            0 => writeln!(text, "nothing to write: the board already has these values"),
            changed => writeln!(text, "{changed} of {sectors} to write"),
        };
        text
    }

    fn warn(&self) {
        if let Some(interrupted) = self.interrupted {
            interrupted.sentences().lines().for_each(say);
        }
        if let Some(overwritten) = &self.plan.overwritten {
            warn(format_args!(
                "the partition is replaced by a fresh one, and {} are lost: {}",
                overwritten.lost, overwritten.why
            ));
        }
        self.plan.warnings.iter().for_each(warn);
    }

    /// What became of it.
    pub(super) fn end(&self, arguments: &Arguments, outcome: Outcome) -> Result<(), Failure> {
        if let Format::Json = arguments.format {
            return terminal::print_json(&self.json(outcome));
        }
        match outcome {
            Outcome::Written => say(format_args!(
                "{} written and verified",
                count(self.changed.len(), "sector")
            )),
            Outcome::Planned => say("nothing is written (--dry-run)"),
            Outcome::Unchanged => {}
        }
        Ok(())
    }

    fn json(&self, outcome: Outcome) -> Json<'a> {
        let nvs = &self.board.target.nvs;
        let plan = self.plan;
        Json {
            outcome: match outcome {
                Outcome::Unchanged => "unchanged",
                Outcome::Planned => "planned",
                Outcome::Written => "written",
            },
            board: JsonBoard {
                identity: &self.board.identity,
                port: &self.board.port,
            },
            partition: JsonPartition {
                name: &nvs.name,
                offset: nvs.offset,
                size: nvs.size,
                encrypted: plan.is_encrypted,
            },
            device: self.source.device().map(|device| JsonDevice {
                id: device.id,
                key: &device.key,
                client_id: &device.client_id,
            }),
            interrupted: self.interrupted.map(|interrupted| JsonInterrupted {
                started: &interrupted.journal.facts.started,
                what: &interrupted.journal.facts.what,
                sectors: interrupted.sectors,
                written: interrupted.written,
                changed_since: interrupted.since,
                outdated: interrupted.outdated,
            }),
            sectors: nvs.size / SECTOR,
            changed_sectors: self.changed,
            bytes: self.changed.len() * SECTOR,
            diff: &plan.differences,
            others: JsonOthers {
                values: plan.others.values,
                namespaces: plan.others.namespaces,
            },
            overwritten: plan.overwritten.as_ref().map(|overwritten| JsonOverwritten {
                why: overwritten.why.to_string(),
                namespaces: overwritten.lost.namespaces,
                keys: overwritten.lost.keys,
                unreadable_entries: overwritten.lost.unreadable_entries,
            }),
            warnings: plan.warnings.iter().map(ToString::to_string).collect(),
        }
    }
}

fn flash_size(bytes: usize) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib => format!("{mib} MiB"),
    }
}
