//! `fleetmint device import`: a device for each row of a table.
//!
//! ```text
//! csv ──► rows, rules ──► plan ──► create
//! bytes   what is wrong   what     row by row, each once
//!         with the table  is new
//! ```

mod create;
mod csv;
mod plan;
mod rows;
mod rules;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use self::create::Outcome;
use self::plan::{Known, Task};
use self::rows::Bad;
use crate::client::{Device, Models, Options, Server};
use crate::exit::Failure;
use crate::files;
use crate::records::{self, FormatArgument, Record};
use crate::terminal::{Progress, count, say};

/// The largest table in bytes.
const TABLE_MAX: u64 = 64 << 20;

/// Create a device for each row of a table
///
/// The columns are model (id or code), name, serial, base_url, token_url, mqtt_url, wifi_ssid and wifi_password, in any order;
/// model and name are required. An empty field inherits the value of the model or the server.
///
/// First the whole table is checked, and every bad line is named. While one is bad, nothing is created.
///
/// An import that was cut off is run again: it goes on where it stopped. A device that has the row's serial already is not
/// created again, and not changed. A row without a serial is recognized for 24 hours, by its model and name; give each row a
/// serial to be safe longer.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A table:
  model,name,serial,wifi_ssid,wifi_password
  tempsensor,Kitchen,SN-2026-000042,Home,correct horse
  tempsensor,Hall,SN-2026-000043,,

Examples:
  fleetmint device import devices.csv --dry-run
  fleetmint device import devices.csv --format csv > created.csv

The output has a row for each row of the table: its line, created or existed, and the device's id, key, client id, serial \
and name.")]
pub(crate) struct Arguments {
    /// The table; - is standard input
    #[arg(value_name = "F.csv")]
    table: PathBuf,

    /// Check the table, also against the server, and create nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    format: FormatArgument,

    #[command(flatten)]
    server: Options,
}

/// A row of the output.
#[derive(Debug, Serialize)]
struct Imported {
    line: u64,
    outcome: &'static str,
    device: Device,
}

impl Record for Imported {
    type Json = Self;

    fn json(&self) -> &Self {
        self
    }

    fn names() -> Vec<String> {
        ["line", "outcome", "id", "key", "client_id", "serial", "name"]
            .map(str::to_owned)
            .into()
    }

    fn values(&self) -> Vec<String> {
        let device = &self.device;
        vec![
            self.line.to_string(),
            self.outcome.to_owned(),
            device.id.to_string(),
            device.key.clone(),
            device.client_id.clone(),
            device.serial.clone().unwrap_or_default(),
            device.name.clone(),
        ]
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let name = files::input_name(&arguments.table);
    let file = files::read_up_to(&arguments.table, TABLE_MAX)?;
    let (rows, mut bad) = rows::read(&file);
    drop(file);
    // With a bad header there are no rows to compare.
    if rows.is_empty() {
        return Err(refuse(&name, bad));
    }
    let server = Server::open(&arguments.server)?;
    let (models, known) = (Models::all(&server)?, Known::all(&server)?);
    let tasks = plan::plan(rows, &models, &known, &mut bad);
    if !bad.is_empty() {
        return Err(refuse(&name, bad));
    }
    let existing = tasks.iter().filter(|task| task.existing.is_some()).count();
    if arguments.dry_run {
        say(format_args!(
            "{name}: {}, all of them right: {existing} exist already, {} would be created",
            count(tasks.len(), "row"),
            tasks.len() - existing
        ));
        return Ok(());
    }
    let mut imported = Vec::with_capacity(tasks.len());
    let outcome = create_all(&name, &server, &tasks, &known, &mut imported);
    records::print_all(
        arguments.format.format,
        &imported,
        ["line", "outcome", "id", "key", "serial", "name"],
    )?;
    let created = imported.iter().filter(|imported| imported.outcome == CREATED).count();
    say(format_args!(
        "{name}: {}: {created} created, {} existed already",
        count(tasks.len(), "row"),
        imported.len() - created
    ));
    outcome
}

const CREATED: &str = "created";
const EXISTED: &str = "existed";

fn create_all(
    name: &str,
    server: &Server,
    tasks: &[Task],
    known: &Known,
    imported: &mut Vec<Imported>,
) -> Result<(), Failure> {
    let mut progress = Progress::new("devices", tasks.len());
    let mut refused = 0;
    for task in tasks {
        let line = task.row.line;
        let mut add = |outcome, device| imported.push(Imported { line, outcome, device });
        match create::create(server, task, known) {
            Ok(Outcome::Created(device)) => add(CREATED, device),
            Ok(Outcome::Existed(device)) => add(EXISTED, device),
            Ok(Outcome::Refused(bad)) => {
                refused += 1;
                bad.iter().for_each(|bad| say(format_args!("{name}:{bad}")));
            }
            Err(error) => {
                let Failure { message, exit } = error.into();
                return Err(Failure {
                    message: format!(
                        "{name}:{line}: {message}; the import stopped here, and the same command goes on where it stopped"
                    ),
                    exit,
                });
            }
        }
        progress.step();
    }
    match refused {
        0 => Ok(()),
        refused => Err(Failure::no(format_args!(
            "{name}: the server refused {}, see above; the others are there",
            count(refused, "row")
        ))),
    }
}

/// Names every bad place.
fn refuse(name: &str, mut bad: Vec<Bad>) -> Failure {
    bad.sort_by_key(|bad| bad.line);
    for bad in &bad {
        say(format_args!("{name}:{bad}"));
    }
    Failure::unusable(format_args!(
        "{name}: nothing was created: {} must be corrected first",
        count(bad.len(), "place")
    ))
}
