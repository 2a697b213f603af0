//! What a flash plan changes.

use serde::Serialize;

use super::problem::ProblemReport;
use crate::plan::{Plan, Warning};
use crate::report::MaskedKey;

/// A flash plan without the bytes.
#[derive(Clone, Debug, Serialize)]
pub struct PlanReport<'a> {
    sectors: Vec<SectorReport>,
    differences: &'a [MaskedKey<'static>],
    others: OthersReport,
    encrypted: bool,
    unchanged: bool,
    warnings: Vec<WarningReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overwritten: Option<OverwrittenReport>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct SectorReport {
    /// In the partition.
    number: usize,
    /// In the flash.
    offset: usize,
}

/// What is in other namespaces, and stays.
#[derive(Clone, Copy, Debug, Serialize)]
struct OthersReport {
    values: usize,
    namespaces: usize,
}

/// What a person should know before the plan is carried out.
#[derive(Clone, Debug, Serialize)]
struct WarningReport<'a> {
    /// A name that stays the same.
    kind: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

/// What a fresh partition replaces.
#[derive(Clone, Debug, Serialize)]
struct OverwrittenReport {
    kind: &'static str,
    message: String,
    namespaces: usize,
    keys: usize,
    unreadable_entries: usize,
}

impl<'a> From<&'a Plan> for PlanReport<'a> {
    fn from(plan: &'a Plan) -> Self {
        let sectors = plan.sectors().map(|sector| SectorReport {
            number: sector.number,
            offset: sector.offset,
        });
        let overwritten = plan.overwritten.as_ref().map(|overwritten| {
            let ProblemReport { kind, message, .. } = (&overwritten.why).into();
            OverwrittenReport {
                kind,
                message,
                namespaces: overwritten.lost.namespaces,
                keys: overwritten.lost.keys,
                unreadable_entries: overwritten.lost.unreadable_entries,
            }
        });
        Self {
            sectors: sectors.collect(),
            differences: &plan.differences,
            others: OthersReport {
                values: plan.others.values,
                namespaces: plan.others.namespaces,
            },
            encrypted: plan.is_encrypted,
            unchanged: plan.is_unchanged(),
            warnings: plan.warnings.iter().map(WarningReport::from).collect(),
            overwritten,
        }
    }
}

impl<'a> From<&'a Warning> for WarningReport<'a> {
    fn from(warning: &'a Warning) -> Self {
        let (mut count, mut size, mut partition, mut key) = (None, None, None, None);
        let kind = match warning {
            Warning::Repairs { count: repairs } => {
                count = Some(*repairs);
                "repairs"
            }
            Warning::NoKeysYet { partition: name } => {
                partition = Some(name.as_str());
                "no-keys-yet"
            }
            Warning::NoLongerEncrypted => "no-longer-encrypted",
            Warning::Small { size: bytes } => {
                size = Some(*bytes);
                "small"
            }
            Warning::OtherDevice { key: device } => {
                key = Some(device.as_str());
                "other-device"
            }
        };
        Self {
            kind,
            message: warning.to_string(),
            count,
            size,
            partition,
            key,
        }
    }
}
