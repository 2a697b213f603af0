//! Work: the same work on many items, by several threads, with the results in order and bounded memory.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// How many items are handed over at once.
const BATCH: usize = 16;

/// How many batches for each thread may be under way.
const AHEAD: usize = 4;

/// Calls `make` for each item, in threads that have a state each, and `take` for each result in the order of the items.
/// Ends at the first error of `take`.
pub(super) fn in_order<T: Send, S, R: Send, E>(
    mut items: impl Iterator<Item = T>,
    state: impl Fn() -> S + Sync,
    make: impl Fn(&mut S, T) -> R + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let most = threads * AHEAD;
    let (to_threads, tasks) = sync_channel::<(usize, Vec<T>)>(most);
    let (results, from_threads) = channel::<(usize, Vec<R>)>();
    let (tasks, state, make) = (&Mutex::new(tasks), &state, &make);
    // The sender ends with the closure: then the threads end too.
    thread::scope(move |scope| {
        for _ in 0..threads {
            let results = results.clone();
            scope.spawn(move || {
                let mut own = state();
                loop {
                    let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, batch)) = task else { return };
                    let made = batch.into_iter().map(|item| make(&mut own, item)).collect();
                    if results.send((number, made)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        let (mut sent, mut taken, mut waiting) = (0, 0, BTreeMap::new());
        loop {
            while sent - taken < most {
                let batch: Vec<T> = items.by_ref().take(BATCH).collect();
                if batch.is_empty() || to_threads.send((sent, batch)).is_err() {
                    break;
                }
                sent += 1;
            }
            if sent == taken {
                return Ok(());
            }
            // It fails only if a thread has panicked, which the scope reports.
            let Ok((number, made)) = from_threads.recv() else {
                return Ok(());
            };
            waiting.insert(number, made);
            while let Some(made) = waiting.remove(&taken) {
                taken += 1;
                made.into_iter().try_for_each(&mut take)?;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order() {
        let mut results = Vec::new();
        in_order(
            0..10_000_u32,
            || 0,
            |calls, item| {
                *calls += 1;
                item * 2
            },
            |result| {
                results.push(result);
                Ok::<(), ()>(())
            },
        )
        .unwrap();
        assert_eq!(results, (0..10_000).map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn no_items_and_an_early_end() {
        let nothing = in_order(0..0, || (), |(), item: i32| item, |_| Err("called"));
        assert_eq!(nothing, Ok(()));
        let mut taken = 0;
        let outcome = in_order(
            0..,
            || (),
            |(), item: u64| item,
            |item| {
                taken += 1;
                if item == 100 { Err(item) } else { Ok(()) }
            },
        );
        assert_eq!((outcome, taken), (Err(100), 101));
    }
}
