//! The `hansa` binary: the whole shop in one process. See the library for what that is.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use standalone::{Args, Hansa, banner};

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
    let hansa = Hansa::start(args).await?;
    banner::print(&hansa)?;
    hansa.serve(standalone::shutdown_signal()).await;
    Ok(())
}
