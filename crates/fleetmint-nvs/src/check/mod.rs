//! What is wrong with an image, and what the firmware will do about it.
//!
//! [`check`] runs the start of the firmware's library ([`crate::storage`]) on a copy and reports what it had to repair. Then
//! it reads every value, and looks for traps of the library that show up only when a value is lost.
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

mod finding;
mod message;
mod room;
mod traps;

pub use finding::{Effect, Finding, FindingKind, Severity, When};

use crate::crypt::Xts;
use crate::error::{Error, EspError};
use crate::key::RawName;
use crate::layout::{PAGE_SIZE, READ_WRITE_MIN};
use crate::sorted::{sort, sort_by};
use crate::storage::{
    Flash, FlashOps, Metered, Mode, PageFault, Repair, RepairKind, SliceFlash, Stats, Storage, check_key, pages,
};
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// What [`check`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What is wrong, sorted by place.
    pub findings: Vec<Finding>,
    /// Whether the firmware's read-write start succeeds; otherwise its error.
    pub read_write: Result<(), EspError>,
    /// The same for a partition with the flag `readonly`.
    pub read_only: Result<(), EspError>,
    /// How full the partition is after the start. `None`: the start fails.
    pub stats: Option<Stats>,
    /// What the read-write start writes and erases.
    pub start: FlashOps,
}

impl Report {
    /// Whether nothing is wrong.
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
pub struct Options<'a> {
    /// Whether the firmware may write to the partition, or the partition has the flag `readonly`.
    pub mode: Mode,
    /// The cipher of an encrypted image.
    pub cipher: Option<&'a Xts>,
    /// Called at each step; `false` stops the work, as with [`Flash::may_go_on`].
    pub meter: Option<&'a mut dyn FnMut(usize) -> bool>,
}

/// Checks the image of a partition that the firmware may write to; an encrypted image with its `cipher`. The image is not
/// changed.
///
/// # Errors
/// [`Error::PartitionSize`]. Everything else is a finding.
pub fn check(image: &[u8], cipher: Option<&Xts>) -> Result<Report, Error> {
    let options = Options {
        cipher,
        ..Options::default()
    };
    check_with(image, options)
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            mode: Mode::ReadWrite,
            cipher: None,
            meter: None,
        }
    }
}

impl core::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Options")
            .field("mode", &self.mode)
            .field("encrypted", &self.cipher.is_some())
            .field("metered", &self.meter.is_some())
            .finish()
    }
}

/// [`check`] with options.
///
/// # Errors
/// [`Error::PartitionSize`], [`Error::Stopped`]. Everything else is a finding.
pub fn check_with(image: &[u8], options: Options<'_>) -> Result<Report, Error> {
    let Options { mode, cipher, meter } = options;
    let mut unlimited = |_| true;
    let meter = meter.unwrap_or(&mut unlimited);
    let mut findings = Vec::new();
    let key = check_key(image, cipher);
    if let Err(Error::WrongKey {
        written,
        encrypted,
        plain,
    }) = key
    {
        let kind = FindingKind::WrongKey {
            written,
            encrypted,
            plain,
        };
        findings.push(Finding::of_partition(kind));
    }
    page_faults(image, mode, &mut findings);

    // A read-only start writes nothing, so both starts have the same copy, and the code for one kind of flash serves both.
    let mut copy = Zeroizing::new(image.to_vec());
    let flash = Metered::new(SliceFlash::new(&mut copy), &mut *meter);
    let mut opened = Storage::open_as_firmware(flash, Mode::ReadOnly, cipher.cloned());
    let mut report = Report {
        findings: Vec::new(),
        read_write: Ok(()),
        read_only: outcome(&opened)?,
        stats: None,
        start: FlashOps::default(),
    };
    if let Ok(storage) = &opened {
        traps::of_read_only(storage, &mut findings);
    }
    if mode == Mode::ReadOnly {
        match &mut opened {
            Err(error) => findings.extend(start_failure(error, image)),
            Ok(storage) => {
                report.stats = Some(storage.stats());
                if key.is_ok() {
                    traps::of_values(storage, &mut findings)?;
                }
            }
        }
    }
    drop(opened);

    let flash = Metered::new(SliceFlash::new(&mut copy), &mut *meter);
    let opened = Storage::open_as_firmware(flash, Mode::ReadWrite, cipher.cloned());
    report.read_write = outcome(&opened)?;
    match opened {
        _ if mode == Mode::ReadOnly => {}
        Err(error) => {
            findings.extend(start_failure(&error, image));
            if key.is_ok() && image.len() == PAGE_SIZE && matches!(error, Error::NoFreePages { .. }) {
                at_start_of_erased(image, cipher, meter, &mut findings)?;
            }
        }
        Ok(mut storage) => {
            report.stats = Some(storage.stats());
            report.start = storage.ops();
            // With the wrong key every entry is damaged, which is one finding and not thousands.
            if key.is_ok() {
                of_opened(&mut storage, &mut findings)?;
                room::closed_early(image, cipher, &mut findings);
            }
            room::left(&mut storage, &mut findings)?;
        }
    }
    sort_by(&mut findings, |a, b| (a.offset, a.entry).cmp(&(b.offset, b.entry)));
    if mode == Mode::ReadOnly {
        findings.iter_mut().for_each(Finding::judge_read_only);
    }
    report.findings = findings;
    Ok(report)
}

/// What the start repaired, and what reading finds.
fn of_opened<F: Flash>(storage: &mut Storage<F>, findings: &mut Vec<Finding>) -> Result<(), Error> {
    findings.extend(storage.repairs().iter().map(Finding::of_repair));
    findings.extend(lost_blobs(storage.repairs()));
    traps::of_values(storage, findings)
}

/// Checks an image of one page where it can be used: at the start of an erased partition.
fn at_start_of_erased(
    image: &[u8],
    cipher: Option<&Xts>,
    meter: &mut dyn FnMut(usize) -> bool,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let mut partition = Zeroizing::new(alloc::vec![0xFF; READ_WRITE_MIN]);
    for (to, from) in partition.iter_mut().zip(image) {
        *to = *from;
    }
    let flash = Metered::new(SliceFlash::new(&mut partition), meter);
    match Storage::open_as_firmware(flash, Mode::ReadWrite, cipher.cloned()) {
        Ok(mut storage) => of_opened(&mut storage, findings),
        Err(Error::Stopped) => Err(Error::Stopped),
        // The page itself fails in the same way, and that is reported.
        Err(_) => Ok(()),
    }
}

/// Whether the firmware's start succeeds; otherwise its code. Errors that are not the firmware's are returned.
fn outcome<T>(opened: &Result<T, Error>) -> Result<Result<(), EspError>, Error> {
    match opened {
        Ok(_) => Ok(Ok(())),
        Err(error @ (Error::PartitionSize { .. } | Error::Stopped)) => Err(error.clone()),
        Err(error) => Ok(Err(error.esp().unwrap_or(EspError::Fail))),
    }
}

/// Why the start fails.
fn start_failure(error: &Error, image: &[u8]) -> Option<Finding> {
    let kind = match error {
        Error::NoFreePages { .. } => FindingKind::NoFreePages {
            pages: image.len() / PAGE_SIZE,
        },
        Error::NewVersion { page, version } => {
            return Some(Finding::of_page(*page, FindingKind::NewVersion { version: *version }));
        }
        _ => FindingKind::StartFails { code: error.esp()? },
    };
    Some(Finding::of_partition(kind))
}

fn page_faults(image: &[u8], mode: Mode, findings: &mut Vec<Finding>) {
    for page in pages(image) {
        let kind = match page.fault {
            Some(PageFault::HeaderCrc) => FindingKind::PageHeader,
            Some(PageFault::State) => FindingKind::PageState {
                word: page.header.state_word,
            },
            // The firmware would erase it before it writes to it, which a read-only one never does.
            Some(PageFault::NotBlank) if mode == Mode::ReadOnly => continue,
            Some(PageFault::NotBlank) => FindingKind::PageNotBlank,
            // The start fails because of it, which is another finding.
            Some(PageFault::Version) | None => continue,
        };
        findings.push(Finding::of_page(page.number, kind));
    }
}

/// Blobs of which both versions are lost: the power failed between the new chunk and the new index, with the old chunk in
/// the same page. The start takes the old chunk for a duplicate of the new one; then neither index fits its chunks.
fn lost_blobs(repairs: &[Repair]) -> impl Iterator<Item = Finding> + '_ {
    let name = |repair: &Repair| (repair.ns_index, repair.name);
    let of_kind = |kind: RepairKind| repairs.iter().filter(move |repair| repair.kind == kind);
    let mut duplicates: Vec<(u8, RawName)> = of_kind(RepairKind::Duplicate).map(name).collect();
    sort(&mut duplicates);
    let lost = move |repair: &&Repair| duplicates.binary_search(&name(repair)).is_ok();
    of_kind(RepairKind::BlobMismatch)
        .filter(lost)
        .map(Finding::of_lost_blob)
}
