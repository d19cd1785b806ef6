//! The clock of the tunnels.

use std::future::Future;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::future;

/// Reads the clock.
#[allow(clippy::disallowed_methods)] // the place where it is allowed
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Returns what `future` gives, or `None` if `limit` passes before.
pub(super) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    future::or(async { Some(future.await) }, async {
        Timer::after(limit).await;
        None
    })
    .await
}
