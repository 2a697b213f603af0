//! A request's body as it arrives: meanwhile its connection is known to wait for the peer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};

use super::activity::Activity;

/// A body that reports its progress to its connection's activity.
struct Arriving<B> {
    body: B,
    activity: Arc<Activity>,
}

/// Watches the body of a request on the connection with this activity. Most requests have no body, and are not watched.
pub(crate) fn watched(body: Incoming, activity: &Arc<Activity>) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(Arriving {
        body,
        activity: Arc::clone(activity),
    })
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Arriving<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Pending => self.activity.await_body(),
            Poll::Ready(Some(Ok(frame))) => self.activity.body_came(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(_) => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Arriving<B> {
    fn drop(&mut self) {
        self.activity.body_ended();
    }
}
