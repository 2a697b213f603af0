//! `fleetmint nvs check`: what is wrong with an image, and what the firmware will do about it.

use std::path::PathBuf;

use clap::Args;
use fleetmint_board::credentials;
use fleetmint_board::escape;
use fleetmint_board::provisioning::NAMESPACE;
use fleetmint_board::report::CheckReport;
use fleetmint_nvs::EspError;
use fleetmint_nvs::check::{FindingKind, Options, Report, Severity, check_with};
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::layout::entry_offset;
use fleetmint_nvs::storage::Mode;

use super::arguments::image::{Acceptance, ImageFile, ImageKeys, Partition, refusal};
use super::arguments::opened_as::OpenAs;
use crate::exit::Failure;
use crate::terminal::{self, Format, count, shown, table};

/// Report what is wrong with an image, and what the firmware will do about it
///
/// Each finding names the place, the fault, and what the firmware will do: nothing, or erase an entry, a page or everything.
/// The check also finds duplicate keys of which the firmware reads the old value, pages that are ignored when the partition
/// is opened read-only, a blob of which an interrupted update lost both versions, two namespaces of one name, no free page,
/// and too little room to change the largest value. The image file is not changed.
///
/// An error means that a value is lost, that the firmware fails, or that its start changes the partition. A warning means
/// that the firmware works, but not as expected, or not for long.
///
/// Exit codes: 0 clean, 1 findings, 2 unusable input.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint nvs check device.bin
  fleetmint nvs check flash.bin --partition nvs --keys keys/device-keys.bin
  fleetmint nvs check factory.bin --as readonly
  fleetmint nvs check provisioned.bin --fleetmint
  fleetmint nvs check device.bin --format json | jq '.findings[].firmware'")]
pub(crate) struct Arguments {
    /// The image: a partition, or a dump of the whole flash; - is standard input
    image: PathBuf,

    #[command(flatten)]
    keys: ImageKeys,

    #[command(flatten)]
    open_as: OpenAs,

    /// Also check the credentials in the namespace prov that a device of a Fleetmint service needs
    #[arg(long)]
    fleetmint: bool,

    /// Check the image even if it seems not to be NVS
    #[arg(long)]
    force: bool,

    /// Format of the output
    #[arg(long, default_value = "text")]
    format: Format,

    #[command(flatten)]
    partition: Partition,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let acceptance = Acceptance {
        readonly: arguments.open_as.is_readonly(),
        ..Acceptance::read_write(arguments.force)
    };
    let mut image = arguments
        .partition
        .read(&arguments.image, arguments.keys.keys.as_deref(), acceptance)?;
    let path = image.name().to_string();
    let mode = arguments.open_as.mode(&image);
    let cipher = image.keys().map(Keys::xts);
    let options = Options {
        mode,
        cipher: cipher.as_ref(),
        ..Options::default()
    };
    let report =
        check_with(image.bytes(), options).map_err(|error| Failure::unusable(format_args!("{path}: {error}")))?;
    let credentials = if arguments.fleetmint {
        credentials(&mut image, &report)?
    } else {
        Vec::new()
    };
    match arguments.format {
        Format::Text => terminal::print(&text(&path, mode, &report, &credentials))?,
        Format::Json => terminal::print_json(&CheckReport::new(image.offset(), &report, &credentials))?,
    }
    if report.is_clean() && credentials.is_empty() {
        Ok(())
    } else {
        Err(Failure::no(""))
    }
}

/// What is wrong with the credentials, if they can be read. A partition that cannot be opened for writing, such as a single
/// page, is opened read-only.
fn credentials(image: &mut ImageFile, report: &Report) -> Result<Vec<credentials::Finding>, Failure> {
    let mode = if report.read_write.is_ok() {
        Mode::ReadWrite
    } else {
        Mode::ReadOnly
    };
    if report
        .findings
        .iter()
        .any(|one| matches!(one.kind, FindingKind::WrongKey { .. }))
        || report.read_only.is_err()
    {
        return Ok(Vec::new());
    }
    let name = image.name().to_string();
    let listed = image.open(mode, false)?.list();
    Ok(credentials::check(&listed.map_err(|error| refusal(&name, &error))?))
}

fn text(path: &str, mode: Mode, report: &Report, credentials: &[credentials::Finding]) -> String {
    let of = |severity: Severity| {
        report
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let mut text = String::new();
    for finding in &report.findings {
        let line = shown(&finding.to_string(), 400);
        text.push_str(&format!("{}: {line}\n", severity(finding.severity)));
    }
    for finding in credentials {
        text.push_str(&format!("warning: {}\n", credential(finding)));
    }
    let verdict = match (of(Severity::Error), of(Severity::Warning) + credentials.len()) {
        (0, 0) => String::from("clean"),
        (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    text.push_str(&format!("{}: {verdict}\n", escape::line(path)));
    if mode == Mode::ReadWrite && matches!(report.read_write, Err(EspError::NoFreePages)) {
        text.push_str("--as readonly checks the image as a partition that the firmware only reads\n");
    }
    if let Some(stats) = &report.stats {
        let figure = |name: &str, number: usize| [name.to_string(), number.to_string(), (number * 32).to_string()];
        let figures = [
            figure("in use", stats.used_entries),
            figure("available", stats.available_entries),
            figure("in all", stats.total_entries),
        ];
        text.push('\n');
        for line in table(["", "ENTRIES", "BYTES"], &[1, 2], || figures.clone().into_iter()) {
            text.push_str(&line);
        }
    }
    text
}

/// The finding in one line.
fn credential(finding: &credentials::Finding) -> String {
    let place = finding.page_and_entry.map_or_else(String::new, |(page, entry)| {
        format!("page {page} entry {entry} (offset {:#x}): ", entry_offset(page, entry))
    });
    format!(
        "{place}key \"{}\" of namespace \"{NAMESPACE}\": {}",
        finding.setting, finding.fault
    )
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
