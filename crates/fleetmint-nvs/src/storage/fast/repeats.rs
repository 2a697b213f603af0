//! Which items of a listing have the name and type of an earlier one.

use super::name_filter::name_hash;
use crate::key::RawName;
use crate::sorted::sort;
use crate::storage::list::ValueType;
use alloc::vec::Vec;

/// The identity of an item: the index of its namespace, its key and its type.
type Name = (u8, RawName, ValueType);

/// Finds repeats by sorting hashes of names.
///
/// Plain path: comparing each item with each before it.
pub(in crate::storage) struct Repeats {
    /// By the number of the item.
    is_repeat: Vec<bool>,
}

impl Repeats {
    /// Of so many items. `name` gives the name of one by its number, or `None` where it does not count.
    pub(in crate::storage) fn of(count: usize, name: impl Fn(usize) -> Option<Name>) -> Self {
        let mut is_repeat = alloc::vec![false; count];
        let mut rows: Vec<(u64, u32)> = Vec::with_capacity(count);
        for number in 0..count {
            if let Some((ns_index, key, _)) = name(number) {
                rows.push((name_hash(ns_index, key.field()), number as u32));
            }
        }
        sort(&mut rows);
        for same_hash in rows.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
            // By the whole name, since two may have one hash; then in the order of the flash.
            let mut items: Vec<_> = same_hash
                .iter()
                .filter_map(|(_, number)| name(*number as usize).map(|name| (name, *number as usize)))
                .collect();
            sort(&mut items);
            for same in items.chunk_by(|a, b| a.0 == b.0) {
                for (_, number) in same.iter().skip(1) {
                    if let Some(is_repeat) = is_repeat.get_mut(*number) {
                        *is_repeat = true;
                    }
                }
            }
        }
        Self { is_repeat }
    }

    /// Whether the item with this number is one.
    pub(in crate::storage) fn contains(&self, number: usize) -> bool {
        self.is_repeat.get(number).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = Option<Name>> {
        let key = prop_oneof![Just("a"), Just("b"), Just("c")].prop_map(|key| Key::new(key).unwrap().raw());
        let value_type = prop_oneof![Just(ValueType::U8), Just(ValueType::Str), Just(ValueType::Blob)];
        prop_oneof![9 => (1..3u8, key, value_type).prop_map(Some), 1 => Just(None)]
    }

    proptest! {
        #[test]
        fn repeats_are_those_that_comparing_finds(names in prop::collection::vec(name(), 0..40)) {
            let repeats = Repeats::of(names.len(), |number| names[number]);
            for (number, name) in names.iter().enumerate() {
                let plain = name.is_some() && names[..number].contains(name);
                prop_assert_eq!(repeats.contains(number), plain);
            }
        }
    }
}
