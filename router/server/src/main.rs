//! The `router` binary. Everything is in the library, so that other binaries can embed it.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Planning and composing make many small things and drop them soon.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    server::cli::run(std::env::args_os()).await
}
