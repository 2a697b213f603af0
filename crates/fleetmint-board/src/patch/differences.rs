//! What differs between two states of a partition, found in little memory.
//!
//! A partition of 16 MiB can hold half a million values, and a listing of them takes several times its size. So each state
//! is read twice: first for a hash of each value, by which the names that differ are found, then for the values of those
//! names alone.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::diff::{diff, fingerprint};
use fleetmint_nvs::layout::ENTRY_SIZE;
use fleetmint_nvs::storage::{Listed, Metered, Mode, SliceFlash, Storage, Value};
use zeroize::Zeroizing;

use super::{Difference, Error, Masked, Meter, not_opened};

/// Names that may differ. A patch changes eight; more do where the firmware's start erases damaged values, or where items
/// of no namespace come to be in the new one.
pub(super) const NAMES_MAX: usize = 4096;

/// Bytes that their values may have in one state: a quarter of the partition, and this in a small one.
const VALUES_MIN: usize = 256 << 10;

/// Reads states of one partition, one at a time.
pub(super) struct Reader<'a> {
    cipher: Option<Xts>,
    salt: &'a [u8],
    /// Reading erases what cannot be read: it is done on a copy.
    copy: Zeroizing<Vec<u8>>,
}

/// A name's hash, and that of one of its values.
type Row = (u64, u64);

impl<'a> Reader<'a> {
    /// For partitions of so many bytes.
    pub(super) fn new(size: usize, cipher: Option<Xts>, salt: &'a [u8]) -> Self {
        Self {
            cipher,
            salt,
            copy: Zeroizing::new(vec![0; size]),
        }
    }

    /// The keys that differ, by namespace and key: at most [`NAMES_MAX`].
    pub(super) fn differences(
        &mut self,
        before: &[u8],
        after: &[u8],
        meter: Meter<'_>,
    ) -> Result<Vec<Difference>, Error> {
        let names = differing(&self.rows(before, meter)?, &self.rows(after, meter)?)?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let (old, new) = (self.values(before, &names, meter)?, self.values(after, &names, meter)?);
        let differences = diff(&old, &new).into_iter().filter_map(|difference| {
            let entry = difference.entry()?;
            Some(Difference {
                change: difference.change(),
                namespace: entry.namespace,
                key: entry.key,
                before: difference.before.map(|listed| mask(listed, self.salt)),
                after: difference.after.map(|listed| mask(listed, self.salt)),
            })
        });
        Ok(differences.collect())
    }

    /// A row for each value, sorted by name.
    fn rows(&mut self, image: &[u8], meter: Meter<'_>) -> Result<Vec<Row>, Error> {
        let salt = self.salt;
        let mut rows = Vec::with_capacity(image.len() / ENTRY_SIZE);
        self.visit(image, meter, |listed| {
            rows.push((name_hash(salt, &listed), value_hash(salt, &listed)));
        })?;
        rows.sort_by_key(|(name, _)| *name);
        Ok(rows)
    }

    /// The values with these names.
    fn values(&mut self, image: &[u8], names: &HashSet<u64>, meter: Meter<'_>) -> Result<Vec<Listed>, Error> {
        let salt = self.salt;
        let mut values = Vec::new();
        let (mut bytes, max) = (0, VALUES_MIN.max(image.len() / 4));
        self.visit(image, meter, |listed| {
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

    /// What the firmware lists, but for what its getters do not give as another of the same name and type comes first.
    fn visit(&mut self, image: &[u8], meter: Meter<'_>, mut with: impl FnMut(Listed<&[u8]>)) -> Result<(), Error> {
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

/// The names whose values are not the same in both.
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

/// A hash under the salt, so that nobody can make values that have the same.
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

/// Of all that [`diff`] compares.
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

fn mask(listed: &Listed, salt: &[u8]) -> Masked {
    Masked {
        value_type: listed.value_type,
        size: listed.size,
        fingerprint: match &listed.value {
            Ok(value) => Ok(fingerprint(salt, value)),
            Err(error) => Err(*error),
        },
    }
}
