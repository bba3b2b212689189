//! The command line of a service: `serve`, `migrate`, `seed`, `schema`, `healthcheck`.

use crate::app::{AssembleOptions, Service, assemble};
use crate::config::{AdminListenConfig, DatabaseConfig, LogConfig, ServeConfig};
use crate::database::Database;
use crate::http;
use balanced_client::probe;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(version)]
struct Cli<Own: Args> {
    #[command(subcommand)]
    command: Command<Own>,
}

#[derive(Subcommand)]
enum Command<Own: Args> {
    /// Serve GraphQL, internal calls, probes and metrics until SIGTERM.
    Serve(Box<Serve<Own>>),
    /// Bring the tables up to date, and end.
    Migrate(Offline),
    /// Bring the tables up to date, fill empty ones with the demo shop, and end.
    Seed(Offline),
    /// Print the subgraph's schema (federation SDL).
    Schema,
    /// Ask the process that serves on this machine whether it is ready. Exit code 0: it is; 1: it is not, and why.
    Healthcheck(Healthcheck),
}

#[derive(Args)]
struct Serve<Own: Args> {
    #[command(flatten)]
    common: ServeConfig,
    #[command(flatten)]
    own: Own,
}

#[derive(Args)]
struct Offline {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    log: LogConfig,
}

#[derive(Args)]
struct Healthcheck {
    #[command(flatten)]
    admin: AdminListenConfig,
}

/// Runs the service's command line: the whole `main` of its binary.
///
/// A failure is one line on standard error and exit code 1; a wrong flag is exit code 2.
pub async fn run<S: Service>() -> ExitCode {
    let command = Cli::<S::Config>::command().name(S::NAME).bin_name(S::NAME);
    let matches = command.get_matches();
    let cli = match Cli::<S::Config>::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let result = match cli.command {
        Command::Serve(serve) => Box::pin(run_serve::<S>(serve.common, serve.own)).await,
        Command::Migrate(offline) => run_offline::<S>(&offline, Seed::No).await,
        Command::Seed(offline) => run_offline::<S>(&offline, Seed::Yes).await,
        Command::Schema => print_schema::<S>(),
        Command::Healthcheck(healthcheck) => probe(healthcheck.admin.admin_listen, "/readyz")
            .await
            .map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_serve<S: Service>(common: ServeConfig, own: S::Config) -> anyhow::Result<()> {
    common.log.init()?;
    common.arm_faults();
    let shutdown = CancellationToken::new();
    tokio::spawn(http::cancel_on_signal(shutdown.clone()));
    let spans = common.tracing.init(S::NAME)?;
    let internal_key = common.auth.internal_key()?;
    let options = AssembleOptions {
        database_url: common.database.url(S::NAME),
        database_connections_max: common.database.database_connections_max,
        migrate: common.migrate_on_start,
        seed: false,
        verifier: common.auth.verifier(S::NAME)?,
        peers: common.peers.peers(&internal_key)?,
        internal_key,
        events: common.events.options(),
        shutdown: shutdown.clone(),
        clock: common.clock(),
    };
    let app = assemble::<S>(options, own).await?;
    let database = app.database.clone();
    let served = http::serve(app, &common.listen, shutdown).await;
    database.close().await;
    if let Some(spans) = spans {
        spans.shutdown().await;
    }
    served
}

#[derive(Clone, Copy, PartialEq)]
enum Seed {
    Yes,
    No,
}

async fn run_offline<S: Service>(offline: &Offline, seed: Seed) -> anyhow::Result<()> {
    offline.log.init()?;
    let options = offline.database.options(S::DURABLE);
    let database = Database::connect(&offline.database.url(S::NAME), &options).await?;
    database.migrate::<S::Migrator>().await?;
    if seed == Seed::Yes {
        S::seed(&database).await?;
    }
    database.close().await;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "printing is what the command is for")]
fn print_schema<S: Service>() -> anyhow::Result<()> {
    print!("{}", S::sdl());
    Ok(())
}
