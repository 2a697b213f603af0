//! How often a client failed to prove itself: a device that has the wrong secret, or someone who guesses.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::source::Source;

/// How many failures a client may have in one [`WINDOW`] from one address.
pub(super) const FAILURES_MAX: u32 = 10;

/// From the first failure on.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// The most pairs of client and address that are watched: beyond it the oldest is forgotten.
const WATCHED_MAX: usize = 10_000;

/// The longest client id that is kept; a longer one cannot exist.
const CLIENT_ID_MAX: usize = 128;

/// Counts failures by client and address: by client alone, anyone could lock a device out.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<(String, Source), Count>>);

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    since: Timestamp,
}

impl Failures {
    /// How long the client must wait before it may try again from this address.
    pub(super) fn wait(&self, client_id: &str, source: Source, now: Timestamp) -> Option<SignedDuration> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&key(client_id, source))?;
        let age = now.duration_since(count.since);
        (count.failures >= FAILURES_MAX && age < WINDOW).then(|| WINDOW - age)
    }

    pub(super) fn add(&self, client_id: &str, source: Source, now: Timestamp) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(client_id, source);
        if !counts.contains_key(&key) && counts.len() >= WATCHED_MAX {
            counts.retain(|_, count| now.duration_since(count.since) < WINDOW);
            if counts.len() >= WATCHED_MAX {
                let oldest = counts
                    .iter()
                    .min_by_key(|(_, count)| count.since)
                    .map(|(key, _)| key.clone());
                if let Some(oldest) = oldest {
                    counts.remove(&oldest);
                }
            }
        }
        let count = counts.entry(key).or_insert(Count {
            failures: 0,
            since: now,
        });
        if now.duration_since(count.since) >= WINDOW {
            *count = Count {
                failures: 0,
                since: now,
            };
        }
        count.failures += 1;
    }
}

fn key(client_id: &str, source: Source) -> (String, Source) {
    (client_id.chars().take(CLIENT_ID_MAX).collect(), source.subscriber())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn source(last: u8) -> Source {
        Source::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_client_that_fails_too_often_waits_until_the_window_has_passed() {
        let failures = Failures::default();
        for n in 0..i64::from(FAILURES_MAX) {
            assert_eq!(failures.wait("a", source(1), at(n)), None);
            failures.add("a", source(1), at(n));
        }
        assert_eq!(
            failures.wait("a", source(1), at(20)),
            Some(SignedDuration::from_secs(40))
        );
        assert_eq!(failures.wait("a", source(2), at(20)), None);
        assert_eq!(failures.wait("b", source(1), at(20)), None);
        assert_eq!(failures.wait("a", source(1), at(60)), None);
        failures.add("a", source(1), at(61));
        assert_eq!(failures.wait("a", source(1), at(62)), None);
    }

    #[test]
    fn what_is_watched_has_a_limit() {
        let failures = Failures::default();
        for n in 0..FAILURES_MAX {
            failures.add("first", source(1), at(n.into()));
        }
        for n in 0..WATCHED_MAX {
            failures.add(&format!("client {n}"), source(1), at(30));
        }
        assert_eq!(failures.0.lock().unwrap().len(), WATCHED_MAX);
        assert_eq!(failures.wait("first", source(1), at(31)), None);
        failures.add("one more", source(1), at(100));
        assert_eq!(failures.0.lock().unwrap().len(), 1);
    }
}
