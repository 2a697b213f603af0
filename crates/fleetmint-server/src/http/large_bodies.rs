//! Large bodies: limits the memory of the bodies and of the work on them, from before most of a request's body is read
//! until the answer's body is written. A call that finds no room waits in a short queue; if that is full, it is refused
//! with `Retry-After`.
//!
//! A body gets its room in one piece, so that no two bodies wait for each other, but only once its first part has
//! arrived: an announced size takes no room, and a body that then arrives slowly loses its room. An answer that is read
//! slowly loses its room when another call waits for it (`held_answers`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::body::{self, Failure, PACE, Reading};
use super::held_answers::HeldAnswers;
use super::problem::{self, Problem};
use crate::secret::Wiped;

/// A body up to this size in bytes is not large: there is room for one on each connection.
const SMALL: usize = 256 << 10;

/// How far a body may fall behind [`PACE`].
const PAUSE: Duration = Duration::from_secs(2);

/// The unit of room, in bytes.
const UNIT: usize = 1 << 10;

/// The maximum number of calls that wait for room.
const WAITING_MAX: usize = 32;

/// How long a call waits for room.
const WAIT: Duration = Duration::from_secs(10);

/// How often a waiting call checks for answers that are read too slowly.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The room for large bodies.
#[derive(Debug)]
pub struct LargeBodies {
    room: Arc<Semaphore>,
    units: u32,
    waiting: AtomicUsize,
    answers: HeldAnswers,
}

/// Room for the bodies of one call and the work on them, until it is dropped. Small bodies need none.
#[derive(Debug)]
pub(crate) struct Room(Option<Taken>);

/// A part of the room, and the list of the answers that occupy room.
#[derive(Debug)]
struct Taken {
    permit: OwnedSemaphorePermit,
    answers: HeldAnswers,
}

impl Room {
    /// Frees all room except for this many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        if let Some(Taken { permit, .. }) = &mut self.0 {
            let surplus = permit.num_permits().saturating_sub(bytes.div_ceil(UNIT));
            drop(permit.split(surplus));
        }
    }

    /// An answer of these bytes, which frees the room once they are written.
    pub(crate) fn answer<T: AsRef<[u8]> + Send + 'static>(self, bytes: T) -> Response {
        struct Held<T>(
            T,
            #[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit,
            #[expect(dead_code, reason = "held, not read")] Arc<()>,
        );
        impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }
        let Some(Taken { permit, answers }) = self.0 else {
            return Response::new(Body::from(Bytes::from_owner(bytes)));
        };
        let (held, holds_room) = answers.hold(permit.num_permits());
        let mut answer = Response::new(Body::from(Bytes::from_owner(Held(bytes, permit, held))));
        answer.extensions_mut().insert(holds_room);
        answer
    }
}

/// A call that waits for room; it is counted until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LargeBodies {
    /// Room for this many bytes.
    pub fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX);
        // It is only smaller on platforms with small addresses.
        let units = units.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self {
            room: Arc::new(Semaphore::new(units as usize)),
            units,
            waiting: AtomicUsize::new(0),
            answers: HeldAnswers::default(),
        }
    }

    /// Room for bodies of this many bytes together.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Room, Problem> {
        if bytes <= SMALL {
            return Ok(Room(None));
        }
        // A body that is larger than the whole room takes all of it.
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(units) {
            return Ok(self.taken(permit));
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(full());
        }
        let waiting = Waiting(&self.waiting);
        let permit = tokio::time::timeout(WAIT, self.wait(units)).await;
        drop(waiting);
        match permit {
            Ok(Ok(permit)) => Ok(self.taken(permit)),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }

    fn taken(&self, permit: OwnedSemaphorePermit) -> Room {
        Room(Some(Taken {
            permit,
            answers: self.answers.clone(),
        }))
    }

    /// Waits for this many units of room. Answers that are read too slowly are cut off in favour of the call.
    async fn wait(&self, units: u32) -> Result<OwnedSemaphorePermit, AcquireError> {
        let mut acquired = std::pin::pin!(Arc::clone(&self.room).acquire_many_owned(units));
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut needed = units as usize;
        loop {
            tokio::select! {
                biased;
                permit = &mut acquired => return permit,
                _ = looks.tick() => needed = needed.saturating_sub(self.answers.end_slowest(needed)),
            }
        }
    }

    /// Reads a body of at most `max` bytes, and takes the room that `memory` computes from its size.
    pub(crate) async fn read(
        &self,
        body: Body,
        max: usize,
        memory: impl Fn(usize) -> usize,
    ) -> Result<(Wiped, Room), Problem> {
        let unread = |failure: Failure| failure.problem(max);
        let mut reading = Reading::new(body, max).map_err(unread)?;
        let whole = begin(&mut reading).await.map_err(unread)?;
        // A body without an announced size may have any size.
        let size = if whole {
            reading.len()
        } else {
            reading.announced().unwrap_or(max)
        };
        match self.room(memory(size)).await {
            Ok(room) => {
                if !whole {
                    reading.reserve(size);
                    finish(&mut reading).await.map_err(unread)?;
                }
                Ok((reading.into_bytes(), room))
            }
            Err(problem) => {
                reading.discard().await;
                Err(problem)
            }
        }
    }
}

/// Reads the part that needs no room. Returns whether that is the whole body.
async fn begin(reading: &mut Reading) -> Result<bool, Failure> {
    let first = async {
        while reading.len() < SMALL {
            if !reading.frame().await? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    tokio::time::timeout(body::TIMEOUT, first)
        .await
        .unwrap_or(Err(Failure::TooSlow))
}

/// Reads the rest, as long as it keeps up with [`PACE`].
async fn finish(reading: &mut Reading) -> Result<(), Failure> {
    let (began, had) = (Instant::now(), reading.len());
    loop {
        let granted = Duration::from_millis(u64::try_from((reading.len() - had) / (PACE / 1000)).unwrap_or(u64::MAX));
        let (limit, failure) = if granted + PAUSE < body::TIMEOUT {
            (granted + PAUSE, Failure::Stalled)
        } else {
            (body::TIMEOUT, Failure::TooSlow)
        };
        let frame = tokio::time::timeout_at(began + limit, reading.frame());
        if !frame.await.unwrap_or(Err(failure))? {
            return Ok(());
        }
    }
}

fn full() -> Problem {
    Problem::new(
        problem::UNAVAILABLE,
        "Too many large images and patches are in progress; try again in a few seconds.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};

    const MIB: usize = 1 << 20;

    /// A body of this many pieces of this many bytes, each after a pause.
    fn pieces(count: usize, size: usize, pause: Duration) -> Body {
        let pieces = stream::iter(0..count).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, Infallible>(Bytes::from(vec![b'x'; size]))
        });
        Body::from_stream(pieces)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_room_only_while_it_arrives() {
        let bodies = LargeBodies::new(10 * MIB);
        let free = || bodies.room.available_permits();
        let read = |body| bodies.read(body, 4 * MIB, |size| 2 * size);
        // A body of which nothing arrives takes no room.
        let began = Instant::now();
        let (slow, ()) = tokio::join!(read(pieces(9, 1, Duration::from_secs(10))), async {
            tokio::time::sleep(Duration::from_secs(15)).await;
            assert_eq!(free(), 10 << 10);
        });
        assert!(slow.is_err());
        assert_eq!(began.elapsed(), body::TIMEOUT);

        // Nor does a complete small body.
        let (small, room) = read(pieces(1, 100 << 10, Duration::ZERO)).await.unwrap();
        assert_eq!((small.as_ref().len(), free()), (100 << 10, 10 << 10));
        drop(room);

        // A body that stops half-way soon gives its room back.
        let began = Instant::now();
        let stops = pieces(1, 512 << 10, Duration::ZERO).into_data_stream();
        let stops = stops.chain(pieces(9, 1, Duration::from_secs(1)).into_data_stream());
        let (stopped, ()) = tokio::join!(read(Body::from_stream(stops)), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(free(), 2 << 10, "room for the largest, twice");
        });
        assert!(stopped.is_err());
        assert_eq!((began.elapsed(), free()), (PAUSE, 10 << 10));

        // A body that arrives slowly, but fast enough.
        let (whole, mut room) = read(pieces(20, 150 << 10, Duration::from_secs(1))).await.unwrap();
        assert_eq!((whole.as_ref().len(), free()), (3000 << 10, 2 << 10));
        room.shrink(MIB);
        assert_eq!(free(), 9 << 10);
        room.shrink(2 * MIB);
        assert_eq!(free(), 9 << 10);
        drop(room);

        // A refused body is read to its end, or to a pause.
        let all = bodies.room(10 * MIB).await.unwrap();
        let began = Instant::now();
        assert!(read(pieces(9, 300 << 10, Duration::from_secs(1))).await.is_err());
        assert!(began.elapsed() >= WAIT + Duration::from_secs(8));
        drop(all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_room_waits_and_is_finally_refused() {
        let bodies = LargeBodies::new(10 * MIB);
        let first = bodies.room(6 * MIB).await.unwrap();
        let began = Instant::now();
        bodies.room(6 * MIB).await.unwrap_err();
        assert_eq!(began.elapsed(), WAIT);
        // Small bodies need none.
        bodies.room(SMALL).await.unwrap();
        let (second, ()) = tokio::join!(bodies.room(6 * MIB), async {
            // The answer's last byte is written.
            drop(first.answer(vec![0]));
        });
        drop(second.unwrap());
        // A body that needs more than the whole room waits until it is alone.
        drop(bodies.room(100 * MIB).await.unwrap());
        assert_eq!(bodies.room.available_permits(), 10 << 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_short() {
        let bodies = LargeBodies::new(10 * MIB);
        let _all = bodies.room(10 * MIB).await.unwrap();
        let calls = (0..WAITING_MAX + 5).map(async |_| {
            let began = Instant::now();
            bodies.room(MIB).await.unwrap_err();
            began.elapsed()
        });
        let waits = futures_util::future::join_all(calls).await;
        assert_eq!(waits.iter().filter(|wait| **wait == WAIT).count(), WAITING_MAX);
        assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 5);
        assert_eq!(bodies.waiting.load(Ordering::Relaxed), 0);
    }
}
