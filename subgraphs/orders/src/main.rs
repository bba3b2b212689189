//! The binary `orders`: `serve`, `migrate`, `seed`, `schema`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    service::command::run::<orders::Orders>().await
}
