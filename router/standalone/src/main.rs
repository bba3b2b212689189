//! The `hansa` binary: the whole shop in one process. See the library for what that is.

use std::process::ExitCode;

use clap::Parser;
use standalone::{Args, Hansa, banner};

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
