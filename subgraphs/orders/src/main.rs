//! The binary `orders`: `serve`, `migrate`, `seed`, `schema`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// The same as in the `router` binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    service::command::run::<orders::Orders>().await
}
