//! Random histories: lists of calls, and a plain map of their expected result.

use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::entry::Number;
use fleetmint_nvs::storage::{Listed, Storage, Value};
use fleetmint_nvs::{Error, Key, Namespace};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// This many cases, or `PROPTEST_CASES`.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(cases),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    Number(u8, u8, i32),
    Wide(u8, u8, u64),
    Text(u8, u8, String),
    Blob(u8, u8, Vec<u8>),
    Erase(u8, u8),
    EraseAll(u8),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Number(Number),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// The stored values, by namespace and key.
pub(crate) type Model = BTreeMap<(u8, u8), Content>;

fn name() -> impl Strategy<Value = (u8, u8)> {
    (0..3u8, 0..7u8)
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..120),
        1 => prop::collection::vec(any::<u8>(), 0..most),
        1 => (any::<u8>(), 1..most).prop_map(|(byte, size)| vec![byte; size]),
    ]
}

/// One call; blobs have up to `most` bytes.
pub(crate) fn call(most: usize) -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => (name(), any::<i32>()).prop_map(|((ns, key), n)| Call::Number(ns, key, n)),
        1 => (name(), any::<u64>()).prop_map(|((ns, key), n)| Call::Wide(ns, key, n)),
        4 => (name(), "[a-zäß]{0,70}").prop_map(|((ns, key), text)| Call::Text(ns, key, text)),
        1 => (name(), 0..3000usize).prop_map(|((ns, key), size)| Call::Text(ns, key, "x".repeat(size))),
        3 => (name(), bytes(most)).prop_map(|((ns, key), bytes)| Call::Blob(ns, key, bytes)),
        2 => name().prop_map(|(ns, key)| Call::Erase(ns, key)),
        1 => (0..3u8).prop_map(Call::EraseAll),
    ]
}

pub(crate) fn calls(most: usize, count: usize) -> impl Strategy<Value = Vec<Call>> {
    prop::collection::vec(call(most), 0..count)
}

pub(crate) fn cipher(encrypted: bool) -> Option<Xts> {
    encrypted.then(|| Xts::new(&[0x11; 32], &[0x22; 32]))
}

pub(crate) fn namespace(ns: u8) -> Namespace {
    Namespace::new(format!("space{ns}")).unwrap()
}

pub(crate) fn key(key: u8) -> Key {
    Key::new(format!("key_{key}")).unwrap()
}

impl Call {
    pub(crate) fn namespace(&self) -> u8 {
        match self {
            Self::Number(ns, ..) | Self::Wide(ns, ..) | Self::Text(ns, ..) | Self::Blob(ns, ..) => *ns,
            Self::Erase(ns, _) | Self::EraseAll(ns) => *ns,
        }
    }

    /// Whether the call is about this key.
    pub(crate) fn names(&self, name: (u8, u8)) -> bool {
        match self {
            Self::Number(ns, key, _) | Self::Wide(ns, key, _) | Self::Text(ns, key, _) | Self::Blob(ns, key, _) => {
                (*ns, *key) == name
            }
            Self::Erase(ns, key) => (*ns, *key) == name,
            Self::EraseAll(ns) => *ns == name.0,
        }
    }

    pub(crate) fn content(&self) -> Option<Content> {
        Some(match self {
            Self::Number(.., n) => Content::Number(Number::I32(*n)),
            Self::Wide(.., n) => Content::Number(Number::U64(*n)),
            Self::Text(.., text) => Content::Text(text.clone().into_bytes()),
            Self::Blob(.., bytes) => Content::Blob(bytes.clone()),
            Self::Erase(..) | Self::EraseAll(_) => return None,
        })
    }

    pub(crate) fn make<F: fleetmint_nvs::storage::Flash>(&self, storage: &mut Storage<F>) -> Result<(), Error> {
        let ns = storage.open_namespace(&namespace(self.namespace()))?;
        match self {
            Self::Number(_, k, n) => storage.set_number(ns, &key(*k), Number::I32(*n)),
            Self::Wide(_, k, n) => storage.set_number(ns, &key(*k), Number::U64(*n)),
            Self::Text(_, k, text) => storage.set_str(ns, &key(*k), text),
            Self::Blob(_, k, bytes) => storage.set_blob(ns, &key(*k), bytes),
            Self::Erase(_, k) => match storage.erase_key(ns, &key(*k)) {
                Err(Error::NotFound { .. }) => Ok(()),
                done => done,
            },
            Self::EraseAll(_) => storage.erase_all(ns),
        }
    }

    pub(crate) fn apply(&self, model: &mut Model) {
        match (self, self.content()) {
            (
                Self::Number(ns, key, _) | Self::Wide(ns, key, _) | Self::Text(ns, key, _) | Self::Blob(ns, key, _),
                Some(content),
            ) => {
                model.insert((*ns, *key), content);
            }
            (Self::EraseAll(ns), _) => model.retain(|(space, _), _| space != ns),
            (Self::Erase(ns, key), _) => drop(model.remove(&(*ns, *key))),
            (_, None) => panic!("a call that sets has a content"),
        }
    }
}

/// A listing as (name, content), sorted by name.
pub(crate) fn contents(listed: &[Listed]) -> Vec<((u8, u8), Content)> {
    let mut contents: Vec<_> = listed
        .iter()
        .map(|one| {
            let number = |name: &[u8]| name.last().unwrap() - b'0';
            let content = match one.value.as_ref().unwrap() {
                Value::Number(n) => Content::Number(*n),
                Value::Str(text) => Content::Text(text.to_vec()),
                Value::Blob(bytes) => Content::Blob(bytes.to_vec()),
            };
            ((number(one.namespace.as_bytes()), number(one.key.as_bytes())), content)
        })
        .collect();
    contents.sort_by_key(|(name, _)| *name);
    contents
}

pub(crate) fn of_model(model: &Model) -> Vec<((u8, u8), Content)> {
    model.iter().map(|(name, content)| (*name, content.clone())).collect()
}
