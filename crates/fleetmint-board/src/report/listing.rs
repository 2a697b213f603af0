//! The values of a partition without the values themselves.

use std::borrow::Cow;

use fleetmint_nvs::storage::{Flash, Listed, Repair, Storage};
use fleetmint_nvs::{EspError, RawName};
use serde::Serialize;

use super::finding::UsageReport;
use super::name::{ItemName, text_or_hex};
use super::{is_false, is_true};
use crate::provisioning::Setting;
use crate::stored;

/// The values of a partition as the firmware lists them after its start, masked: where each is and how large.
#[derive(Clone, Debug, Serialize)]
pub struct ListingReport<'a> {
    entries: Vec<ListedReport<'a>>,
    namespaces: Vec<NamespaceReport<'a>>,
    usage: PartitionUsage,
    /// What the firmware's start repairs.
    repairs: Vec<RepairReport>,
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DeviceReport<'a>>,
}

/// What a partition holds besides its values.
#[derive(Clone, Debug)]
pub struct Around {
    namespaces: Vec<(RawName, u8)>,
    usage: PartitionUsage,
    repairs: Vec<RepairReport>,
    encrypted: bool,
}

#[derive(Clone, Debug, Serialize)]
struct ListedReport<'a> {
    index: usize,
    #[serde(flatten)]
    name: ItemName<'a>,
    #[serde(rename = "type")]
    value_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    ns_index: u8,
    page: usize,
    slot: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    orphan: bool,
    #[serde(skip_serializing_if = "is_false")]
    repeat: bool,
    #[serde(skip_serializing_if = "is_false")]
    unreachable: bool,
    #[serde(skip_serializing_if = "is_true")]
    iterated: bool,
}

#[derive(Clone, Debug, Serialize)]
struct NamespaceReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<String>,
    index: u8,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct PartitionUsage {
    pages: usize,
    #[serde(flatten)]
    entries: UsageReport,
}

#[derive(Clone, Debug, Serialize)]
struct RepairReport {
    page: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<usize>,
    what: String,
}

/// The device whose values a partition holds. None of these is secret.
#[derive(Clone, Debug, Serialize)]
struct DeviceReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    device_key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<Cow<'a, str>>,
}

impl Around {
    /// Of a partition that was opened just now.
    #[must_use]
    pub fn new<F: Flash>(storage: &Storage<F>, pages: usize, encrypted: bool) -> Self {
        Self {
            namespaces: storage.namespaces().collect(),
            usage: PartitionUsage {
                pages,
                entries: storage.stats().into(),
            },
            repairs: storage.repairs().iter().map(RepairReport::from).collect(),
            encrypted,
        }
    }
}

impl<'a> ListingReport<'a> {
    #[must_use]
    pub fn new(around: &'a Around, listed: &'a [Listed]) -> Self {
        let namespace = |(name, index): &'a (RawName, u8)| {
            let (text, hex) = text_or_hex(Some(name));
            NamespaceReport {
                name: text,
                name_hex: hex,
                index: *index,
            }
        };
        Self {
            entries: listed.iter().enumerate().map(ListedReport::new).collect(),
            namespaces: around.namespaces.iter().map(namespace).collect(),
            usage: around.usage,
            repairs: around.repairs.clone(),
            encrypted: around.encrypted,
            device: DeviceReport::new(listed),
        }
    }
}

impl<'a> ListedReport<'a> {
    fn new((index, listed): (usize, &'a Listed)) -> Self {
        let (page, slot) = listed.place;
        Self {
            index,
            name: listed.into(),
            value_type: listed.value_type.name(),
            size: listed.stored_size(),
            ns_index: listed.ns_index,
            page,
            slot,
            error: listed.stored().as_ref().err().map(|error: &EspError| error.name()),
            orphan: listed.orphan,
            repeat: listed.repeat,
            unreachable: listed.unreachable.is_some(),
            iterated: listed.iterated,
        }
    }
}

impl<'a> DeviceReport<'a> {
    fn new(listed: &'a [Listed]) -> Option<Self> {
        let device = Self {
            device_key: stored::text(listed, Setting::DeviceKey),
            client_id: stored::text(listed, Setting::ClientId),
        };
        (device.device_key.is_some() || device.client_id.is_some()).then_some(device)
    }
}

impl From<&Repair> for RepairReport {
    fn from(repair: &Repair) -> Self {
        Self {
            page: repair.page,
            entry: repair.entry,
            what: repair.kind.to_string(),
        }
    }
}
