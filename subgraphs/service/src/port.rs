//! Sockets: accepts connections, speaks HTTP/1.1 on them, and ends without breaking what is under way.
//!
//! Used instead of `axum::serve` for what that does not have: time limits on the heads of requests, on clients that do not take
//! their answers and on draining, and a limit on connections. The time limit on bodies is `body_deadline`.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Pause after `accept` failed, most likely for want of file descriptors, which only time brings back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much patience a port has with its clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortLimits {
    /// Longest time a connection may be silent before, and between, the heads of requests, and a head may take.
    pub(crate) header_timeout: Duration,
    /// Longest time that a client may leave what is written to it untaken.
    pub(crate) write_timeout: Duration,
    /// Longest time that requests under way may take after the signal to end.
    pub(crate) drain_timeout: Duration,
    /// Connections that are open at once; more wait to be accepted.
    pub(crate) connections_max: usize,
}

impl Default for PortLimits {
    fn default() -> Self {
        PortLimits {
            // Above the 60 s after which routers, peers and common load balancers let go of an idle connection, so that they end
            // it and not we, while they send on it.
            header_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            // Below the 30 s that Kubernetes grants, with room for closing the database.
            drain_timeout: Duration::from_secs(25),
            // Far more than the routers and services of one shop open; each costs a file descriptor and some memory.
            connections_max: 4_096,
        }
    }
}

/// Serves `app` on `listener` until `stop`, and then at most [`PortLimits::drain_timeout`] for requests that are under way.
pub(crate) async fn serve(listener: TcpListener, app: Router, limits: PortLimits, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    while let Some(accepted) = stop.run_until_cancelled(accept(&listener, &connections)).await {
        match accepted {
            Ok((permit, stream)) => {
                let connection = Connection {
                    stream: timed(stream, limits.write_timeout),
                    header_timeout: limits.header_timeout,
                    _permit: permit,
                };
                tokio::spawn(connection.serve(app.clone(), graceful.watcher()));
            }
            Err(error) => {
                tracing::warn!(%error, "Could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(limits.drain_timeout, graceful.shutdown()).await.is_err() {
        let seconds = limits.drain_timeout.as_secs();
        tracing::warn!("Stopping although some requests did not finish in {seconds} s");
    }
}

async fn accept(listener: &TcpListener, connections: &Arc<Semaphore>) -> io::Result<(OwnedSemaphorePermit, TcpStream)> {
    let permit = Arc::clone(connections).acquire_owned().await;
    let permit = permit.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((permit, stream))
}

/// The connection of a client that must take what is written to it. While there is nothing to write, it may wait.
fn timed(stream: TcpStream, write_timeout: Duration) -> TimedStream {
    // Answers are written whole; waiting to fill a packet only adds to the latency.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write_timeout));
    Box::pin(stream)
}

type TimedStream = Pin<Box<TimeoutStream<TcpStream>>>;

struct Connection {
    stream: TimedStream,
    header_timeout: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, app: Router, watcher: Watcher) {
        let service = service_fn(move |request: hyper::Request<Incoming>| call(app.clone(), request.map(Body::new)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .serve_connection(TokioIo::new(self.stream), service);
        if let Err(error) = watcher.watch(connection).await {
            // Clients go away as they please.
            tracing::debug!(%error, "A connection ended early");
        }
    }
}

async fn call(app: Router, request: hyper::Request<Body>) -> Result<Response, Infallible> {
    app.oneshot(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::InternalKey;
    use crate::{body_deadline, internal};
    use axum::routing::post;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;

    /// Far more than any of the limits.
    const PATIENCE: Duration = Duration::from_secs(10);
    const HALF_A_HEAD: &str = "POST /echo HTTP/1.1\r\nhost: service\r\n";
    const HALF_A_BODY: &str = "POST /echo HTTP/1.1\r\nhost: service\r\ncontent-length: 10\r\n\r\nhello";

    fn limits() -> PortLimits {
        PortLimits {
            header_timeout: Duration::from_millis(300),
            drain_timeout: Duration::from_millis(300),
            ..PortLimits::default()
        }
    }

    fn echo() -> Router {
        Router::new().route("/echo", post(|body: String| async { body }))
    }

    /// Serves `app`, whose bodies may take a little longer than heads.
    async fn start(app: Router, limits: PortLimits) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let app = body_deadline::within(app, Duration::from_millis(400));
        let serving = tokio::spawn(serve(listener, app, limits, stop.clone()));
        (address, stop, serving)
    }

    async fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// All that comes until the connection is closed.
    async fn receive(mut stream: TcpStream) -> String {
        let mut received = String::new();
        let received_all = timeout(PATIENCE, stream.read_to_string(&mut received)).await;
        received_all.expect("it is closed").unwrap();
        received
    }

    #[tokio::test]
    async fn half_a_head_ends_the_connection() {
        let (address, ..) = start(echo(), limits()).await;
        assert_eq!(
            receive(send(address, "").await).await,
            "",
            "of a client that says nothing"
        );
        assert_eq!(receive(send(address, HALF_A_HEAD).await).await, "");
    }

    #[tokio::test]
    async fn half_a_body_is_answered_when_its_time_is_over() {
        let (public, ..) = start(echo(), limits()).await;
        let signed = internal::verified(echo(), InternalKey::generate());
        let (internal, ..) = start(signed, limits()).await;
        for address in [public, internal] {
            let answer = receive(send(address, HALF_A_BODY).await).await;
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        }
        let whole = format!("{HALF_A_BODY}hello");
        let whole = whole.replace("host:", "connection: close\r\nhost:");
        let answer = receive(send(public, &whole).await).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hellohello"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn the_end_waits_for_half_a_request_a_little_and_no_longer() {
        let patient = PortLimits {
            header_timeout: PATIENCE * 10,
            ..limits()
        };
        // The answer to the body that does not come is later than the end.
        let never = Router::new().route("/echo", post(std::future::pending::<()>));
        let (address, stop, serving) = start(never, patient).await;
        let waiting = [send(address, HALF_A_HEAD).await, send(address, HALF_A_BODY).await];
        stop.cancel();
        timeout(PATIENCE, serving).await.expect("it ends").unwrap();
        drop(waiting);
    }

    #[tokio::test]
    async fn no_more_connections_are_open_than_may_be() {
        let few = PortLimits {
            connections_max: 1,
            ..limits()
        };
        let (address, ..) = start(echo(), few).await;
        let silent = send(address, "").await;
        let whole = format!("{HALF_A_BODY}hello").replace("host:", "connection: close\r\nhost:");
        let waiting = send(address, &whole).await;
        // It is accepted when the first was closed.
        let (first, second) = tokio::join!(receive(silent), receive(waiting));
        assert_eq!(first, "");
        assert!(second.starts_with("HTTP/1.1 200 "), "{second}");
    }
}
