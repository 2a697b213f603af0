//! Finds the differences between two states of a partition with little memory.
//!
//! A partition of 16 MiB can hold half a million values, and a listing of them takes several times its size. So each state
//! is read twice: first for a hash of each value, which shows the names that differ, then for the values of these names.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::diff::diff;
use fleetmint_nvs::layout::ENTRY_SIZE;
use fleetmint_nvs::sorted::sort_by;
use fleetmint_nvs::storage::{Listed, Metered, Mode, SliceFlash, Storage, Value};
use zeroize::Zeroizing;

use super::{Error, Meter, Others, not_opened};
use crate::provisioning::{NAMESPACE, Setting};
use crate::report::{self, ChangedKey, MaskedKey};

/// The most names that may differ. A patch changes eight. More differ if the firmware's start erases damaged values, or if
/// items of no namespace become items of the new one.
pub(super) const NAMES_MAX: usize = 4096;

/// The most bytes that their values may have in one state: a quarter of the partition, or this if it is more.
const VALUES_MIN: usize = 256 << 10;

/// Reads the states of one partition, one after the other.
pub(crate) struct Reader<'a> {
    cipher: Option<Xts>,
    salt: &'a [u8],
    /// Reading erases what cannot be read, so it uses a copy.
    copy: Zeroizing<Vec<u8>>,
}

/// Two states of a partition compared.
pub(super) struct Compared {
    /// The keys that differ: at most [`NAMES_MAX`].
    pub(super) differences: Vec<MaskedKey<'static>>,
    pub(super) others: Others,
    /// The device whose identity the first state holds.
    pub(super) device_key: Option<String>,
}

/// The hash of a name, and the hash of one of its values.
type Row = (u64, u64);

impl<'a> Reader<'a> {
    /// For partitions of `size` bytes.
    pub(crate) fn new(size: usize, cipher: Option<Xts>, salt: &'a [u8]) -> Self {
        Self {
            cipher,
            salt,
            copy: Zeroizing::new(vec![0; size]),
        }
    }

    /// What differs, and what is in other namespaces than those that were `opened`.
    pub(super) fn compare(
        &mut self,
        before: &[u8],
        after: &[u8],
        opened: &HashSet<Vec<u8>>,
        meter: Meter<'_>,
    ) -> Result<Compared, Error> {
        let mut device_key = None;
        let old = self.rows(before, meter, |listed| {
            if device_key.is_none() {
                device_key = text_of(listed, Setting::DeviceKey);
            }
        })?;
        let mut others = Others::default();
        let mut namespaces = HashSet::new();
        let new = self.rows(after, meter, |listed| {
            if !opened.contains(listed.namespace.as_bytes()) {
                others.values += 1;
                if !listed.orphan {
                    namespaces.insert(listed.namespace);
                }
            }
        })?;
        others.namespaces = namespaces.len();
        let names = differing(&old, &new)?;
        Ok(Compared {
            differences: self.differences(before, after, &names, meter)?,
            others,
            device_key,
        })
    }

    /// The keys with these names, by namespace and key.
    fn differences(
        &mut self,
        before: &[u8],
        after: &[u8],
        names: &HashSet<u64>,
        meter: Meter<'_>,
    ) -> Result<Vec<MaskedKey<'static>>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let (old, new) = (self.values(before, names, meter)?, self.values(after, names, meter)?);
        let differences = report::masked(&diff(&old, &new), self.salt);
        Ok(differences.into_iter().map(ChangedKey::into_owned).collect())
    }

    /// The hashes of the names in a partition; with `readable`, only of those whose value can be read.
    pub(crate) fn names(&mut self, image: &[u8], readable: bool, meter: Meter<'_>) -> Result<HashSet<u64>, Error> {
        let salt = self.salt;
        let mut names = HashSet::new();
        self.visit(image, meter, &mut |listed| {
            if !readable || listed.stored().is_ok() {
                names.insert(name_hash(salt, &listed));
            }
        })?;
        Ok(names)
    }

    /// A row for each value, sorted by name.
    fn rows(
        &mut self,
        image: &[u8],
        meter: Meter<'_>,
        mut with: impl FnMut(&Listed<&[u8]>),
    ) -> Result<Vec<Row>, Error> {
        let salt = self.salt;
        let mut rows = Vec::with_capacity(image.len() / ENTRY_SIZE);
        self.visit(image, meter, &mut |listed| {
            with(&listed);
            rows.push((name_hash(salt, &listed), value_hash(salt, &listed)));
        })?;
        sort_by(&mut rows, |(a, _), (b, _)| a.cmp(b));
        Ok(rows)
    }

    /// The values with these names.
    fn values(&mut self, image: &[u8], names: &HashSet<u64>, meter: Meter<'_>) -> Result<Vec<Listed>, Error> {
        let salt = self.salt;
        let mut values = Vec::new();
        let (mut bytes, max) = (0, VALUES_MIN.max(image.len() / 4));
        self.visit(image, meter, &mut |listed| {
            if bytes <= max && names.contains(&name_hash(salt, &listed)) {
                bytes += size_of::<Listed>() + value_len(&listed);
                values.push(listed.into_owned());
            }
        })?;
        if bytes > max {
            return Err(Error::TooManyChanges);
        }
        Ok(values)
    }

    /// The values that the firmware lists, without those that its getters do not return because another value of the same
    /// name and type comes first.
    ///
    /// One function, and not one for each that calls it: the page is sent the code of each.
    fn visit(&mut self, image: &[u8], meter: Meter<'_>, with: &mut dyn FnMut(Listed<&[u8]>)) -> Result<(), Error> {
        self.copy.copy_from_slice(image);
        let flash = Metered::new(SliceFlash::new(&mut self.copy), meter);
        let cipher = self.cipher.clone();
        Storage::open(flash, Mode::ReadWrite, cipher)
            .and_then(|mut storage| {
                storage.visit(|listed| {
                    if !listed.repeat || listed.unreachable.is_some() {
                        with(listed);
                    }
                })
            })
            .map_err(not_opened)
    }
}

/// The text of a setting, if it is one.
fn text_of(listed: &Listed<&[u8]>, setting: Setting) -> Option<String> {
    let is_it =
        listed.namespace.as_bytes() == NAMESPACE.as_bytes() && listed.key.as_bytes() == setting.key().as_bytes();
    match listed.value {
        Ok(Value::Str(text)) if is_it => std::str::from_utf8(text).ok().map(str::to_string),
        _ => None,
    }
}

/// The names whose values differ.
fn differing(old: &[Row], new: &[Row]) -> Result<HashSet<u64>, Error> {
    fn same_name(a: &Row, b: &Row) -> bool {
        a.0 == b.0
    }
    let name = |run: &&[Row]| run.first().map(|(name, _)| *name);
    let (mut olds, mut news) = (old.chunk_by(same_name).peekable(), new.chunk_by(same_name).peekable());
    let mut names = HashSet::new();
    loop {
        let (old, new) = (olds.peek().and_then(name), news.peek().and_then(name));
        let Some(first) = [old, new].into_iter().flatten().min() else {
            return Ok(names);
        };
        let old = olds.next_if(|_| old == Some(first));
        let new = news.next_if(|_| new == Some(first));
        if old != new {
            names.insert(first);
        }
        if names.len() > NAMES_MAX {
            return Err(Error::TooManyChanges);
        }
    }
}

/// A hash under the salt, so that nobody can construct values with the same hash.
fn hasher(salt: &[u8]) -> DefaultHasher {
    let mut hasher = DefaultHasher::new();
    salt.hash(&mut hasher);
    hasher
}

fn name_hash(salt: &[u8], listed: &Listed<&[u8]>) -> u64 {
    let mut hasher = hasher(salt);
    (listed.namespace, listed.key).hash(&mut hasher);
    hasher.finish()
}

/// The hash of everything that [`diff`] compares.
fn value_hash(salt: &[u8], listed: &Listed<&[u8]>) -> u64 {
    let mut hasher = hasher(salt);
    let index = (listed.orphan || listed.unreachable.is_some()).then_some(listed.ns_index);
    (listed.orphan, index, listed.value_type as u8).hash(&mut hasher);
    match listed.stored() {
        Ok(Value::Number(number)) => number.to_data().hash(&mut hasher),
        Ok(Value::Str(bytes) | Value::Blob(bytes)) => bytes.hash(&mut hasher),
        Err(error) => error.hash(&mut hasher),
    }
    hasher.finish()
}

fn value_len(listed: &Listed<&[u8]>) -> usize {
    let len = |value: &Result<Value<&[u8]>, _>| match value {
        Ok(Value::Str(bytes) | Value::Blob(bytes)) => bytes.len(),
        Ok(Value::Number(_)) | Err(_) => 0,
    };
    len(&listed.value) + listed.unreachable.as_deref().map_or(0, len)
}
