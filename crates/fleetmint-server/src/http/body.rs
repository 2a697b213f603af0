//! Reads a request's body: whole, within a size and a time, and wiped afterwards, since bodies hold secrets.
//!
//! The buffers that a connection reads into are hyper's, and are not wiped.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::problem::{self, Problem};
use crate::secret::Wiped;

/// The least rate at which a large body must arrive, in bytes per second.
pub(super) const PACE: usize = 128 << 10;

/// How long a body may take to arrive.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a body that is discarded may pause.
const DISCARD_PAUSE: Duration = Duration::from_secs(2);

/// The capacity that is reserved for a body before any of it has arrived, in bytes.
const FIRST: usize = 4096;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    TooLarge,
    /// It took longer than [`TIMEOUT`].
    TooSlow,
    /// It arrived too slowly for the memory that was reserved for it.
    Stalled,
    /// The connection ended before it.
    Broken,
}

impl Failure {
    /// Why a body of at most `max` bytes could not be read.
    pub(crate) fn problem(self, max: usize) -> Problem {
        match self {
            Self::TooSlow => Problem::new(
                problem::REQUEST_TIMEOUT,
                format!("The body did not arrive within {} seconds.", TIMEOUT.as_secs()),
            ),
            Self::Stalled => Problem::new(
                problem::REQUEST_TIMEOUT,
                format!(
                    "The body arrived more slowly than {} KiB per second while memory was reserved for it.",
                    PACE >> 10
                ),
            ),
            Self::TooLarge => Problem::new(
                problem::BODY_TOO_LARGE,
                format!("The body may have at most {max} bytes."),
            ),
            Self::Broken => Problem::new(problem::UNREADABLE_BODY, "The body did not arrive completely."),
        }
    }
}

/// The whole body, at most `max` bytes.
pub(crate) async fn read(body: Body, max: usize) -> Result<Wiped, Failure> {
    let mut reading = Reading::new(body, max)?;
    let arriving = async {
        while reading.frame().await? {}
        Ok(())
    };
    tokio::time::timeout(TIMEOUT, arriving)
        .await
        .unwrap_or(Err(Failure::TooSlow))?;
    Ok(reading.whole)
}

/// A body of which a part has arrived.
pub(crate) struct Reading {
    body: Limited<Body>,
    whole: Wiped,
    announced: Option<usize>,
}

impl Reading {
    /// Starts to read a body of at most `max` bytes.
    pub(crate) fn new(body: Body, max: usize) -> Result<Self, Failure> {
        let size = body.size_hint();
        // A `Content-Length` over the limit is refused before the body arrives.
        if size.lower() > u64::try_from(max).unwrap_or(u64::MAX) {
            return Err(Failure::TooLarge);
        }
        Ok(Self {
            body: Limited::new(body, max),
            whole: Wiped::with_capacity(FIRST),
            announced: size.exact().and_then(|size| usize::try_from(size).ok()),
        })
    }

    /// Waits for more of it. Returns whether more arrived: `false` at the end.
    pub(crate) async fn frame(&mut self) -> Result<bool, Failure> {
        match self.body.frame().await {
            Some(Ok(frame)) => {
                let data: &[u8] = frame.data_ref().map_or(&[], |data| data.as_ref());
                let needed = self.whole.len() + data.len();
                if needed > self.whole.capacity() {
                    self.whole.enlarge(needed.max(self.whole.capacity() * 2));
                }
                self.whole.push(data).map_err(|_| Failure::TooLarge)?;
                Ok(true)
            }
            Some(Err(error)) if error.is::<LengthLimitError>() => Err(Failure::TooLarge),
            Some(Err(_)) => Err(Failure::Broken),
            None => Ok(false),
        }
    }

    /// The number of bytes that have arrived.
    pub(crate) fn len(&self) -> usize {
        self.whole.len()
    }

    /// The announced size, if the request has a `Content-Length`.
    pub(crate) fn announced(&self) -> Option<usize> {
        self.announced
    }

    /// Reserves capacity for a body of this many bytes at once, instead of repeatedly while it arrives.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.whole.enlarge(bytes);
    }

    /// All bytes that have arrived.
    pub(crate) fn into_bytes(self) -> Wiped {
        self.whole
    }

    /// Reads and forgets the rest, so that a caller who is sending it gets to read why it is refused: a connection that is
    /// closed under a body still on its way is reset, and takes the answer with it.
    pub(crate) async fn discard(self) {
        let Self { mut body, whole, .. } = self;
        drop(whole);
        let arriving = async { while let Ok(Some(Ok(_))) = tokio::time::timeout(DISCARD_PAUSE, body.frame()).await {} };
        // The answer is the same, whether all of it arrived or not.
        let _ = tokio::time::timeout(TIMEOUT, arriving).await;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Bytes;
    use futures_util::stream;

    use super::*;

    fn chunks(chunks: &[&'static [u8]]) -> Body {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk)))
            .collect();
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn a_body_is_assembled_up_to_its_limit() {
        let text: &[u8] = &[b'x'; 5000];
        assert!(read(Body::empty(), 0).await.unwrap().as_ref().is_empty());
        assert_eq!(read(chunks(&[b"a", b"", b"bc"]), 3).await.unwrap().as_ref(), b"abc");
        assert_eq!(read(chunks(&[b"a", b"bcd"]), 3).await.unwrap_err(), Failure::TooLarge);
        let long = read(chunks(&[b"y", &[b'x'; 5000], &[b'x'; 5000]]), 10_001)
            .await
            .unwrap();
        assert_eq!(long.as_ref(), [b"y", text, text].concat());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_times_out() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(read(body, 3).await.unwrap_err(), Failure::TooSlow);
    }

    #[tokio::test(start_paused = true)]
    async fn a_discarded_body_may_not_pause_for_long() {
        let began = tokio::time::Instant::now();
        Reading::new(chunks(&[b"a", b"bc"]), 3).unwrap().discard().await;
        assert!(began.elapsed().is_zero());
        let pausing = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        Reading::new(pausing, 3).unwrap().discard().await;
        assert_eq!(began.elapsed(), DISCARD_PAUSE);
    }

    #[tokio::test]
    async fn an_incomplete_body_is_an_error() {
        let body = Body::from_stream(stream::iter([
            Ok(Bytes::from_static(b"ab")),
            Err(std::io::Error::other("gone")),
        ]));
        assert_eq!(read(body, 3).await.unwrap_err(), Failure::Broken);
    }
}
