//! `fleetmint nvs check`: what is wrong with an image, and what the firmware will do about it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fleetmint_board::credentials;
use fleetmint_board::escape;
use fleetmint_board::provisioning::NAMESPACE;
use fleetmint_nvs::EspError;
use fleetmint_nvs::check::{Effect, Finding, FindingKind, Options, Report, Severity, When, check_with};
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::layout::entry_offset;
use fleetmint_nvs::storage::Mode;
use serde::Serialize;

use super::arguments::image::{ImageFile, ImageKeys, Partition, Taken, refusal};
use super::arguments::opened_as::OpenAs;
use super::json::Name;
use crate::exit::Failure;
use crate::terminal::{self, count, shown, table};

/// Say what is wrong with an image, and what the firmware will do about it
#[derive(Debug, Args)]
#[command(
    long_about = "Says what is wrong with an image, where, and what the firmware will do about it: nothing, erase an entry, a page or \
        everything. It knows the traps of the firmware's library too: duplicates that read the old value, pages that vanish \
        when opened read-only, a blob update that lost both versions, two namespaces of one name, no free page, too little \
        room to change the largest value. The image stays as it is.\n\n\
        An error is lost, fails, or is changed by the firmware's start; a warning works, but not as one would think, or not \
        for long.\n\n\
        Exit codes: 0 clean, 1 findings, 2 unusable input.",
    after_long_help = "\
Examples:
  fleetmint nvs check device.bin
  fleetmint nvs check flash.bin --partition nvs --keys keys/device-keys.bin
  fleetmint nvs check factory.bin --as readonly
  fleetmint nvs check provisioned.bin --fleetmint
  fleetmint nvs check device.bin --format json | jq '.findings[].firmware'"
)]
pub(crate) struct Arguments {
    /// The image: a partition, or a whole flash dump; - is standard input
    image: PathBuf,

    #[command(flatten)]
    keys: ImageKeys,

    #[command(flatten)]
    open_as: OpenAs,

    /// Check the credentials in the namespace prov too, as a device of a Fleetmint service needs them
    #[arg(long)]
    fleetmint: bool,

    /// Check it even if it seems not to be NVS
    #[arg(long)]
    force: bool,

    /// How to show it
    #[arg(long, default_value = "text")]
    format: Format,

    #[command(flatten)]
    partition: Partition,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A line for each finding
    Text,
    /// For programs
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let taken = Taken {
        readonly: arguments.open_as.is_readonly(),
        ..Taken::read_write(arguments.force)
    };
    let mut image = arguments
        .partition
        .read(&arguments.image, arguments.keys.keys.as_deref(), taken)?;
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
        Format::Json => terminal::print_json(&json(image.offset(), &report, &credentials))?,
    }
    if report.is_clean() && credentials.is_empty() {
        Ok(())
    } else {
        Err(Failure::no(""))
    }
}

/// What is wrong with the credentials, if they can be read: read-only, as a single page can be read in no other way.
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
        text.push_str("--as readonly checks it as a partition that is only read\n");
    }
    if let Some(stats) = &report.stats {
        let figure = |name: &str, number: usize| [name.to_string(), number.to_string(), (number * 32).to_string()];
        let figures = [
            figure("in use", stats.used_entries),
            figure("available", stats.available_entries),
            figure("in all", stats.total_entries),
        ];
        text.push('\n');
        text.extend(table(["", "ENTRIES", "BYTES"], &[1, 2], || figures.clone().into_iter()));
    }
    text
}

#[derive(Serialize)]
struct Checked<'a> {
    clean: bool,
    /// Where the partition begins in the file.
    partition_offset: usize,
    /// The outcome of the firmware's start, read-write and as a partition with the flag readonly.
    read_write: &'static str,
    readonly: &'static str,
    findings: Vec<Found<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    /// What the firmware's read-write start writes and erases.
    start: Start,
}

#[derive(Serialize)]
struct Found<'a> {
    severity: &'static str,
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<usize>,
    offset: usize,
    #[serde(flatten)]
    name: Name<'a>,
    /// Keys that it is about, where they are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    what: String,
    /// What the firmware does: nothing, loses-entry, erases-page, erases-partition.
    firmware: &'static str,
    /// When it does it: start, read, write.
    when: &'static str,
}

#[derive(Serialize)]
struct Usage {
    used_entries: usize,
    free_entries: usize,
    available_entries: usize,
    total_entries: usize,
    namespaces: usize,
}

#[derive(Serialize)]
struct Start {
    writes: usize,
    erases: usize,
}

/// A line for people.
fn credential(finding: &credentials::Finding) -> String {
    let place = finding.place.map_or_else(String::new, |(page, entry)| {
        format!("page {page} entry {entry} (offset {:#x}): ", entry_offset(page, entry))
    });
    format!(
        "{place}key \"{}\" of namespace \"{NAMESPACE}\": {}",
        finding.setting, finding.fault
    )
}

fn json<'a>(partition_offset: usize, report: &'a Report, credentials: &'a [credentials::Finding]) -> Checked<'a> {
    let findings = report.findings.iter().map(Found::from);
    Checked {
        clean: report.is_clean() && credentials.is_empty(),
        partition_offset,
        read_write: outcome(report.read_write),
        readonly: outcome(report.read_only),
        findings: findings.chain(credentials.iter().map(Found::from)).collect(),
        usage: report.stats.map(|stats| Usage {
            used_entries: stats.used_entries,
            free_entries: stats.free_entries,
            available_entries: stats.available_entries,
            total_entries: stats.total_entries,
            namespaces: stats.namespace_count,
        }),
        start: Start {
            writes: report.start.writes,
            erases: report.start.erases,
        },
    }
}

fn outcome(start: Result<(), EspError>) -> &'static str {
    start.map_or_else(EspError::name, |()| "ESP_OK")
}

impl<'a> From<&'a Finding> for Found<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            severity: severity(finding.severity),
            rule: rule(&finding.kind),
            page: finding.page,
            entry: finding.entry,
            offset: finding.offset,
            name: Name::new(finding.namespace.as_ref(), finding.key.as_ref()),
            keys: finding.keys.iter().map(ToString::to_string).collect(),
            what: finding.what().to_string(),
            firmware: finding.effect.name(),
            when: finding.when.name(),
        }
    }
}

impl<'a> From<&'a credentials::Finding> for Found<'a> {
    fn from(finding: &'a credentials::Finding) -> Self {
        Self {
            severity: severity(Severity::Warning),
            rule: "credential",
            page: finding.place.map(|(page, _)| page),
            entry: finding.place.map(|(_, entry)| entry),
            offset: finding.place.map_or(0, |(page, entry)| entry_offset(page, entry)),
            name: Name::of_texts(NAMESPACE, finding.setting.key()),
            keys: Vec::new(),
            what: finding.fault.to_string(),
            firmware: Effect::Nothing.name(),
            when: When::Read.name(),
        }
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// A name that stays, for programs.
const fn rule(kind: &FindingKind) -> &'static str {
    match kind {
        FindingKind::WrongKey { .. } => "wrong-key",
        FindingKind::NoFreePages { .. } => "no-free-pages",
        FindingKind::NewVersion { .. } => "new-version",
        FindingKind::StartFails { .. } => "start-fails",
        FindingKind::PageHeader => "page-header",
        FindingKind::PageState { .. } => "page-state",
        FindingKind::PageNotBlank => "page-not-blank",
        FindingKind::Repair(_) => "repair",
        FindingKind::BlobLost => "blob-lost",
        FindingKind::Unreadable { .. } => "unreadable",
        FindingKind::Orphan => "orphan",
        FindingKind::Duplicate => "duplicate",
        FindingKind::TwoTypes { .. } => "two-types",
        FindingKind::NamespaceAny => "namespace-any",
        FindingKind::ReadOnlyVanishes => "readonly-vanishes",
        FindingKind::NoRoom => "no-room",
        FindingKind::LowRoom { .. } => "low-room",
        FindingKind::ClosedEarly { .. } => "closed-early",
        FindingKind::NamespaceTwice { .. } => "namespace-twice",
        _ => "other",
    }
}
