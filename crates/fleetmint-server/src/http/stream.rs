//! A connection's bytes: the connection to a peer that does not read its answer fails, and the time of the last progress
//! is recorded.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::activity::Activity;

/// How long a peer may take to make room for more of its answer.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

pin_project! {
    /// A stream that fails after nothing could be written for [`WRITE_TIMEOUT`].
    pub(crate) struct Stream<S> {
        #[pin]
        inner: S,
        activity: Arc<Activity>,
        // Created when the first write has to wait for the peer, and reused from then on.
        timer: Option<Pin<Box<Sleep>>>,
        waiting: bool,
    }
}

impl<S> Stream<S> {
    pub(crate) fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self {
            inner,
            activity,
            timer: None,
            waiting: false,
        }
    }

    /// Records the result of a write: progress, or a wait with a time limit.
    fn written(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        if let Poll::Ready(result) = &written {
            this.activity.progress();
            this.activity.count_sent(*result.as_ref().unwrap_or(&0));
            if *this.waiting {
                *this.waiting = false;
                this.activity.set_stalled(false);
            }
            return written;
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        if !*this.waiting {
            *this.waiting = true;
            this.activity.set_stalled(true);
            timer.as_mut().reset(Instant::now() + WRITE_TIMEOUT);
        }
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the peer does not read its answer",
        )))
    }
}

impl<S: AsyncRead> AsyncRead for Stream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_read(context, buffer)
    }
}

impl<S: AsyncWrite> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.as_mut().project().inner.poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.as_mut().project().inner.poll_write_vectored(context, slices);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_given_up() {
        let (near, _far) = tokio::io::duplex(1024);
        let mut stream = Stream::new(near, Arc::default());
        let began = Instant::now();
        let error = stream.write_all(&[0; 4096]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), WRITE_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_reads_slowly_is_not() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut stream = Stream::new(near, Arc::default());
        let reader = tokio::spawn(async move {
            for _ in 0..4 {
                sleep(WRITE_TIMEOUT - Duration::from_secs(1)).await;
                far.read_exact(&mut [0; 1024]).await.unwrap();
            }
        });
        stream.write_all(&[0; 4096]).await.unwrap();
        reader.await.unwrap();
    }
}
