//! The bodies that are large: a bound on their bytes under way, from before a request's is read until the answer's is
//! written. What finds no room waits in a short queue, and is refused with `Retry-After` beyond it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::{Kind, Problem};

/// A body up to this size is not large, in bytes: there is room for one on each connection.
const SMALL: usize = 256 << 10;

/// What room is counted in, in bytes.
const UNIT: usize = 1 << 10;

/// How many calls may wait for room.
const WAITING_MAX: usize = 32;

/// How long a call waits for room.
const WAIT: Duration = Duration::from_secs(10);

/// The room for large bodies.
#[derive(Debug)]
pub struct LargeBodies {
    room: Arc<Semaphore>,
    units: u32,
    waiting: AtomicUsize,
}

/// Room for the bodies of one call, until it is dropped. Small ones need none.
#[derive(Debug)]
pub(crate) struct Room(Option<OwnedSemaphorePermit>);

impl Room {
    /// The bytes of an answer, which give the room back once they are written.
    pub(crate) fn hold<T: AsRef<[u8]> + Send + 'static>(self, bytes: T) -> Bytes {
        struct Held<T>(T, #[expect(dead_code, reason = "held, not read")] Room);
        impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }
        match self.0 {
            None => Bytes::from_owner(bytes),
            Some(_) => Bytes::from_owner(Held(bytes, self)),
        }
    }
}

/// A call that waits for room, counted until it does not.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LargeBodies {
    /// Room for so many bytes.
    pub fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX);
        // Only where the addresses are small could this be less.
        let units = units.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self {
            room: Arc::new(Semaphore::new(units as usize)),
            units,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Room for bodies of so many bytes together.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Room, Problem> {
        if bytes <= SMALL {
            return Ok(Room(None));
        }
        // What is larger than all the room has it alone.
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(units) {
            return Ok(Room(Some(permit)));
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(full());
        }
        let waiting = Waiting(&self.waiting);
        let permit = tokio::time::timeout(WAIT, Arc::clone(&self.room).acquire_many_owned(units)).await;
        drop(waiting);
        match permit {
            Ok(Ok(permit)) => Ok(Room(Some(permit))),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }

    /// Room for a request's body of at most `max` bytes and an answer of the same size.
    pub(crate) async fn room_for_both(&self, headers: &HeaderMap, max: usize) -> Result<Room, Problem> {
        let length = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok());
        // A body that does not say its size may have any.
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(max);
        self.room(length.min(max) * 2).await
    }
}

fn full() -> Problem {
    Problem::new(
        Kind::Unavailable,
        "Too many large bodies are under way; try again in a few seconds.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test(start_paused = true)]
    async fn what_finds_no_room_waits_and_is_refused_in_the_end() {
        let bodies = LargeBodies::new(10 * MIB);
        let first = bodies.room(6 * MIB).await.unwrap();
        let began = tokio::time::Instant::now();
        bodies.room(6 * MIB).await.unwrap_err();
        assert_eq!(began.elapsed(), WAIT);
        // Small ones need none.
        bodies.room(SMALL).await.unwrap();
        let (second, ()) = tokio::join!(bodies.room(6 * MIB), async {
            // The answer's last byte is written.
            drop(first.hold(vec![0]));
        });
        drop(second.unwrap());
        // More than there is: it waits until it is alone.
        drop(bodies.room(100 * MIB).await.unwrap());
        assert_eq!(bodies.room.available_permits(), 10 << 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_short() {
        let bodies = LargeBodies::new(10 * MIB);
        let _all = bodies.room(10 * MIB).await.unwrap();
        let calls = (0..WAITING_MAX + 5).map(async |_| {
            let began = tokio::time::Instant::now();
            bodies.room(MIB).await.unwrap_err();
            began.elapsed()
        });
        let waits = futures_util::future::join_all(calls).await;
        assert_eq!(waits.iter().filter(|wait| **wait == WAIT).count(), WAITING_MAX);
        assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 5);
        assert_eq!(bodies.waiting.load(Ordering::Relaxed), 0);
    }
}
