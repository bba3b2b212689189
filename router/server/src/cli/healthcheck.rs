//! `router healthcheck`: asks a running router whether it is ready, for container engines that can only start programs.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::Result;
use balanced_client::probe;
use clap::Args;

use super::{Outcome, diagnostics};
use crate::error_chain;

#[derive(Debug, Args)]
pub(super) struct HealthcheckArgs {
    /// Where the router answers probes: `--admin-listen` or `admin.listen` of the one that serves.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    admin_listen: SocketAddr,
}

pub(super) async fn run(arguments: &HealthcheckArgs) -> Result<Outcome> {
    let Err(error) = probe(arguments.admin_listen, "/readyz").await else {
        return Ok(Outcome::Success);
    };
    let line = diagnostics::error_line(error_chain(&error));
    anstream::stderr().write_all(line.as_bytes())?;
    Ok(Outcome::Failure)
}
