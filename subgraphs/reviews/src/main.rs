//! The binary `reviews`: `serve`, `migrate`, `seed`, `schema`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    service::command::run::<reviews::Reviews>().await
}
