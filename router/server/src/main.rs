//! The `router` binary. Everything is in the library, so that other binaries can embed it.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    server::cli::run(std::env::args_os()).await
}
