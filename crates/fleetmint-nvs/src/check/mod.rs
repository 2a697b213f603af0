//! What is wrong with an image, and what the firmware will do about it.
//!
//! [`check`] lets the firmware's own start ([`crate::storage`]) run on a copy and tells what it had to do; then it
//! reads every value and looks for the traps of ESP-IDF's library, which nothing tells of until they close.
//!
//! ```
//! use fleetmint_nvs::check::{self, Effect, When};
//! use fleetmint_nvs::image::{self, Item, Value};
//! use fleetmint_nvs::{Error, Key, Namespace};
//!
//! let item = Item::new(Namespace::new("wifi")?, Key::new("ssid")?, Value::Str("workshop"));
//! let mut image = image::encode(&[item], 0x3000)?;
//! assert!(check::check(&image, None)?.findings.is_empty());
//!
//! image[0x64] ^= 1; // the checksum of the string's entry
//! let report = check::check(&image, None)?;
//! assert_eq!((report.findings[0].effect, report.findings[0].when), (Effect::LosesEntry, When::Start));
//! # Ok::<(), Error>(())
//! ```

mod credentials;
mod finding;
mod traps;

pub use finding::{CredentialFault, Effect, Finding, FindingKind, Severity, When};

use crate::crypt::Xts;
use crate::error::{Error, EspError};
use crate::key::RawName;
use crate::storage::{
    FlashOps, Metered, Mode, PageFault, ReadOnlySlice, Repair, RepairKind, SliceFlash, Stats, Storage, check_key, pages,
};
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// What [`check`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What is wrong, by place.
    pub findings: Vec<Finding>,
    /// Whether the firmware's read-write start succeeds, and else its error.
    pub read_write: Result<(), EspError>,
    /// The same for a partition with the flag `readonly`.
    pub read_only: Result<(), EspError>,
    /// How full the partition is after a read-write start; `None` if that fails.
    pub stats: Option<Stats>,
    /// What the read-write start writes and erases.
    pub start: FlashOps,
}

impl Report {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether something is lost, fails, or is changed by the firmware's start.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// How an image is checked.
#[derive(Default)]
pub struct Options<'a> {
    /// The cipher of an encrypted image.
    pub cipher: Option<&'a Xts>,
    /// Told of each step and asked whether the work may go on, as
    /// [`Flash::may_go_on`](crate::storage::Flash::may_go_on).
    pub meter: Option<&'a mut dyn FnMut(usize) -> bool>,
}

/// Checks an image, encrypted if `cipher` is given. The image itself isn't changed.
///
/// # Errors
/// [`Error::PartitionSize`]. All else is a finding.
pub fn check(image: &[u8], cipher: Option<&Xts>) -> Result<Report, Error> {
    check_with(image, Options { cipher, meter: None })
}

impl core::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Options")
            .field("encrypted", &self.cipher.is_some())
            .field("metered", &self.meter.is_some())
            .finish()
    }
}

/// [`check`] with options.
///
/// # Errors
/// [`Error::PartitionSize`], [`Error::Stopped`]. All else is a finding.
pub fn check_with(image: &[u8], options: Options<'_>) -> Result<Report, Error> {
    let cipher = options.cipher;
    let mut unlimited = |_| true;
    let meter = options.meter.unwrap_or(&mut unlimited);
    let mut findings = Vec::new();
    let flash = Metered::new(ReadOnlySlice::new(image), &mut *meter);
    let opened = Storage::open(flash, Mode::ReadOnly, cipher.cloned());
    let read_only = outcome(&opened)?;
    if let Ok(storage) = &opened {
        traps::of_read_only(storage, &mut findings);
    }
    drop(opened);
    let mut copy = Zeroizing::new(image.to_vec());
    let flash = Metered::new(SliceFlash::new(&mut copy), &mut *meter);
    let opened = Storage::open(flash, Mode::ReadWrite, cipher.cloned());
    let mut report = Report {
        findings: Vec::new(),
        read_write: outcome(&opened)?,
        read_only,
        stats: None,
        start: FlashOps::default(),
    };
    page_faults(image, &mut findings);
    let key = check_key(image, cipher);
    if let Err(Error::WrongKey {
        written,
        encrypted,
        plain,
    }) = key
    {
        findings.push(Finding::of_partition(FindingKind::WrongKey {
            written,
            encrypted,
            plain,
        }));
    }
    match opened {
        Err(error) => findings.extend(start_failure(&error)),
        Ok(mut storage) => {
            report.stats = Some(storage.stats());
            report.start = storage.ops();
            // With the wrong key every entry is damaged, which is one finding and not thousands.
            if key.is_ok() {
                findings.extend(storage.repairs().iter().map(Finding::of_repair));
                findings.extend(lost_blobs(storage.repairs()));
                traps::of_values(&mut storage, &mut findings)?;
            }
            traps::of_space(&storage, &mut findings);
        }
    }
    findings.sort_by_key(|finding| (finding.offset, finding.entry));
    report.findings = findings;
    Ok(report)
}

/// The firmware's code for it, if what happened is the firmware's.
fn outcome<T>(opened: &Result<T, Error>) -> Result<Result<(), EspError>, Error> {
    match opened {
        Ok(_) => Ok(Ok(())),
        Err(error @ (Error::PartitionSize { .. } | Error::Stopped)) => Err(error.clone()),
        Err(error) => Ok(Err(error.esp().unwrap_or(EspError::Fail))),
    }
}

/// Why the start fails.
fn start_failure(error: &Error) -> Option<Finding> {
    let kind = match error {
        Error::NoFreePages { .. } => FindingKind::NoFreePages,
        Error::NewVersion { page, version } => {
            return Some(Finding::of_page(*page, FindingKind::NewVersion { version: *version }));
        }
        _ => FindingKind::StartFails { code: error.esp()? },
    };
    Some(Finding::of_partition(kind))
}

fn page_faults(image: &[u8], findings: &mut Vec<Finding>) {
    for page in pages(image) {
        let kind = match page.fault {
            Some(PageFault::HeaderCrc) => FindingKind::PageHeader,
            Some(PageFault::State) => FindingKind::PageState {
                word: page.header.state_word,
            },
            Some(PageFault::NotBlank) => FindingKind::PageNotBlank,
            // The start fails over it, and that is told.
            Some(PageFault::Version) | None => continue,
        };
        findings.push(Finding::of_page(page.number, kind));
    }
}

/// Blobs of which both versions are lost: the power went between the new chunk and the new index, with the old chunk on
/// the same page. The start takes the old chunk for a duplicate of the new one, and then neither index adds up.
fn lost_blobs(repairs: &[Repair]) -> impl Iterator<Item = Finding> + '_ {
    let name = |repair: &Repair| (repair.ns_index, repair.name);
    let of_kind = |kind: RepairKind| repairs.iter().filter(move |repair| repair.kind == kind);
    let mut duplicates: Vec<(u8, RawName)> = of_kind(RepairKind::Duplicate).map(name).collect();
    duplicates.sort_unstable();
    let lost = move |repair: &&Repair| duplicates.binary_search(&name(repair)).is_ok();
    of_kind(RepairKind::BlobMismatch)
        .filter(lost)
        .map(Finding::of_lost_blob)
}
