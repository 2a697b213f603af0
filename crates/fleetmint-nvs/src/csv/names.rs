//! Names: which namespaces and keys the rows of a table have so far, and the rules for them.

use super::error::{ErrorKind, RowPlace};
use crate::key::{Key, Namespace};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The namespaces and keys of the rows so far, of one table or several.
#[derive(Default)]
pub(super) struct Names {
    namespaces: Vec<OpenNamespace>,
    /// The one that the rows belong to.
    current: Option<usize>,
    /// The one that this table opened last.
    latest: Option<usize>,
    keys: BTreeMap<(usize, Key), RowPlace>,
}

/// A namespace that a table has opened.
struct OpenNamespace {
    namespace: Namespace,
    /// Its row, in the latest table that has one.
    place: RowPlace,
    /// The latest table that opened it or had rows of it.
    table: usize,
}

impl Names {
    /// Begins the next table, in which the last namespace of the one before continues.
    pub(super) fn begin_table(&mut self) {
        self.latest = self.current;
    }

    /// Whether a row has opened this namespace.
    pub(super) fn knows(&self, namespace: &Namespace) -> bool {
        self.namespaces.iter().any(|known| known.namespace == *namespace)
    }

    /// Opens a namespace, or an earlier one again.
    pub(super) fn open(&mut self, namespace: Namespace, place: RowPlace) {
        let mut known = self.namespaces.iter_mut().enumerate();
        match known.find(|(_, known)| known.namespace == namespace) {
            None => {
                self.current = Some(self.namespaces.len());
                self.latest = self.current;
                self.namespaces.push(OpenNamespace {
                    namespace,
                    place,
                    table: place.table,
                });
            }
            Some((at, known)) => {
                self.current = Some(at);
                if known.table != place.table {
                    (known.place, known.table) = (place, place.table);
                    self.latest = self.current;
                }
            }
        }
    }

    /// The number, from 0, of the namespace that a row with this key belongs to.
    pub(super) fn current(&mut self, key: Key, place: RowPlace) -> Result<usize, ErrorKind> {
        let latest = self.latest.and_then(|latest| self.namespaces.get(latest));
        let latest = latest.map(|latest| latest.namespace);
        let known = self
            .current
            .and_then(|current| Some((current, self.namespaces.get_mut(current)?)));
        let (Some((current, known)), Some(latest)) = (known, latest) else {
            return Err(ErrorKind::NoNamespace { key });
        };
        known.table = place.table;
        let namespace = known.namespace;
        // Espressif's generator would write into the latest namespace here.
        if namespace != latest {
            return Err(ErrorKind::Reopened {
                namespace,
                first: known.place.seen_from(place),
                latest,
            });
        }
        Ok(current)
    }

    /// Notes that a row has this key in the namespace of this number; no other may have it.
    pub(super) fn take(
        &mut self,
        namespace: usize,
        key: Key,
        place: RowPlace,
        along_with: Option<Key>,
    ) -> Result<(), ErrorKind> {
        match (
            self.keys.insert((namespace, key), place),
            self.namespaces.get(namespace),
        ) {
            (Some(first), Some(known)) => Err(ErrorKind::DuplicateKey {
                namespace: known.namespace,
                key,
                first: first.seen_from(place),
                along_with,
            }),
            _ => Ok(()),
        }
    }
}

impl RowPlace {
    fn seen_from(self, place: RowPlace) -> Self {
        Self {
            elsewhere: self.table != place.table,
            ..self
        }
    }
}
