//! Listeners, and the HTTP client for other services.

use crate::app::App;
use crate::config::ListenConfig;
use crate::port::{self, PortLimits};
use anyhow::Context;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An HTTP client for calls that a service makes: no proxy, no redirects.
///
/// # Errors
/// When the machine's TLS cannot be set up.
pub fn client(timeout: Duration) -> anyhow::Result<reqwest::Client> {
    // Somebody else in the process may have chosen a provider already; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(CONNECT_TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("the HTTP client could not be made")
}

/// Serves every part of `app` until `shutdown`, then finishes what is under way.
pub(crate) async fn serve(app: App, listen: &ListenConfig, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut listeners = vec![
        ("GraphQL", bind(listen.listen).await?, app.public),
        ("internal calls", bind(listen.internal_listen).await?, app.internal),
        ("probes and metrics", bind(listen.admin.admin_listen).await?, app.admin),
    ];
    if let Some(webhook) = app.webhook {
        listeners.push(("webhooks", bind(listen.webhook_listen).await?, webhook));
    }
    let mut servers = JoinSet::new();
    for (purpose, listener, router) in listeners {
        let address = listener.local_addr()?;
        tracing::info!(address = %address, "Listening on {address} for {purpose}");
        let served = port::serve(listener, router, PortLimits::default(), shutdown.clone());
        servers.spawn(served);
    }
    shutdown.cancelled().await;
    tracing::info!("Stopping: finishing the requests that are under way");
    while servers.join_next().await.is_some() {}
    Ok(())
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("could not listen on {address}"))
}

/// Cancels `shutdown` on SIGTERM or Ctrl-C.
pub(crate) async fn cancel_on_signal(shutdown: CancellationToken) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            shutdown.cancel();
            return;
        }
    }
    // Without signals the process can only be killed.
    if tokio::signal::ctrl_c().await.is_ok() {
        shutdown.cancel();
    }
}
