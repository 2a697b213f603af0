//! The answers that occupy room for large bodies while they are written. While a call waits for room, the connections
//! of answers that are read too slowly are closed, the slowest first. Otherwise a few callers who hardly read could
//! block all others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;
use crate::source::Source;

/// The least rate at which an answer must be read while a call waits for the room that it holds, in bytes per second.
const PACE: u64 = 64 << 10;

/// How far its reader may fall behind that rate. This is shorter than the time that a call waits.
const BEHIND_MAX: Duration = Duration::from_secs(5);

/// The answers that occupy room.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldAnswers(Arc<Mutex<Vec<Writing>>>);

/// An extension of an answer that occupies room, for the connection that will write it.
#[derive(Clone, Debug)]
pub(crate) struct HoldsRoom {
    answers: HeldAnswers,
    units: usize,
    held: Weak<()>,
}

/// An answer that is being written.
#[derive(Debug)]
struct Writing {
    units: usize,
    /// Dropped once the answer is written.
    held: Weak<()>,
    client: Source,
    connection: Arc<Activity>,
    /// The time at which, at [`PACE`], everything read until the last check was due. Reading faster earns no credit for
    /// later: the peer's kernel reads a lot even if the peer itself does not.
    since: Instant,
    /// The number of bytes that the connection had sent by then.
    sent: u64,
}

impl HeldAnswers {
    fn writing(&self) -> MutexGuard<'_, Vec<Writing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer that occupies this many units of room, until the first of the two returned values is dropped.
    pub(crate) fn hold(&self, units: usize) -> (Arc<()>, HoldsRoom) {
        let held = Arc::new(());
        let holds_room = HoldsRoom {
            answers: self.clone(),
            units,
            held: Arc::downgrade(&held),
        };
        (held, holds_room)
    }

    /// Closes the connections of answers that are behind, the slowest first, until enough units of room are freed.
    /// Returns how many units they occupied.
    pub(crate) fn end_slowest(&self, needed: usize) -> usize {
        let now = Instant::now();
        let mut writing = self.writing();
        writing.retain_mut(|answer| {
            answer.look(now);
            answer.held.strong_count() > 0
        });
        writing.sort_unstable_by_key(|answer| answer.since);
        let (mut count, mut units) = (0, 0);
        for answer in writing.iter() {
            let behind = now.saturating_duration_since(answer.since);
            if units >= needed || behind < BEHIND_MAX {
                break;
            }
            tracing::warn!(
                client = %answer.client,
                behind_ms = behind.as_millis(),
                "a large answer was aborted: it was read too slowly while others waited for its memory"
            );
            answer.connection.close();
            count += 1;
            units += answer.units;
        }
        drop(writing.drain(..count));
        units
    }
}

impl HoldsRoom {
    /// The answer is about to be written to this connection.
    pub(crate) fn written_to(self, connection: &Arc<Activity>, client: Source) {
        let mut writing = self.answers.writing();
        writing.retain(|answer| answer.held.strong_count() > 0);
        writing.push(Writing {
            units: self.units,
            held: self.held,
            client,
            connection: Arc::clone(connection),
            since: Instant::now(),
            sent: connection.sent(),
        });
    }
}

impl Writing {
    fn look(&mut self, now: Instant) {
        let sent = self.connection.sent();
        let granted = sent.saturating_sub(self.sent).saturating_mul(1_000_000) / PACE;
        self.sent = sent;
        let since = self.since.checked_add(Duration::from_micros(granted));
        self.since = since.map_or(now, |since| since.min(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readers with these rates in bytes per second, whose answers occupy ten units each.
    async fn readers(answers: &HeldAnswers, rates: &[usize]) -> Vec<(Arc<()>, Arc<Activity>)> {
        let readers: Vec<_> = rates
            .iter()
            .map(|rate| {
                let activity = Arc::<Activity>::default();
                let (held, holds_room) = answers.hold(10);
                holds_room.written_to(&activity, Source::default());
                // Before anybody waits.
                activity.count_sent(*rate * 3600);
                (held, activity)
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        readers
    }

    #[tokio::test(start_paused = true)]
    async fn only_as_many_slow_answers_as_needed_are_aborted_the_slowest_first() {
        let answers = HeldAnswers::default();
        let rates = [65 << 10, 63 << 10, 0, 7 << 10];
        let readers = readers(&answers, &rates).await;
        let behind = || {
            answers
                .writing()
                .iter()
                .map(|answer| answer.since.elapsed())
                .collect::<Vec<_>>()
        };
        assert_eq!(answers.end_slowest(0), 0);
        assert_eq!(behind().len(), 4);
        assert_eq!(answers.end_slowest(1), 10);
        assert_eq!(answers.end_slowest(11), 20, "as many as hold that");
        assert_eq!(answers.end_slowest(11), 0, "the last has its pace");
        assert_eq!(behind(), [Duration::ZERO]);

        // It had read ahead, which earns no credit.
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(answers.end_slowest(1), 0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(answers.end_slowest(1), 10);
        drop(readers);
    }

    #[tokio::test(start_paused = true)]
    async fn written_answers_are_forgotten() {
        let answers = HeldAnswers::default();
        drop(readers(&answers, &[0, 0]).await);
        assert_eq!(answers.end_slowest(1), 0);
        assert!(answers.writing().is_empty());
        drop(readers(&answers, &[0]).await);
        let _another = readers(&answers, &[0]).await;
        assert_eq!(answers.writing().len(), 1);
    }
}
