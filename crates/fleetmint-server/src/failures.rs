//! Counts failures within a window of time: guesses at a client's secret, refused calls.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The maximum number of counted keys: one more replaces the oldest.
const WATCHED_MAX: usize = 10_000;

/// Counts failures by a key. Its memory is bounded, and each call takes constant time. The times are monotonic: if
/// the computer's clock is set back, a window must not last for years.
#[derive(Debug)]
pub(crate) struct Failures<K> {
    max: u32,
    window: Duration,
    table: Mutex<Table>,
    /// Whether any key is counted. Nearly always none is, and then no lock is taken.
    watching: AtomicBool,
    /// Keys are stored as hashes under a random key: an attacker chooses their length, but cannot find a collision.
    hashes: RandomState,
    keys: std::marker::PhantomData<fn(K)>,
}

#[derive(Debug, Default)]
struct Table {
    counts: HashMap<u64, Count>,
    /// The windows in the order in which they began, which is also the order of their ends.
    windows: VecDeque<(Instant, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    since: Instant,
}

impl Table {
    /// Forgets the windows that have ended.
    fn expire(&mut self, window: Duration, now: Instant) {
        while let Some((since, _)) = self.windows.front()
            && now.saturating_duration_since(*since) >= window
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.windows.pop_front() {
            self.counts.remove(&key);
        }
    }
}

impl<K: Hash> Failures<K> {
    /// From `max` failures on in one `window`, which begins with the first failure, [`Failures::wait`] refuses.
    pub(crate) fn new(max: u32, window: Duration) -> Self {
        Self {
            max,
            window,
            table: Mutex::default(),
            watching: AtomicBool::new(false),
            hashes: RandomState::new(),
            keys: std::marker::PhantomData,
        }
    }

    /// Whether any failure is counted.
    pub(crate) fn is_watching(&self) -> bool {
        self.watching.load(Ordering::Relaxed)
    }

    /// After too many failures: the time until their window ends.
    pub(crate) fn wait(&self, key: &K, now: Instant) -> Option<Duration> {
        if !self.is_watching() {
            return None;
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.expire(self.window, now);
        if table.counts.is_empty() {
            self.watching.store(false, Ordering::Relaxed);
            return None;
        }
        let count = table.counts.get(&self.hashes.hash_one(key))?;
        (count.failures >= self.max).then(|| self.window.saturating_sub(now.saturating_duration_since(count.since)))
    }

    pub(crate) fn add(&self, key: &K, now: Instant) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.expire(self.window, now);
        let key = self.hashes.hash_one(key);
        if let Some(count) = table.counts.get_mut(&key) {
            count.failures = count.failures.saturating_add(1);
            return;
        }
        if table.counts.len() >= WATCHED_MAX {
            table.forget_oldest();
        }
        let first = Count {
            failures: 1,
            since: now,
        };
        table.counts.insert(key, first);
        table.windows.push_back((now, key));
        self.watching.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn after_too_many_failures_a_key_waits_until_the_window_ends() {
        let (failures, start) = (Failures::new(10, WINDOW), Instant::now());
        let at = |n| start + seconds(n);
        for n in 0..10 {
            assert_eq!(failures.wait(&"a", at(n)), None);
            failures.add(&"a", at(n));
        }
        assert_eq!(failures.wait(&"a", at(20)), Some(seconds(40)));
        assert_eq!(failures.wait(&"b", at(20)), None);
        failures.add(&"a", at(59));
        assert_eq!(failures.wait(&"a", at(59)), Some(seconds(1)));
        assert_eq!(failures.wait(&"a", at(60)), None);
        failures.add(&"a", at(61));
        assert_eq!(failures.wait(&"a", at(62)), None);
    }

    #[test]
    fn the_number_of_counted_keys_is_limited_and_entries_expire() {
        let (failures, start) = (Failures::new(1, WINDOW), Instant::now());
        failures.add(&usize::MAX, start);
        assert!(failures.wait(&usize::MAX, start).is_some());
        for n in 0..WATCHED_MAX {
            failures.add(&n, start + seconds(30));
        }
        let watched = || {
            let table = failures.table.lock().unwrap();
            (table.counts.len(), table.windows.len())
        };
        assert_eq!(watched(), (WATCHED_MAX, WATCHED_MAX));
        assert_eq!(failures.wait(&usize::MAX, start + seconds(31)), None);
        assert!(failures.wait(&5, start + seconds(31)).is_some());
        assert_eq!(failures.wait(&5, start + seconds(100)), None);
        assert_eq!(watched(), (0, 0));
        assert!(!failures.watching.load(Ordering::Relaxed));
    }

    #[test]
    fn a_clock_that_stands_still_or_an_earlier_time_does_no_harm() {
        let (failures, start) = (Failures::new(1, WINDOW), Instant::now());
        failures.add(&1, start + seconds(5));
        assert_eq!(failures.wait(&1, start), Some(WINDOW));
    }
}
