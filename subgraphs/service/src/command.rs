//! The command line of a service: `serve`, `migrate`, `seed`, `schema`, `events`, `healthcheck`.

use crate::app::{AssembleOptions, Service, assemble, fill};
use crate::clock::Clock;
use crate::config::{AdminListenConfig, DatabaseConfig, LogConfig, ServeConfig};
use crate::database::Database;
use crate::events::operator;
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
    /// Look at events that failed too often, and have them tried again.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Ask the process that serves on this machine whether it is ready. Exit code 0: it is; 1: it is not, and why.
    Healthcheck(Healthcheck),
}

#[derive(Subcommand)]
enum EventsCommand {
    /// Print the events that are parked, one a line: id, `written` or `read`, type, subject, time, error, with tabs between.
    List(Offline),
    /// Have parked events tried again by the replicas that serve, within seconds.
    Replay(Replay),
}

#[derive(Args)]
struct Replay {
    /// Id of the event, `evt_…`.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    id: Option<String>,
    /// All that are parked.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    offline: Offline,
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
        Command::Events(EventsCommand::List(offline)) => list_events::<S>(&offline).await,
        Command::Events(EventsCommand::Replay(replay)) => replay_events::<S>(&replay).await,
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
        database_options: common.database.options(S::DURABLE),
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
    let database = open::<S>(offline).await?;
    database.migrate::<S::Migrator>().await?;
    if seed == Seed::Yes {
        fill::<S>(&database).await?;
    }
    database.close().await;
    Ok(())
}

async fn open<S: Service>(offline: &Offline) -> anyhow::Result<Database> {
    offline.log.init()?;
    let options = offline.database.options(S::DURABLE);
    Ok(Database::connect(&offline.database.url(S::NAME), &options).await?)
}

async fn open_events<S: Service>(offline: &Offline) -> anyhow::Result<Database> {
    anyhow::ensure!(S::EVENTS, "`{}` neither writes nor reads events", S::NAME);
    open::<S>(offline).await
}

#[allow(clippy::print_stdout, reason = "printing is what the command is for")]
async fn list_events<S: Service>(offline: &Offline) -> anyhow::Result<()> {
    let database = open_events::<S>(offline).await?;
    for event in operator::list(&database).await? {
        println!("{event}");
    }
    database.close().await;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "printing is what the command is for")]
async fn replay_events<S: Service>(replay: &Replay) -> anyhow::Result<()> {
    let database = open_events::<S>(&replay.offline).await?;
    let count = operator::replay(&database, replay.id.as_deref(), Clock::System.now()).await?;
    database.close().await;
    if let (0, Some(id)) = (count, &replay.id) {
        anyhow::bail!("there is no parked event `{id}`: `events list` shows those there are");
    }
    println!("{count} to be tried again");
    Ok(())
}

#[allow(clippy::print_stdout, reason = "printing is what the command is for")]
fn print_schema<S: Service>() -> anyhow::Result<()> {
    print!("{}", S::sdl());
    Ok(())
}
