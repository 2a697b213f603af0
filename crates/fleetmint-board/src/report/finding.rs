//! What is wrong with an image, and what the firmware does about it.

use fleetmint_nvs::EspError;
use fleetmint_nvs::check::{Effect, Finding, FindingKind, Report, Severity, When};
use fleetmint_nvs::layout::entry_offset;
use fleetmint_nvs::storage::Stats;
use serde::Serialize;

use super::name::ItemName;
use crate::credentials;
use crate::provisioning::NAMESPACE;

/// The outcome of a check.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport<'a> {
    clean: bool,
    /// Offset of the partition in the file.
    partition_offset: usize,
    /// The outcome of the firmware's start with a partition that it may write to: `ESP_OK` or the error's name.
    read_write: &'static str,
    /// The same with a partition that has the flag readonly.
    readonly: &'static str,
    findings: Vec<FindingReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageReport>,
    start: StartReport,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct FindingReport<'a> {
    /// `error` or `warning`.
    severity: &'static str,
    /// A name that stays the same, for programs.
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<usize>,
    /// Offset in the partition.
    offset: usize,
    #[serde(flatten)]
    name: ItemName<'a>,
    /// The keys that are concerned, where they are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    /// The finding in words.
    what: String,
    /// What the firmware does: `nothing`, `loses-entry`, `erases-page`, `erases-partition`.
    firmware: &'static str,
    /// When it does that: `start`, `read`, `write`.
    when: &'static str,
}

/// How full the partition is, in entries.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct UsageReport {
    used_entries: usize,
    free_entries: usize,
    available_entries: usize,
    total_entries: usize,
    namespaces: usize,
}

/// What the firmware's start writes and erases, if it may.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StartReport {
    writes: usize,
    erases: usize,
}

impl<'a> CheckReport<'a> {
    /// The report on a partition at this offset in its file. `credentials` is empty if they were not checked.
    #[must_use]
    pub fn new(partition_offset: usize, report: &'a Report, credentials: &'a [credentials::Finding]) -> Self {
        let findings = report.findings.iter().map(FindingReport::from);
        Self {
            clean: report.is_clean() && credentials.is_empty(),
            partition_offset,
            read_write: outcome(report.read_write),
            readonly: outcome(report.read_only),
            findings: findings.chain(credentials.iter().map(FindingReport::from)).collect(),
            usage: report.stats.map(UsageReport::from),
            start: StartReport {
                writes: report.start.writes,
                erases: report.start.erases,
            },
        }
    }
}

impl From<Stats> for UsageReport {
    fn from(stats: Stats) -> Self {
        Self {
            used_entries: stats.used_entries,
            free_entries: stats.free_entries,
            available_entries: stats.available_entries,
            total_entries: stats.total_entries,
            namespaces: stats.namespace_count,
        }
    }
}

fn outcome(start: Result<(), EspError>) -> &'static str {
    start.map_or_else(EspError::name, |()| "ESP_OK")
}

impl<'a> From<&'a Finding> for FindingReport<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            severity: severity(finding.severity),
            rule: rule(&finding.kind),
            page: finding.page,
            entry: finding.entry,
            offset: finding.offset,
            name: ItemName::new(finding.namespace.as_ref(), finding.key.as_ref()),
            keys: finding.keys.iter().map(ToString::to_string).collect(),
            what: finding.what().to_string(),
            firmware: finding.effect.name(),
            when: finding.when.name(),
        }
    }
}

impl<'a> From<&'a credentials::Finding> for FindingReport<'a> {
    fn from(finding: &'a credentials::Finding) -> Self {
        Self {
            severity: severity(Severity::Warning),
            rule: "credential",
            page: finding.page_and_entry.map(|(page, _)| page),
            entry: finding.page_and_entry.map(|(_, entry)| entry),
            offset: finding
                .page_and_entry
                .map_or(0, |(page, entry)| entry_offset(page, entry)),
            name: ItemName::of_texts(NAMESPACE, finding.setting.key()),
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

/// The name of a rule. Programs rely on it.
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
