//! A history of changes from any bytes, and a plain map with the expected values after each change.

use std::collections::BTreeMap;

use fleetmint_nvs::csv;
use fleetmint_nvs::entry::Number;
use fleetmint_nvs::key::{Key, Namespace};

pub type Map = BTreeMap<(String, String), csv::Value>;

/// One call of an application.
#[derive(Debug, Clone)]
pub enum Change {
    Set(String, String, csv::Value),
    Erase(String, String),
    EraseAll(String),
}

impl Change {
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        let (Self::Set(namespace, ..) | Self::Erase(namespace, _) | Self::EraseAll(namespace)) = self;
        Namespace::new(namespace).expect("a short name")
    }

    /// The same change of one of these keys, by namespace and key; unchanged if there are none.
    #[must_use]
    pub fn of(self, names: &[(String, String)]) -> Self {
        let (Self::Set(namespace, key, _) | Self::Erase(namespace, key)) = &self else {
            return match (self, names.first()) {
                (Self::EraseAll(_), Some((namespace, _))) => Self::EraseAll(namespace.clone()),
                (change, _) => change,
            };
        };
        let digits = |name: &str| name.bytes().fold(0, |sum, byte| sum * 10 + usize::from(byte % 16));
        let Some((namespace, key)) = names.get((digits(namespace) + digits(key)) % names.len().max(1)) else {
            return self;
        };
        match self {
            Self::Set(_, _, value) => Self::Set(namespace.clone(), key.clone(), value),
            _ => Self::Erase(namespace.clone(), key.clone()),
        }
    }

    /// Makes the change in a map.
    pub fn apply(&self, map: &mut Map) {
        match self {
            Self::Set(namespace, key, value) => {
                map.insert((namespace.clone(), key.clone()), value.clone());
            }
            Self::Erase(namespace, key) => {
                map.remove(&(namespace.clone(), key.clone()));
            }
            Self::EraseAll(namespace) => map.retain(|(of, _), _| of != namespace),
        }
    }

    /// The rows of a change list, including the namespace's row.
    #[must_use]
    pub fn rows(&self) -> String {
        let namespace = self.namespace().raw();
        match self {
            Self::Set(_, key, value) => {
                let mut writer = csv::Writer::new();
                let key = Key::new(key).expect("a short name").raw();
                writer
                    .item(namespace, key, value.into())
                    .expect("a value that a table can carry");
                let table = writer.finish();
                table.split_once('\n').expect("a header").1.to_owned()
            }
            Self::Erase(_, key) => format!("{namespace},namespace,,\n{key},delete,,\n"),
            Self::EraseAll(_) => format!("{namespace},namespace,,\n,delete-all,,\n"),
        }
    }
}

/// Reads changes from the bytes until they end.
#[derive(Debug)]
pub struct Changes<'a>(pub &'a [u8]);

impl Changes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }
}

impl Iterator for Changes<'_> {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        let [what, which, fill] = [self.byte()?, self.byte()?, self.byte()?];
        let namespace = format!("ns{}", which % 3);
        let key = format!("key{}", which / 3 % 12);
        Some(match what % 16 {
            0..=4 => Change::Set(namespace, key, csv::Value::Number(number(what / 16, fill))),
            5..=8 => {
                let text = letter(fill).to_string().repeat(size(what, self.byte()?, 3999));
                Change::Set(namespace, key, csv::Value::Str(text))
            }
            9..=12 => {
                let blob = vec![fill; size(what, self.byte()?, 9000)];
                Change::Set(namespace, key, csv::Value::Blob(blob))
            }
            13 | 14 => Change::Erase(namespace, key),
            _ => Change::EraseAll(namespace),
        })
    }
}

/// Mostly small sizes, sometimes up to `max`.
fn size(what: u8, byte: u8, max: usize) -> usize {
    match what / 16 % 4 {
        0 | 1 => usize::from(byte) % 100,
        2 => usize::from(byte) * 4,
        _ => usize::from(byte) * max / 255,
    }
}

fn letter(byte: u8) -> char {
    char::from(b'a' + byte % 26)
}

fn number(kind: u8, n: u8) -> Number {
    match kind % 10 {
        0 => Number::U8(n),
        1 => Number::I8(n.cast_signed()),
        2 => Number::U16(u16::from(n) << 8),
        3 => Number::I16(-i16::from(n)),
        4 => Number::U32(u32::from(n) << 24),
        5 => Number::I32(-i32::from(n)),
        6 => Number::U64(u64::from(n) << 56),
        7 => Number::I64(-i64::from(n)),
        8 => Number::Float(f32::from(n) / 3.0),
        _ => Number::Double(-f64::from(n) / 3.0),
    }
}
