//! `router serve`: serves a graph until it is told to end.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, value_parser};
use tokio::net::TcpListener;
use tracing::info;

use super::Outcome;
use super::compose::draw_errors;
use crate::app::{BuildError, RouterBuilder};
use crate::config::RouterConfig;
use crate::reload::LoadError;
use crate::serve::{Listeners, serve};
use crate::source::SourceError;
use crate::{install_recorder, start_logging};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Take up changes of the supergraph while serving; the last good one is kept.
    #[arg(long)]
    watch: bool,
    /// The subgraphs enforce `@authenticated`, `@requiresScopes` and `@policy` by themselves: the router does not.
    #[arg(long)]
    authorization_by_subgraphs: bool,
    /// Address and port for clients; `listen` of `router.yaml`, or 127.0.0.1:4000.
    #[arg(long, value_name = "ADDRESS", value_parser = value_parser!(SocketAddr))]
    listen: Option<SocketAddr>,
    /// Address and port of `/livez`, `/readyz` and `/metrics`; `admin.listen` of `router.yaml`, or 127.0.0.1:9000.
    #[arg(long, value_name = "ADDRESS", value_parser = value_parser!(SocketAddr))]
    admin_listen: Option<SocketAddr>,
}

/// Exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SourceArgs {
    /// Serve this composed supergraph.
    #[arg(long, value_name = "FILE")]
    supergraph: Option<PathBuf>,
    /// Compose and serve the subgraphs of this `supergraph.yaml`, in Rover's form.
    #[arg(long, value_name = "FILE")]
    subgraphs: Option<PathBuf>,
    /// Serve as this `router.yaml` says.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ServeArgs {
    /// The settings: those of the file, with those on the command line put over them.
    fn config(self) -> Result<RouterConfig> {
        let mut config = match &self.source.config {
            Some(path) => RouterConfig::read(path)?,
            None => RouterConfig::default(),
        };
        config.supergraph.file = self.source.supergraph.or(config.supergraph.file);
        config.supergraph.subgraphs = self.source.subgraphs.or(config.supergraph.subgraphs);
        config.supergraph.watch |= self.watch;
        config.authorization.by_subgraphs |= self.authorization_by_subgraphs;
        config.listen = self.listen.unwrap_or(config.listen);
        config.admin.listen = self.admin_listen.unwrap_or(config.admin.listen);
        Ok(config)
    }
}

pub(super) async fn run(arguments: ServeArgs) -> Result<Outcome> {
    let config = arguments.config()?;
    start_logging();
    let public = bind(config.listen).await?;
    let admin = bind(config.admin.listen).await?;
    let (public_address, admin_address) = (public.local_addr()?, admin.local_addr()?);
    let connections_max = config.limits.connections_max;

    let spans = config.tracing.options().map(trace_context::install).transpose()?;
    let metrics = install_recorder().context("cannot record metrics")?;
    let router = match RouterBuilder::new(config).metrics(metrics).build().await {
        Ok(router) => router,
        Err(BuildError::Load(LoadError::Source(SourceError::Composition { subgraphs, errors }))) => {
            anstream::stderr().write_all(draw_errors(&errors, &subgraphs).as_bytes())?;
            return Ok(Outcome::Failure);
        }
        Err(error) => return Err(error.into()),
    };
    info!(
        address = %public_address,
        admin.address = %admin_address,
        "Serving GraphQL at http://{public_address}/graphql, probes and metrics at http://{admin_address}"
    );
    serve(
        router,
        Listeners {
            public,
            admin,
            connections_max,
        },
        termination()?,
    )
    .await;
    if let Some(spans) = spans {
        spans.shutdown().await;
    }
    Ok(Outcome::Success)
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// Done when the platform (SIGTERM) or a person (SIGINT, Ctrl-C) asks to end.
fn termination() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
