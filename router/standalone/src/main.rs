//! The `hansa` binary: the whole shop in one process. See the library for what that is.

use std::process::ExitCode;

use balanced_client::probe;
use clap::Parser;
use mimalloc::MiMalloc;
use standalone::{Args, Command, Hansa, banner};

/// The same as in the `router` binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    if args.command == Some(Command::Healthcheck) {
        return Ok(probe(args.admin_listen, "/readyz").await?);
    }
    let hansa = Hansa::start(args).await?;
    banner::print(&hansa)?;
    hansa.serve(standalone::shutdown_signal()).await;
    Ok(())
}
