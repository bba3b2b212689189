//! The whole shop in one process: every subgraph of this repository, the payment sandbox and the router.
//!
//! The services are the same as in their own binaries, with SQLite files in one folder; the router calls them without a
//! socket. What they do is not known here: this package only wires them up, and `e2e` proves that the answers are the
//! same as those of separate processes.

mod args;
pub mod banner;
mod data_folder;
pub mod demo;
mod shop;

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use axum::Router;
use federation::Subgraph;
use server::{Listeners, RouterBuilder, RouterConfig, RunningRouter};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trace_context::Exporter;

pub use args::{Args, Command};
pub use data_folder::DataFolder;

use crate::shop::{Addresses, Shop};

/// A shop that is ready to be served.
pub struct Hansa {
    /// Where it keeps its data.
    pub data: DataFolder,
    /// Address of GraphQL and GraphiQL.
    pub address: SocketAddr,
    /// Address of the payment sandbox.
    pub sandbox_address: SocketAddr,
    /// Address of probes and metrics.
    pub admin_address: SocketAddr,
    shop: Shop,
    router: RunningRouter,
    listeners: Listeners,
    sandbox_listener: TcpListener,
    spans: Option<Exporter>,
}

impl Hansa {
    /// Takes the ports, opens the data folder, migrates and (when empty) seeds every database, and composes the graph.
    ///
    /// # Errors
    /// A taken port, a folder that cannot be written to, a database from a newer version: each with one line for people.
    pub async fn start(args: &Args) -> Result<Self> {
        ensure!(
            args.sandbox_listen.ip().is_loopback(),
            "the payment sandbox may listen on loopback only, not on {}",
            args.sandbox_listen
        );
        let public = bind("--listen", args.listen).await?;
        let sandbox_listener = bind("--sandbox-listen", args.sandbox_listen).await?;
        let admin = bind("--admin-listen", args.admin_listen).await?;
        let metrics = server::install_recorder().ok();
        service::telemetry::init(&args.log_level, args.log_format)?;
        let spans = args.tracing.init("hansa")?;

        let data = DataFolder::open(args)?;
        let address = public.local_addr()?;
        let addresses = Addresses {
            public: address,
            sandbox: sandbox_listener.local_addr()?,
        };
        // On the heap: five services being built side by side are much for one stack frame.
        let shop = Box::pin(Shop::assemble(&data, addresses)).await?;

        let mut config = RouterConfig::default();
        // The plan panel of GraphiQL; not for strangers, whom it would tell how the graph is built inside.
        config.explain.enabled = address.ip().is_loopback();
        // The services check tokens and scopes.
        config.authorization.by_subgraphs = true;
        let connections_max = config.limits.connections_max;
        let mut builder = RouterBuilder::new(config)
            .subgraphs(subgraphs())
            .playground(demo::playground(&data, address)?);
        if let Some(metrics) = metrics {
            builder = builder.metrics(metrics);
        }
        for (name, app) in shop.subgraph_apps() {
            builder = builder.in_process(name, app);
        }
        let mut router = builder.build().await.context("the graph could not be built")?;
        router.app.public = router.app.public.merge(shop.edge());

        Ok(Self {
            address,
            sandbox_address: addresses.sandbox,
            admin_address: admin.local_addr()?,
            listeners: Listeners {
                public,
                admin,
                connections_max,
            },
            data,
            shop,
            router,
            sandbox_listener,
            spans,
        })
    }

    /// Serves until `shutdown` is done; then finishes what is under way and closes the databases.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let stop_sandbox = CancellationToken::new();
        let sandbox = tokio::spawn(serve_sandbox(
            self.sandbox_listener,
            self.shop.sandbox(),
            stop_sandbox.clone(),
        ));
        server::serve(self.router, self.listeners, shutdown).await;
        self.shop.close().await;
        stop_sandbox.cancel();
        // A panic in it was logged by then, and nothing is left to be done about it.
        let _ = sandbox.await;
        if let Some(spans) = self.spans {
            spans.shutdown().await;
        }
    }
}

async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (choose another address with {flag})"))
}

async fn serve_sandbox(listener: TcpListener, app: Router, stop: CancellationToken) {
    if let Err(error) = axum::serve(listener, app)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
    {
        tracing::error!(%error, "The payment sandbox ended");
    }
}

/// The subgraphs of this repository, under the URLs that they have inside Kubernetes.
pub fn subgraphs() -> Vec<Subgraph> {
    shop::sdls()
        .into_iter()
        .map(|(name, sdl)| Subgraph {
            name: name.into(),
            routing_url: format!("http://{name}/graphql"),
            sdl,
        })
        .collect()
}

/// Waits for Ctrl-C or SIGTERM.
pub async fn shutdown_signal() {
    let interrupt = async {
        // Without a handler, Ctrl-C ends the process the hard way, which is what is left then.
        let _ = tokio::signal::ctrl_c().await;
    };
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            () = interrupt => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    interrupt.await;
}
