//! Sorting, small enough for a page.
//!
//! The standard library's sorts are compiled anew for each type of element, three kilobytes each. WebAssembly, which every
//! visitor of a page is sent, has one sort for all of them: it sorts the elements' numbers, then moves the elements.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// Sorts; equal elements keep their order.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    match cfg!(target_family = "wasm") {
        true => sort_numbers_first(items, compare),
        false => items.sort_by(compare),
    }
}

/// Sorts elements of which equal ones cannot be told apart.
pub fn sort<T: Ord>(items: &mut [T]) {
    match cfg!(target_family = "wasm") {
        true => sort_numbers_first(items, T::cmp),
        false => items.sort_unstable(),
    }
}

fn sort_numbers_first<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let order = sorted_numbers(items.len(), &|a, b| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    });
    arrange(items, order);
}

/// The numbers below `count`, by what they stand for, then by themselves.
#[inline(never)]
fn sorted_numbers(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    numbers.sort_unstable_by(|a, b| compare(*a, *b).then(a.cmp(b)));
    numbers
}

/// Moves each element to the place of its number in `order`, cycle by cycle.
fn arrange<T>(items: &mut [T], mut order: Vec<usize>) {
    for first in 0..order.len() {
        let mut place = first;
        while let Some(from) = order.get_mut(place).map(|from| core::mem::replace(from, place)) {
            if from == first {
                break;
            }
            items.swap(place, from);
            place = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_small_sort_equals_the_standard_librarys(keys in prop::collection::vec(0_u8..9, 0..64)) {
            let rows: Vec<(u8, usize)> = keys.into_iter().zip(0..).collect();
            let (mut small, mut standard) = (rows.clone(), rows);
            sort_numbers_first(&mut small, |a, b| a.0.cmp(&b.0));
            standard.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(small, standard);
        }
    }
}
