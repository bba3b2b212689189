//! The binary `payments`: `serve`, `migrate`, `seed`, `schema`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    service::command::run::<payments::Payments>().await
}
