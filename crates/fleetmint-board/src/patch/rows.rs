//! A list of changes made in the image of a partition, as `fleetmint nvs patch` does.

use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::csv::Row;
use fleetmint_nvs::diff::diff;
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::storage::{Listed, Metered, Mode, SliceFlash, Storage};
use zeroize::Zeroizing;

use super::{Error, Meter, ReadFile, changed_sectors, not_opened};
use crate::flash_dump::check_nvs;
use crate::report::{self, ChangedKey, MaskedKey};

/// What a list of changes did.
#[derive(Clone, Debug)]
pub struct Made {
    /// Rows that were carried out.
    pub rows: usize,
    /// Rows that delete a key which does not exist.
    pub absent: usize,
    /// Repairs of the firmware's start, before the first row.
    pub repairs: usize,
    /// The numbers of the 4096-byte sectors that differ.
    pub changed_sectors: Vec<usize>,
    /// The keys that differ, by namespace and key.
    pub differences: Vec<MaskedKey<'static>>,
}

/// Makes the calls of a list of changes in `image`, as the firmware would. With `force` also if it would erase everything
/// first. A `file` row fails: there are no files here.
///
/// # Errors
/// [`Error::OnePage`], [`Error::NotNvs`], [`Error::WrongKey`], [`Error::Open`], [`Error::Row`].
pub fn rows(image: &mut [u8], cipher: Option<&Xts>, rows: &[Row], salt: &[u8], force: bool) -> Result<Made, Error> {
    if image.len() == PAGE_SIZE {
        return Err(Error::OnePage);
    }
    if !force {
        check_nvs(image)?;
    }
    let before = Zeroizing::new(image.to_vec());
    let mut unlimited = |_| true;
    let meter: Meter<'_> = &mut unlimited;
    let flash = Metered::new(SliceFlash::new(image), &mut *meter);
    let open = match force {
        true => Storage::open_as_firmware,
        false => Storage::open,
    };
    let mut storage = open(flash, Mode::ReadWrite, cipher.cloned()).map_err(not_opened)?;
    let repairs = storage.repairs().len();
    let read_file: ReadFile<'_> = &mut |_| Err(String::from("there are no files here: give the value itself"));
    let patched = storage.patch(rows, read_file).map_err(Error::Row)?;
    drop(storage);
    let (old, new) = (list(&before, cipher, meter)?, list(image, cipher, meter)?);
    let differences = report::masked(&diff(&old, &new), salt);
    Ok(Made {
        rows: patched.rows,
        absent: patched.absent,
        repairs,
        changed_sectors: changed_sectors(&before, image),
        differences: differences.into_iter().map(ChangedKey::into_owned).collect(),
    })
}

/// The values that the firmware lists, in a copy: the firmware erases what it cannot read.
fn list(image: &[u8], cipher: Option<&Xts>, meter: Meter<'_>) -> Result<Vec<Listed>, Error> {
    let mut copy = Zeroizing::new(image.to_vec());
    let flash = Metered::new(SliceFlash::new(&mut copy), meter);
    Storage::open_as_firmware(flash, Mode::ReadWrite, cipher.cloned())
        .and_then(|mut storage| storage.list())
        .map_err(not_opened)
}
