//! A TCP connection to one address, whatever the URL's host is; the host remains the name that TLS and `host` mean.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use metrics::Gauge;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::telemetry::OriginMetrics;

/// A replica on the same network answers the handshake in a millisecond; one that needs a second is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Opens connections to one address.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: OriginMetrics,
}

/// A stream to `address`.
pub(crate) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    // Requests are written whole; waiting to fill a packet only adds to the latency.
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Service<Uri> for Connector {
    type Response = PeerConnection;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<PeerConnection>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { address, metrics } = self.clone();
        Box::pin(async move {
            let stream = connect(address).await?;
            metrics.connections_opened.increment(1);
            metrics.connections.increment(1);
            Ok(PeerConnection {
                stream: TokioIo::new(stream),
                kept_alive: KeptAlive::default(),
                connections: metrics.connections,
            })
        })
    }
}

/// Whether a connection has brought an answer before: then it was kept alive, and its replica may have closed it meanwhile.
#[derive(Clone, Default)]
pub(crate) struct KeptAlive(Arc<AtomicBool>);

impl KeptAlive {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection, counted as long as it is open.
pub(crate) struct PeerConnection {
    stream: TokioIo<TcpStream>,
    kept_alive: KeptAlive,
    connections: Gauge,
}

impl Drop for PeerConnection {
    fn drop(&mut self) {
        self.connections.decrement(1);
    }
}

impl Connection for PeerConnection {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.kept_alive.clone())
    }
}

impl Read for PeerConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for PeerConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}
