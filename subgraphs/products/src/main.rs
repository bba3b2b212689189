//! The binary `products`: `serve`, `migrate`, `seed`, `schema`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    service::command::run::<products::Products>().await
}
