//! Sockets: accepts connections, speaks HTTP/1.1 on them, and ends without breaking what is under way.
//!
//! Used instead of `axum::serve` for what that does not have: a limit on connections, time limits on request headers and on
//! clients that do not take their answers, and a time limit on draining.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, info, warn};

use crate::app::RunningRouter;

/// Longest time that requests under way may take after the signal to end. Below the 30 s after which Kubernetes kills.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(25);
/// Longest time a connection may be silent before, and between, the heads of requests. Above the 60 s after which common
/// load balancers let go of an idle connection, so that they end it and not we, while they send on it.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// Probes and scrapes: a handful of clients.
const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Pause after `accept` failed, most likely for want of file descriptors, which only time brings back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The two ports of a router.
pub struct Listeners {
    /// For clients.
    pub public: TcpListener,
    /// For the platform.
    pub admin: TcpListener,
    /// Connections open on the public port at once; more wait to be accepted.
    pub connections_max: usize,
}

/// Serves until `shutdown` is done, then drains: not ready, no new connections, up to 25 s for requests under way and for
/// mutations whose clients have gone.
pub async fn serve(router: RunningRouter, listeners: Listeners, shutdown: impl Future<Output = ()>) {
    let (stop_public, stop_admin) = (CancellationToken::new(), CancellationToken::new());
    let write_timeout = router.handle.state().write_timeout;
    let public = Port::new(router.app.public, listeners.connections_max, write_timeout);
    let admin = Port::new(router.app.admin, ADMIN_CONNECTIONS_MAX, write_timeout);
    let public = tokio::spawn(public.serve(listeners.public, stop_public.clone()));
    let admin = tokio::spawn(admin.serve(listeners.admin, stop_admin.clone()));
    shutdown.await;

    info!("Draining");
    router.handle.drain();
    let drained_until = Instant::now() + DRAIN_TIMEOUT;
    stop_public.cancel();
    // The admin port outlives the public one, so that probes see a router that is draining and not a dead one.
    let _ = public.await;
    if timeout_at(drained_until, router.handle.finish()).await.is_err() {
        warn!("Operations were still under way after {} s", DRAIN_TIMEOUT.as_secs());
    }
    stop_admin.cancel();
    let _ = admin.await;
    info!("Ended");
}

struct Port {
    app: Router,
    connections: Arc<Semaphore>,
    /// Longest time that a client may leave what is written to it untaken.
    write_timeout: Duration,
}

impl Port {
    fn new(app: Router, connections_max: usize, write_timeout: Duration) -> Self {
        Self {
            app,
            connections: Arc::new(Semaphore::new(connections_max)),
            write_timeout,
        }
    }

    async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let graceful = GracefulShutdown::new();
        while let Some((permit, accepted)) = stop.run_until_cancelled(self.accept(&listener)).await {
            match accepted {
                Ok((stream, peer)) => {
                    tokio::spawn(serve_connection(
                        self.app.clone(),
                        self.timed(stream),
                        peer,
                        graceful.watcher(),
                        permit,
                    ));
                }
                Err(error) => {
                    warn!(%error, "Could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
            warn!("Requests were still under way after {} s", DRAIN_TIMEOUT.as_secs());
        }
    }

    /// The connection of a client that must take what is written to it. While there is nothing to write, it may wait.
    fn timed(&self, stream: TcpStream) -> TimedStream {
        // Answers are written whole; waiting to fill a packet only adds to the latency.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.write_timeout));
        Box::pin(stream)
    }

    async fn accept(&self, listener: &TcpListener) -> (OwnedSemaphorePermit, io::Result<(TcpStream, SocketAddr)>) {
        let permit = Arc::clone(&self.connections)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        (permit, listener.accept().await)
    }
}

type TimedStream = Pin<Box<TimeoutStream<TcpStream>>>;

async fn serve_connection(
    app: Router,
    stream: TimedStream,
    peer: SocketAddr,
    watcher: Watcher,
    _permit: OwnedSemaphorePermit,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        call(app.clone(), request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        // Clients go away as they please.
        debug!(%error, %peer, "A connection ended early");
    }
}

async fn call(app: Router, request: hyper::Request<Body>) -> Result<Response, Infallible> {
    app.oneshot(request).await
}
