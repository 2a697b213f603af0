//! Two images compared by namespace and key.
//!
//! [`diff`] takes two listings of [`Storage::list`](crate::storage::Storage::list). Values may be secrets: a masked
//! difference shows only type, size and a [`fingerprint`], which tells equal values from different ones.
//!
//! ```
//! use fleetmint_nvs::diff::{self, Change};
//! use fleetmint_nvs::image::{self, Item, Value};
//! use fleetmint_nvs::storage::{Mode, ReadOnlySlice, Storage};
//! use fleetmint_nvs::{Error, Key, Namespace};
//!
//! let list = |ssid| {
//!     let item = Item::new(Namespace::new("wifi")?, Key::new("ssid")?, Value::Str(ssid));
//!     let image = image::encode(&[item], 0x3000)?;
//!     Storage::open(ReadOnlySlice::new(&image), Mode::ReadOnly, None)?.list()
//! };
//! let (before, after) = (list("workshop")?, list("showroom")?);
//! let differences = diff::diff(&before, &after);
//! assert_eq!(differences[0].change(), Change::Changed);
//! let masked = differences[0].masked(b"salt").to_string();
//! assert!(masked.starts_with("changed wifi/ssid: str of 9 bytes #") && !masked.contains("showroom"));
//! # Ok::<(), Error>(())
//! ```

use crate::key::RawName;
use crate::sorted::sort_by;
use crate::storage::{Listed, Value, ValueType};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How a key differs between two images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Only the second image has it.
    Added,
    /// Only the first image has it.
    Removed,
    /// It has another value of the same type.
    Changed,
    /// It has a value of another type.
    TypeChanged,
}

impl Change {
    /// A name for reports: `added`, `removed`, `changed`, `type-changed`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::TypeChanged => "type-changed",
        }
    }
}

/// A key that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference<'a> {
    /// The key in the first image.
    pub before: Option<&'a Listed>,
    /// The key in the second image. At least one of the two is `Some`.
    pub after: Option<&'a Listed>,
}

impl<'a> Difference<'a> {
    /// How the key differs.
    #[must_use]
    pub fn change(&self) -> Change {
        match (self.before, self.after) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (Some(before), Some(after)) if before.value_type == after.value_type => Change::Changed,
            _ => Change::TypeChanged,
        }
    }

    /// The key's entry: the second image's, or the first's if it was removed.
    #[must_use]
    pub fn entry(&self) -> Option<&'a Listed> {
        self.after.or(self.before)
    }

    /// The difference in one line without the values: `changed wifi/ssid: str of 9 bytes #1a2b3c4d → …`.
    ///
    /// `salt` should be random and new for each report: then nobody can try values against the fingerprints later.
    pub fn masked(&self, salt: &[u8]) -> impl fmt::Display {
        self.line(Some(salt))
    }

    /// The difference in one line with the values.
    pub fn revealed(&self) -> impl fmt::Display {
        self.line(None)
    }

    fn line(&self, salt: Option<&[u8]>) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            let Some(entry) = self.entry() else { return Ok(()) };
            write!(f, "{} ", self.change().name())?;
            if entry.orphan {
                write!(f, "(namespace index {})/{}: ", entry.ns_index, entry.key)?;
            } else if entry.unreachable.is_some() {
                write!(f, "{} (index {})/{}: ", entry.namespace, entry.ns_index, entry.key)?;
            } else {
                write!(f, "{}/{}: ", entry.namespace, entry.key)?;
            }
            if let Some(before) = self.before {
                side(f, before, salt)?;
            }
            if self.before.is_some() && self.after.is_some() {
                f.write_str(" → ")?;
            }
            self.after.map_or(Ok(()), |after| side(f, after, salt))
        })
    }
}

fn side(f: &mut fmt::Formatter<'_>, listed: &Listed, salt: Option<&[u8]>) -> fmt::Result {
    write!(f, "{}", listed.value_type)?;
    if let Some(size) = listed.stored_size() {
        write!(f, " of {size} bytes")?;
    }
    match (listed.stored(), salt) {
        (Err(code), _) => write!(f, " unreadable ({code})"),
        (Ok(value), Some(salt)) => write!(f, " #{}", fingerprint(salt, value)),
        (Ok(Value::Number(number)), None) => write!(f, " {number}"),
        (Ok(Value::Str(text)), None) => write!(f, " \"{}\"", alloc::string::String::from_utf8_lossy(text)),
        (Ok(Value::Blob(bytes)), None) => {
            f.write_str(" ")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }
}

/// A short fingerprint of a value, 32 bits of HMAC-SHA-256. With the same salt, equal values of one type have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 4]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// The fingerprint of a value with this salt.
#[must_use]
pub fn fingerprint<B: AsRef<[u8]>>(salt: &[u8], value: &Value<B>) -> Fingerprint {
    // This doesn't fail: HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt) else {
        return Fingerprint([0; 4]);
    };
    match value {
        Value::Number(number) => {
            mac.update(&[number.item_type().byte()]);
            mac.update(&number.to_data());
        }
        Value::Str(bytes) => {
            mac.update(b"s");
            mac.update(bytes.as_ref());
        }
        Value::Blob(bytes) => {
            mac.update(b"b");
            mac.update(bytes.as_ref());
        }
    }
    let mark = mac.finalize().into_bytes();
    Fingerprint(mark.first_chunk().copied().unwrap_or_default())
}

/// What differs between two listings, by namespace, key and type.
///
/// Of a key that is listed more than once, the first of each type counts, which the firmware's getter returns. Orphans are
/// compared by the index of their namespace. So are values that no getter can reach because another namespace has the same
/// name; of these the stored value counts.
#[must_use]
pub fn diff<'a>(before: &'a [Listed], after: &'a [Listed]) -> Vec<Difference<'a>> {
    let (before, after) = (keys(before), keys(after));
    let mut differences = Vec::new();
    let (mut olds, mut news) = (
        before.chunk_by(same_key).peekable(),
        after.chunk_by(same_key).peekable(),
    );
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => key_of(old).cmp(&key_of(new)),
        };
        let old = if order == Ordering::Greater {
            &[][..]
        } else {
            olds.next().unwrap_or_default()
        };
        let new = if order == Ordering::Less {
            &[][..]
        } else {
            news.next().unwrap_or_default()
        };
        diff_key(old, new, &mut differences);
    }
    differences
}

/// Compares one key, which may have several types on each side.
fn diff_key<'a>(old: &[&'a Listed], new: &[&'a Listed], to: &mut Vec<Difference<'a>>) {
    if let ([before], [after]) = (old, new) {
        if !same_value(before, after) {
            to.push(Difference {
                before: Some(before),
                after: Some(after),
            });
        }
        return;
    }
    let of_type = |side: &[&'a Listed], value_type: ValueType| {
        side.iter().find(|listed| listed.value_type == value_type).copied()
    };
    for before in old {
        let after = of_type(new, before.value_type);
        if !after.is_some_and(|after| same_value(before, after)) {
            to.push(Difference {
                before: Some(before),
                after,
            });
        }
    }
    for after in new {
        if of_type(old, after.value_type).is_none() {
            to.push(Difference {
                before: None,
                after: Some(after),
            });
        }
    }
}

/// Whether two values are equal; floats are compared by their bits.
fn same_value(before: &Listed, after: &Listed) -> bool {
    let same = match (before.stored(), after.stored()) {
        (Ok(Value::Number(before)), Ok(Value::Number(after))) => before.to_data() == after.to_data(),
        (before, after) => before == after,
    };
    same && before.value_type == after.value_type
}

/// The entries that count, sorted.
fn keys(listed: &[Listed]) -> Vec<&Listed> {
    let counts = |listed: &&Listed| !listed.repeat || listed.unreachable.is_some();
    let mut keys: Vec<_> = listed.iter().filter(counts).collect();
    // Of equal ones the first in the order of the flash comes first.
    let order = |listed: &Listed| (id(listed), listed.value_type);
    sort_by(&mut keys, |a, b| order(a).cmp(&order(b)));
    keys.dedup_by_key(|listed| (id(listed), listed.value_type));
    keys
}

/// What two listings are compared by: whether it is an orphan, the index where the name is not enough, namespace and key.
type Id = (bool, u8, RawName, RawName);

fn id(listed: &Listed) -> Id {
    let by_index = listed.orphan || listed.unreachable.is_some();
    let index = if by_index { listed.ns_index } else { 0 };
    (listed.orphan, index, listed.namespace, listed.key)
}

fn key_of(run: &[&Listed]) -> Option<Id> {
    run.first().map(|listed| id(listed))
}

fn same_key(a: &&Listed, b: &&Listed) -> bool {
    id(a) == id(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Number;
    use alloc::string::ToString;
    use alloc::vec;
    use zeroize::Zeroizing;

    fn listed(key: &str, value: Value) -> Listed {
        let value_type = match &value {
            Value::Number(number) => ValueType::of(number.item_type()),
            Value::Str(_) => ValueType::Str,
            Value::Blob(_) => ValueType::Blob,
        };
        Listed {
            namespace: crate::Namespace::new("ns").unwrap().raw(),
            key: crate::Key::new(key).unwrap().raw(),
            value_type,
            ns_index: 1,
            size: None,
            value: Ok(value),
            orphan: false,
            repeat: false,
            place: (0, 0),
            unreachable: None,
            iterated: true,
        }
    }

    fn number(key: &str, number: Number) -> Listed {
        listed(key, Value::Number(number))
    }

    fn changes(before: &[Listed], after: &[Listed]) -> Vec<(Change, alloc::string::String)> {
        let differences = diff(before, after);
        differences
            .iter()
            .map(|one| (one.change(), one.entry().unwrap().key.to_string()))
            .collect()
    }

    #[test]
    fn each_kind_of_change() {
        let before = [
            number("a", Number::U8(1)),
            number("b", Number::U8(1)),
            number("c", Number::U8(1)),
            number("d", Number::U8(1)),
        ];
        let after = [
            number("e", Number::U8(1)),
            number("d", Number::I8(1)),
            number("c", Number::U8(2)),
            number("b", Number::U8(1)),
        ];
        let wanted = [
            (Change::Removed, "a"),
            (Change::Changed, "c"),
            (Change::TypeChanged, "d"),
            (Change::Added, "e"),
        ];
        assert_eq!(
            changes(&before, &after),
            wanted.map(|(change, key)| (change, key.to_string()))
        );
        assert_eq!(changes(&before, &before), []);
    }

    #[test]
    fn floats_differ_by_their_bits() {
        let (plus, minus) = ([number("f", Number::Float(0.0))], [number("f", Number::Float(-0.0))]);
        assert_eq!(changes(&plus, &minus), [(Change::Changed, "f".to_string())]);
        let nan = [number("f", Number::Double(f64::NAN))];
        assert_eq!(changes(&nan, &nan), []);
    }

    #[test]
    fn a_key_of_two_types_is_compared_type_by_type() {
        let text = |text: &[u8]| listed("k", Value::Str(Zeroizing::new(text.to_vec())));
        let before = [number("k", Number::U8(1)), text(b"x")];
        assert_eq!(changes(&before, &[text(b"x")]), [(Change::Removed, "k".to_string())]);
        assert_eq!(
            changes(&[text(b"x")], &[text(b"y"), number("k", Number::U8(1))]).len(),
            2
        );
    }

    #[test]
    fn masked_lines_tell_equal_from_different_without_the_value() {
        let text = |text: &[u8]| vec![listed("secret", Value::Str(Zeroizing::new(text.to_vec())))];
        let (before, after) = (text(b"hunter2"), text(b"hunter3"));
        let differences = diff(&before, &after);
        let line = differences[0].masked(b"one").to_string();
        assert!(
            line.starts_with("changed ns/secret: str #") && !line.contains("hunter"),
            "{line}"
        );
        assert_ne!(line, differences[0].masked(b"two").to_string());
        assert_eq!(
            differences[0].revealed().to_string(),
            "changed ns/secret: str \"hunter2\" → str \"hunter3\""
        );
        let mark = |text: &[u8]| fingerprint(b"one", &Value::Str(text));
        assert_eq!(mark(b"a"), mark(b"a"));
        assert_ne!(mark(b"a"), mark(b"b"));
        assert_ne!(mark(b"a"), fingerprint(b"one", &Value::Blob(b"a")));
    }
}
